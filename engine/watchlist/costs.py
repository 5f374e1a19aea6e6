"""What each misreading of a plate costs: the table, its file, and what the index needs of it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Final

from engine.errors import AlertEngineError
from engine.watchlist.plates import CHARACTERS

#: A cost from which on two edits can't both be within a budget that lists are asked with.
SEVERE: Final = 50
#: The highest cost of an edit, and the number that is 1 of likeness for one character.
MAX_COST: Final = 100

_STANDARD: Final = Path(__file__).with_name("plate_costs.txt")
_PAIR: Final = re.compile("[A-Z0-9]{2}")
_MERGE: Final = re.compile("([A-Z0-9]{2})=([A-Z0-9])")
_NUMBER: Final = re.compile("[0-9]{1,3}")
#: The words, each with the cost that a message offers for it.
_WORDS: Final = {"end": 50, "double": 50, "inside": 60, "mixed": 60, "other": 100}
#: The costs of changes that a character of another script has: none of its own.
NO_CHANGES: Final[Mapping[str, int]] = MappingProxyType({})


class CostsError(AlertEngineError):
    """A file of costs can't be used; the text names file, line and remedy."""


@dataclass(frozen=True, slots=True, eq=False)
class PlateCosts:
    """The costs of edits, whole numbers from 1 to `MAX_COST`; they are symmetric.

    `pairs` has both orders of two characters, `merges` the results of two characters with their
    costs. The others are those of edits that neither names: a character more or less at an `end`,
    beside the same one (`double`) or elsewhere (`inside`), a letter for a digit (`mixed`), and any
    `other` for another. `digest` is the same for the same costs.

    What follows is made of these. `classes` gives each character of a pair or merge one that stands
    for all that are easily confused with it: those joined by pairs that cost less than `SEVERE`,
    and the result of a merge with a part of it. `changes` has the cost of each character of plates
    for each, and `least_shift` is the least cost of an edit that makes a text longer or shorter.
    """

    pairs: Mapping[str, int] = field(repr=False)
    merges: Mapping[str, Mapping[str, int]] = field(repr=False)
    end: int
    double: int
    inside: int
    mixed: int
    other: int
    digest: str
    classes: Mapping[str, str] = field(repr=False)
    changes: Mapping[str, Mapping[str, int]] = field(repr=False)
    least_shift: int = field(repr=False)

    def change(self, one: str, two: str) -> int:
        """The cost of a character for another; 0 for the same."""
        if one == two:
            return 0
        return self.changes.get(one, NO_CHANGES).get(two, self.other)

    def absence(self, text: str, place: int) -> int:
        """The cost of leaving out the character at `place` of a text, counted from 0."""
        last = len(text) - 1
        is_at_end = place in (0, last)
        character = text[place]
        if (place > 0 and text[place - 1] == character) or (
            place < last and text[place + 1] == character
        ):
            return min(self.double, self.end) if is_at_end else self.double
        return self.end if is_at_end else self.inside


def read_costs(path: Path) -> PlateCosts:
    """The costs of a file; CostsError where it can't be read, or says nothing or too little."""
    try:
        text = path.read_text("utf-8-sig")
    except UnicodeDecodeError:
        raise CostsError(f"the plate costs {path} are not UTF-8, save them as UTF-8") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "no such path"
        what = f"the plate costs {path} can't be read ({reason})"
        raise CostsError(f"{what}, correct PLATE_COSTS") from error
    return _Reading(path).costs(text)


def costs_of(path: Path | None) -> PlateCosts:
    """The costs of a site's file, or those of the package without one; see `read_costs`."""
    return standard_costs() if path is None else read_costs(path)


@lru_cache(maxsize=1)
def standard_costs() -> PlateCosts:
    """The costs of the package."""
    return read_costs(_STANDARD)


class _Reading:
    """Reads one file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._line = 0
        self._words: dict[str, int] = {}
        self._pairs: dict[str, int] = {}
        self._merges: dict[str, dict[str, int]] = {}

    def costs(self, text: str) -> PlateCosts:
        for self._line, line in enumerate(text.splitlines(), 1):
            number, *edits = line.partition("#")[0].split() or [""]
            if number:
                self._read(number, edits)
        for word, usual in _WORDS.items():
            if word not in self._words:
                what = f"{self._path}: no line has a cost for `{word}`"
                raise CostsError(f"{what}, add `{usual} {word}`")
        pairs = {order: cost for pair, cost in self._pairs.items() for order in (pair, pair[::-1])}
        shifts = [self._words["end"], self._words["double"], self._words["inside"]]
        for results in self._merges.values():
            shifts += results.values()
        return PlateCosts(
            pairs=pairs,
            merges=self._merges,
            **self._words,
            digest=self._digest(),
            classes=self._classes(),
            changes=self._changes(pairs),
            least_shift=min(shifts),
        )

    def _read(self, number: str, edits: list[str]) -> None:
        cost = int(number) if _NUMBER.fullmatch(number) else 0
        if not 1 <= cost <= MAX_COST:
            what = f"`{number}` is no cost"
            raise self._error(what, f"begin the line with a whole number from 1 to {MAX_COST}")
        if not edits:
            raise self._error("the cost has no edits", "write some behind it, such as 0O")
        for edit in edits:
            self._add(edit, cost)

    def _add(self, edit: str, cost: int) -> None:
        merge = _MERGE.fullmatch(edit)
        if edit in _WORDS:
            known = self._words.setdefault(edit, cost)
        elif merge is not None:
            known = self._merges.setdefault(merge[1], {}).setdefault(merge[2], cost)
        elif _PAIR.fullmatch(edit) and edit[0] != edit[1]:
            known = self._pairs.setdefault("".join(sorted(edit)), cost)
        else:
            what = f"`{edit}` is no edit"
            remedy = f"write 0O for a pair, VV=W for a merge, or {', '.join(_WORDS)}"
            raise self._error(what, remedy)
        if known != cost:
            raise self._error(f"`{edit}` has the cost {known} already", "write it once")
        if cost < SEVERE and (merge is not None or edit in _WORDS):
            what = f"`{edit}` costs less than {SEVERE}"
            raise self._error(what, f"only pairs of characters may: write {SEVERE} or more")

    def _changes(self, pairs: Mapping[str, int]) -> dict[str, dict[str, int]]:
        def cost(one: str, two: str) -> int:
            is_mixed = one.isdigit() != two.isdigit()
            return pairs.get(one + two, self._words["mixed" if is_mixed else "other"])

        return {
            one: {two: cost(one, two) for two in CHARACTERS if two != one} for one in CHARACTERS
        }

    def _classes(self) -> dict[str, str]:
        """The characters that are joined, each with the first of its class."""
        merges = [(two, one) for two, results in self._merges.items() for one in results]
        named = {*"".join(self._pairs), *"".join(two + one for two, one in merges)}
        classes = {character: character for character in named}

        def join(one: str, two: str) -> None:
            joined = {classes[one], classes[two]}
            for character, head in classes.items():
                if head in joined:
                    classes[character] = min(joined)

        for pair, cost in self._pairs.items():
            if cost < SEVERE:
                join(pair[0], pair[1])
        for two, one in merges:
            if classes[one] not in (classes[two[0]], classes[two[1]]):
                join(two[0], one)
        return classes

    def _digest(self) -> str:
        parts: Iterable[object] = (
            sorted(self._words.items()),
            sorted(self._pairs.items()),
            sorted((two, sorted(results.items())) for two, results in self._merges.items()),
        )
        return hashlib.sha256(repr(tuple(parts)).encode()).hexdigest()

    def _error(self, what: str, remedy: str) -> CostsError:
        return CostsError(f"{self._path}, line {self._line}: {what}, {remedy}")
