from __future__ import annotations

import string
import sys

import pytest
import re2

from engine.match.keys import (
    FAILED,
    ODD,
    expression_reader,
    field_reader,
    fold,
    top_reader,
    truth_reader,
)
from tests.unit.cel.plate_variables import compiled, event

region = field_reader("plate", "region", str, is_nullable=True, is_record_nullable=False)
direction = field_reader("extras", "direction", str, is_nullable=True, is_record_nullable=True)


def test_a_field_is_read_as_it_is() -> None:
    assert top_reader("latency_ms", int, is_nullable=False)(event()) == 40
    assert region(event(plate={"region": "US-FL"})) == "US-FL"


def test_null_and_the_fields_of_an_absent_record_are_none() -> None:
    assert region(event()) is None
    assert direction(event()) is None


@pytest.mark.parametrize("plate", [None, {}, {"region": 5}])
def test_what_the_schema_does_not_allow_is_odd(plate: object) -> None:
    assert region(event(plate=plate)) is ODD


def test_null_where_the_schema_has_none_is_odd() -> None:
    assert top_reader("latency_ms", int, is_nullable=False)(event(latency_ms=None)) is ODD


@pytest.mark.parametrize(
    ("text", "value"),
    [("size(plate.text)", 7), ("double(camera_id)", FAILED), ("size(plate.region)", None)],
)
def test_any_part_of_a_condition_is_read(text: str, value: object) -> None:
    assert expression_reader(compiled(text))(event()) == value


def test_a_failure_of_another_kind_is_odd() -> None:
    assert expression_reader(compiled("tags[7]"))(event()) is ODD


def test_what_is_neither_true_nor_false_is_odd() -> None:
    assert truth_reader(lambda bindings: 1)({}) is ODD
    assert truth_reader(lambda bindings: True)({}) is True


def test_folding_makes_equal_what_re2_holds_equal_to_a_letter() -> None:
    codes = [*range(0x80, 0xD800), *range(0xE000, sys.maxunicode + 1)]
    others = re2.findall("(?i)[a-z]", "".join(map(chr, codes)))
    assert set(others) == {"\u017f", "\u212a"}
    for other in others:
        (letter,) = (each for each in string.ascii_lowercase if re2.search(f"(?i){each}", other))
        assert fold(f"A{other}") == f"a{letter}"


def test_a_text_that_re2_refuses_is_odd() -> None:
    assert fold("a\ud800") is ODD
