"""The extensions that are offered: the public conformance data as rules, Google's, every type."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.cel import evaluate
from engine.cel.expression import compile_tree
from engine.cel.syntax.parser import parse
from engine.cel.types.functions import FUNCTIONS
from engine.cel.types.scope import Scope
from engine.cel.values.values import UInt, from_python, to_python
from engine.errors import EvaluationError, ExpressionError
from tests.support.random_cases import examples
from tests.unit.cel.lower.lowered import outcome
from tests.unit.cel.test_conformance import CASES, cases, fault_in

OFFERED = {"math_ext", "encoders_ext", "bindings_ext"}
_INTS = st.sampled_from([0, 1, -1, 5, 63, 64, -7, 2**53, 2**53 + 1, 2**63 - 1, -(2**63)])
_UINTS = st.sampled_from([0, 1, 2**53 + 1, 2**63, 2**64 - 1]).map(UInt)
_DOUBLES = st.floats() | st.sampled_from([0.0, -0.0, 0.5, -1.5, 2.5, 2.0**53, 1.8e19, -9.3e18])
_NUMBERS = st.one_of(_INTS, _UINTS, _DOUBLES)
_TEXTS = st.binary(max_size=6).map(lambda data: evaluate("base64.encode(d)", {"d": data}))
VALUES: dict[type, st.SearchStrategy[Any]] = {
    int: _INTS,
    UInt: _UINTS,
    float: _DOUBLES,
    list: st.lists(_NUMBERS, min_size=1, max_size=4),
    bytes: st.binary(max_size=6),
    str: st.one_of(_TEXTS, st.text("aQ=/+-_ \n", max_size=9)),
}
CALLS = st.sampled_from(
    [
        (name, row.params, row.result)
        for name, function in FUNCTIONS.items()
        if name.startswith(("math.", "base64."))
        for row in function.overloads
    ]
)


def written(value: Any) -> str:
    """A value as CEL text whose type no checker sees."""
    match value:
        case list():
            return f"[{', '.join(map(written, value))}]"
        case bytes():
            return "b'" + "".join(f"\\x{byte:02x}" for byte in value) + "'"
        case str():
            return "'" + value.replace("\n", "\\n") + "'"
        case float():
            return f"double('{value!r}')"
        case UInt():
            return f"dyn({int(value)}u)"
    return f"dyn({value})"


def as_rule(expression: str, bindings: dict[str, Any], container: str) -> Any:
    """The value of an expression that is checked as strictly as a rule's."""
    compiled = compile_tree(
        parse(expression), expression, Scope(dict.fromkeys(bindings), container)
    )
    values = {name: from_python(value) for name, value in bindings.items()}
    assert outcome(compiled.run, values) == outcome(compiled.interpreter, values)
    return to_python(compiled.run(values))


def test_the_public_cases_of_offered_extensions_pass_as_rules() -> None:
    if not CASES.is_file():
        pytest.skip(f"the public conformance data is not at {CASES}")
    offered = [case for case in cases() if case["file"] in OFFERED]
    assert {case["file"] for case in offered} == OFFERED
    faults = {case["expr"]: fault for case in offered if (fault := fault_in(case, as_rule))}
    assert faults == {}


def test_the_public_cases_of_offered_extensions_run_as_generated_python() -> None:
    if not CASES.is_file():
        pytest.skip(f"the public conformance data is not at {CASES}")

    def lowered(expression: str, bindings: dict[str, Any], container: str) -> Any:
        compiled = compile_tree(
            parse(expression), expression, Scope(dict.fromkeys(bindings), container)
        )
        assert compiled.fragment is not None, compiled.fallback
        return to_python(compiled.run(bindings))

    wrong = [c["expr"] for c in cases() if c["file"] in OFFERED and fault_in(c, lowered)]
    assert wrong == []


@examples(300)
@given(CALLS, st.data())
def test_every_signature_gives_the_type_that_it_tells(
    call: tuple[str, tuple[type, ...], type], data: st.DataObject
) -> None:
    name, params, result = call
    args = [data.draw(VALUES[param]) for param in params]
    (row,) = (row for row in FUNCTIONS[name].overloads if row.params == params)
    try:
        value = row.implementation(*args)
    except EvaluationError:
        return
    assert type(value) in ({int, UInt, float} if result is object else {result})


def ours(text: str) -> tuple[str, Any]:
    try:
        return seen(evaluate(text))
    except EvaluationError:
        return "error", None


def seen(value: Any) -> tuple[str, Any]:
    """A value with its type, NaN being itself and -0.0 not 0.0."""
    if type(value) is float:
        return "double", "nan" if math.isnan(value) else (value, math.copysign(1, value))
    return {int: "int", UInt: "uint", str: "string", bytes: "bytes", bool: "bool"}[
        type(value)
    ], value


def google(text: str) -> tuple[str, Any]:
    cel = pytest.importorskip("cel_expr_python.cel")
    ext_math = pytest.importorskip("cel_expr_python.ext.ext_math")
    ext_encoders = pytest.importorskip("cel_expr_python.ext.ext_encoders")
    env = cel.NewEnv(variables={}, extensions=[ext_math.ExtMath(), ext_encoders.ExtEncoders()])
    found = env.compile(text, disable_check=True).eval(data={})
    if found.type() == cel.Type.ERROR:
        return "error", None
    value = found.plain_value()
    if found.type() == cel.Type.UINT:
        return "uint", UInt(value)
    return seen(bytes(value) if isinstance(value, bytearray) else value)


@examples(300)
@given(CALLS, st.data())
def test_random_calls_agree_with_googles_implementation(
    call: tuple[str, tuple[type, ...], type], data: st.DataObject
) -> None:
    name, params, _ = call
    args = ", ".join(written(data.draw(VALUES[param])) for param in params)
    text = f"{name}({args})"
    assert ours(text) == google(text)


@examples(100)
@given(st.sampled_from(["greatest", "least"]), st.lists(_NUMBERS, min_size=3, max_size=5))
def test_a_choice_of_many_agrees_with_googles_implementation(name: str, values: list[Any]) -> None:
    text = f"math.{name}({', '.join(map(written, values))})"
    assert ours(text) == google(text)
    assert ours(text) == ours(f"math.{name}([{', '.join(map(written, values))}])")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("math.ceil(1) > 0.0", "no-overload"),
        ("math.bitAnd(1, 1.5) == 1", "no-overload"),
        ("math.greatest('a') == 1", "no-overload"),
        ("math.greatest() == 1", "arity"),
        ("math.cosine(1.0) == 1.0", "unknown-function"),
        ("base64.encode('a') == ''", "no-overload"),
    ],
)
def test_a_wrong_call_is_refused_at_load(text: str, code: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        compile_tree(parse(text), text, Scope({}))
    (problem,) = caught.value.problems
    assert problem.code == code
    assert text[problem.offset :].startswith(text.split("(")[0].partition(".")[2])
