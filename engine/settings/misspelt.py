"""Variables that are no setting, but whose names are nearly those of one."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from engine.environment import FILE_SUFFIX
from engine.settings.settings import OPTION_PREFIXES, VARIABLES

#: Some people write it before the name of every setting.
_PREFIX: Final = "ALERT_ENGINE_"
#: In shorter words one letter less may make another word.
_SHORTEST: Final = 5
#: In shorter words one other letter makes another word: STATE and STATS.
_SHORTEST_WITH_ANOTHER_LETTER: Final = 6
_MOST_SLIPS: Final = 2


@dataclass(frozen=True, slots=True)
class Misspelt:
    """A variable that is no setting, and the setting that was probably meant."""

    name: str
    meant: str


def misspelt_settings(environment: Mapping[str, str] | None = None) -> list[Misspelt]:
    """The variables that are set, are no setting, and nearly have a setting's name; sorted by name.

    `environment` is by default the process's own.
    """
    given = os.environ if environment is None else environment
    prefixes = tuple(OPTION_PREFIXES.values())
    found: list[Misspelt] = []
    for name, value in sorted(given.items()):
        of_file = FILE_SUFFIX if name.endswith(FILE_SUFFIX) else ""
        setting = name.removesuffix(FILE_SUFFIX)
        if not value.strip() or setting in VARIABLES or name.startswith(prefixes):
            continue
        meant = _nearest(setting, VARIABLES) or _nearest_prefix(setting, prefixes)
        if not meant and name.startswith(_PREFIX):
            meant = _nearest(setting.removeprefix(_PREFIX), VARIABLES)
        if meant:
            found.append(Misspelt(name, meant + of_file))
    return found


def _nearest(name: str, known: Iterable[str]) -> str:
    """The name in `known` that is nearest to `name`, "" where none is near enough."""
    given = _words(name)
    best, fewest = "", _MOST_SLIPS + 1
    for each in known:
        slips = _slips(given, _words(each))
        if slips < fewest:
            best, fewest = each, slips
    return best


def _nearest_prefix(name: str, prefixes: Iterable[str]) -> str:
    """`name` with its beginning replaced by the nearest of `prefixes`, "" where none is near."""
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
    """How many words are misspelt; more than `_MOST_SLIPS` where the words are others."""
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
    """Whether the words differ by one letter: missing, added, swapped, or another."""
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
