"""What a text must be like for `contains`, `startsWith`, `endsWith` or `matches` to hold."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from engine.match.key import Key
from engine.match.keyring import Keyring
from engine.match.needs import (
    Affixes,
    Anything,
    Atom,
    Need,
    Parts,
    Points,
    Test,
    every,
    some,
)
from engine.match.regex_parts import RegexParts, Texts, regex_parts
from engine.match.regex_reader import BEGIN, END

#: Functions of a text and a constant that are looked up.
TEXT_TESTS: Final = frozenset({"contains", "startsWith", "endsWith", "matches"})
#: Longest begin or end that is looked up; what is longer is cut.
MAX_AFFIX: Final = 64
_cached_parts: Final = lru_cache(maxsize=4_096)(regex_parts)


def text_need(function: str, key: Key, text: str, keyring: Keyring) -> Need:
    """Of a function's call on `key` with a constant text."""
    if function == "matches":
        return _pattern(key, text, keyring)
    if not text:
        return Anything(f"every text has the empty one for {function}()")
    match function:
        case "contains":
            return _atom(key, Parts(frozenset((text,))))
        case "startsWith":
            return _atom(key, Affixes(frozenset(((text[:MAX_AFFIX], ""),))))
    return _atom(key, Affixes(frozenset((("", text[-MAX_AFFIX:]),))))


def _atom(key: Key, test: Test) -> Atom:
    return Atom(key, test, or_null=key.is_nullable, or_failed=key.can_fail)


def _pattern(key: Key, pattern: str, keyring: Keyring) -> Need:
    parts: RegexParts | None = _cached_parts(pattern)
    if parts is None:
        return Anything(f"nothing is known of the texts that match {pattern[:40]!r}")
    searched = keyring.folded(key) if parts.is_folded else keyring.whole(key)
    needs = [_texts(searched, each) for each in parts.sets]
    return every(needs)


def _texts(key: Key, texts: Texts) -> Need:
    """The text holds one of these, BEGIN and END being its own ends."""
    whole: set[str] = set()
    pairs: set[tuple[str, str]] = set()
    inside: set[str] = set()
    for text in texts:
        plain = text.removeprefix(BEGIN).removesuffix(END)
        begins, ends = text.startswith(BEGIN), text.endswith(END)
        if BEGIN in plain or END in plain:
            continue  # An anchor in the middle of a text is never met.
        if begins and ends:
            whole.add(plain)
        elif not plain:
            return Anything("the pattern matches every text")
        elif begins or ends:
            pairs.add((plain[:MAX_AFFIX], "") if begins else ("", plain[-MAX_AFFIX:]))
        else:
            inside.add(plain)
    if not (whole or pairs or inside):
        return Anything("the pattern matches no text")
    # A text that RE2 refuses, or null, fails whatever the pattern is.
    tests: list[Test] = [Points(frozenset(whole))]
    if pairs:
        tests.append(Affixes(frozenset(pairs)))
    if inside:
        tests.append(Parts(frozenset(inside)))
    return some(_atom(key, test) for test in tests)
