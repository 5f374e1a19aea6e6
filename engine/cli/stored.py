"""What the commands on the store share: opening it beside its engines, and their output."""

from __future__ import annotations

import argparse
import json
import sys
from datetime import UTC, datetime
from typing import Final

from rich.console import Console

from engine.settings import Settings
from engine.store import OpenMode, Store, open_store

_UNITS: Final = ((86_400, "d"), (3_600, "h"), (60, "min"))


def open_tool(settings: Settings) -> Store:
    """Opens the store of the settings beside its engines; raises StoreError."""
    password = settings.state_password.reveal()
    return open_store(settings.state_url, OpenMode.TOOL, password=password)


def add_format(parser: argparse.ArgumentParser) -> None:
    """Add the option for people's output or programs'."""
    parser.add_argument("--format", choices=("text", "json"), default="text")


def console() -> Console:
    """A console for tables; a pipe gets whole lines, which tools may cut."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else 250)


def write_json(value: object) -> None:
    """Print a value as JSON."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def instant(us: int) -> str:
    """Microseconds since the epoch as text, to the second."""
    return datetime.fromtimestamp(us / 1e6, UTC).isoformat(timespec="seconds")


def ago(now_us: int, then_us: int) -> str:
    """How long ago a time was, in microseconds since the epoch, by its largest whole unit."""
    seconds = max(0, now_us - then_us) // 1_000_000
    for unit_seconds, unit in _UNITS:
        if seconds >= 2 * unit_seconds:
            return f"{seconds // unit_seconds} {unit} ago"
    return f"{seconds} s ago"
