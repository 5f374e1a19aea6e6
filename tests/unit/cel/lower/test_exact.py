"""The closures that have the last word."""

from __future__ import annotations

import pytest

from engine.cel.lower.function import Exact
from engine.cel.syntax.parser import parse
from engine.cel.types.scope import Scope
from engine.errors import EvaluationError
from tests.unit.cel.plate_variables import VARIABLES, event


def test_the_closures_are_planned_when_they_are_first_asked() -> None:
    exact = Exact(parse("plate.region.startsWith('US')"), Scope(VARIABLES))
    for _ in range(2):
        with pytest.raises(EvaluationError, match="null"):
            exact(event())


def test_macros_have_bindings_of_their_own() -> None:
    exact = Exact(parse("tags.exists(t, t == 'vip')"), Scope(VARIABLES))
    bindings = event()
    assert exact(bindings) is True
    assert bindings == event()
