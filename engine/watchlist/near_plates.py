"""The plates of a list that a reading could be; they are indexed when first asked for."""

from __future__ import annotations

from collections.abc import Mapping
from threading import Lock
from typing import TYPE_CHECKING, Final, NamedTuple

from engine.watchlist.costs import PlateCosts

if TYPE_CHECKING:
    from engine.watchlist.likeness_index import LikenessIndex


class NearPlate(NamedTuple):
    """A plate of a list: how like a reading it is, 0 to 1, and its number in `Watchlist.plates`."""

    likeness: float
    plate: str
    number: int


class NearPlates:
    """The plates of one list that a reading could be, with periods of any time.

    `plates` are those of `Watchlist`, `threshold` is the likeness from which on they count. It is
    safe for threads.
    """

    __slots__ = ("_costs", "_index", "_last", "_lock", "_plates", "_texts", "_threshold")

    def __init__(self, plates: Mapping[str, int], threshold: float, costs: PlateCosts) -> None:
        self._plates: Final = plates
        self._threshold: Final = threshold
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
        # numpy takes 20 MB, which services without a question for likeness need not have.
        from engine.watchlist.likeness_index import LikenessIndex

        with self._lock:
            if self._index is None:
                self._texts = list(self._plates)
                self._index = LikenessIndex(self._texts, self._threshold, self._costs)
            return self._index

    def near(self, plate: str, threshold: float | None = None) -> tuple[NearPlate, ...]:
        """The plates that a normalised reading could be, the nearest first, then as in the file.

        `threshold` stands for the list's; ValueError where it is below `MIN_LIST_THRESHOLD`.
        """
        last_plate, last_threshold, found = self._last
        if plate == last_plate and threshold == last_threshold:
            return found
        index = self._index or self.prepare()
        texts, plates = self._texts, self._plates
        found = tuple(
            NearPlate(likeness, texts[number], plates[texts[number]])
            for likeness, number, _ in index.near(plate, threshold)
        )
        self._last = plate, threshold, found
        return found
