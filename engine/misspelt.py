"""Which name is meant by one that nearly is it: `KAFKA_TOPICS`, `MAX_RETRY`, `SCHEMA_REGISTY_URL`.

Most variables of an environment are of other programs. So a name is compared word by word, and only
another number, another way to part the words, or one slip in a longer word are forgiven.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

_SHORTEST: Final = 5
#: In shorter words one other letter makes another word: STATE and STATS.
_SHORTEST_WITH_ANOTHER_LETTER: Final = 6
_MOST_SLIPS: Final = 2


def nearest(name: str, known: Iterable[str]) -> str:
    """The one of `known` that `name` means; empty where it is none of them or means none."""
    given = _words(name)
    best, fewest = "", _MOST_SLIPS + 1
    for each in known:
        slips = _slips(given, _words(each))
        if slips < fewest:
            best, fewest = each, slips
    return best


def nearest_prefix(name: str, prefixes: Iterable[str]) -> str:
    """The name with the one of `prefixes` that its beginning means; empty where it means none."""
    given = _words(name)
    for prefix in prefixes:
        count = len(_words(prefix))
        beginning = given[:count]
        if len(given) > count and _slips(beginning, _words(prefix)) <= _MOST_SLIPS:
            return prefix + "_".join(given[count:])
    return ""


def _words(name: str) -> list[str]:
    return [word for word in name.upper().replace("-", "_").split("_") if word]


def _slips(given: list[str], meant: list[str]) -> int:
    """How many words differ; more than are forgiven where one of them is another word."""
    if "".join(map(_singular, given)) == "".join(map(_singular, meant)):
        return 0
    if len(given) != len(meant):
        return _MOST_SLIPS + 1
    slips = 0
    for word, right in zip(given, meant, strict=True):
        if _singular(word) != _singular(right):
            slips += 1 if _is_slip(word, right) else _MOST_SLIPS + 1
    return slips


def _singular(word: str) -> str:
    if word.endswith("IES"):
        return f"{word[:-3]}Y"
    if word.endswith(("CHES", "SHES", "XES", "SSES")):
        return word[:-2]
    return word[:-1] if word.endswith("S") and not word.endswith("SS") else word


def _is_slip(word: str, right: str) -> bool:
    """Whether the word is the right one but for one letter: missing, too many, swapped, another."""
    if len(right) < _SHORTEST or word[:1] != right[:1]:
        return False
    start = 0
    while start < min(len(word), len(right)) and word[start] == right[start]:
        start += 1
    rest, right_rest = word[start:], right[start:]
    if len(word) != len(right):
        return rest[1:] == right_rest or rest == right_rest[1:]
    if rest[:2] == right_rest[1::-1] and rest[2:] == right_rest[2:]:
        return True
    return len(right) >= _SHORTEST_WITH_ANOTHER_LETTER and rest[1:] == right_rest[1:]
