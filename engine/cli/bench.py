"""`alert-engine bench`: what rules cost on this machine."""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final, Self, assert_never

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from engine.bench.machine import Machine, available_mb, read_machine
from engine.bench.measurement import MeasuringStage, Result, measure_set
from engine.bench.rule_sets import (
    FIELDS,
    SITE_PLATES,
    SITE_RULES,
    MeasuredSet,
    SetKind,
    written_set,
)
from engine.cli.inputs import load, plot_path
from engine.errors import BenchError, RulesError, extra
from engine.rules.report import Excerpts, as_text
from engine.schema import EventSchema
from engine.settings import Settings

DEFAULT_SIZES: Final = (10, 100, 1_000, 10_000, 100_000)
MOST_RULES: Final = 1_000_000
LONGEST_SECONDS: Final = 3_600.0
SITE: Final = "site"
INTERRUPTED: Final = 130
PIPE_WIDTH: Final = 250
# Rough times of a server, for the proportions of the progress bar only.
START_SECONDS: Final = 0.6
SECONDS_A_RULE: Final = 0.0004


class BenchFormat(StrEnum):
    """How results are written."""

    TABLE = "table"
    JSON = "json"


@dataclass(frozen=True, slots=True)
class Sizes:
    """The sizes of the mixed sets to measure, and whether to measure the site's set too."""

    mixed: tuple[int, ...]
    has_site: bool


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `bench`."""
    parser.description = (
        "Compiles sets of rules and matches plate readings against them, each set in a"
        " process of its own: made-up rules from 10 to 100,000, and 50 rules on one list of 100,000"
        " plates; or your own. All of it takes about a minute on a server and 1.4 GB of"
        " memory; without the 100,000 rules 15 seconds and 0.2 GB."
    )
    _add_sets(parser)
    parser.add_argument(
        "--seconds",
        type=_seconds,
        default=1.0,
        metavar="N",
        help="for how long to match, each set (default 1)",
    )
    parser.add_argument(
        "--format",
        choices=[str(each) for each in BenchFormat],
        default=str(BenchFormat.TABLE),
        help="table for people, json for tools",
    )
    parser.add_argument(
        "--plot",
        type=plot_path,
        metavar="FILE",
        help="draw the curve, as .png or .svg; needs the extra `plot`",
    )
    parser.set_defaults(command=run)


def _add_sets(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--rules",
        type=Path,
        nargs="+",
        metavar="PATH",
        help="your rule files or folders, instead of made-up rules (with --sizes: beside them)",
    )
    parser.add_argument(
        "--sizes",
        type=_sizes,
        metavar="N,N,…",
        help="how many made-up rules; `site` for the one long list"
        " (default: 10,100,1000,10000,100000,site)",
    )


def _sizes(text: str) -> Sizes:
    words = [word.strip() for word in text.split(",") if word.strip()]
    mixed = {_size(word) for word in words if word != SITE}
    if not words:
        raise argparse.ArgumentTypeError("no size, write some such as 10,100,1000")
    return Sizes(tuple(sorted(mixed)), SITE in words)


def _size(word: str) -> int:
    if not word.isascii() or not word.isdigit() or not 0 < int(word[:9]) <= MOST_RULES:
        raise argparse.ArgumentTypeError(
            f"{word!r} is neither a number of rules from 1 to {MOST_RULES:,} nor `{SITE}`"
        )
    return int(word)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds <= LONGEST_SECONDS:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a number of seconds above 0, at most {LONGEST_SECONDS:,.0f}"
        )
    return seconds


def run(arguments: argparse.Namespace) -> int:
    """Measure and write the results; 1 when a set has none, 2 for bad input, 130 on Ctrl-C."""
    settings = Settings.from_environment()
    # Its absence is reported now, not after a minute of measuring.
    save_plot = _import_plot() if arguments.plot else None
    try:
        planned = _plan(settings, arguments.rules or (), arguments.sizes)
    except RulesError as error:
        sys.stderr.write(f"{as_text(error.faults, Excerpts().line)}\n")
        return 2
    machine = read_machine()
    results: list[Result] = []
    status = _measure(planned, settings, arguments.seconds, results)
    if BenchFormat(arguments.format) is BenchFormat.JSON:
        report = {"machine": asdict(machine), "results": [_as_dict(each) for each in results]}
        sys.stdout.write(json.dumps(report, indent=2, ensure_ascii=False) + "\n")
    elif results:
        print_table(results, machine)
    if save_plot is not None and results:
        save_plot(arguments.plot, results, machine)
    return status


def _import_plot() -> Callable[[Path, Sequence[Result], Machine], None]:
    """`engine.bench.plot.save_plot`; nothing else needs matplotlib in memory."""
    with extra("plot", "matplotlib", "--plot"):
        from engine.bench.plot import save_plot
    return save_plot


def _plan(settings: Settings, own: Sequence[Path], sizes: Sizes | None) -> list[MeasuredSet]:
    """The sets to measure; those that are made up have no files yet."""
    planned: list[MeasuredSet] = []
    if own:
        _, rule_set = load(settings, own, with_channels=False)
        planned.append(MeasuredSet(SetKind.OWN, len(rule_set.rules), tuple(own)))
    chosen = sizes or Sizes(() if own else DEFAULT_SIZES, has_site=not own)
    made_up = [MeasuredSet(SetKind.MIXED, rules, ()) for rules in chosen.mixed]
    if chosen.has_site:
        made_up.append(MeasuredSet(SetKind.SITE, SITE_RULES, ()))
    planned += made_up if sizes else list(_that_fit(made_up))
    if made_up:
        _check_fields(EventSchema.load(settings.event_schema_path), settings)
    return planned


def _that_fit(planned: Sequence[MeasuredSet]) -> Iterator[MeasuredSet]:
    """The sets for which there is memory; reports the others on standard error."""
    available = available_mb()
    for each in planned:
        if available is None or each.needed_mb <= available:
            yield each
        else:
            sys.stderr.write(
                f"{each.rules:,} rules are left out: they may need {each.needed_mb:,.0f} MB of"
                f" memory, and {available:,.0f} MB are free; with --sizes they are tried\n"
            )


def _check_fields(schema: EventSchema, settings: Settings) -> None:
    missing = [name for name in FIELDS if schema.field(name) is None]
    if missing:
        raise BenchError(
            f"{settings.event_schema_path} has no {', '.join(missing)}, which the made-up rules"
            " look at: measure your own with --rules"
        )


def _measure(
    planned: Sequence[MeasuredSet], settings: Settings, seconds: float, results: list[Result]
) -> int:
    """Measure one set after the other into `results`; returns the exit code."""
    status = 0
    try:
        with BenchProgress(planned, seconds) as progress:
            for each in planned:
                try:
                    results.append(_measure_one(each, settings, seconds, progress))
                except BenchError as error:
                    progress.say(f"alert-engine: {error}")
                    status = 1
    except KeyboardInterrupt:
        sys.stderr.write(f"interrupted: {len(results)} of {len(planned)} sets were measured\n")
        return INTERRUPTED
    return status


def _measure_one(
    planned: MeasuredSet, settings: Settings, seconds: float, progress: BenchProgress
) -> Result:
    schema, zone, costs = (
        settings.event_schema_path,
        settings.event_timezone,
        settings.plate_costs_path,
    )
    with progress.measuring(planned) as report:
        if planned.kind is SetKind.OWN:
            return measure_set(planned, schema, zone, seconds, report, costs)
        with written_set(planned.kind, planned.rules) as written:
            return measure_set(written, schema, zone, seconds, report, costs)


def _as_dict(result: Result) -> dict[str, object]:
    """The result as JSON: the documented keys first, then the others."""
    fields = asdict(result)
    first = ("rules", "us_per_event", "matches_per_event", "compile_seconds", "rss_mb")
    return (
        {"set": str(fields.pop("kind"))}
        | {name: fields.pop(name) for name in first}
        | {"events_per_second": result.events_per_second}
        | fields
    )


class BenchProgress:
    """Shows a progress bar on standard error while its context is open."""

    def __init__(self, planned: Sequence[MeasuredSet], seconds: float) -> None:
        self._match_seconds = 2 * seconds
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            TimeElapsedColumn(),
            console=Console(stderr=True, highlight=False),
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
            disable=not sys.stderr.isatty(),
        )
        total = sum(_compile_seconds(each) + self._match_seconds for each in planned)
        self._task = self._progress.add_task("", total=total)
        self._done = 0.0

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._progress.stop()

    @contextmanager
    def measuring(self, planned: MeasuredSet) -> Iterator[Callable[[MeasuringStage], None]]:
        """The measurement of one set; gives a function to call at each stage."""
        name = "1 rule" if planned.rules == 1 else f"{planned.rules:,} rules"
        self._show(name, 0.0)

        def report(stage: MeasuringStage) -> None:
            share = _compile_seconds(planned) if stage is MeasuringStage.MATCH else 0.0
            self._show(f"{name}: {stage}", share)

        try:
            yield report
        finally:
            self._done += _compile_seconds(planned) + self._match_seconds

    def say(self, text: str) -> None:
        """Write one line on standard error, above the bar."""
        self._progress.console.print(text, markup=False, soft_wrap=True)

    def _show(self, text: str, part: float) -> None:
        self._progress.update(self._task, description=text, completed=self._done + part)


def _compile_seconds(planned: MeasuredSet) -> float:
    return START_SECONDS + SECONDS_A_RULE * planned.rules


def print_table(results: Sequence[Result], machine: Machine) -> None:
    """Write the machine, a row for each result, and notes on them."""
    console = Console(highlight=False, width=None if sys.stdout.isatty() else PIPE_WIDTH)
    for line in (machine.hardware(), machine.software()):
        console.print(", ".join(line), markup=False)
    console.print()
    console.print(bench_table(results))
    console.print()
    for note in _notes(results, machine):
        console.print(note, markup=False)


def bench_table(results: Sequence[Result]) -> Table:
    """A table with a row for each result."""
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
