"""Writes a drawing to a file, as SVG or as PNG."""

from __future__ import annotations

from importlib.resources import as_file, files
from pathlib import Path
from typing import Final

from engine.errors import BenchError

PICTURE_SUFFIXES: Final = (".png", ".svg")
# Sharp on screens whose pixels are small.
ZOOM: Final = 2.0
# Aileron Regular by Sora Sagano (dotcolon.net), in the public domain (CC0), reduced to Latin. A
# container has no fonts.
FONT: Final = "aileron.ttf"


def save_picture(path: Path, svg: str) -> None:
    """Write an SVG drawing as the path's suffix says, one of `PICTURE_SUFFIXES`.

    Raises BenchError when the file can't be written.
    """
    is_png = path.suffix.lower() == ".png"
    content = render_png(svg) if is_png else svg.encode()
    try:
        path.write_bytes(content)
    except OSError as error:
        raise BenchError(f"{path}: can't be written: {error.strerror or error}") from error


def render_png(svg: str) -> bytes:
    """The drawing in pixels, the same on every machine."""
    # Only here: nothing else of the engine needs it in memory.
    import resvg_py

    with as_file(files("engine.bench") / FONT) as font:
        return resvg_py.svg_to_bytes(
            svg_string=svg, zoom=ZOOM, skip_system_fonts=True, font_files=[str(font)]
        )
