"""Likeness of plates as functions of the language: on values of any type, with their failures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from engine.cel.values.values import FailureKind, UInt, failure, no_overload
from engine.watchlist import PlateCosts
from engine.watchlist.likeness import (
    DEFAULT_THRESHOLD,
    MAX_COMPARED,
    budget,
    comparable,
    cost_of,
    likeness,
)
from engine.watchlist.plates import MAX_TEXT

#: The lowest threshold of a list: below it an index may miss plates.
MIN_LIST_THRESHOLD: Final = 0.84
#: The decimal places that a threshold may have.
PLACES: Final = 4
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
    """Whether texts are similar to one of some plates, which are made ready once."""

    __slots__ = ("_costs", "_plates", "_threshold", "_whole")

    def __init__(self, plates: Sequence[str], threshold: float, costs: PlateCosts) -> None:
        self._plates: Final = tuple(dict.fromkeys(map(prepared, plates)))
        self._whole: Final = frozenset(self._plates) - {""}
        self._threshold: Final = threshold
        self._costs: Final = costs

    def holds(self, text: Any) -> bool:
        """Whether the text is similar to one of them; EvaluationError where it is no text."""
        if type(text) is not str:
            raise no_overload("similar", text, "")
        one = prepared(text)
        return one in self._whole or any(
            _reaches(one, plate, self._threshold, self._costs) for plate in self._plates
        )


def prepared(text: str) -> str:
    """The text as it is compared; "" for one that is too long, which is like no other."""
    return comparable(text) if len(text) <= MAX_TEXT else ""


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
    return longer <= MAX_COMPARED and cost_of(one, two, costs) <= budget(threshold, longer)
