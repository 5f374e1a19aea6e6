"""What a fragment of Python knows of its value."""

from __future__ import annotations

from datetime import datetime

from engine.cel.lower.fragments import (
    Fragment,
    cel_value,
    constant,
    element,
    name,
    not_null,
    plain,
    strict,
    truth,
    typed,
)
from engine.cel.values.values import Timestamp
from engine.schema import FieldType, Kind


def test_a_constant_list_of_one_type_knows_its_elements() -> None:
    texts = constant(["a", "b"]).field
    assert texts is not None
    assert texts.element == FieldType(Kind.STRING)
    assert constant(["a", 1]).field is None
    assert constant([]).field is None


def test_what_fails_on_null_fails_only_where_one_may_come() -> None:
    text = typed(plain("s"), FieldType(Kind.STRING))
    nullable = typed(plain("s"), FieldType(Kind.STRING, nullable=True))
    assert not strict("{0}", text).can_fail
    assert strict("{0}", nullable).can_fail
    assert strict("{0}", plain("u")).can_fail


def test_only_what_may_be_null_must_be_given() -> None:
    text = plain("s", kind=str)
    assert not_null(text) is text
    assert not_null(typed(text, FieldType(Kind.STRING, nullable=True))).template == "not_null({0})"


def test_a_datetime_becomes_a_timestamp_where_a_value_is_wanted() -> None:
    assert cel_value(plain("t", kind=datetime)).kind is Timestamp
    assert truth(plain("t", kind=bool)).template == "t"
    assert truth(plain("u")).template == "truth({0})"


def test_timestamps_inside_lists_are_not_of_a_known_type() -> None:
    moments = FieldType(Kind.LIST, element=FieldType(Kind.TIMESTAMP))
    assert element(plain("e"), moments).kind is None
    assert element(plain("e"), FieldType(Kind.LIST, element=FieldType(Kind.INT))).kind is int


def test_a_fragment_is_deeper_than_its_parts() -> None:
    assert plain("({0})", plain("({0})", name("a"))).depth == 3
    assert isinstance(name("a"), Fragment)
    assert name("a") is name("a")
