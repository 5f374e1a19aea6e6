from __future__ import annotations

import dataclasses
import math
from xml.etree import ElementTree

import pytest

from engine.bench import SetKind, chart
from engine.bench.chart import BOTTOM, LEFT, RIGHT, TOP, axis_of, number
from tests.unit.bench.results import MACHINE, result

SVG = "{http://www.w3.org/2000/svg}"
CURVE = [result(rules, us) for rules, us in ((10, 1.5), (100, 2.0), (1000, 4.0))]


def drawn(svg: str) -> ElementTree.Element:
    return ElementTree.fromstring(svg)


def texts(svg: str) -> list[str]:
    return [each.text or "" for each in drawn(svg).iter(f"{SVG}text")]


def test_every_figure_and_the_machine_are_written_in_it() -> None:
    found = texts(chart(CURVE, MACHINE))
    assert {"1.5", "2.0", "4.0", "rules", "microseconds an event"} <= {*found}
    assert "; ".join(MACHINE.hardware()) in found
    assert "; ".join(MACHINE.software()) in found


def test_both_axes_are_logarithmic() -> None:
    circles = list(drawn(chart(CURVE, MACHINE)).iter(f"{SVG}circle"))
    x = [float(each.attrib["cx"]) for each in circles[:3]]
    assert (x[0], x[2]) == (LEFT, RIGHT)
    assert x[1] - x[0] == pytest.approx(x[2] - x[1], abs=0.2)
    y = [float(each.attrib["cy"]) for each in circles[:3]]
    assert (y[0] - y[1]) / (y[1] - y[2]) == pytest.approx(
        math.log(2.0 / 1.5) / math.log(4.0 / 2.0), abs=0.01
    )


def test_points_are_drawn_in_order_of_rules_whatever_order_they_came_in() -> None:
    assert drawn(chart(CURVE[::-1], MACHINE)).find(f"{SVG}polyline") is not None
    assert chart(CURVE[::-1], MACHINE) == chart(CURVE, MACHINE)


@pytest.mark.parametrize("us", [0.004, 0.9, 1.0, 9.99, 10.0, 123_456.0])
@pytest.mark.parametrize("rules", [0, 1, 7, 10, 99, 1_000_000])
@pytest.mark.parametrize("kind", SetKind)
def test_one_result_alone_can_be_drawn(kind: SetKind, rules: int, us: float) -> None:
    root = drawn(chart([result(rules, us, kind)], MACHINE))
    for circle in root.iter(f"{SVG}circle"):
        assert TOP <= float(circle.attrib["cy"]) <= BOTTOM
        assert LEFT <= float(circle.attrib["cx"]) <= RIGHT


def test_sets_beside_the_curve_are_told_in_the_legend() -> None:
    more = [result(50, 1.9, SetKind.SITE), result(1, 3.1, SetKind.OWN)]
    found = texts(chart([*CURVE, *more], MACHINE))
    assert "50 rules on one list of 100,000 plates: 1.9 microseconds" in found
    assert "your 1 rule: 3.1 microseconds" in found


def test_names_from_outside_can_not_break_the_drawing() -> None:
    odd = dataclasses.replace(MACHINE, cpu='<b> & "\x00\x1b[31m', model="ab\x07c")
    found = texts(chart(CURVE, odd))
    assert any('<b> & "' in text for text in found)
    assert not any("\x1b" in text or "\x07" in text for text in found)


@pytest.mark.parametrize(
    ("values", "low", "high"),
    [([1.0], 0, 3), ([1.5, 2500.0], 0, 4), ([0.02], -2, 1), ([10.0, 10_000.0], 1, 4)],
)
def test_an_axis_holds_its_values_in_whole_decades(
    values: list[float], low: int, high: int
) -> None:
    axis = axis_of(values, 3, 0.0, 100.0)
    assert (axis.low, axis.high) == (low, high)
    assert all(0 <= axis.place(value) <= 100 for value in values)


@pytest.mark.parametrize(
    ("value", "text"), [(0.5234, "0.52"), (3.44, "3.4"), (47.2, "47"), (1250.0, "1,250")]
)
def test_numbers_are_short(value: float, text: str) -> None:
    assert number(value) == text
