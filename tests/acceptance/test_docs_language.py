"""The page of the language tells what is offered, and what `check` warns of."""

from __future__ import annotations

import re

import pytest

from engine.cel import compile_expression, compile_template
from engine.cel.syntax.tree import Macro
from engine.cel.types.functions import FUNCTIONS
from engine.errors import ExpressionError, Problem
from engine.schema import FieldType, Kind
from tests.support.avro import plate_schema
from tests.support.handbook import RULES, table
from tests.unit.cel.check.test_unoffered import EXTENSIONS
from tests.unit.cel.test_conformance import FILES


def extensions(told: str) -> set[str]:
    """The extensions of which the page tells that."""
    rows = table(RULES, "Extension").rows
    return {name.strip("`").removesuffix("2") for name, offered, _ in rows if offered == told}


def names(files: set[str]) -> set[str]:
    """What the page calls the extensions of these files of the public conformance data."""
    return {
        name.removesuffix("_ext").removesuffix("2").replace("string", "strings") for name in files
    }


def test_the_extensions_that_are_offered_are_told() -> None:
    offered = {name for name in FILES if name.endswith("_ext")}
    assert extensions("yes") == names(offered)


def test_the_extensions_that_are_not_offered_are_told() -> None:
    assert extensions("no") == names({*EXTENSIONS})


def test_what_the_page_says_of_an_extension_is_there() -> None:
    rows = {name.strip("`"): text for name, offered, text in table(RULES, "Extension").rows}
    for name in re.findall(r"`([\w.]+\.\w+)`", rows["encoders"] + rows["strings"]):
        assert name in FUNCTIONS or name.rpartition(".")[2] in FUNCTIONS
    assert rows["bindings"] == f"`cel.{Macro.BIND}`"
    assert any(name.startswith("math.") for name in FUNCTIONS)


NEVER = [row for row in table(RULES, "Never true together").rows if "&&" in row[0]]
#: What the rows of the table call values.
NAMES = {**plate_schema().variables, "hours": FieldType(Kind.INT), "x": FieldType(Kind.STRING)}


@pytest.mark.parametrize(("never", "instead"), NEVER, ids=lambda cell: cell)
def test_what_is_never_true_is_warned_of_with_what_the_page_writes(
    never: str, instead: str
) -> None:
    (warning,) = compile_expression(never.strip("`"), NAMES).warnings
    assert warning.code == "never-true"
    assert warning.remedy.endswith(f"write {instead.strip('`')}")


def template_problems(text: str) -> tuple[Problem, ...]:
    try:
        return compile_template(text, plate_schema().variables).warnings
    except ExpressionError as error:
        return error.problems


@pytest.mark.parametrize("row", table(RULES, "Elsewhere").rows, ids=lambda row: row[1])
def test_a_placeholder_of_another_program_is_told_with_what_the_page_writes(
    row: tuple[str, str],
) -> None:
    here = row[1].strip("`")
    assert template_problems(here) == () or "…" in here or "condition" in here
    found = template_problems(" ".join(re.findall(r"`([^`]+)`", row[0])))
    assert found
    assert any(here in each.remedy or "remove the" in each.remedy for each in found)
