"""The trace of an evaluation: every part's value, and why the others were not evaluated."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.cel import Expression, compile_condition, conjunction
from engine.cel.trace import Skipped, Trace, trace, value_text
from engine.cel.values.values import MISSING
from tests.support.random_cases import examples
from tests.unit.cel import plate_lists
from tests.unit.cel.lower.lowered import compiled_or_none, outcome
from tests.unit.cel.plate_variables import VARIABLES, compiled, event
from tests.unit.cel.typed_expressions import CONDITIONS, EVENTS, VALUES


def shown(part: Trace) -> str:
    """A part and what became of it, in one line."""
    of_item = f"{part.item[0]}={value_text(part.item[1])}: " if part.item is not None else ""
    if part.skipped is not None:
        return f"{of_item}{part.text} -- {part.skipped}"
    if part.error is not None:
        return f"{of_item}{part.text} !! {part.error.error_type}"
    return f"{of_item}{part.text} = {value_text(part.value)}"


def lines(part: Trace, depth: int = 0) -> list[str]:
    return [
        "  " * depth + shown(part),
        *(line for each in part.parts for line in lines(each, depth + 1)),
    ]


def traced(text: str, **changes: Any) -> list[str]:
    return lines(trace(compiled(text), event(**changes)))


def test_every_part_has_its_value() -> None:
    assert traced("plate.confidence > 0.8 && (camera_id == 'gate-2' || latency_ms + 2 > 41)") == [
        'plate.confidence > 0.8 && (camera_id == "gate-2" || latency_ms + 2 > 41) = true',
        "  plate.confidence > 0.8 = true",
        "    plate.confidence = 0.95",
        '  camera_id == "gate-2" || latency_ms + 2 > 41 = true',
        '    camera_id == "gate-2" = false',
        '      camera_id = "gate-1"',
        "    latency_ms + 2 > 41 = true",
        "      latency_ms + 2 = 42",
        "        latency_ms = 40",
    ]


@pytest.mark.parametrize(
    ("text", "skipped"),
    [
        ("is_test && latency_ms > 3", "  latency_ms > 3 -- false && …"),
        ("!is_test || latency_ms > 3", "  latency_ms > 3 -- true || …"),
        (
            "is_test ? latency_ms > 3 : true",
            "  latency_ms > 3 -- the other branch of ? : was taken",
        ),
        ("1 / (latency_ms - 40) > latency_ms", "    latency_ms -- a part before it failed"),
        ("cel.bind(x, latency_ms, is_test && x > 1)", "  latency_ms -- its name was not read"),
        ("tags.filter(t, false).exists(t, t == 'a')", '  t == "a" -- there was no item'),
        ("[tags[7]].exists(t, t == 'a')", '  t == "a" -- a part before it failed'),
    ],
)
def test_what_was_not_evaluated_says_why(text: str, skipped: str) -> None:
    assert skipped.strip() in [line.strip() for line in traced(text)]


def test_the_failing_part_is_told_from_those_that_fail_with_it() -> None:
    assert traced("is_test || plate.region.startsWith('US')") == [
        'is_test || plate.region.startsWith("US") !! null_operand',
        "  is_test = false",
        '  plate.region.startsWith("US") !! null_operand',
        "    plate.region = null",
    ]


def test_a_macro_shows_the_first_items_and_the_one_that_decided() -> None:
    tags = [*"abcdefgh", "vip", "never asked"]
    whole = trace(compiled("tags.exists(t, t == 'vip')"), event(tags=tags))
    assert lines(whole) == [
        'tags.exists(t, t == "vip") = true',
        '  tags = ["a", "b", "c", "d", "e", … 5 more]',
        *(f'  t="{tag}": t == "vip" = false' for tag in "abcd"),
        '  t="vip": t == "vip" = true',
    ]
    assert whole.hidden_items == 4


def test_a_map_shows_the_condition_and_the_result_of_an_item() -> None:
    assert traced("tags.map(t, t != 'vip', t + camera_id)") == [
        'tags.map(t, t != "vip", t + camera_id) = ["nightgate-1"]',
        '  tags = ["vip", "night"]',
        '  t="vip": t != "vip" = false',
        '  t="night": t != "vip" = true',
        '  t="night": t + camera_id = "nightgate-1"',
        '    camera_id = "gate-1"',
    ]


def test_a_bound_name_shows_its_value_once() -> None:
    assert traced("cel.bind(p, plate.text + 'x', p != '' && p.size() > 3)") == [
        'cel.bind(p, plate.text + "x", p != "" && p.size() > 3) = true',
        '  plate.text + "x" = "abc 123x"',
        '    plate.text = "abc 123"',
        '  p != "" && p.size() > 3 = true',
        '    p != "" = true',
        "    p.size() > 3 = true",
        "      p.size() = 8",
    ]


def test_a_look_up_in_a_watchlist_shows_the_plate() -> None:
    whole = trace(plate_lists.compiled("plate.text in watchlist('noted')"), event())
    assert lines(whole)[1:] == ['  plate.text = "abc 123"']


def joined() -> Expression:
    """A rule's condition: two operators, and a chain under `when`."""
    parts = [
        compile_condition("plate.normalized_text", "in_list", ["ABC123", "X"], VARIABLES),
        compile_condition("plate.region", "equals", "US-FL", VARIABLES),
        compiled("plate.confidence > 0.9 && is_test"),
    ]
    return conjunction(parts)


def test_the_conditions_of_a_rule_are_as_its_author_wrote_them() -> None:
    region = {"text": "", "normalized_text": "abc123", "confidence": 0.9, "region": "us-fl"}
    whole = trace(joined(), event(plate=region))
    assert [(part.words, part.text, part.value) for part in whole.conditions] == [
        (
            "plate.normalized_text in_list ['ABC123', 'X']",
            'lower(plate.normalized_text) in ["abc123", "x"]',
            True,
        ),
        (
            "plate.region equals US-FL",
            'plate.region != null && lower(plate.region) == "us-fl"',
            True,
        ),
        ("", "plate.confidence > 0.9", False),
        ("", "is_test", MISSING),
    ]
    assert whole.conditions[-1].skipped is Skipped.FALSE_BEFORE


def test_conditions_behind_one_that_does_not_hold_are_shown_as_such() -> None:
    whole = trace(joined(), event())
    assert [part.skipped for part in whole.conditions] == [
        None,
        None,
        Skipped.FALSE_BEFORE,
        Skipped.FALSE_BEFORE,
    ]
    assert len({id(part.node) for part in whole.conditions}) == 4


def test_one_condition_is_the_whole() -> None:
    whole = trace(compile_condition("plate.region", "equals", "US-FL", VARIABLES), event())
    assert whole.conditions == (whole,)
    assert whole.words == "plate.region equals US-FL"
    assert trace(compiled("is_test"), event()).conditions[0].text == "is_test"


def test_a_part_is_the_same_node_in_every_trace_of_an_expression() -> None:
    expression = compiled("is_test && latency_ms > 3")
    first, second = (trace(expression, event(is_test=each)) for each in (True, False))
    assert [part.node for part in first.walk()][1:3] == [part.node for part in second.parts]


def test_a_deeply_nested_expression_has_a_trace() -> None:
    text = "!(" * 60 + "is_test" + ")" * 60
    assert trace(compiled(text), event()).value is False


def assert_same(expression: Expression, bindings: dict[str, Any]) -> None:
    """The trace gives what the expression gives, and so does each part that stands alone."""
    whole = trace(expression, bindings)
    assert found(whole) == outcome(expression.run, bindings)
    for part in whole.walk():
        alone = compiled_or_none(part.text) if part.skipped is None else None
        if alone is not None:
            assert found(part) == outcome(alone.run, bindings)


def found(part: Trace) -> tuple[str, ...]:
    if part.error is not None:
        return "failed", part.error.error_type, str(part.error)
    return type(part.value).__name__, repr(part.value)


@examples(80)
@given(VALUES, EVENTS)
def test_the_trace_of_a_random_expression_is_true(text: str, values: dict[str, Any]) -> None:
    expression = compiled_or_none(text)
    if expression is not None:
        assert_same(expression, values)


@examples(32)
@given(st.lists(CONDITIONS, min_size=2, max_size=3), EVENTS)
def test_the_trace_of_a_random_rule_is_true(texts: list[str], values: dict[str, Any]) -> None:
    parts = [part for part in map(compiled_or_none, texts) if part is not None]
    if parts:
        assert_same(conjunction(parts), values)


NEAR = {"plate": {**event()["plate"], "normalized_text": "A8C12"}}


@pytest.mark.parametrize(
    ("text", "near"),
    [
        ('similar({}, "ABC123")', "ABC123, likeness 0.883: 8↔B 20, at 2; 3 left out 50, at 6"),
        ('likeness({}, "A8C12X") > 0.5', "A8C12X, likeness 0.917: X left out 50, at 6"),
        ('likeness("A8C1", {}) > 0.5', "A8C1, likeness 0.900: 2 added 50, at 5"),
        ('similar("A8C12X", {})', "A8C12X, likeness 0.917: X left out 50, at 6"),
        ('similar({}, ["XYZ789", "A8C-12"])', "A8C-12, likeness 1.000"),
        ('similar({}, ["QQQ999", ""])', "QQQ999, likeness 0.267"),
        ('similar({}, [""])', ""),
        ('similar({}, watchlist("noted"), 0.85)',
         "ABC123, likeness 0.883: 8↔B 20, at 2; 3 left out 50, at 6"),
        ('closest(watchlist("noted"), {}, 0.85) != null',
         "ABC123, likeness 0.883: 8↔B 20, at 2; 3 left out 50, at 6"),
        ('similar({}, watchlist("noted"))', ""),
        ("similar({}, plate.region)", ""),
        ("{} == 'A'", ""),
    ],
)  # fmt: skip
def test_a_comparison_by_likeness_tells_the_nearest_plate(text: str, near: str) -> None:
    expression = plate_lists.compiled(text.format("plate.normalized_text"))
    found = [each.near for each in trace(expression, event(**NEAR)).walk() if each.near]
    assert found == ([near] if near else [])


def test_a_plate_that_is_as_near_is_named() -> None:
    reading = {"plate": {**event()["plate"], "normalized_text": "AB1C"}}
    expression = plate_lists.compiled('similar(plate.normalized_text, watchlist("noted"), 0.84)')
    near = "AB12, likeness 0.850: C↔2 60, at 4 (ABC is as near)"
    assert trace(expression, event(**reading)).near == near
