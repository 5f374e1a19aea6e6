"""Comparisons that are never true, or always, by the domains of their operands.

A domain (`engine.schema.Domain`) is the set of values that a schema promises for a field: a range,
a few words, or the characters of a text. Functions have domains too: `getHours()` is from 0 to 23.
Only warnings come of them, since no producer is forced to keep its schema's promises.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final

from engine.cel.syntax import tree
from engine.cel.syntax.tree import Call, Node, constant_of
from engine.cel.types.findings import Findings, title
from engine.cel.types.scope import suggest
from engine.cel.values.values import MISSING, UInt
from engine.schema import Domain, FieldType
from engine.schema.field_type import of_characters, without

_SHOWN: Final = 40
_SHOWN_ITEMS: Final = 3
_NUMBERS: Final = frozenset({int, UInt, float})
_ASCII: Final = tuple(map(chr, range(128)))
#: The literal characters with which a pattern begins; the last may be optional by a sign behind it.
_HEAD: Final = re.compile(r"\^?([A-Za-z0-9 _/-]+)(?![A-Za-z0-9 _/-])([?*{])?")
#: The functions that test a part of a text, and their words for messages.
PARTS: Final = {
    "startsWith": "starts with",
    "endsWith": "ends with",
    "contains": "contains",
}
_REMEDY: Final = "compare it with something else"
_WILDCARD: Final = re.compile(r"[*?%]")
_REGEX: Final = re.compile(r"\.[*+]|^\^|\$$|\[.+\]|\\[dw]|\{\d")
_WILDCARDS: Final = {"*": ".*", "%": ".*", "?": "."}
#: A text with wildcards at its ends only.
_ENDS: Final = re.compile(r"([*%]?)([A-Za-z0-9 _-]+)([*%]?)")
_METHODS: Final = {"startsWith": "startswith", "endsWith": "endswith", "contains": "__contains__"}


@lru_cache(maxsize=256)
def domain_in_case(function: str, domain: Domain | None) -> Domain:
    """The domain of `lower()`, `lowerAscii()` or `upperAscii()` of a text with this domain."""
    if domain is not None and domain.words:
        is_upper = function == "upperAscii"
        return Domain(
            words=tuple(each.upper() if is_upper else each.lower() for each in domain.words)
        )
    if function == "upperAscii":
        return without("a-z", "upperAscii() leaves no letters a-z")
    is_ascii = domain is not None and domain.characters.isascii() and domain.characters != ""
    if domain is not None and is_ascii:
        wanted = {sign.lower() for sign in _ASCII if domain.has_part(sign)}
        try:
            lowered = of_characters(domain.characters.lower(), is_lower=True)
        except ValueError:
            lowered = None
        if lowered is not None and wanted == {sign for sign in _ASCII if lowered.has_part(sign)}:
            return lowered
    if function == "lowerAscii":
        return without("A-Z", "lowerAscii() leaves no letters A-Z")
    return Domain(is_lower=True, note="lower() leaves no capital letters")


@lru_cache(maxsize=256)
def domain_of_parts(domain: Domain | None) -> Domain | None:
    """The domain of parts of a text with this domain; None for any text."""
    if domain is None or domain.words:
        return None
    return domain


def check_equality(findings: Findings, node: Call, kinds: list[FieldType | None]) -> None:
    """Warn of `==` and `!=` with a constant outside of the other operand's domain."""
    for here, other in ((0, 1), (1, 0)):
        kind = kinds[here]
        if kind is None or kind.domain is None:
            continue
        value = constant_of(node.args[other])
        if value is not MISSING and _is_outside(kind.domain, value):
            is_true = node.function == tree.NOT_EQUALS
            end = ": this is always true" if is_true else ""
            what = f"{description(node.args[here], kind.domain)}, never {_shown(value)}{end}"
            code = "always-true" if is_true else "never-equal"
            remedy = _of_pattern(value, title_of(node.args[here])) if type(value) is str else ""
            findings.warning(node, code, what, remedy or remedy_for(kind.domain, value))
            return


def check_membership(findings: Findings, node: Call, item: FieldType | None) -> None:
    """Warn of values of a constant list outside of the item's domain."""
    values = constant_of(node.args[1]) if item is not None and item.domain is not None else None
    if item is None or item.domain is None or type(values) is not list:
        return
    odd = outside(item.domain, values)
    if odd:
        what = f"{description(node.args[0], item.domain)}, never {shown_values(odd)}"
        remedy = _of_pattern(str(odd[0]), title_of(node.args[0]))
        findings.warning(node, "never-equal", what, remedy or remedy_in(item.domain, odd, values))


def check_ordering(findings: Findings, node: Call, kinds: list[FieldType | None]) -> None:
    """Warn of an ordering whose result is always the same by the range of an operand."""
    for here, other in ((0, 1), (1, 0)):
        kind = kinds[here]
        domain = kind.domain if kind is not None else None
        if domain is None or (domain.minimum is None and domain.maximum is None):
            continue
        limit = constant_of(node.args[other])
        if type(limit) not in _NUMBERS:
            continue
        function = tree.MIRRORED[node.function] if here else node.function
        verdict = _verdict(domain, function, limit)
        if verdict is not None:
            word = "always" if verdict else "never"
            what = f"{description(node.args[here], domain)}, so this is {word} true"
            findings.warning(node, f"{word}-true", what, remedy_for(domain, limit, is_true=verdict))
            return


def check_part(findings: Findings, node: Call, args: tuple[Node, ...], kind: FieldType) -> None:
    """Warn of `startsWith()` and its like with a text that no value of the domain has."""
    text = constant_of(args[1])
    domain = kind.domain
    if domain is None or type(text) is not str or not domain.is_of_texts:
        return
    test = getattr(str, _METHODS[node.function])
    is_part = domain.has_part(text)
    if not is_part or (domain.words and not any(test(word, text) for word in domain.words)):
        what = f"{description(args[0], domain)}: it never {PARTS[node.function]} {_shown(text)}"
        findings.warning(node, "never-true", what, remedy_for(domain, text))


def check_pattern(findings: Findings, node: Call, args: tuple[Node, ...], kind: FieldType) -> None:
    """Warn of a regular expression that begins with characters outside of the domain."""
    pattern = constant_of(args[1])
    domain = kind.domain
    if domain is None or type(pattern) is not str or not domain.is_of_texts or domain.words:
        return
    head = _HEAD.match(pattern)
    if head is None or "|" in pattern:
        return
    text = head[1][:-1] if head[2] else head[1]
    if not domain.has_part(text):
        what = f"{description(args[0], domain)}: the pattern's {_shown(text)} is never found in it"
        remedy = remedy_for(domain, text)
        if domain.has_part(text.upper()):
            remedy = f"{remedy} (or begin the pattern with (?i))"
        findings.warning(node, "never-true", what, remedy)


def outside_in_any_case(domain: Domain, texts: Sequence[str], *, is_part: bool) -> list[str]:
    """Those of the texts that are outside of a domain, without regard to case.

    With `is_part` a text is outside if no value contains it.
    """
    lowered = domain_in_case("lower", domain)
    if not lowered.words and lowered.has_part("".join(texts).lower()):
        return []
    has = lowered.has_part if is_part else lowered.has
    return [text for text in texts if not has(text.lower())]


def outside(domain: Domain, values: Sequence[Any]) -> list[Any]:
    """Those of the values that are outside of a domain."""
    is_of_texts = not domain.words and set(map(type, values)) == {str}
    # Most lists have none outside: one test of all their texts together shows it.
    if is_of_texts and domain.has_part("".join(values)):
        return []
    return [value for value in values if _is_outside(domain, value)]


def _is_outside(domain: Domain, value: Any) -> bool:
    if type(value) is str:
        return domain.is_of_texts and not domain.has(value)
    if type(value) in _NUMBERS:
        low, high = domain.minimum, domain.maximum
        return (low is not None and value < low) or (high is not None and value > high)
    return False


def _verdict(domain: Domain, function: str, limit: float) -> bool | None:
    """The result of an ordering with `limit` for all values of a domain; None where it differs."""
    low, high = domain.minimum, domain.maximum
    match function:
        case "_<_":
            return _decided(high is not None and high < limit, low is not None and low >= limit)
        case "_<=_":
            return _decided(high is not None and high <= limit, low is not None and low > limit)
        case "_>_":
            return _decided(low is not None and low > limit, high is not None and high <= limit)
    return _decided(low is not None and low >= limit, high is not None and high < limit)


def _decided(is_always: bool, is_never: bool) -> bool | None:
    return is_always if is_always or is_never else None


def description(node: Node, domain: Domain) -> str:
    """A sentence for messages: what a part of an expression can be, by its domain."""
    name = title(node)
    if domain.words:
        return f"{name} is one of {', '.join(map(repr, domain.words[:6]))}"
    if domain.characters:
        return f"{name} has only the characters {domain.characters}"
    if domain.minimum is None and domain.maximum is None:
        return domain.note
    if domain.minimum is None:
        return f"{name} is at most {domain.maximum}"
    if domain.maximum is None:
        return f"{name} is at least {domain.minimum}"
    note = f" ({domain.note})" if domain.note else ""
    return f"{name} is from {domain.minimum} to {domain.maximum}{note}"


def shown_values(values: Sequence[Any]) -> str:
    """Values as messages show them: a few, and how many more."""
    shown = " or ".join(map(_shown, values[:_SHOWN_ITEMS]))
    more = len(values) - _SHOWN_ITEMS
    return f"{shown} and {more:,} more" if more > 0 else shown


def _shown(value: Any) -> str:
    text = str(value).lower() if type(value) is bool else str(value)
    text = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
    return f"'{text}'" if type(value) is str else text


def title_of(node: Node) -> str:
    """A part as remedies show it: its text, or "text" where that is long."""
    name = title(node)
    return name.strip("'") if name.startswith("'") else "text"


def pattern_of(text: str) -> str:
    """The regular expression of a text with wildcards: `*` and `%` for any characters, `?` for one.

    A text that already looks like a regular expression is returned as it is; "" for any other.
    """
    if _REGEX.search(text) is not None:
        return text
    if _WILDCARD.search(text) is None:
        return ""
    body = "".join(_WILDCARDS.get(sign, re.escape(sign)) for sign in text)
    begin = "" if body.startswith(".*") else "^"
    end = "" if body.endswith(".*") else "$"
    return f"{begin}{body.removeprefix('.*').removesuffix('.*')}{end}"


def _of_pattern(text: str, name: str) -> str:
    """What to write in an expression for a text with wildcards; "" for other texts."""
    pattern = pattern_of(text)
    if not pattern:
        return ""
    found = _ENDS.fullmatch(text)
    if found is not None and (found[1] or found[3]):
        function = "contains" if found[1] and found[3] else "startsWith" if found[3] else "endsWith"
        return f'write {name}.{function}("{found[2]}")'
    return f'write {name}.matches("{pattern}")' if '"' not in pattern else "write text.matches(…)"


def remedy_in(domain: Domain, odd: Sequence[Any], values: Sequence[Any]) -> str:
    """What to write instead of the values `odd` of a list, which are outside of a domain."""
    meant = [_most_similar(domain, value) for value in odd if type(value) is str]
    if len(odd) == 1 and meant and meant[0] in values:
        return f"remove it, {_shown(meant[0])} is in the list already"
    if len(odd) == 1 or not all(meant) or len(meant) < len(odd):
        return remedy_for(domain, odd[0])
    return f"did you mean {shown_values(list(dict.fromkeys(meant)))}?"


def _most_similar(domain: Domain, value: str) -> str:
    """The text within a domain that is most similar to this one; "" for none."""
    for text in (value.lower() if domain.is_lower else value.upper(), value.lower()):
        kept = "".join(sign for sign in text if domain.has_part(sign))
        if kept and kept != value and len(kept) * 2 > len(value):
            return kept
    return ""


def remedy_for(domain: Domain, value: Any, *, is_true: bool | None = None) -> str:
    """What to write instead of a value outside of a domain.

    `is_true` says that the comparison with it is always (not never) true.
    """
    if type(value) is str:
        if domain.words:
            return suggest(value, domain.words) or _REMEDY
        meant = _most_similar(domain, value)
        return f"did you mean '{meant}'?" if meant else _REMEDY
    if domain.maximum == 1 and 2 <= value <= 100 and is_true is not True:
        return f"did you mean {value / 100:g}?"
    return _REMEDY
