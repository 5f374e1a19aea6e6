"""Where a watchlist may stand in an expression."""

from __future__ import annotations

import pytest

from engine.cel import compile_expression
from engine.cel.grammar import parse
from engine.cel.lists import Lists, bind
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
        'watchlist("noted").exists(p, p == "A")',
        'watchlist("noted").all(p, true)',
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
    ("key", "part"),
    [
        ("plate.text", "as the camera read it"),
        ('"abc-123"', "capitals and digits only"),
        ("lower(plate.normalized_text)", "in lower case"),
        ("plate.normalized_text.lowerAscii()", "in lower case"),
    ],
)
def test_a_key_that_no_list_has_is_a_warning(key: str, part: str) -> None:
    for text in (
        f'{key} in watchlist("noted")',
        f'{key} in watchlist("noted") && watchlist("noted")[{key}].owner == "x"',
    ):
        problems = problems_of(text)
        assert {problem.code for problem in problems} == {"watchlist-key"}
        assert part in problems[0].what
        assert problems[0].remedy == f"ask for {PLATE}"


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
