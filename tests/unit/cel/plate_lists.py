"""Watchlists for tests: with notes, with periods, plates alone, several rows, wildcards, and none.

A plate stands more than once in `states`, whose rows count always, and in `terms`, whose do not.
"""

from __future__ import annotations

from datetime import UTC
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from engine.cel import Expression, compile_expression
from engine.cel.check.watchlists import Lists
from engine.errors import EvaluationError, ExpressionError, Place, Problem
from engine.watchlist import Definition, Watchlist, read_watchlist
from tests.unit.cel.plate_variables import EXAMPLES, VARIABLES, event

NAMES = ("noted", "dated", "plain", "states", "terms", "empty", "wild")
FILES = Path(__file__).parents[2] / "data" / "lists"


@cache
def watchlist(name: str) -> Watchlist:
    """The list of that name, one of `NAMES`."""
    (path,) = FILES.glob(f"{name}.*")
    found = read_watchlist(Definition(name, path, Place("rules.yaml")), UTC).watchlist
    assert found is not None
    return found


def lists() -> Lists:
    """All of them, and one that can't be used."""
    return Lists({name: watchlist(name) for name in NAMES} | {"broken": None})


def compiled(text: str) -> Expression:
    """The expression over the plates' variables and the lists."""
    return compile_expression(text, VARIABLES, lists(), examples=EXAMPLES)


def value_of(text: str, **changes: Any) -> Any:
    """The expression's value on `event(**changes)`."""
    return compiled(text).evaluate(event(**changes))


def failure_of(text: str, **changes: Any) -> str:
    """The `error_type` with which the expression fails on `event(**changes)`."""
    with pytest.raises(EvaluationError) as caught:
        value_of(text, **changes)
    return caught.value.error_type


def problems_of(text: str) -> list[Problem]:
    """The problems with which the expression is refused, or else its warnings."""
    try:
        return list(compiled(text).warnings)
    except ExpressionError as error:
        return list(error.problems)
