"""The interpreter: made from what the check has found, without checking again."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from engine.cel import Expression, conjunction
from engine.cel.check import check as the_check
from engine.errors import EvaluationError
from tests.unit.cel.lower.lowered import outcome
from tests.unit.cel.plate_variables import compiled, event

UNGUARDED = "plate.region.startsWith('US')"
#: Needs more rounds than generated functions may take.
DEEP = "tags.all(a, tags.all(b, tags.all(c, tags.all(d, tags.all(e, a + b + c + d + e != '')))))"


@contextmanager
def called_files() -> Iterator[set[Path]]:
    """The source files of all functions that are called meanwhile."""
    files: set[Path] = set()

    def note(frame: FrameType, what: str, _: Any) -> None:
        if what == "call":
            files.add(Path(frame.f_code.co_filename))

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        yield files
    finally:
        sys.setprofile(before)


def joined() -> Expression:
    return conjunction([compiled("plate.text != ''"), compiled(UNGUARDED)])


def nested() -> Expression:
    return conjunction([joined(), compiled(DEEP), compiled("is_test")])


@pytest.mark.parametrize(
    "make", [lambda: compiled(UNGUARDED), joined, lambda: compiled(DEEP), nested]
)
def test_an_evaluation_never_enters_the_check(make: Callable[[], Expression]) -> None:
    expression = make()
    with called_files() as files:
        for _ in range(2):
            outcome(expression.evaluate, event())
    assert any(path.parent.name == "interpret" for path in files)
    folder = Path(the_check.__file__).parent
    assert not [path for path in files if folder in path.parents]


def test_a_conjunction_is_as_its_parts_say() -> None:
    for texts in (
        [UNGUARDED, "is_test"],
        ["is_test == false", UNGUARDED],
        ["1 / (latency_ms - 40) == 1 && is_test == false", UNGUARDED],
        [DEEP, UNGUARDED, "is_test"],
        ["tags.exists(t, t == 'vip')", "cel.bind(t, latency_ms, t + t == 80)"],
    ):
        whole = compiled(" && ".join(f"({text})" for text in texts))
        parts = conjunction([compiled(text) for text in texts])
        found = outcome(parts.run, event())
        assert found == outcome(parts.interpreter, event()) == outcome(whole.interpreter, event())


def test_the_parts_of_a_conjunction_share_one_budget() -> None:
    values = event(tags=["x"] * 40)
    part = compiled("tags.all(a, tags.all(b, tags.all(c, a != '')))")
    assert part.interpreter(values) is True
    with pytest.raises(EvaluationError, match="rounds"):
        conjunction([part, part]).interpreter(values)


def test_macros_have_bindings_of_their_own() -> None:
    interpreter = compiled("tags.exists(t, t == 'vip')").interpreter
    bindings = event()
    assert interpreter(bindings) is True
    assert bindings == event()
