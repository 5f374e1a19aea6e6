"""Where a watchlist may stand in an expression."""

from __future__ import annotations

import pytest

from engine.cel import compile_expression
from engine.cel.check.watchlists import Lists, bind
from engine.cel.syntax.parser import parse
from engine.errors import ExpressionError
from tests.unit.cel.plate_lists import compiled, lists, problems_of
from tests.unit.cel.plate_variables import VARIABLES

PLATE = "plate.normalized_text"


@pytest.mark.parametrize(
    "text",
    [
        f'{PLATE} in watchlist("noted")',
        f'!({PLATE} in watchlist("noted"))',
        f'{PLATE} in watchlist("noted") ? watchlist("noted")[{PLATE}].note : ""',
        f'{PLATE} in watchlist("noted") && watchlist("noted")[{PLATE}].owner == "Anna"',
        f'["a", "b"].exists(x, x + {PLATE} in watchlist("plain"))',
        f'{{"on": {PLATE} in watchlist("plain")}}.on',
        f'[{PLATE} in watchlist("plain")][0]',
        f'size(string({PLATE} in watchlist("plain"))) > 2',
        f'1 + 2 + ({PLATE} in watchlist("plain") ? 1 : 2) == 4',
        f'has(watchlist("noted")[{PLATE}].note) && {PLATE} in watchlist("noted")',
        '"ABC" in watchlist("dated")',
        f'watchlist("states").rows({PLATE}).exists(r, r.state == "FL")',
        f'watchlist("states").rows({PLATE}).all(r, r.reason != null && r.reason.contains("x"))',
        f'watchlist("states").rows({PLATE}).exists_one(r, r.state == "FL")',
        f'watchlist("states").rows({PLATE}).filter(r, r.state == "FL").map(r, r.reason)',
        f'size(watchlist("terms").rows({PLATE})) > 1',
        f'watchlist("terms").rows({PLATE}).exists(r, r.valid_until == null)',
        f'"stolen" in watchlist("states").rows({PLATE}).map(r, r.reason)',
        f'cel.bind(all, watchlist("states").rows({PLATE}), all != [] && all[0].state == "FL")',
        'watchlist("states").rows(plate.region) == []',
        'watchlist("states").rows(dyn(1)) == []',
    ],
)
def test_a_list_may_be_asked_for_plates_and_columns_anywhere(text: str) -> None:
    assert problems_of(text) == []


@pytest.mark.parametrize(
    "text",
    [
        'size(watchlist("noted")) > 1',
        'watchlist("noted").size() > 1',
        'watchlist("noted") == watchlist("noted")',
        '[watchlist("noted")] == []',
        '{"a": watchlist("noted")} == {}',
        f'(is_test ? watchlist("noted") : watchlist("plain"))[{PLATE}].note == ""',
        f'cel.bind(l, watchlist("noted"), {PLATE} in l)',
        'dyn(watchlist("noted")) == 1',
        'watchlist("noted").note == ""',
        'has(watchlist("noted").note)',
        f'watchlist("noted")[{PLATE}] == null',
        f'watchlist("noted")[{PLATE}]["note"] == ""',
        f'watchlist("noted") in [{PLATE}]',
        'watchlist("noted")',
    ],
)
def test_whatever_else_is_asked_of_a_list_is_refused_with_what_to_write(text: str) -> None:
    problems = problems_of(text)
    assert {problem.code for problem in problems} == {"watchlist-use"}
    assert f'write {PLATE} in watchlist("noted")' in problems[0].remedy
    assert text[problems[0].offset :].startswith(("watchlist", "["))


@pytest.mark.parametrize(
    "call", ["watchlist(camera_id)", "watchlist()", 'watchlist("a", "b")', "watchlist(1)",
             'watchlist("no" + "ted")', "watchlist(null)"],
)  # fmt: skip
def test_the_name_of_a_list_is_written_out(call: str) -> None:
    (problem,) = problems_of(f"{PLATE} in {call}")
    assert (problem.code, problem.remedy) == ("watchlist-name", 'write watchlist("stolen")')


def test_an_unknown_list_has_a_suggestion_at_its_name() -> None:
    (problem,) = problems_of(f'{PLATE} in watchlist("notd")')
    assert problem.code == "unknown-watchlist"
    assert problem.offset == len(f"{PLATE} in watchlist(")
    assert problem.remedy == "did you mean 'noted'?"


def test_without_any_list_the_remedy_is_to_define_it() -> None:
    with pytest.raises(ExpressionError) as caught:
        compile_expression(f'{PLATE} in watchlist("stolen")', VARIABLES)
    assert "define it under `watchlists:`" in str(caught.value)


def test_a_list_that_can_not_be_used_or_may_stand_elsewhere_is_told_once() -> None:
    assert problems_of(f'{PLATE} in watchlist("broken")') == []
    assert problems_of(f'watchlist("broken")[{PLATE}].anything == 1') == []
    partly = Lists({}, is_whole=False)
    assert compile_expression(f'{PLATE} in watchlist("other")', VARIABLES, partly).warnings == ()


def test_all_problems_are_told_at_once_in_their_order() -> None:
    text = f'nme == 1 || {PLATE} in watchlist("notd") || size(watchlist("noted")) > 0 || oops'
    problems = problems_of(text)
    assert len(problems) == 4
    offsets = [problem.offset for problem in problems]
    assert offsets == sorted(offsets)


def test_an_unknown_column_has_a_suggestion() -> None:
    (problem,) = [
        each for each in problems_of(f'watchlist("noted")[{PLATE}].ownr == "x"')
        if each.severity == "error"
    ]  # fmt: skip
    assert (problem.code, problem.remedy) == ("unknown-field", "did you mean 'owner'?")


def test_a_standing_column_that_the_file_lacks_is_a_warning() -> None:
    text = f'{PLATE} in watchlist("plain") && watchlist("plain")[{PLATE}].note == "x"'
    (problem,) = problems_of(text)
    assert problem.code == "watchlist-column"
    assert "has no column 'note', so it is null" in problem.what


def test_a_row_that_may_be_missing_is_a_warning_in_a_condition() -> None:
    row = f'watchlist("noted")[{PLATE}].owner == "Anna"'
    guard = f'{PLATE} in watchlist("noted")'
    (problem,) = problems_of(row)
    assert problem.code == "may-be-missing"
    assert problem.remedy == f"guard it: {guard} && …"
    assert problems_of(f"{guard} && {row}") == []
    assert problems_of(f"!({guard}) || {row}") == []
    assert problems_of(f"{guard} ? {row} : false") == []
    other = f'{PLATE} in watchlist("plain") && {row}'
    assert [each.code for each in problems_of(other)] == ["may-be-missing"]


def test_a_note_may_be_null_unless_it_is_guarded() -> None:
    note = f'watchlist("noted")[{PLATE}].note'
    guard = f'{PLATE} in watchlist("noted")'
    assert [each.code for each in problems_of(f'{guard} && {note}.contains("x")')] == [
        "may-be-null"
    ]
    assert problems_of(f'{guard} && {note} != null && {note}.contains("x")') == []


def test_the_text_names_the_list() -> None:
    text = f'{PLATE} in watchlist("noted") ? watchlist("noted")[{PLATE}].note == "x" : false'
    assert compiled(text).cel == text


def test_the_names_that_are_asked_for_are_noted() -> None:
    known = lists()
    compile_expression(f'{PLATE} in watchlist("noted")', VARIABLES, known)
    bind(parse(f'{PLATE} in watchlist("nope")'), known)
    assert known.used == {"noted", "nope"}


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        ('"---"', "the plate holds no letter A to Z and no digit"),
        ('""', "the plate is empty"),
        ('"ABC123, DEF456"', "the plate holds a separator: these are several values"),
        (f'"{"A1" * 11}"', "the plate has more than 20 letters and digits"),
    ],
)
def test_a_plate_that_can_be_on_no_list_is_a_warning(key: str, reason: str) -> None:
    for text in (
        f'{key} in watchlist("noted")',
        f'{key} in watchlist("noted") && watchlist("noted")[{key}].owner == "x"',
        f'watchlist("noted").rows({key}).exists(r, r.owner == "x")',
    ):
        problems = problems_of(text)
        assert {problem.code for problem in problems} == {"watchlist-key"}
        assert problems[0].what.endswith(f"is on no list: {reason}")
        assert problems[0].remedy == f"ask for {PLATE}"


@pytest.mark.parametrize(
    "key", ["plate.text", '"abc-123"', f"lower({PLATE})", f"{PLATE}.lowerAscii()"]
)
def test_a_text_that_is_normalised_by_the_look_up_is_fine(key: str) -> None:
    for name in ("noted", "states"):
        assert problems_of(f'{key} in watchlist("{name}")') == []
        assert problems_of(f'watchlist("{name}").rows({key}).size() > 1') == []


@pytest.mark.parametrize("key", ["latency_ms", "is_test", "tags", "extras"])
def test_a_key_that_is_no_text_is_told(key: str) -> None:
    assert problems_of(f'{key} in watchlist("noted")')
    assert problems_of(f'watchlist("noted")[{key}].owner == "x"')


def test_one_fault_is_enough_for_an_unknown_list_that_is_misused() -> None:
    (problem,) = problems_of('size(watchlist("notd")) > 1')
    assert problem.code == "watchlist-use"


def test_every_problem_has_a_remedy() -> None:
    texts = (
        'size(watchlist("noted")) > 1', f'{PLATE} in watchlist("x")', f"{PLATE} in watchlist(1)",
        f'watchlist("noted")[{PLATE}].nte == ""', 'plate.text in watchlist("noted")',
        f'{PLATE} in watchlist("plain") && watchlist("plain")[{PLATE}].note == ""',
    )  # fmt: skip
    for text in texts:
        assert all(problem.remedy for problem in problems_of(text)), text


@pytest.mark.parametrize("macro", ["exists", "all", "exists_one", "map", "filter"])
def test_a_macro_over_a_list_is_told_to_run_over_rows(macro: str) -> None:
    for over in ('watchlist("noted")', f'watchlist("noted")[{PLATE}]'):
        (problem,) = problems_of(f'{over}.{macro}(r, r.owner == "Anna")')
        assert (problem.code, problem.offset) == ("watchlist-use", 0)
        assert problem.remedy == f'write watchlist("noted").rows({PLATE}).{macro}(…)'


@pytest.mark.parametrize("name", ["row", "get", "find", "all_rows"])
def test_another_function_of_a_list_is_told_of_rows(name: str) -> None:
    (problem,) = problems_of(f'watchlist("noted").{name}({PLATE}) != null')
    assert problem.code == "watchlist-use"
    assert f"has no function '{name}'" in problem.what
    assert problem.remedy.endswith(f'write watchlist("noted").rows({PLATE})')


@pytest.mark.parametrize("args", ["", f'{PLATE}, "FL"'])
def test_rows_takes_one_plate(args: str) -> None:
    (problem,) = problems_of(f'watchlist("noted").rows({args}).size() > 0')
    assert (problem.code, problem.remedy) == (
        "arity",
        f'write watchlist("noted").rows({PLATE})',
    )


@pytest.mark.parametrize("key", ["latency_ms", "is_test", "tags", "plate", "null", "time", "1"])
def test_rows_of_what_is_no_text_is_refused(key: str) -> None:
    (problem,) = problems_of(f'watchlist("noted").rows({key}).size() > 0')
    assert (problem.code, problem.remedy) == ("no-overload", f"ask for {PLATE}")


@pytest.mark.parametrize("call", ["rows(camera_id)", "plate.rows(camera_id)", "tags.row(1)"])
def test_rows_of_something_else_is_told_how_it_is_written(call: str) -> None:
    (problem,) = problems_of(f"{call} == []")
    assert problem.remedy == f'write watchlist("stolen").rows({PLATE})'


def test_an_unknown_column_of_rows_has_a_suggestion() -> None:
    rows = f'watchlist("states").rows({PLATE})'
    for text in (
        f'{rows}.exists(r, r.stat == "FL")',
        f'{rows}.filter(r, r.state == "FL").map(r, r.stat)',
        f'{rows}[0].stat == "FL"',
        f'cel.bind(all, {rows}, all.exists(r, r.stat == "FL"))',
    ):
        (problem,) = problems_of(text)
        assert (problem.code, problem.remedy) == ("unknown-field", "did you mean 'state'?")
        assert text[problem.offset :].startswith("stat")


def test_a_column_of_all_rows_at_once_is_told_to_be_asked_one_by_one() -> None:
    (problem,) = problems_of(f'watchlist("states").rows({PLATE}).state == "FL"')
    assert problem.code == "no-fields"
    assert problem.remedy == "its items have: write list.exists(item, item.state == …)"


def test_a_standing_column_that_rows_lack_is_a_warning() -> None:
    rows = f'watchlist("states").rows({PLATE})'
    for text in (
        f"{rows}.exists(r, r.note == null)",
        f'{rows}.filter(r, r.state == "FL").all(r, r.valid_until == null)',
        f"size({rows}) > 0 && {rows}[0].valid_from == null",
    ):
        (problem,) = problems_of(text)
        assert problem.code == "watchlist-column"
    other = f'{rows}.exists(r, cel.bind(r, vehicle, r.make == "x") || tags.exists(r, r == "note"))'
    assert problems_of(other) == []


def test_a_column_of_the_first_row_is_a_warning_where_rows_differ() -> None:
    for column, text in (("state", 'state == "FL"'), ("reason", 'reason != "x"')):
        guard = f'{PLATE} in watchlist("states")'
        (problem,) = problems_of(f'{guard} && watchlist("states")[{PLATE}].{text}')
        assert problem.code == "watchlist-rows-differ"
        assert "lines 2 and 4 of" in problem.what
        assert f"'{column}'" in problem.what
        rows = f'watchlist("states").rows({PLATE}).exists(r, r.{column} == …)'
        assert rows in problem.remedy
        assert "ABC" not in str(problem)


def test_rows_that_do_not_count_together_may_differ() -> None:
    guard, row = f'{PLATE} in watchlist("terms")', f'watchlist("terms")[{PLATE}]'
    assert problems_of(f'{guard} && {row}.note == "now"') == []
    (problem,) = problems_of(f'{guard} && {row}.state == "FL"')
    assert "lines 6 and 7 of" in problem.what


def test_rows_of_a_list_that_can_not_be_used_are_not_told_again() -> None:
    assert problems_of(f'watchlist("broken").rows({PLATE}).exists(r, r.x == 1)') == []
    problems = problems_of('watchlist("notd").rows(plate.normalised).exists(r, r.x == 1)')
    assert [problem.code for problem in problems] == ["unknown-watchlist", "unknown-field"]
    partly = Lists({}, is_whole=False)
    text = f'watchlist("other").rows({PLATE}).exists(r, r.x == 1)'
    assert compile_expression(text, VARIABLES, partly).warnings == ()


def test_the_text_of_rows_is_as_it_was_written() -> None:
    text = f'watchlist("states").rows({PLATE}).exists(r, r.state == "FL")'
    assert compiled(text).cel == text
    assert compiled(compiled(text).cel).cel == text
