"""`likeness`, `similar` and `closest` in expressions and templates."""

from __future__ import annotations

from datetime import UTC, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.cel import Expression, compile_expression, compile_template
from engine.cel.check.watchlists import Lists
from engine.cel.syntax.tree import Call
from engine.cel.types.findings import list_question, plates_question
from engine.errors import ExpressionError, Place, Problem
from engine.schema import Kind
from engine.watchlist import Definition, read_watchlist
from engine.watchlist.costs import read_costs
from tests.support.random_cases import examples
from tests.unit.cel.lower.lowered import body_of, outcome, quickly
from tests.unit.cel.plate_lists import compiled, failure_of, lists, problems_of, value_of, watchlist
from tests.unit.cel.plate_variables import EXAMPLES, NOON, VARIABLES, event
from tests.unit.cel.typed_expressions import BY_LIKENESS, EVENTS

PLATE = "plate.normalized_text"
NOTED = 'watchlist("noted")'
CLOSEST = f"closest({NOTED}, {PLATE})"


def reading(text: str) -> dict[str, Any]:
    return {"plate": {**event()["plate"], "normalized_text": text}}


def problem_of(text: str) -> Problem:
    (found,) = problems_of(text)
    return found


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('likeness("ABC123", "ABC123")', 1.0),
        ('likeness("A8C123", "abc-123")', 1 - 20 / 600),
        (f'likeness({PLATE}, "ABC124")', 1 - 100 / 600),
        ('likeness("ABC123", "")', 0.0),
        (f'similar({PLATE}, "A8CIZ3")', True),
        (f'similar({PLATE}, "A8CIZ3", 0.92)', False),
        (f'similar({PLATE}, "ABC124")', False),
        (f'similar({PLATE}, "ABC124", 0.8)', True),
        (f'similar({PLATE}, "ABC124", plate.confidence - 0.2)', True),
        (f'similar({PLATE}, ["XYZ789", "A8C-123"])', True),
        (f'similar({PLATE}, ["XYZ789", "A8C-123"], 1)', False),
        ('similar("", "")', False),
        (f"similar({PLATE}, plate.text)", True),
    ],
)
def test_two_plates_are_compared(text: str, value: object) -> None:
    expression = compiled(text)
    found = expression.run(event())
    assert found == pytest.approx(value)
    assert type(found) is type(value)
    assert expression.interpreter(event()) == found
    assert quickly(expression, event()) == found


def test_a_long_list_of_plates_is_asked_as_a_short_one() -> None:
    plates = ["A8C123", *(f"Q{number}W{number}" for number in range(300))]
    text = f"similar({PLATE}, {plates})"
    assert value_of(text) is True
    assert value_of(text, **reading("Q7VV7")) is True
    assert value_of(text, **reading("ABD123")) is False
    assert value_of(text, **reading("")) is False


@pytest.mark.parametrize(
    ("plate", "is_similar", "found"),
    [
        ("ABC123", True, ("ABC123", 1.0)),
        ("A8C-123", True, ("ABC123", 1 - 20 / 600)),
        ("AB1Z", True, ("AB12", 1 - 20 / 400)),
        ("XYZ789", False, None),
        ("", False, None),
    ],
)
def test_a_list_is_asked_for_its_nearest_plate(
    plate: str, is_similar: bool, found: tuple[str, float] | None
) -> None:
    assert value_of(f"similar({PLATE}, {NOTED})", **reading(plate)) is is_similar
    row = value_of(CLOSEST, **reading(plate))
    assert (row is None) is (found is None)
    if found is not None:
        assert (row["plate"], row["likeness"]) == (found[0], pytest.approx(found[1]))
        assert row["is_ambiguous"] is False
        assert row["owner"] == {"ABC123": "Anna", "AB12": "Bob"}[found[0]]


def test_a_threshold_of_the_call_counts() -> None:
    for threshold, is_similar in (("0.96", True), ("0.97", False), ("1", False)):
        near = reading("A8C123")
        assert value_of(f"similar({PLATE}, {NOTED}, {threshold})", **near) is is_similar
        closest = f"closest({NOTED}, {PLATE}, {threshold}) != null"
        assert value_of(closest, **near) is is_similar


def test_only_rows_in_force_count() -> None:
    text = f'similar({PLATE}, watchlist("dated"))'
    near = reading("A8C123")
    assert value_of(text, **near) is True
    assert value_of(text, **near, time=NOON + timedelta(hours=1)) is False


def test_a_null_is_like_no_list() -> None:
    assert value_of(f"similar(plate.region, {NOTED})") is False
    assert value_of(f"closest({NOTED}, plate.region)") is None
    assert problems_of(f"similar(plate.region, {NOTED})") == []


@pytest.mark.parametrize(
    "text", ['similar(plate.region, "A")', 'likeness("A", plate.region) > 0.1']
)
def test_a_null_is_no_plate_to_compare(text: str) -> None:
    assert failure_of(text) == "null_operand"
    assert problem_of(text).remedy == "guard it: plate.region != null && …"
    assert problems_of(f"plate.region != null && {text}") == []


def test_a_threshold_out_of_range_fails_when_it_is_computed() -> None:
    assert failure_of(f'similar({PLATE}, "A", plate.confidence + 1.0)') == "bad_argument"
    assert failure_of(f'similar({PLATE}, "A", dyn("x"))') == "no_such_overload"


@pytest.mark.parametrize(
    "text",
    [
        f"{CLOSEST} != null && {CLOSEST}.likeness > 0.95",
        f"{CLOSEST} == null || !{CLOSEST}.is_ambiguous",
        f"similar({PLATE}, {NOTED}) && {CLOSEST}.plate.startsWith('A')",
        f"cel.bind(c, {CLOSEST}, c != null && c.likeness > 0.95)",
        f"{CLOSEST}.note == 'red Golf'",
        f"has({CLOSEST}.note)",
        f'closest(watchlist("dated"), {PLATE}).valid_from == null',
        f"tags.exists(t, similar(t, {NOTED}))",
        '["A8C123"].exists(t, similar(t, "ABC123"))',
    ],
)
def test_a_guarded_row_is_no_problem(text: str) -> None:
    assert problems_of(text) == []


def test_a_row_that_may_be_null_wants_a_guard() -> None:
    for field in (".likeness > 0.95", ".plate.contains('A')", ".is_ambiguous"):
        assert problem_of(f"{CLOSEST}{field}" + " && true").code == "may-be-null"
    # Another threshold is another question.
    other = f"similar({PLATE}, {NOTED}, 0.85) && {CLOSEST}.likeness > 0.86"
    assert problem_of(other).code == "may-be-null"


@pytest.mark.parametrize(
    ("text", "code", "what", "remedy"),
    [
        (
            f"similar({PLATE})", "arity", "similar() takes 2 or 3 arguments, not 1",
            f'write similar({PLATE}, "ABC123") or similar({PLATE}, watchlist("stolen"))',
        ),
        (
            "likeness('A', 'B', 1)", "arity", "likeness() takes 2 arguments, not 3",
            f'write likeness({PLATE}, "ABC123")',
        ),
        (
            "similar(latency_ms, 'A')", "no-overload",
            "similar() compares texts, and this is an int", None,
        ),
        ("similar('A', 1)", "no-overload", "similar() compares texts, and this is an int", None),
        ("likeness('A', null)", "no-overload", "likeness() compares texts, and this is null", None),
        (
            "similar('A', [1])", "no-overload",
            "the plates of similar() are texts, not list(int)", 'write ["ABC123", "XYZ789"]',
        ),
        (
            "similar('A', tags)", "no-overload",
            "the plates of similar() are texts, written out", 'write ["ABC123", "XYZ789"]',
        ),
        (
            f"similar(latency_ms, {NOTED})", "no-overload",
            "similar() takes a plate as text, not an int", f"ask for {PLATE}",
        ),
        (
            f"similar({NOTED}, {PLATE})", "watchlist-use",
            "similar() takes the text first, then the list", None,
        ),
        (
            f"closest({PLATE}, {NOTED})", "watchlist-use",
            "closest() takes the list first, then the text",
            f'write closest(watchlist("stolen"), {PLATE})',
        ),
        (
            "closest('A', 'B')", "watchlist-use",
            "closest() takes a watchlist first, named where it is asked", None,
        ),
        (
            f"likeness({PLATE}, {NOTED}) > 0.5", "watchlist-use",
            "likeness() compares two texts: a list has no likeness", None,
        ),
        (
            f"{NOTED}.closest({PLATE})", "watchlist-use", "a watchlist has no function 'closest'",
            f"write closest({NOTED}, {PLATE})",
        ),
        (
            f"{NOTED}.similar({PLATE})", "watchlist-use", "a watchlist has no function 'similar'",
            f"write similar({PLATE}, {NOTED})",
        ),
        ("plate.text.similar('A')", "unknown-function", "'similar' is called otherwise", None),
        (
            f"similar({PLATE}, 'noted')", "watchlist-name", "'noted' is the name of a watchlist",
            f"write {NOTED}",
        ),
        (f"similar({PLATE}, noted)", "unknown-name", "'noted' is not known here", f"write {NOTED}"),
        (
            f"similar({PLATE}, watchlist('noetd'))", "unknown-watchlist",
            "there is no watchlist 'noetd'", "did you mean 'noted'?",
        ),
        (
            f"{CLOSEST}.nte == ''", "unknown-field", "'the record' has no field 'nte'",
            "did you mean 'note'?",
        ),
        (
            f"similar({PLATE}, 'A', 0)", "threshold", "a threshold is more than 0, and at most 1",
            "write a number such as 0.9 or 0.95",
        ),
        (
            f"similar({PLATE}, 'A', 95)", "threshold",
            "a threshold is more than 0, and at most 1", None,
        ),
        (
            f"similar({PLATE}, 'A', 0.90001)", "threshold",
            "a threshold has at most 4 decimal places", None,
        ),
        (f"similar({PLATE}, 'A', 'B')", "threshold", "a threshold is a number", None),
        (
            f"similar({PLATE}, 'A', is_test)", "no-overload",
            "a threshold is a number, not a bool", "write 0.9",
        ),
        (
            f"similar({PLATE}, {NOTED}, 0.83)", "threshold",
            "a list takes a threshold of 0.84 or more", "write 0.84 at least: 0.9 is usual",
        ),
        (
            f"similar({PLATE}, ['A', 'B'], 0.83)", "threshold",
            "a list takes a threshold of 0.84 or more", None,
        ),
        (
            f"closest({NOTED}, {PLATE}, plate.confidence)", "threshold",
            "the threshold of a list is a number, written out", None,
        ),
        (
            f"likeness({PLATE}, 'A') > 1.5", "never-true",
            f"'likeness({PLATE}, \"A\")' is from 0 to 1, so this is never true", None,
        ),
        (
            f"similar({PLATE}, 'AB?1')", "watchlist-key",
            "'AB?1' is like no plate: `*` and `?` are wildcards in rows of lists only",
            "write a whole plate",
        ),
        (
            f"similar('', {NOTED})", "watchlist-key", "'' is on no list: the plate is empty",
            f"ask for {PLATE}",
        ),
        (
            "similar('plate.text', 'ABC123')", "constant",
            "two constants are compared, whatever the event is",
            "a field's name has no quotes: plate.text",
        ),
        (
            "likeness('ABC', 'ABD') > 0.5", "constant",
            "two constants are compared, whatever the event is", "write true or false",
        ),
        (
            f"similar({PLATE}, [])", "never-true",
            "the list has no plates, so that nothing is similar to one", "write plates into it",
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told(text: str, code: str, what: str, remedy: str | None) -> None:
    found = problem_of(text)
    assert (found.code, found.what) == (code, what)
    if remedy is not None:
        assert found.remedy == remedy


def test_each_type_is_known() -> None:
    row = compiled(CLOSEST).type
    assert row is not None
    kinds = {name: (kind.kind, kind.nullable) for name, kind in row.fields.items()}
    assert (row.kind, row.nullable) == (Kind.RECORD, True)
    assert kinds["plate"] == (Kind.STRING, False)
    assert kinds["likeness"] == (Kind.DOUBLE, False)
    assert kinds["is_ambiguous"] == (Kind.BOOL, False)
    assert kinds["note"] == kinds["owner"] == (Kind.STRING, True)
    assert kinds["valid_until"] == (Kind.TIMESTAMP, True)


@pytest.mark.parametrize(
    "text",
    [
        f'likeness({PLATE}, "ABC123") > 0.9',
        f'!similar({PLATE}, "ABC123")',
        f'similar({PLATE}, ["ABC123", "XYZ"], 0.95)',
        f"similar({PLATE}, {NOTED})",
        f"similar({PLATE}, {NOTED}, 1)",
        f"closest({NOTED}, {PLATE}, 0.97).note == null",
        f"similar({PLATE}, plate.text, plate.confidence)",
    ],
)
def test_it_is_shown_as_it_is_written(text: str) -> None:
    assert compiled(text).cel == text


def test_names_of_lists_are_collected() -> None:
    known = lists()
    text = f'similar({PLATE}, {NOTED}) || {PLATE} in watchlist("plain")'
    compile_expression(text, VARIABLES, known)
    assert known.used == {"noted", "plain"}
    assert known.asked_by_likeness == {"noted"}
    with pytest.raises(ExpressionError):
        compile_expression(f'similar({PLATE}, watchlist("states"), 0.5)', VARIABLES, known)
    assert known.used == {"noted", "plain", "states"}


def test_columns_that_closest_hides_or_the_list_lacks_are_reported(tmp_path: Path) -> None:
    path = tmp_path / "odd.csv"
    path.write_text("reg,plate,likeness,case\nABC123,golf,high,17\n")
    definition = Definition("odd", path, Place("rules.yaml"), column="reg")
    found = read_watchlist(definition, UTC).watchlist
    row = f'closest(watchlist("odd"), {PLATE})'

    def problems(text: str) -> list[str]:
        expression = compile_expression(text, VARIABLES, Lists({"odd": found}))
        return [problem.what for problem in expression.warnings if "null, and" not in problem.what]

    for name in ("plate", "likeness"):
        (what,) = problems(f"string({row}.{name}) != ''")
        assert what.startswith(f"this is not the column '{name}' of the watchlist 'odd'")
    assert problems(f"{row}.case == '17'") == []
    assert problems(f"{row}.is_ambiguous == true") == []
    assert problems(f"{row}.note == 'x'") == [
        "the watchlist 'odd' has no column 'note', so it is null"
    ]
    in_file = f'watchlist("odd")[{PLATE}]'
    assert problems(f"{PLATE} in watchlist('odd') && {in_file}.likeness == 'high'") == []


def test_a_list_that_cannot_be_used_is_not_reported_twice() -> None:
    for text in (
        f'similar({PLATE}, watchlist("broken"))',
        f'closest(watchlist("broken"), {PLATE})',
    ):
        assert problems_of(text) == []
        assert failure_of(text) == "unknown_name"
    partly = Lists({}, is_whole=False)
    text = f'similar({PLATE}, watchlist("elsewhere"))'
    assert compile_expression(text, VARIABLES, partly).warnings == ()


def test_the_costs_are_those_of_the_lists(tmp_path: Path) -> None:
    (tmp_path / "costs.txt").write_text("60 mixed inside\n50 end double\n100 other\n")
    known = Lists({}, costs=read_costs(tmp_path / "costs.txt"))
    expression = compile_expression(f'likeness({PLATE}, "A8C123")', VARIABLES, known)
    for run in (expression.run, expression.interpreter):
        assert run(event()) == pytest.approx(0.9)


def _question(text: str) -> Any:
    root = compiled(text).root
    assert isinstance(root, Call)
    return plates_question(root) or list_question(root)


def test_what_is_asked_is_at_hand_for_the_index() -> None:
    assert _question(f'similar({PLATE}, "A-1")')[2:] == (("A-1",), 0.9)
    assert _question(f'similar({PLATE}, ["A1", "B2"], 1)')[2:] == (("A1", "B2"), 1.0)
    assert _question(f"similar({PLATE}, plate.text)") is None
    assert _question(f'similar({PLATE}, "A1", plate.confidence)') is None
    of_list = _question(f"similar({PLATE}, {NOTED}, 0.95)")
    assert (of_list.watchlist, of_list.threshold) == (watchlist("noted"), 0.95)
    assert _question(CLOSEST).threshold is None


def test_an_answer_is_computed_once_for_all_that_is_asked() -> None:
    text = f"{CLOSEST} != null && {CLOSEST}.likeness > 0.9 && {CLOSEST}.note != ''"
    assert body_of(compiled(text)).count(", None)") == 1
    assert quickly(compiled(text), event()) is True
    same = f'similar({PLATE}, "A8C123") && (is_test || similar({PLATE}, "A8C123"))'
    assert body_of(compiled(same)) == "((v0 := k0(b[k1][k2])) and (b[k3] or v0))"


def _both(expression: Expression, values: list[dict[str, Any]]) -> None:
    for each in values:
        assert outcome(expression.run, each) == outcome(expression.interpreter, each)


@examples(60)
@given(BY_LIKENESS, st.lists(EVENTS, min_size=2, max_size=2))
def test_a_random_condition_is_as_interpreted(text: str, values: list[dict[str, Any]]) -> None:
    try:
        expression = compiled(text)
    except ExpressionError:
        return
    _both(expression, values)
    again = compile_expression(expression.cel, VARIABLES, lists(), examples=EXAMPLES)
    assert again.cel == expression.cel


def test_a_message_says_which_plate_was_meant() -> None:
    text = f"{{{CLOSEST}.plate}} ({{{CLOSEST}.likeness:.0%}}): {{{CLOSEST}.note}}"
    template = compile_template(text, VARIABLES, lists=lists())
    assert template.warnings == ()
    assert template.render(event(**reading("A8C123"))) == ("ABC123 (97%): red Golf", 0)
    assert template.render(event(**reading("XYZ"))) == (" (): ", 0)


def test_many_comparisons_in_a_loop_cost_what_they_take() -> None:
    text = f"labels.all(k, tags.all(t, !similar(t, {NOTED})))"
    values = event(labels={str(number): "" for number in range(60)}, tags=["q"] * 60)
    assert failure_of(text, **{key: values[key] for key in ("labels", "tags")}) == "too_large"
    assert value_of(text, tags=["q"] * 60) is True
