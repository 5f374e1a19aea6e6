from __future__ import annotations

import math
import struct
from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from engine.schema.avro import shortest

MAX = 3.4028234663852886e38


def _float32(bits: int) -> float:
    (value,) = struct.unpack("<f", struct.pack("<I", bits))
    return float(value)


def _reads_back(text: str, value: float) -> bool:
    try:
        return struct.pack("<f", float(text)) == struct.pack("<f", value)
    except OverflowError:
        return False


def _by_search(value: float) -> float:
    """The definition: of the decimals with the fewest digits that read back, the nearest."""
    for digits in range(1, 10):
        number, exponent = f"{value:.{digits - 1}e}".split("e")
        nearest, power = int(number.replace(".", "")), int(exponent) - digits + 1
        found = [
            (abs(Fraction(each) * Fraction(10) ** power - Fraction(value)), f"{each}e{power}")
            for each in (nearest, nearest - 1, nearest + 1)
            if _reads_back(f"{each}e{power}", value)
        ]
        if found:
            return float(min(found, key=lambda pair: pair[0])[1])
    raise AssertionError(value)


@given(st.integers(0, 2**32 - 1))
@example(0x00000001)
@example(0x007FFFFF)
@example(0x00800000)
@example(0x7F7FFFFF)
@example(0x3F666666)
@example(0x4B800000)
@example(0x0A000000)
def test_a_float_of_any_bits_becomes_its_shortest_decimal(bits: int) -> None:
    value = _float32(bits)
    if math.isfinite(value) and value:
        assert shortest(value) == _by_search(value)


@given(st.floats(0.0, 1.0, width=32))
def test_a_probability_becomes_its_shortest_decimal(value: float) -> None:
    assert shortest(value) == (_by_search(value) if value else 0.0)


@pytest.mark.parametrize("exponent", range(-149, 128))
def test_a_power_of_two_becomes_its_shortest_decimal(exponent: int) -> None:
    assert shortest(2.0**exponent) == _by_search(2.0**exponent)


@given(st.decimals(0, 1, places=6))
def test_up_to_six_digits_come_back_as_they_were_written(written: object) -> None:
    value = float(str(written))
    (stored,) = struct.unpack("<f", struct.pack("<f", value))
    assert shortest(stored) == value


@pytest.mark.parametrize("value", [math.inf, -math.inf, 0.0, -0.0, 1.0, -1.0])
def test_infinities_zeros_and_ones_stay_as_they_are(value: float) -> None:
    assert repr(shortest(value)) == repr(value)


def test_a_nan_stays_a_nan() -> None:
    assert math.isnan(shortest(math.nan))


def test_negative_floats_mirror_positive_ones() -> None:
    assert shortest(-0.8999999761581421) == -0.9


def test_the_largest_float_reads_back() -> None:
    assert shortest(MAX) == 3.4028235e38
