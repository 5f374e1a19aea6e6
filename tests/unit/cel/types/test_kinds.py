"""The types: their names, what they have in common, which operators take them."""

from __future__ import annotations

import pytest

from engine.cel.types.kinds import (
    EMPTY_LIST,
    EMPTY_MAP,
    NULL,
    SCALARS,
    can_be_equal,
    can_join,
    can_order,
    join,
    list_of,
    not_null,
    nullable,
    results_of,
    type_name,
    with_article,
)
from engine.schema import FieldType, Kind

TEXT, INT, DOUBLE = SCALARS[Kind.STRING], SCALARS[Kind.INT], SCALARS[Kind.DOUBLE]
UINT, BOOL, TYPE = SCALARS[Kind.UINT], SCALARS[Kind.BOOL], SCALARS[Kind.TYPE]
TIME, SPAN = SCALARS[Kind.TIMESTAMP], SCALARS[Kind.DURATION]
RECORD, MAP, LIST = FieldType(Kind.RECORD), FieldType(Kind.MAP), FieldType(Kind.LIST)


@pytest.mark.parametrize(
    ("function", "left", "right", "results"),
    [
        ("_+_", TEXT, TEXT, {Kind.STRING}),
        ("_+_", LIST, LIST, {Kind.LIST}),
        ("_+_", INT, DOUBLE, set()),
        ("_+_", BOOL, BOOL, set()),
        ("_+_", TIME, SPAN, {Kind.TIMESTAMP}),
        ("_+_", SPAN, TIME, {Kind.TIMESTAMP}),
        ("_+_", SPAN, SPAN, {Kind.DURATION}),
        ("_+_", TIME, TIME, set()),
        ("_-_", TIME, TIME, {Kind.DURATION}),
        ("_-_", TIME, SPAN, {Kind.TIMESTAMP}),
        ("_-_", SPAN, TIME, set()),
        ("_-_", TEXT, TEXT, set()),
        ("_*_", DOUBLE, DOUBLE, {Kind.DOUBLE}),
        ("_*_", SPAN, SPAN, set()),
        ("_/_", UINT, UINT, {Kind.UINT}),
        ("_%_", UINT, UINT, {Kind.UINT}),
        ("_%_", DOUBLE, DOUBLE, set()),
        ("_*_", None, INT, {Kind.INT}),
        ("_-_", TIME, None, {Kind.TIMESTAMP, Kind.DURATION}),
        ("_-_", None, TEXT, set()),
    ],
)
def test_arithmetic_gives_what_its_operands_say(
    function: str, left: FieldType | None, right: FieldType | None, results: set[Kind]
) -> None:
    assert results_of(function, left, right) == results


def test_orderings_take_numbers_of_all_kinds_and_else_one_type() -> None:
    assert can_order(INT, DOUBLE)
    assert can_order(UINT, INT)
    assert can_order(TEXT, TEXT)
    assert can_order(SPAN, SPAN)
    assert can_order(BOOL, BOOL)
    assert can_order(None, TEXT)
    assert can_order(None, None)
    assert not can_order(TEXT, INT)
    assert not can_order(TIME, SPAN)
    assert not can_order(LIST, LIST)
    assert not can_order(TYPE, TYPE)
    assert not can_order(None, RECORD)


def test_equality_is_possible_within_a_kind_and_among_numbers_and_maps() -> None:
    assert can_be_equal(INT, DOUBLE)
    assert can_be_equal(UINT, INT)
    assert can_be_equal(RECORD, MAP)
    assert not can_be_equal(TEXT, INT)
    assert not can_be_equal(TEXT, NULL)
    assert can_be_equal(nullable(TEXT), NULL)
    assert can_be_equal(nullable(TEXT), nullable(INT))


def test_types_join_where_they_have_something_in_common() -> None:
    assert join(INT, INT) == INT
    assert join(INT, nullable(INT)) == nullable(INT)
    assert join(TEXT, NULL) == nullable(TEXT)
    assert join(NULL, RECORD) == nullable(RECORD)
    assert join(NULL, NULL) == NULL
    assert join(INT, DOUBLE) is None
    assert join(INT, None) is None
    assert join(list_of(INT), list_of(NULL)) == list_of(nullable(INT))
    assert join(list_of(INT), list_of(TEXT)) == list_of(None)
    described = FieldType(Kind.RECORD, fields={"a": INT}, doc="one")
    assert join(described, FieldType(Kind.RECORD, fields={"a": INT})) == described
    assert join(described, RECORD) is None


def test_what_is_empty_joins_with_everything_of_its_kind() -> None:
    assert join(EMPTY_LIST, list_of(INT)) == list_of(INT)
    assert join(list_of(INT), EMPTY_LIST) == list_of(INT)
    counts = FieldType(Kind.MAP, key=TEXT, element=INT)
    assert join(EMPTY_MAP, counts) == counts
    assert join(list_of(EMPTY_LIST), list_of(list_of(INT))) == list_of(list_of(INT))
    # A list of which nothing is known is no empty one.
    assert join(list_of(None), list_of(INT)) == list_of(None)


def test_one_place_holds_both_where_neither_need_be_dyn() -> None:
    assert can_join(INT, NULL)
    assert can_join(INT, None)
    assert can_join(RECORD, MAP)
    assert not can_join(INT, DOUBLE)
    assert not can_join(TEXT, INT)


def test_null_stays_null() -> None:
    assert not_null(NULL) is NULL
    assert not_null(nullable(TEXT)) == TEXT


def test_types_are_named_as_cel_names_them() -> None:
    assert type_name(None) == "dyn"
    assert type_name(UINT) == "uint"
    assert type_name(list_of(list_of(INT))) == "list(list(int))"
    assert type_name(FieldType(Kind.MAP, key=TEXT, element=INT)) == "map(string, int)"
    assert type_name(MAP) == "map"
    assert [with_article(kind) for kind in (INT, UINT, NULL, LIST)] == [
        "an int",
        "a uint",
        "null",
        "a list",
    ]
