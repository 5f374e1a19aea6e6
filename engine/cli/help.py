"""`alert-engine help`: the pages of the manual, which come with the package."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from engine.settings.settings import folder

_TITLE: Final = "# "


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `help`."""
    parser.description = "Prints a page of the manual; without a topic, what pages there are."
    parser.add_argument("topic", nargs="?", metavar="TOPIC", choices=sorted(_pages()))
    parser.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the page, formatted on a terminal; without a topic the list of pages."""
    pages = _pages()
    if arguments.topic is None:
        width = max(map(len, pages), default=0)
        for topic, path in sorted(pages.items()):
            sys.stdout.write(f"{topic:<{width}}  {_title(path)}\n")
        return 0
    text = pages[arguments.topic].read_text(encoding="utf-8")
    if sys.stdout.isatty():
        # Imported here, for they slow down the start.
        from rich.console import Console
        from rich.markdown import Markdown

        Console().print(Markdown(text))
    else:
        sys.stdout.write(text)
    return 0


def _pages() -> Mapping[str, Path]:
    """The pages by their topics."""
    return {path.stem: path for path in folder("docs").glob("*.md")}


def _title(path: Path) -> str:
    """The first heading of a page."""
    with path.open(encoding="utf-8") as lines:
        return next((line[2:].strip() for line in lines if line.startswith(_TITLE)), "")
