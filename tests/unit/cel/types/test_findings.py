"""What a check gathers."""

from __future__ import annotations

from engine.cel.syntax.tree import Ident, Literal, Select
from engine.cel.types.findings import MAX_PROBLEMS, Findings
from engine.cel.types.kinds import NULL
from engine.cel.types.scope import Broken, Scope
from engine.cel.values.values import FailureKind
from engine.errors import Severity
from engine.schema import FieldType, Kind
from tests.unit.cel.plate_variables import problem_of, problems_of

NAME = Ident(3, "a")


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
