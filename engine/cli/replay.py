"""`alert-engine replay`: what rules would have done on recorded events."""

from __future__ import annotations

import argparse
import gc
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import structlog
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn
from rich.progress import TimeRemainingColumn as Remaining

from engine.cli.inputs import load, plot_path
from engine.cli.moments import PAST_HELP, past_moment
from engine.cli.replay_report import as_json, print_report
from engine.cli.stored import open_tool, write_json
from engine.errors import AlertEngineError, StoreError, extra
from engine.pipeline.active_rules import ActiveRules, longest_cooldown, prepare
from engine.rules import RuleSet
from engine.rules.faults import suggestion
from engine.rules.load import collect_and_freeze
from engine.schema import EventSchema
from engine.settings import Settings
from engine.simulate.prefilter import Prefilter, Workers, worker_count
from engine.simulate.replay import Chosen, Replay
from engine.simulate.report import Report
from engine.simulate.sources import (
    KAFKA,
    STANDARD_INPUT,
    EventSource,
    FileSource,
    KafkaSource,
    open_file,
    registry_of,
)
from engine.store import Silence
from engine.store.location import SqliteLocation, parse_state_url
from engine.stream.history import History

INTERRUPTED: Final = 130
Draw = Callable[[Path, Report], None]


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `replay`."""
    parser.description = (
        "Runs recorded events through the rules on the events' own clock, and shows what each rule"
        " would have done. Nothing is sent, and nothing is committed: it runs beside the engine."
    )
    parser.add_argument(
        "source",
        metavar="SOURCE",
        help=f"a file (JSON lines or an Avro object container), {STANDARD_INPUT} for standard"
        f" input, or {KAFKA} for the past of KAFKA_TOPIC",
    )
    parser.add_argument(
        "--rules",
        type=Path,
        action="append",
        metavar="PATH",
        help="a rule file or folder; may be given several times (default: RULES_PATH, else rules/)",
    )
    for name, text in (("since", "from then on"), ("until", "before then")):
        parser.add_argument(
            f"--{name}",
            metavar="TIME",
            help=f"only events {text}: {PAST_HELP}",
        )
    parser.add_argument(
        "--against",
        type=Path,
        metavar="FOLDER",
        help="other rules, to see on which events only one of the two sets alerts",
    )
    parser.add_argument(
        "--rule", action="append", metavar="ID", help="only this rule; may be given several times"
    )
    parser.add_argument("--plate", metavar="PLATE", help="only events of this plate")
    parser.add_argument(
        "--no-silences",
        dest="silences",
        action="store_false",
        help="as if nobody had silenced anything (default: by the silences of STATE_URL's store)",
    )
    parser.add_argument("--alerts", action="store_true", help="list every alert")
    parser.add_argument(
        "--plot",
        type=plot_path,
        metavar="FILE",
        help="draw the alerts over time, as .png or .svg; needs the extra `plot`",
    )
    parser.add_argument(
        "--format", choices=["text", "json"], default="text", help="text for people, json for tools"
    )
    parser.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    """Replay and report; 130 with what is known so far on Ctrl-C."""
    settings = Settings.from_environment()
    chosen = _chosen(arguments, settings)
    schema, rule_set = load(settings, arguments.rules or [], with_channels=False)
    against = None
    if arguments.against is not None:
        _, against = load(settings, [arguments.against], with_channels=False)
    if arguments.rule:
        rule_set, against = _only(arguments.rule, rule_set, against)
    silences = _silences(settings) if arguments.silences else []
    active = [prepare(each) for each in (rule_set, against) if each is not None]
    # What is loaded stays to the end: the collector need not look at it again and again.
    collect_and_freeze()
    with ExitStack() as stack:
        stack.callback(gc.unfreeze)
        prefilter = Prefilter(schema, settings.event_timezone, active, chosen)
        # Before what has threads of its own: a Kafka client, and what draws.
        count = worker_count() if arguments.source == KAFKA else 0
        workers = stack.enter_context(Workers(count, prefilter))
        # Its absence is reported now, not after all events.
        draw = _import_plot() if arguments.plot else None
        stack.enter_context(_logs_on_standard_error())
        source = stack.enter_context(_opened(arguments.source, settings, schema, chosen, active))
        replay = stack.enter_context(
            Replay(
                active[0],
                source.decoder,
                decodes_again=source.decodes_again,
                against=active[1] if against is not None else None,
                silences=silences,
                chosen=chosen,
                keeps_alerts=arguments.alerts,
                max_alert_age_seconds=settings.max_alert_age_seconds,
            )
        )
        is_whole = _read_all(source, workers, replay)
        if arguments.format == "json":
            write_json(as_json(replay, source, with_alerts=arguments.alerts))
        else:
            print_report(
                replay,
                source,
                settings.event_timezone,
                with_alerts=arguments.alerts,
                is_whole=is_whole,
                disabled=rule_set.disabled,
            )
        if draw is not None:
            draw(arguments.plot, replay.report)
    return 0 if is_whole else INTERRUPTED


def _read_all(source: EventSource, workers: Workers, replay: Replay) -> bool:
    """Whether all of the source was read; Ctrl-C ends it earlier."""
    try:
        with reading_bar(source) as show:
            for batch in workers.filtered(source):
                replay.process(batch.records, batch.passed)
                show(replay.report.events)
    except KeyboardInterrupt:
        return False
    return True


@contextmanager
def reading_bar(source: EventSource) -> Iterator[Callable[[int], None]]:
    """A bar on standard error; gives a function to call with the number of events so far."""
    progress = Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        Remaining(),
        console=Console(stderr=True, highlight=False),
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
        disable=not sys.stderr.isatty(),
    )
    task = progress.add_task("reading", total=source.total)

    def show(events: int) -> None:
        progress.update(task, completed=source.position, description=f"{events:,} events")

    with progress:
        yield show


@contextmanager
def _opened(
    name: str,
    settings: Settings,
    schema: EventSchema,
    chosen: Chosen,
    rules: Sequence[ActiveRules],
) -> Iterator[EventSource]:
    zone = settings.event_timezone
    if name == STANDARD_INPUT:
        yield FileSource(sys.stdin.buffer, "standard input", schema, zone)
    elif name != KAFKA:
        with open_file(Path(name), schema, zone) as source:
            yield source
    else:
        # What was before has alerts whose cooldown reaches into the stretch.
        before = max(longest_cooldown(each.rule_set) for each in rules)
        since = chosen.since and chosen.since - timedelta(seconds=before)
        with History(settings) as history, registry_of(settings) as registry:
            yield KafkaSource(history.stretch(since, chosen.until), schema, registry, zone)


def _silences(settings: Settings) -> Sequence[Silence]:
    """All silences of the store, if there is one; StoreError where it can't be read."""
    location = parse_state_url(settings.state_url, settings.state_password.reveal())
    if isinstance(location, SqliteLocation) and not location.path.is_file():
        return ()
    try:
        with open_tool(settings) as store:
            return store.silences.all()
    except StoreError as error:
        raise StoreError(f"{error}; to do without its silences, add --no-silences") from error


@contextmanager
def _logs_on_standard_error() -> Iterator[None]:
    """A context in which log lines, such as that a silence can't be used, are no output."""
    before = structlog.get_config()
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    try:
        yield
    finally:
        structlog.configure(**before)


def _chosen(arguments: argparse.Namespace, settings: Settings) -> Chosen:
    now = datetime.now(UTC)
    since, until = (
        None if text is None else past_moment(name, text, settings.event_timezone, now)
        for name, text in (("--since", arguments.since), ("--until", arguments.until))
    )
    if since is not None and until is not None and since >= until:
        raise AlertEngineError("--since: must be before --until, write it as --since 7d --until 1d")
    return Chosen(since, until, arguments.plate)


def _only(
    rule_ids: Sequence[str], rule_set: RuleSet, against: RuleSet | None
) -> tuple[RuleSet, RuleSet | None]:
    """Both sets with these rules only; AlertEngineError where neither has one of them."""
    sets = [each for each in (rule_set, against) if each is not None]
    known = sorted({rule.rule_id for each in sets for rule in each.rules})
    for rule_id in rule_ids:
        if any(rule_id in each.disabled for each in sets) and rule_id not in known:
            raise AlertEngineError(f"the rule {rule_id} is disabled, set `enabled: true` to try it")
        if rule_id not in known:
            hint = suggestion(rule_id, known, "see `alert-engine check`")
            raise AlertEngineError(f"there is no rule {rule_id!r}, {hint}")

    def cut(whole: RuleSet) -> RuleSet:
        rules = tuple(rule for rule in whole.rules if rule.rule_id in rule_ids)
        return replace(whole, rules=rules, disabled=())

    return cut(rule_set), None if against is None else cut(against)


def _import_plot() -> Draw:
    """`engine.simulate.plot.save_plot`; nothing else here needs matplotlib in memory."""
    with extra("plot", "matplotlib", "--plot"):
        from engine.simulate.plot import save_plot
    return save_plot
