"""Shows the demo on a terminal: alerts as they arrive, and the figures at the end."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from engine.demo.receivers import Arrival
from engine.logs.text import printable

PRIORITY_STYLES: Final = {"high": "bold red", "medium": "yellow", "low": "cyan"}


@dataclass(frozen=True, slots=True)
class Summary:
    """The figures of a demo; a latency is the seconds from an event's publishing to its alert."""

    seconds: float
    events: int
    unread: int
    matches: int
    suppressed: int
    alerts: int
    delivered: int
    failed: int
    waiting: int
    latencies: Sequence[float]


class Screen:
    """Writes to one terminal from several threads."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._lock = threading.Lock()

    def say(self, text: str) -> None:
        """Write one line about the demo itself."""
        with self._lock:
            self._console.print(Text(text, style="dim"))

    def arrived(self, arrival: Arrival, latency_seconds: float | None) -> None:
        """Write one alert; `latency_seconds` is None where the event's publishing is unknown."""
        after = "" if latency_seconds is None else f"{latency_seconds * 1000:5.0f} ms"
        first_line = printable(" ".join(arrival.text.split()))
        line = Text.assemble(
            (f"{arrival.channel:>8} ", "bold blue"),
            (f"{after:>8}  ", "dim"),
            (first_line, PRIORITY_STYLES.get(arrival.priority, "")),
        )
        with self._lock:
            self._console.print(line, no_wrap=True, overflow="ellipsis")

    def summary(self, summary: Summary) -> None:
        """Write the figures as a table."""
        table = Table(title=f"{summary.seconds:.0f} seconds of plates", show_header=False)
        table.add_column(style="bold")
        table.add_column(justify="right")
        for name, value in (
            ("events", summary.events),
            ("events not consumed", summary.unread),
            ("matches", summary.matches),
            ("suppressed by cooldown", summary.suppressed),
            ("alerts", summary.alerts),
            ("delivered", summary.delivered),
            ("not delivered", summary.waiting),
            ("tries that failed", summary.failed),
        ):
            table.add_row(name, f"{value:,}")
        for name, share in (("latency, median", 0.5), ("latency, 99 %", 0.99)):
            table.add_row(name, _milliseconds(summary.latencies, share))
        with self._lock:
            self._console.print(table)


def _milliseconds(latencies: Sequence[float], share: float) -> str:
    if not latencies:
        return "no alert"
    ordered = sorted(latencies)
    return f"{ordered[min(int(share * len(ordered)), len(ordered) - 1)] * 1000:.0f} ms"
