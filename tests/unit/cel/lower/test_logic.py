"""`&&`, `||`, `!` and `?:` as Python: the operand that can't fail is asked first."""

from __future__ import annotations

from datetime import datetime

from engine.cel.lower.fragments import constant, plain
from engine.cel.lower.operators import all_of, any_of, choice, opposite
from engine.cel.values.values import Timestamp
from tests.unit.cel.lower.lowered import quickly
from tests.unit.cel.plate_variables import compiled, event

STEADY = plain("s", kind=bool)
FAILING = plain("f", kind=bool, can_fail=True)


def test_operands_that_can_fail_come_last() -> None:
    assert all_of([FAILING, STEADY]).parts == (STEADY, FAILING)
    assert any_of([FAILING, STEADY, FAILING]).parts == (STEADY, FAILING, FAILING)
    assert all_of([STEADY, FAILING]).can_fail
    text = "plate.region.startsWith('US') && latency_ms > 1000"
    assert quickly(compiled(text), event()) is False


def test_chains_of_one_operator_are_merged() -> None:
    assert len(all_of([all_of([STEADY, FAILING]), STEADY]).parts) == 3
    assert len(all_of([any_of([STEADY, FAILING]), STEADY]).parts) == 2


def test_constants_decide_or_are_dropped() -> None:
    assert all_of([FAILING, constant(False)]).value is False
    assert any_of([FAILING, constant(True)]).value is True
    assert all_of([constant(True), STEADY]) is STEADY
    assert all_of([constant(True)]).value is True
    assert any_of([]).value is False
    assert opposite(constant(True)).value is False


def test_a_choice_knows_its_type() -> None:
    text, moment = plain("t", kind=str), plain("m", kind=datetime)
    assert choice(STEADY, text, text).kind is str
    assert choice(STEADY, text, STEADY).kind is None
    nullable = choice(STEADY, text, constant(None))
    assert (nullable.kind, nullable.is_nullable) == (str, True)
    assert choice(STEADY, moment, constant(None)).kind is Timestamp
    assert choice(constant(False), text, STEADY) is STEADY
