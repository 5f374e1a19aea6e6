from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.bench import chart, save_picture
from engine.bench.chart import HEIGHT, WIDTH
from engine.bench.picture import ZOOM, render_png
from engine.errors import BenchError
from tests.unit.bench.results import MACHINE, result

pytestmark = pytest.mark.waits

DRAWING = chart([result(10), result(1000, 4.0)], MACHINE)
SIGNATURE = b"\x89PNG\r\n\x1a\n"


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


def test_a_png_is_whole_and_sharp() -> None:
    found = list(chunks(render_png(DRAWING)))
    assert found[0][0] == b"IHDR"
    assert struct.unpack_from(">II", found[0][1]) == (WIDTH * ZOOM, HEIGHT * ZOOM)
    assert found[-1] == (b"IEND", b"")
    pixels = zlib.decompress(b"".join(data for kind, data in found if kind == b"IDAT"))
    assert len({*pixels}) > 50


def test_letters_are_drawn_without_any_font_of_the_system() -> None:
    bare = '<svg xmlns="http://www.w3.org/2000/svg" width="80" height="20">{}</svg>'
    text = '<text x="2" y="15" font-family="Aileron, sans-serif">rules</text>'
    assert render_png(bare.format(text)) != render_png(bare.format(""))


def test_the_suffix_says_which_it_is(tmp_path: Path) -> None:
    save_picture(tmp_path / "a.svg", DRAWING)
    save_picture(tmp_path / "a.PNG", DRAWING)
    assert (tmp_path / "a.svg").read_text(encoding="utf-8") == DRAWING
    assert (tmp_path / "a.PNG").read_bytes() == render_png(DRAWING)


def test_a_file_that_can_not_be_written_is_named(tmp_path: Path) -> None:
    path = tmp_path / "none" / "a.svg"
    with pytest.raises(BenchError, match=r"none/a\.svg: can't be written: No such file"):
        save_picture(path, DRAWING)
