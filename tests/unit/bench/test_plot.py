from __future__ import annotations

import dataclasses
import struct
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from xml.etree import ElementTree

import pytest

from engine.bench.machine import Machine
from engine.bench.measurement import Result
from engine.bench.plot import decades, draw, number, save_plot
from engine.bench.rule_sets import SetKind
from engine.errors import BenchError
from tests.unit.bench.results import MACHINE, result

SVG = "{http://www.w3.org/2000/svg}"
SIGNATURE = b"\x89PNG\r\n\x1a\n"
CURVE = [result(rules, us) for rules, us in ((10, 1.5), (100, 2.0), (1000, 4.0))]


def texts(folder: Path, results: Sequence[Result], machine: Machine = MACHINE) -> list[str]:
    """All that is written in the plot."""
    save_plot(folder / "a.svg", results, machine)
    return [each.text or "" for each in ElementTree.parse(folder / "a.svg").iter(f"{SVG}text")]


def chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Type and data of every chunk, whose checksums are right."""
    assert png.startswith(SIGNATURE)
    at = len(SIGNATURE)
    while at < len(png):
        (length,) = struct.unpack_from(">I", png, at)
        kind, data = png[at + 4 : at + 8], png[at + 8 : at + 8 + length]
        assert struct.unpack_from(">I", png, at + 8 + length) == (zlib.crc32(kind + data),)
        yield kind, data
        at += 12 + length


def test_every_figure_and_the_machine_are_written_in_it(tmp_path: Path) -> None:
    found = texts(tmp_path, CURVE)
    assert {"1.5", "2.0", "4.0", "rules", "microseconds an event"} <= {*found}
    assert {"10", "100", "1,000"} <= {*found}
    assert "; ".join(MACHINE.hardware()) in found
    assert "; ".join(MACHINE.software()) in found


def test_both_axes_are_logarithmic_in_whole_decades() -> None:
    (axes,) = draw(CURVE, MACHINE).axes
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    assert (axes.get_xlim(), axes.get_ylim()) == ((10, 1000), (1, 1000))


def test_points_are_drawn_in_order_of_rules_whatever_order_they_came_in(tmp_path: Path) -> None:
    save_plot(tmp_path / "a.svg", CURVE, MACHINE)
    save_plot(tmp_path / "b.svg", CURVE[::-1], MACHINE)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


@pytest.mark.parametrize("us", [0.004, 0.9, 1.0, 9.99, 10.0, 123_456.0])
@pytest.mark.parametrize("rules", [0, 1, 7, 10, 99, 1_000_000])
@pytest.mark.parametrize("kind", SetKind)
def test_one_result_alone_can_be_drawn(kind: SetKind, rules: int, us: float) -> None:
    figure = draw([result(rules, us, kind)], MACHINE)
    (axes,) = figure.axes
    (line,) = axes.lines
    box = axes.get_window_extent()
    ((x, y),) = axes.transData.transform(line.get_xydata())
    # A half pixel for rounding.
    assert box.x0 - 0.5 <= x <= box.x1 + 0.5
    assert box.y0 - 0.5 <= y <= box.y1 + 0.5


def test_sets_beside_the_curve_are_written_in_the_legend(tmp_path: Path) -> None:
    more = [result(50, 1.9, SetKind.SITE), result(1, 3.1, SetKind.OWN)]
    found = texts(tmp_path, [*CURVE, *more])
    assert "50 rules on one list of 100,000 plates: 1.9 microseconds" in found
    assert "your 1 rule: 3.1 microseconds" in found


def test_names_from_outside_can_not_break_the_drawing(tmp_path: Path) -> None:
    odd = dataclasses.replace(MACHINE, cpu='<b> & "\x00\x1b[31m $x^{', model="ab\x07c")
    found = texts(tmp_path, CURVE, odd)
    assert any('<b> & "' in text and "$x^{" in text for text in found)
    assert not any("\x1b" in text or "\x07" in text for text in found)


def test_a_png_is_whole_and_sharp(tmp_path: Path) -> None:
    save_plot(tmp_path / "a.PNG", CURVE, MACHINE)
    found = list(chunks((tmp_path / "a.PNG").read_bytes()))
    assert found[0][0] == b"IHDR"
    assert struct.unpack_from(">II", found[0][1]) == (1920, 1200)
    assert found[-1] == (b"IEND", b"")
    pixels = zlib.decompress(b"".join(data for kind, data in found if kind == b"IDAT"))
    assert len({*pixels}) > 50


def test_a_file_that_can_not_be_written_is_named(tmp_path: Path) -> None:
    path = tmp_path / "none" / "a.svg"
    with pytest.raises(BenchError, match=r"none/a\.svg: can't be written: No such file"):
        save_plot(path, CURVE, MACHINE)


@pytest.mark.parametrize(
    ("values", "low", "high"),
    [
        ([1.0], 1, 1_000),
        ([1.5, 2500.0], 1, 10_000),
        ([0.02], 0.01, 10),
        ([10.0, 10_000.0], 10, 10_000),
    ],
)
def test_an_axis_holds_its_values_in_whole_decades(
    values: list[float], low: float, high: float
) -> None:
    assert decades(values, 3) == (low, high)


@pytest.mark.parametrize(
    ("value", "text"), [(0.5234, "0.52"), (3.44, "3.4"), (47.2, "47"), (1250.0, "1,250")]
)
def test_numbers_are_short(value: float, text: str) -> None:
    assert number(value) == text
