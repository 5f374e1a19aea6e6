"""What other implementations of CEL offer and this one doesn't: refused at load, with a remedy."""

from __future__ import annotations

import json
import tomllib
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from engine.cel import compile_template
from engine.cel.expression import compile_tree
from engine.cel.syntax.parser import parse
from engine.cel.types.scope import Scope
from engine.cel.values.values import from_python, to_python
from engine.errors import ExpressionError, Problem
from engine.schema import FieldType
from tests.unit.cel.plate_variables import VARIABLES, compiled, problem_of, problems_of
from tests.unit.cel.test_conformance import CASES, FILES, fault_in, value_of

EXTENSIONS: dict[str, dict[str, Any]] = {
    row["file"]: row
    for row in tomllib.loads(
        Path(__file__).with_name("unoffered.toml").read_text(encoding="utf-8")
    )["extension"]
}


def all_cases() -> list[dict[str, Any]]:
    if not CASES.is_file():
        pytest.skip(f"the public conformance data is not at {CASES}")
    return [json.loads(line) for line in CASES.read_text(encoding="utf-8").splitlines()]


def as_rule(expression: str, bindings: dict[str, Any], container: str) -> Any:
    """The value of an expression that is checked as strictly as a rule's."""
    scope = Scope(dict.fromkeys(bindings), container)
    compiled = compile_tree(parse(expression), expression, scope)
    return to_python(compiled.run({key: from_python(item) for key, item in bindings.items()}))


def refusal_of(case: dict[str, Any]) -> tuple[Problem, ...]:
    """Why a case is refused at load; empty where it is not."""
    bindings = {name: value_of(value) for name, value in case.get("bindings", {}).items()}
    try:
        as_rule(case["expr"], bindings, case.get("container", ""))
    except ExpressionError as error:
        return error.problems
    return ()


def test_each_file_of_the_public_cases_is_offered_or_listed() -> None:
    assert {case["file"] for case in all_cases()} == FILES | EXTENSIONS.keys()
    assert not FILES & EXTENSIONS.keys()


def test_each_case_of_an_unoffered_extension_is_refused_with_place_and_remedy() -> None:
    counts: Counter[str] = Counter()
    for case in all_cases():
        row = EXTENSIONS.get(case["file"])
        if row is None:
            continue
        counts[case["file"]] += 1
        if f"{case['section']}/{case['name']}" in row["standard"]:
            assert fault_in(case, as_rule) == "", case["expr"]
            continue
        problems = refusal_of(case)
        assert problems, case["expr"]
        assert problems[0].remedy, (case["expr"], problems[0])
        assert 0 < problems[0].offset < len(case["expr"])
    assert counts == {name: row["cases"] for name, row in EXTENSIONS.items()}


def test_each_reason_is_told() -> None:
    assert all(row["reason"] for row in EXTENSIONS.values())


NULLS = "write a != null ? a : b, or has(a.b) ? a.b : c"
BIND = "write cel.bind(name, value, result)"


@pytest.mark.parametrize(
    ("text", "at", "what", "remedy"),
    [
        ("optional.of(camera_id) == 1", "of(", "optional.of() is not offered", NULLS),
        ("optional.none().hasValue()", "none", "optional.none() is not offered", NULLS),
        ("camera_id.orValue('') == ''", "orValue", "orValue() is not offered", NULLS),
        ("tags.optMap(y, y + 1) == tags", "optMap", "optMap() is not offered", NULLS),
        ("cel.block([1], cel.index) == 1", "block", "cel.block() is not offered", BIND),
        ("cel.bind(a, 1) == 1", "bind", "cel.bind() takes 3 arguments, not 2", BIND),
        ("cel.bnd(a, 1, 2) == 1", "bnd", "there is no function 'cel.bnd'", BIND),
        (
            "tags.exists(i, v, i == 1 && v == 'a')",
            "exists",
            "exists() with two names is not offered",
            "write list.exists(item, condition), which names the item only",
        ),
        (
            "tags.transformList(i, v, v) == tags",
            "transformList",
            "transformList() is not offered",
            "write list.map(item, result), which names the item only",
        ),
        (
            "tags.existsOne(i, v, v == 'a')",
            "existsOne",
            "existsOne() is not offered",
            "write list.exists_one(item, condition), which names the item only",
        ),
        (
            "plate.?region == 1",
            "?",
            "'?' is not expected here",
            f"there are no optional values, {NULLS}",
        ),
        (
            "labels[?'a'] == 1",
            "?",
            "'?' is not expected here",
            f"there are no optional values, {NULLS}",
        ),
    ],
)
def test_one_fault_says_where_what_and_what_to_write(
    text: str, at: str, what: str, remedy: str
) -> None:
    problems = problems_of(text)
    first = problems[0]
    assert (first.offset, first.what, first.remedy) == (text.index(at), what, remedy)


def test_a_chain_of_optional_values_is_one_fault() -> None:
    problem = problem_of("optional.of(camera_id).or(true).orValue('') == ''")
    assert problem.what == "optional.of() is not offered"


def test_faults_in_the_arguments_are_told_as_well() -> None:
    problems = problems_of("optional.of(plate.tetx).orValue(camra_id) == ''")
    assert [problem.code for problem in problems] == [
        "unknown-function",
        "unknown-field",
        "unknown-name",
    ]


def test_the_type_of_optional_values_is_unknown() -> None:
    assert problem_of("type(1) == optional_type").remedy == "there are no optional values"


@pytest.mark.parametrize("text", ["{plate.?text}", "{optional.of(plate.text)}", "{[?1]}"])
def test_templates_refuse_them_too(text: str) -> None:
    with pytest.raises(ExpressionError):
        compile_template(text, VARIABLES)


def test_a_name_of_ones_own_may_be_called_like_an_extension() -> None:
    assert compiled("['a'].all(optional, optional == 'a')").evaluate({}) is True
    assert compiled("cel.bind(cel, {'block': 1}, cel.block == 1)").evaluate({}) is True
    scope = Scope({"optional": FieldType("string")})  # type: ignore[arg-type]
    with pytest.raises(ExpressionError) as caught:
        compile_tree(parse("optional.of(1) == 1"), "", scope)
    assert caught.value.problems[0].what == "there is no function 'of'"
