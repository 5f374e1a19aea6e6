"""What fits what."""

from __future__ import annotations

from engine.cel.kinds import can_be_equal, can_calculate, can_order, fits, result_type
from engine.schema import FieldType, Kind

TEXT, INT, DOUBLE = FieldType(Kind.STRING), FieldType(Kind.INT), FieldType(Kind.DOUBLE)
RECORD, MAP, LIST = FieldType(Kind.RECORD), FieldType(Kind.MAP), FieldType(Kind.LIST)


def test_arithmetic_takes_one_kind() -> None:
    assert can_calculate("_+_", TEXT, TEXT)
    assert can_calculate("_*_", DOUBLE, DOUBLE)
    assert not can_calculate("_+_", INT, DOUBLE)
    assert not can_calculate("_%_", DOUBLE, DOUBLE)
    assert not can_calculate("_-_", TEXT, TEXT)


def test_orderings_take_numbers_of_both_kinds() -> None:
    assert can_order(INT, DOUBLE)
    assert can_order(TEXT, TEXT)
    assert not can_order(TEXT, INT)
    assert not can_order(LIST, LIST)


def test_equality_is_possible_within_a_kind_and_among_numbers_and_maps() -> None:
    assert can_be_equal(INT, DOUBLE)
    assert can_be_equal(RECORD, MAP)
    assert not can_be_equal(TEXT, INT)
    both_may_be_null = FieldType(Kind.STRING, nullable=True), FieldType(Kind.INT, nullable=True)
    assert can_be_equal(*both_may_be_null)


def test_a_signature_fits_when_every_known_type_does() -> None:
    assert fits((str, int), [TEXT, None])
    assert fits((object,), [RECORD])
    assert fits((dict,), [RECORD])
    assert not fits((str,), [INT])
    assert not fits((str,), [TEXT, TEXT])


def test_a_result_is_known_when_all_overloads_agree() -> None:
    assert result_type({str}) == TEXT
    assert result_type({str, int}) is None
    assert result_type({object}) is None
