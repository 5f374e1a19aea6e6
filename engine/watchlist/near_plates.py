"""The plates of a list that a reading could be; they are indexed when first asked for."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from threading import Lock
from typing import TYPE_CHECKING, Final, NamedTuple

from engine.watchlist.costs import PlateCosts
from engine.watchlist.likeness import MIN_LIST_THRESHOLD, PLACES
from engine.watchlist.wildcards import WildcardRows

if TYPE_CHECKING:
    from engine.watchlist.likeness_index import LikenessIndex

_THRESHOLD: Final = re.compile(r"([0-9]{1,3}(?:[.,][0-9]{1,6})?)\s*(%?)")
#: What a number with four places may differ from it.
_ROUNDING: Final = 1e-6


def threshold_of(text: str) -> float:
    """The likeness, `MIN_LIST_THRESHOLD` to 1, of a text such as `0.95` or `95%`.

    ValueError, with what to write, for any other text.
    """
    found = _THRESHOLD.fullmatch(text.strip())
    value = float(found[1].replace(",", ".")) if found is not None else 0.0
    if found is not None and found[2]:
        value /= 100
    share = round(value * PLACES)
    if not MIN_LIST_THRESHOLD <= value <= 1 or abs(value * PLACES - share) > _ROUNDING:
        raise ValueError(f"write a likeness from {MIN_LIST_THRESHOLD} to 1, such as 0.95")
    return share / PLACES


class Thresholds:
    """The likeness, 0 to 1, from which on each row of a list counts.

    It is `usual`, or where `of_rows` has ten-thousandths for each row, those. `repeated` are those
    of `Watchlist`. It is immutable.
    """

    __slots__ = ("_repeated", "of_rows", "usual")

    def __init__(
        self,
        usual: float,
        of_rows: Sequence[int] | None = None,
        repeated: Sequence[Sequence[int]] = (),
    ) -> None:
        self.usual: Final = usual
        self.of_rows: Final = of_rows
        self._repeated: Final = repeated

    def lowest(self, number: int) -> float:
        """The lowest of the rows of a plate with that number."""
        if self.of_rows is None:
            return self.usual
        rows = (number,) if number >= 0 else self._repeated[-1 - number]
        return min(map(self.of_rows.__getitem__, rows)) / PLACES

    def lets(self, row: int, likeness: float) -> bool:
        """Whether a row counts with that likeness."""
        return self.of_rows is None or likeness >= self.of_rows[row] / PLACES


class NearPlate(NamedTuple):
    """A plate of a list: how like a reading it is, 0 to 1, and its number in `Watchlist.plates`.

    One with wildcards has its number in `Watchlist.wildcards`.
    """

    likeness: float
    has_wildcards: bool
    plate: str
    number: int


class NearPlates:
    """The plates of one list that a reading could be, with periods of any time.

    `plates` and `wildcards` are those of `Watchlist`. `thresholds` give the likeness from which on
    a number's row counts. It is safe for threads.
    """

    __slots__ = ("_costs", "_index", "_last", "_lock", "_plates", "_texts", "_thresholds", "_wild")

    def __init__(
        self,
        plates: Mapping[str, int],
        wildcards: WildcardRows | None,
        thresholds: Thresholds,
        costs: PlateCosts,
    ) -> None:
        self._plates: Final = plates
        self._wild: Final = wildcards
        self._thresholds: Final = thresholds
        self._costs: Final = costs
        self._lock: Final = Lock()
        self._index: LikenessIndex | None = None
        self._texts: list[str] = []
        # The rule index asks of an event what its conditions and templates ask again.
        self._last: tuple[str, float | None, tuple[NearPlate, ...]] = ("", None, ())

    def prepare(self) -> LikenessIndex:
        """The index, which is built at the first call."""
        index = self._index
        if index is not None:
            return index
        # numpy takes 15 MB, which services without a question for likeness need not have.
        from engine.watchlist.likeness_index import LikenessIndex

        with self._lock:
            if self._index is None:
                texts, thresholds = list(self._plates), self._thresholds
                own: float | list[float] = thresholds.usual
                if thresholds.of_rows is not None:
                    own = [thresholds.lowest(number) for number in self._plates.values()]
                self._texts = texts
                self._index = LikenessIndex(texts, own, self._costs)
            return self._index

    def near(self, plate: str, threshold: float | None = None) -> tuple[NearPlate, ...]:
        """The plates that a normalised reading could be, the nearest first, then as in the file.

        Those with wildcards come after others that are as near. `threshold` stands for the list's
        own; ValueError where it is below `MIN_LIST_THRESHOLD`.
        """
        last_plate, last_threshold, last = self._last
        if plate == last_plate and threshold == last_threshold:
            return last
        index = self._index or self.prepare()
        texts, plates = self._texts, self._plates
        found = [
            NearPlate(likeness, False, texts[number], plates[texts[number]])
            for likeness, number, _ in index.near(plate, threshold)
        ]
        if self._wild is not None:
            found += [
                NearPlate(each.likeness, True, each.plate, each.number)
                for each in self._wild.near(plate, threshold)
            ]
            found.sort(key=_rank)
        result = tuple(found)
        self._last = plate, threshold, result
        return result


def _rank(near: NearPlate) -> tuple[float, bool]:
    return -near.likeness, near.has_wildcards
