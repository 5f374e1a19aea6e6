"""The public conformance data through `engine.cel.evaluate`."""

from __future__ import annotations

import base64
import json
import math
import tomllib
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from engine.cel import evaluate
from engine.cel.expression import compile_tree
from engine.cel.syntax.parser import parse
from engine.cel.types.kinds import KINDS
from engine.cel.types.scope import Scope
from engine.cel.values.values import CelMap, CelType, UInt, from_python, to_python
from engine.errors import EvaluationError, ExpressionError
from engine.schema import FieldType

ROOT = Path(__file__).resolve().parents[3]
CASES = ROOT.parent / "shared" / "cel-conformance" / "cases.jsonl"
DEVIATIONS = Path(__file__).with_name("deviations.toml")
# fmt: off
FILES = {
    "basic", "comparisons", "conversions", "fields", "fp_math", "integer_math", "lists", "logic",
    "macros", "namespace", "parse", "plumbing", "string", "timestamps", "type_deduction",
    "string_ext", "math_ext", "encoders_ext", "bindings_ext",
}
# fmt: on
EXPECTED_CASES = 1528
Key = tuple[str, str, str]


def key_of(case: dict[str, Any]) -> Key:
    return case["file"], case["section"], case["name"]


def deviations() -> dict[Key, str]:
    rows = tomllib.loads(DEVIATIONS.read_text(encoding="utf-8"))["deviation"]
    return {key_of(row): row["reason"] for row in rows}


def cases() -> Iterator[dict[str, Any]]:
    for line in CASES.read_text(encoding="utf-8").splitlines():
        case = json.loads(line)
        if case["file"] in FILES:
            yield case


def value_of(tagged: dict[str, Any]) -> Any:
    """A tagged value of the data as a plain Python value."""
    ((tag, value),) = tagged.items()
    match tag:
        case "int":
            return int(value)
        case "uint":
            return UInt(value)
        case "double":
            return float(value)
        case "bytes":
            return base64.b64decode(value)
        case "list":
            return [value_of(item) for item in value]
        case "map":
            return {value_of(key): value_of(item) for key, item in value}
        case "type":
            return CelType(value)
        case "duration":
            return timedelta(seconds=value[0], microseconds=value[1] // 1000)
    return value


def is_same(left: Any, right: Any) -> bool:
    """Equal in value and in type, NaN being itself and -0.0 not 0.0."""
    if type(left) is not type(right):
        return False
    if isinstance(left, float):
        both_nan = math.isnan(left) and math.isnan(right)
        return both_nan or (left == right and math.copysign(1, left) == math.copysign(1, right))
    if isinstance(left, list):
        return len(left) == len(right) and all(map(is_same, left, right))
    if isinstance(left, dict):
        return len(left) == len(right) and all(
            key in right and is_same(item, right[key]) for key, item in left.items()
        )
    return bool(left == right)


def evaluate_typed(expression: str, bindings: dict[str, Any], container: str) -> Any:
    """`evaluate` where the types of the variables are known, as they are in rules."""
    values = {name: from_python(value) for name, value in bindings.items()}
    types = {
        name: FieldType(KINDS[type(value)]) if type(value) in KINDS else None
        for name, value in values.items()
    }
    scope = Scope(types, container, is_strict=False)
    compiled = compile_tree(parse(expression), expression, scope)
    return to_python(compiled.run(values))


def fault_in(case: dict[str, Any], run: Callable[[str, dict[str, Any], str], Any]) -> str:
    """What is wrong with our answer to a case; empty when nothing is."""
    bindings = {name: value_of(value) for name, value in case.get("bindings", {}).items()}
    try:
        answer = run(case["expr"], bindings, case.get("container", ""))
    except (ExpressionError, EvaluationError) as error:
        return "" if "error" in case else f"failed: {error}"
    if "error" in case:
        return f"gave {answer!r} where an error is due"
    wanted = value_of(case["result"])
    assert not isinstance(answer, CelMap)
    return "" if is_same(answer, wanted) else f"gave {answer!r}, not {wanted!r}"


@pytest.mark.parametrize("run", [evaluate, evaluate_typed])
def test_the_standard_files_pass_but_for_the_listed_deviations(
    run: Callable[[str, dict[str, Any], str], Any],
) -> None:
    if not CASES.is_file():
        pytest.skip(f"the public conformance data is not at {CASES}")
    faults = {key_of(case): fault for case in cases() if (fault := fault_in(case, run))}
    assert faults.keys() == deviations().keys(), faults
    assert sum(1 for _ in cases()) == EXPECTED_CASES


def test_every_deviation_has_a_reason_and_they_are_few() -> None:
    reasons = deviations()
    assert len(reasons) <= 5
    assert all(reasons.values())
