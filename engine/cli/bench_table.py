"""Measured rule sets as a table for people."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import assert_never

from rich.console import Console
from rich.table import Table

from engine.bench import SITE_PLATES, Machine, Result, SetKind

PIPE_WIDTH = 250


def print_table(results: Sequence[Result], machine: Machine) -> None:
    """Write the machine, a row for each result, and what must be known of them."""
    console = Console(highlight=False, width=None if sys.stdout.isatty() else PIPE_WIDTH)
    for line in (machine.hardware(), machine.software()):
        console.print(", ".join(line), markup=False)
    console.print()
    console.print(bench_table(results))
    console.print()
    for note in _notes(results, machine):
        console.print(note, markup=False)


def bench_table(results: Sequence[Result]) -> Table:
    """One row a result."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("rules", justify="right")
    table.add_column("", no_wrap=True)
    for heading in ("µs/event", "events/s", "matches/event", "compile", "memory"):
        table.add_column(heading, justify="right", no_wrap=True)
    for each in results:
        table.add_row(
            f"{each.rules:,}",
            _what(each.kind),
            f"{each.us_per_event:,.1f}",
            f"{each.events_per_second:,.0f}",
            f"{each.matches_per_event:,.4f}",
            f"{each.compile_seconds:,.2f} s",
            "unknown" if each.rss_mb is None else f"{each.rss_mb:,.0f} MB",
        )
    return table


def _what(kind: SetKind) -> str:
    match kind:
        case SetKind.MIXED:
            return "mixed"
        case SetKind.SITE:
            return f"on one list of {SITE_PLATES:,} plates"
        case SetKind.OWN:
            return "yours"
    assert_never(kind)


def _notes(results: Sequence[Result], machine: Machine) -> Iterator[str]:
    yield "µs/event: the median, of matching alone, on one core; compile: from the files to ready;"
    yield "memory: what the process grew by."
    for each in results:
        if each.errors_per_event:
            errors = f"{each.errors_per_event:.2g} evaluations an event failed"
            yield f"{each.rules:,} {_what(each.kind)}: {errors}; such a rule does not match."
    if machine.is_busy:
        yield (
            f"The machine was busy when this began (load {machine.load:.1f}): on an idle one the"
            " times are shorter."
        )
