"""Likeness of plates as functions of the language: on values of any type, with their failures."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

from engine.cel.values.values import FailureKind, UInt, failure, no_overload
from engine.watchlist import PlateCosts, Watchlist
from engine.watchlist.likeness import (
    DEFAULT_THRESHOLD,
    MAX_COMPARED,
    MIN_LIST_THRESHOLD,
    budget,
    comparable,
    cost_of,
    edits_of,
    edits_text,
    likeness,
)
from engine.watchlist.plates import MAX_TEXT

if TYPE_CHECKING:
    from engine.watchlist.likeness_index import LikenessIndex

#: The decimal places that a threshold may have.
PLACES: Final = 4
#: So many plates are compared one by one faster than they are looked up.
_FEW: Final = 8
#: Lists of plates that are kept ready.
_KEPT: Final = 32
_HALF: Final = 0.5
_WILDCARDS: Final = frozenset("*?")
_NUMBERS: Final = frozenset({int, float, UInt})


def likeness_between(one: Any, two: Any, costs: PlateCosts) -> float:
    """`likeness(one, two)`, 0 to 1; EvaluationError where one is no text."""
    if type(one) is not str or type(two) is not str:
        raise no_overload("likeness", one, two)
    return likeness(one, two, costs)


def is_similar(text: Any, plate: Any, threshold: Any, costs: PlateCosts) -> bool:
    """`similar(text, plate, threshold)`; a threshold of None is the usual one.

    EvaluationError for values of wrong types, and for a threshold that is not in 0 to 1.
    """
    if type(text) is not str or type(plate) is not str:
        raise no_overload("similar", text, plate)
    return _reaches(prepared(text), prepared(plate), _threshold_of(threshold), costs)


class SimilarTo:
    """Whether texts are similar to one of some plates, which are made ready once.

    The threshold of several plates is `MIN_LIST_THRESHOLD` or more.
    """

    __slots__ = ("_costs", "_index", "_limits", "_short", "_whole")

    def __init__(self, plates: Sequence[str], threshold: float, costs: PlateCosts) -> None:
        self._whole: Final = frozenset(map(prepared, plates)) - {""}
        short = tuple(sorted(plate for plate in self._whole if len(plate) <= MAX_COMPARED))
        self._short: Final = short
        self._index: Final = _index(short, threshold, costs) if len(short) > _FEW else None
        #: The budget for each length of the longer text.
        self._limits: Final = [budget(threshold, length) for length in range(MAX_COMPARED + 1)]
        self._costs: Final = costs

    def holds(self, text: Any) -> bool:
        """Whether the text is similar to one of them; EvaluationError where it is no text."""
        if type(text) is not str:
            raise no_overload("similar", text, "")
        one = prepared(text)
        if one in self._whole:
            return True
        length = len(one)
        if not 0 < length <= MAX_COMPARED:
            return False
        if self._index is not None:
            return bool(self._index.near(one))
        for plate in self._short:
            limit = self._limits[max(length, len(plate))]
            if cost_of(one, plate, self._costs, limit) <= limit:
                return True
        return False


def _index(plates: Sequence[str], threshold: float, costs: PlateCosts) -> LikenessIndex:
    # numpy takes 15 MB, which services without a question for likeness need not have.
    from engine.watchlist.likeness_index import LikenessIndex

    return LikenessIndex(plates, threshold, costs)


@lru_cache(maxsize=_KEPT)
def similar_to(plates: tuple[str, ...], threshold: float, costs: PlateCosts) -> SimilarTo:
    """`SimilarTo` of these; the same object for the same ones, since long lists have an index."""
    return SimilarTo(plates, threshold, costs)


def prepared(text: str) -> str:
    """The text as it is compared; "" for one that is too long, which is like no other."""
    return comparable(text) if len(text) <= MAX_TEXT else ""


def nearest_text(text: str, plates: Sequence[str], costs: PlateCosts) -> str:
    """The plate that is most like the text, for people: how like, and by which edits.

    "" where none is like it at all. The edits of a plate that is hardly like it say nothing.
    """
    best, plate = max(
        ((likeness(text, plate, costs), plate) for plate in plates),
        key=itemgetter(0),
        default=(0.0, ""),
    )
    if not best:
        return ""
    shown = f"{plate}, likeness {best:.3f}"
    if not _HALF <= best < 1:
        return shown
    return f"{shown}: {edits_text(edits_of(prepared(plate), prepared(text), costs))}"


def nearest_listed(watchlist: Watchlist, text: str, time: datetime, threshold: float | None) -> str:
    """The plate of a watchlist that is nearest to a text at a time (aware), as `nearest_text`.

    "" where none reaches the threshold.
    """
    found = watchlist.nearest(text, time, 2, threshold)
    if not found:
        return ""
    first = found[0]
    shown = f"{first.plate}, likeness {first.likeness:.3f}"
    if not _WILDCARDS & set(first.plate):
        shown = nearest_text(text, [first.plate], watchlist.costs)
    others = [each.plate for each in found[1:] if each.likeness == first.likeness]
    return f"{shown} ({others[0]} is as near)" if others else shown


def threshold_fault(value: float, *, is_of_list: bool) -> str:
    """Why a number can't be a threshold, of a list with `is_of_list`; "" where it can."""
    if not 0 < value <= 1:
        return "a threshold is more than 0, and at most 1"
    if round(value, PLACES) != value:
        return f"a threshold has at most {PLACES} decimal places"
    if is_of_list and value < MIN_LIST_THRESHOLD:
        return f"a list takes a threshold of {MIN_LIST_THRESHOLD} or more"
    return ""


def _threshold_of(value: Any) -> float:
    if value is None:
        return DEFAULT_THRESHOLD
    if type(value) not in _NUMBERS:
        raise no_overload("similar", value)
    if not 0 < value <= 1:
        raise failure(FailureKind.BAD_ARGUMENT, threshold_fault(value, is_of_list=False))
    return float(value)


def _reaches(one: str, two: str, threshold: float, costs: PlateCosts) -> bool:
    if one == two or not one or not two:
        return one == two != ""
    longer = max(len(one), len(two))
    limit = budget(threshold, longer)
    return longer <= MAX_COMPARED and cost_of(one, two, costs, limit) <= limit
