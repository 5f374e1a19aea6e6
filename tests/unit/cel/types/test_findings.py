"""What a check finds, the names that messages and guards give to parts, and the guards."""

from __future__ import annotations

import pytest

from engine.cel.syntax.parser import parse
from engine.cel.syntax.tree import Ident, Literal, Select, children
from engine.cel.types.findings import MAX_PROBLEMS, Findings, is_used_as_value, part_name, title
from engine.cel.types.kinds import NULL
from engine.cel.types.scope import Broken, Scope
from engine.cel.values.values import FailureKind
from engine.errors import Severity
from engine.schema import FieldType, Kind
from tests.unit.cel.plate_variables import compiled, problem_of, problems_of, value_of

NAME = Ident(3, "a")
USE = "vehicle.make.startsWith('F')"


def test_errors_and_warnings_have_the_nodes_place() -> None:
    findings = Findings(NAME, Scope({}))
    findings.error(NAME, "code", "what", "remedy")
    findings.warning(NAME, "code", "what", "remedy")
    assert [problem.severity for problem in findings.problems] == [
        Severity.ERROR,
        Severity.WARNING,
    ]
    assert {problem.offset for problem in findings.problems} == {3}


def test_without_strictness_only_the_broken_reference_is_kept() -> None:
    findings = Findings(NAME, Scope({}, is_strict=False))
    findings.unresolved(NAME, FailureKind.UNKNOWN_NAME, "code", "what", "remedy")
    assert findings.problems == []
    assert findings.references[id(NAME)] == Broken(FailureKind.UNKNOWN_NAME, "what")


def test_a_null_is_warned_of_where_a_name_may_be_null_and_is_not_guarded() -> None:
    nullable = FieldType(Kind.STRING, nullable=True)
    path = Select(5, NAME, "b")
    findings = Findings(path, Scope({}))
    findings.warn_of_null(path, nullable, frozenset({"a.b"}), "'<'")
    findings.warn_of_null(path, FieldType(Kind.STRING), frozenset(), "'<'")
    findings.warn_of_null(Literal(0, None), NULL, frozenset(), "'<'")
    findings.warn_of_null(path, None, frozenset(), "'<'")
    assert findings.problems == []
    findings.warn_of_null(path, nullable, frozenset({"a"}), "'<'")
    assert len(findings.problems) == 1


def test_an_expression_that_is_all_wrong_is_told_a_bounded_number_of_faults() -> None:
    names = " + ".join(f"unknown_{number}" for number in range(3_000))
    assert len(problems_of(names)) == MAX_PROBLEMS
    assert len(problem_of("x" * 60_000).what) < 100


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("plate.region", "plate.region"),
        ("x", "x"),
        ("tags[0]", "tags[0]"),
        ("labels['a'].b", 'labels["a"].b'),
        ("a + b", ""),
        ("f(a)", ""),
        ("f(a).b", "f(a).b"),
        ("'text'", ""),
        (f"tags['{'x' * 300}']", ""),
    ],
)
def test_what_is_read_has_a_name_for_guards(text: str, name: str) -> None:
    assert part_name(parse(text)) == name


@pytest.mark.parametrize(
    ("text", "is_value"),
    [
        ("a == x", True),
        ("[x]", True),
        ("{'a': x}", True),
        ("a.f(x)", True),
        ("x", False),
        ("x && a", False),
        ("!x", False),
        ("x.all(a, a)", False),
    ],
)
def test_a_text_may_stand_where_something_is_compared_listed_or_handed_over(
    text: str, is_value: bool
) -> None:
    root = parse(text)
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if isinstance(node, Ident) and node.name == "x":
            assert is_used_as_value(root, node) is is_value
        waiting.extend(children(node))


def test_a_part_is_called_by_its_text_unless_that_is_long() -> None:
    assert title(parse("a+1")) == "'a + 1'"
    assert title(parse(" + ".join("abcdefghij"))) == "'a + b + c + d + e + f + g + h + i + j'"
    assert title(parse(f"'{'x' * 100}'")) == "this"


@pytest.mark.parametrize(
    "text",
    [
        f"vehicle.make != null && {USE}",
        f"{USE} && vehicle.make != null",
        f"null != vehicle.make && latency_ms > 1 && {USE}",
        f"has(vehicle.make) && {USE}",
        f"vehicle.make == null || {USE}",
        f"!(vehicle.make == null) && {USE}",
        f"!(vehicle.make != null) || {USE}",
        f"!has(vehicle.make) || {USE}",
        f"vehicle.make != null ? {USE} : false",
        f"vehicle.make == null ? false : {USE}",
        f"(vehicle.make == 'a' || vehicle.make == 'Fb') && {USE}",
        f"!(vehicle.make == null || is_test) && {USE}",
        f"vehicle.make != 'a' || {USE}",
        f"has(vehicle.make) && (is_test || {USE})",
        f"has(vehicle.make) && tags.exists(t, {USE})",
        f"vehicle.make in ['Ford', 'Fiat'] && {USE}",
    ],
)
def test_a_guard_in_any_form_silences_the_warning(text: str) -> None:
    assert compiled(text).warnings == ()
    assert value_of(text, vehicle={"make": None, "color": None}) in (True, False)


@pytest.mark.parametrize(
    "text",
    [
        USE,
        f"vehicle.make != null || {USE}",
        f"vehicle.make == null && {USE}",
        f"(vehicle.make != null || is_test) && {USE}",
        f"vehicle.color != null && {USE}",
        f"vehicle.make != null ? true : {USE}",
        f"vehicle.make == null ? {USE} : true",
        f"!(vehicle.make == null && is_test) && {USE}",
        f"vehicle.make in ['Ford', null] && {USE}",
        f"vehicle.make in tags && {USE}",
    ],
)
def test_what_guards_nothing_leaves_the_warning(text: str) -> None:
    # A guard on the wrong side is told by `contradictions` too.
    codes = [warning.code for warning in compiled(text).warnings]
    assert [code for code in codes if code not in {"never-true", "always-true"}] == ["may-be-null"]


def test_a_guarded_comparison_needs_no_second_guard() -> None:
    score = "extras.quality_score"
    assert compiled(f"{score} != null && {score} > 0.5 && {score} + 1.0 > 1.0").warnings == ()
    for other in ("||", "&&"):
        assert len(compiled(f"{score} > 0.5 {other} is_test").warnings) == 1
