"""`alert-engine bench`: what rules cost on this machine."""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from engine.bench import (
    FIELDS,
    SITE_RULES,
    Machine,
    MeasuredSet,
    Result,
    SetKind,
    available_mb,
    measure_set,
    read_machine,
    written_set,
)
from engine.cli.bench_progress import BenchProgress
from engine.cli.bench_table import print_table
from engine.cli.extras import extra
from engine.cli.inputs import load
from engine.errors import BenchError, RulesError
from engine.rules.excerpt import Excerpts
from engine.rules.report import as_text
from engine.schema import EventSchema
from engine.settings import Settings

DEFAULT_SIZES: Final = (10, 100, 1_000, 10_000, 100_000)
MOST_RULES: Final = 1_000_000
LONGEST_SECONDS: Final = 3_600.0
SITE: Final = "site"
PLOT_SUFFIXES: Final = (".png", ".svg")
INTERRUPTED: Final = 130


class Format(StrEnum):
    """How results are written."""

    TABLE = "table"
    JSON = "json"


@dataclass(frozen=True, slots=True)
class Sizes:
    """How many mixed rules to measure, and whether the site's set too."""

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
        choices=[str(each) for each in Format],
        default=str(Format.TABLE),
        help="table for people, json for tools",
    )
    parser.add_argument(
        "--plot",
        type=_plot_path,
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


def _plot_path(text: str) -> Path:
    path = Path(text)
    if path.suffix.lower() not in PLOT_SUFFIXES:
        endings = " or ".join(PLOT_SUFFIXES)
        raise argparse.ArgumentTypeError(f"{text!r} can't be drawn, let its name end in {endings}")
    # Now, not after a minute of measuring.
    if path.is_dir() or not os.access(path if path.exists() else path.parent, os.W_OK):
        raise argparse.ArgumentTypeError(f"{text!r} can't be written, name a file in a folder")
    return path


def run(arguments: argparse.Namespace) -> int:
    """Measure and tell; 1 when a set came to no result, 2 for unusable input, 130 on Ctrl-C."""
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
    if Format(arguments.format) is Format.JSON:
        told = {"machine": asdict(machine), "results": [_as_dict(each) for each in results]}
        sys.stdout.write(json.dumps(told, indent=2, ensure_ascii=False) + "\n")
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
    """What to measure; the files of made-up sets are yet to be written."""
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
    """Those for which there is memory; the others are told."""
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
    """Measure one set after the other; the exit code."""
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
    schema, zone = settings.event_schema_path, settings.event_timezone
    with progress.measuring(planned) as tell:
        if planned.kind is SetKind.OWN:
            return measure_set(planned, schema, zone, seconds, tell)
        with written_set(planned.kind, planned.rules) as written:
            return measure_set(written, schema, zone, seconds, tell)


def _as_dict(result: Result) -> dict[str, object]:
    """The keys that are promised first, then what else is known."""
    fields = asdict(result)
    first = ("rules", "us_per_event", "matches_per_event", "compile_seconds", "rss_mb")
    return (
        {"set": str(fields.pop("kind"))}
        | {name: fields.pop(name) for name in first}
        | {"events_per_second": result.events_per_second}
        | fields
    )
