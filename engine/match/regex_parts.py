"""Texts of which a match of a pattern must contain one: begin, end, or anything between.

After Russ Cox's "Regular Expression Matching with a Trigram Index": for every part of the pattern
the texts it matches if they are few, else what they begin with, end with and contain.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product
from typing import Final

from engine.match.regex_reader import (
    BEGIN,
    END,
    Chars,
    Choice,
    Edge,
    Pattern,
    Repeat,
    Sequence,
    UnreadableError,
    read_regex,
)

#: Most texts of one set, and the longest of them.
MAX_TEXTS: Final = 64
MAX_LENGTH: Final = 64
_ALL: Final = frozenset({""})
_UNROLLED: Final = 4

Texts = frozenset[str]


@dataclass(frozen=True, slots=True)
class RegexParts:
    """For each set: the text holds one of it; BEGIN and END in it are the text's own ends.

    With `is_folded` the sets speak of the text with its case folded.
    """

    sets: tuple[Texts, ...]
    is_folded: bool


@dataclass(frozen=True, slots=True)
class _Facts:
    """What is known of the matches: `exact` all of them or None; `needs` as in RegexParts."""

    exact: Texts | None
    begins: Texts
    ends: Texts
    needs: tuple[Texts, ...]


_UNKNOWN: Final = _Facts(None, _ALL, _ALL, ())


def regex_parts(pattern: str) -> RegexParts | None:
    """What a text must hold for RE2 to find `pattern` in it; None where nothing is known."""
    try:
        tree, is_folded = read_regex(pattern)
        facts = _facts(tree)
        sets = [each for each in _needs(facts) if "" not in each]
        if any(END + BEGIN in text for each in sets for text in each):
            return None
    except UnreadableError:
        return None
    kept = _best(sets)
    return RegexParts(kept, is_folded) if kept else None


def _needs(facts: _Facts) -> tuple[Texts, ...]:
    if facts.exact is not None:
        return (facts.exact,)
    return (*facts.needs, facts.begins, facts.ends)


def _best(sets: Iterable[Texts]) -> tuple[Texts, ...]:
    """The best set that speaks of the begin, of the end, and of anything."""
    best: dict[str, Texts] = {}
    for each in sets:
        kind = _kind(each)
        if kind not in best or weight(each) < weight(best[kind]):
            best[kind] = each
    return tuple(best.values())


def _kind(texts: Texts) -> str:
    if all(text.startswith(BEGIN) for text in texts):
        return BEGIN
    return END if all(text.endswith(END) for text in texts) else ""


def weight(texts: Texts) -> float:
    """Which share of all texts has one of these, roughly."""
    return sum(20.0 ** -len(text) for text in texts)


def _lightest(sets: list[Texts]) -> Texts:
    return min(sets, key=weight, default=_ALL)


def _facts(node: Pattern) -> _Facts:
    match node:
        case Chars(chars):
            if chars is None or not 0 < len(chars) <= MAX_TEXTS // 4:
                return _UNKNOWN
            return _exactly(chars)
        case Edge(text):
            return _exactly(frozenset((text,)))
        case Sequence(parts):
            whole = _exactly(_ALL)
            for part in parts:
                whole = _joined(whole, _facts(part))
            return whole
        case Choice(options):
            return _one_of([_facts(option) for option in options])
        case Repeat():
            return _repeated(node)


def _exactly(texts: Texts) -> _Facts:
    return _Facts(texts, texts, texts, ())


def _joined(one: _Facts, two: _Facts) -> _Facts:
    if one.exact is not None and two.exact is not None:
        both = _products(one.exact, two.exact)
        if both is not None:
            return _exactly(both)
    begins = one.begins
    if one.exact is not None:
        begins = _products(one.exact, two.begins) or one.exact
    ends = two.ends
    if two.exact is not None:
        ends = _products(one.ends, two.exact) or two.exact
    seam = _products(one.ends, two.begins)
    sets = [*one.needs, *two.needs, one.begins, two.ends, begins, ends, one.ends, two.begins]
    if seam is not None:
        sets.append(seam)
    return _Facts(None, begins, ends, _best(each for each in sets if "" not in each))


def _products(one: Texts, two: Texts) -> Texts | None:
    """Every text of one followed by every text of two; None where they are too many or long."""
    if len(one) * len(two) > MAX_TEXTS:
        return None
    # Two anchors of one kind are one.
    texts = frozenset(
        (a + b).replace(BEGIN * 2, BEGIN).replace(END * 2, END) for a, b in product(one, two)
    )
    return texts if max(map(len, texts), default=0) <= MAX_LENGTH else None


def _one_of(options: list[_Facts]) -> _Facts:
    if all(option.exact is not None for option in options):
        exact = frozenset[str]().union(*(option.exact or () for option in options))
        if len(exact) <= MAX_TEXTS:
            return _exactly(exact)
    begins = frozenset[str]().union(*(option.begins for option in options))
    ends = frozenset[str]().union(*(option.ends for option in options))
    needs = frozenset[str]()
    for option in options:
        sets = [each for each in _needs(option) if "" not in each]
        needs |= _lightest(sets)
    return _Facts(
        None,
        begins if len(begins) <= MAX_TEXTS else _ALL,
        ends if len(ends) <= MAX_TEXTS else _ALL,
        () if "" in needs or len(needs) > MAX_TEXTS else (needs,),
    )


def _repeated(node: Repeat) -> _Facts:
    part = _facts(node.part)
    if node.most == 0:
        return _exactly(_ALL)
    if node.least == 0:
        return _one_of([_exactly(_ALL), part]) if node.most == 1 else _UNKNOWN
    whole = part
    for _ in range(min(node.least, _UNROLLED) - 1):
        whole = _joined(whole, part)
    if node.least == node.most and node.least <= _UNROLLED:
        return whole
    # What comes between the first and the last is not told.
    tail = _Facts(None, _ALL, part.ends, ())
    return _joined(whole, tail) if node.least > 1 else _plus(part)


def _plus(part: _Facts) -> _Facts:
    sets = [each for each in _needs(part) if "" not in each]
    return _Facts(None, part.begins, part.ends, _best(sets))
