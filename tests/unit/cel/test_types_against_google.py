"""The checker's verdicts and types against Google's, over the public conformance data."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from engine.cel.check.check import check
from engine.cel.expression import check_values
from engine.cel.syntax.parser import parse
from engine.cel.types.findings import Findings
from engine.cel.types.kinds import NULL, SCALARS, list_of
from engine.cel.types.scope import Scope
from engine.cel.values.values import TYPE_NAMES
from engine.errors import ExpressionError
from engine.schema import FieldType, Kind
from tests.unit.cel.google_reference import cel, ext_strings
from tests.unit.cel.test_conformance import CASES, cases

KNOWN = tomllib.loads(Path(__file__).with_name("google_types.toml").read_text(encoding="utf-8"))[
    "type"
]
FILES_OF_GOOGLE = {"math_ext", "encoders_ext"}
SCALAR_NAMES = ("bool", "int", "uint", "double", "string", "bytes", "timestamp", "duration")
Typed = dict[str, Any]


def google_type(tagged: Typed) -> Any:
    """The type of a tagged value of the data, as Google's checker wants it."""
    ((tag, value),) = tagged.items()
    if tag == "list":
        return cel.Type.List(google_type(value[0]) if value else cel.Type.DYN)
    if tag == "map":
        return cel.Type.Map(*map(google_type, value[0])) if value else cel.Type.MAP
    return getattr(cel.Type, tag.upper())


def our_type(tagged: Typed) -> FieldType | None:
    """The same for our check."""
    ((tag, value),) = tagged.items()
    if tag == "list":
        return list_of(our_type(value[0]) if value else None)
    if tag == "map":
        key, item = value[0]
        return FieldType(Kind.MAP, key=our_type(key), element=our_type(item))
    return NULL if tag == "null" else SCALARS[Kind(tag)]


def said(kind: FieldType | None) -> str:
    """A type of ours in Google's words."""
    if kind is None:
        return "DYN"
    if kind.kind is Kind.LIST:
        return f"LIST<{said(kind.element)}>"
    if kind.kind is Kind.MAP:
        return f"MAP<{said(kind.key)}, {said(kind.element)}>"
    return str(kind.kind).upper()


def google_verdict(case: Typed) -> str:
    """The type that Google's checker deduces; empty where it refuses."""
    bindings = case.get("bindings", {})
    try:
        environment = cel.NewEnv(
            variables={name: google_type(value) for name, value in bindings.items()},
            extensions=[ext_strings.ExtStrings()],
            container=case.get("container") or None,
        )
        kind = str(environment.compile(case["expr"]).return_type())
    except RuntimeError:
        return ""
    # Which type a type is is not among ours.
    return "TYPE" if kind.startswith("TYPE<") else kind


def our_findings(case: Typed) -> Findings:
    """What our check finds, in rules: strictly."""
    types = {name: our_type(value) for name, value in case.get("bindings", {}).items()}
    findings = check(parse(case["expr"]), Scope(types, case.get("container", "")))
    check_values(findings)
    return findings


@cache
def compared() -> tuple[tuple[Typed, str], ...]:
    """The cases that Google's checker accepts, with the types that it deduces."""
    if not CASES.is_file():
        pytest.skip(f"the public conformance data is not at {CASES}")
    found = ((case, google_verdict(case)) for case in standard_cases())
    return tuple((case, verdict) for case, verdict in found if verdict)


def standard_cases() -> Iterator[Typed]:
    """The cases of the standard library and of the strings extension."""
    return (case for case in cases() if case["file"] not in FILES_OF_GOOGLE)


@pytest.mark.slow
def test_nothing_that_google_accepts_and_that_has_a_value_is_refused() -> None:
    refused: dict[str, list[str]] = {}
    for case, _ in compared():
        if "result" not in case:
            continue
        try:
            findings = our_findings(case)
        except ExpressionError as error:
            refused[case["expr"]] = [str(error)]
        else:
            if findings.has_errors:
                refused[case["expr"]] = [each.what for each in findings.problems]
    assert refused == {}
    assert len(compared()) > 1_200


def test_types_are_those_that_google_deduces() -> None:
    known = {row["expression"]: (row["google"], row["ours"]) for row in KNOWN}
    different: dict[str, tuple[str, str]] = {}
    for case, verdict in compared():
        findings = our_findings(case)
        kind = said(findings.type_of(findings.root))
        if kind != verdict and not findings.has_errors:
            different[case["expr"]] = (verdict, kind)
    assert different == known
    assert all(row["reason"] for row in KNOWN)


def test_the_types_of_type_deduction_are_those_of_their_values() -> None:
    for case in standard_cases() if CASES.is_file() else ():
        if case["file"] == "type_deduction":
            findings = our_findings(case)
            assert findings.type_of(findings.root) == our_type(case["result"]), case["expr"]


def test_every_type_of_the_language_has_a_name_that_is_one() -> None:
    findings = [check(parse(name), Scope({})) for name in TYPE_NAMES]
    assert all(each.type_of(each.root) == SCALARS[Kind.TYPE] for each in findings)


@pytest.mark.parametrize(
    "text",
    [
        "1 + 1.0", "1u + 1", "'a' + 1", "true + true", "-'a'", "!1", "'a' < 1", "[1] < [2]",
        "1 && true", "true || 'a'", "1 ? 2 : 3", "true ? 1 : 'a'", "1 in 1", "'a'.size(1)",
        "size(1)", "'a'.contains(1)", "timestamp(true)", "duration(true)", "int(b'a')", "1.x",
        "1[0]", "{'a': 1}[1]", "['a'].join(1)", "[1].join()", "'a'.split(1)", "b'a' + 'a'",
        "timestamp('2025-01-01T00:00:00Z') + timestamp('2025-01-01T00:00:00Z')",
        "duration('1s') * 2", "-1u", "1.5 % 2.5", "x", "f()", "'a'.f()",
        "1.all(x, true)", "[1].all(x, x)", "[1].map(x, x + 'a')", "has(1.x)", "null + 1",
        "type(1) < type(2)", "{1.5: 1}", "'a'.getHours()", "matches('a')",
    ],
)  # fmt: skip
def test_what_google_refuses_for_its_types_is_refused(text: str) -> None:
    case = {"expr": text}
    assert google_verdict(case) == ""
    assert our_findings(case).has_errors
