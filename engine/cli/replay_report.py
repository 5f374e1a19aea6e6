"""Shows what a replay has found, as text with a small chart for each rule, or for JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from typing import Any, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from channels.render import near_words
from engine.cli.stored import console
from engine.clock import local_text
from engine.logs.text import printable
from engine.simulate.replay import Replay
from engine.simulate.report import Difference, FoundAlert, Report, RuleReport
from engine.simulate.sources import EventSource, Faults

CHART_COLUMNS: Final = 32
_BARS: Final = "▁▂▃▄▅▆▇█"
_MOST_NAMES: Final = 10


def as_json(replay: Replay, source: EventSource, *, with_alerts: bool) -> dict[str, Any]:
    """The whole report as a value for JSON."""
    report, against = replay.report, replay.against_report
    found: dict[str, Any] = {"events": report.events, "rules": _rules(report)}
    if with_alerts:
        found["alerts"] = [_alert(each) for each in report.alerts]
    found["unreadable"] = source.faults.count + replay.faults.count
    if against is not None:
        found["against"] = {
            "rules": _rules(against),
            "differences": {
                rule_id: _difference(each) for rule_id, each in replay.comparison.rules.items()
            },
        }
    return found


def _rules(report: Report) -> dict[str, dict[str, int]]:
    return {
        rule_id: {
            "matches": each.matches,
            "alerts": each.alerts,
            "suppressed": each.suppressed,
            "silenced": each.silenced,
            "errors": each.errors,
        }
        for rule_id, each in report.rules.items()
    }


def _alert(each: FoundAlert) -> dict[str, Any]:
    return {
        "rule_id": each.rule_id,
        "event_id": each.event_id,
        "captured_at": each.captured_at,
        "plate": each.plate,
        "message": each.message,
        "suppressed_count": each.suppressed_count,
        "matched_plate": each.matched_plate or None,
        "likeness": each.likeness,
    }


def _difference(each: Difference) -> dict[str, Any]:
    return {
        "only_here": each.only_here,
        "only_against": each.only_against,
        "examples_here": [_alert(example) for example in each.here],
        "examples_against": [_alert(example) for example in each.against],
    }


def print_report(
    replay: Replay,
    source: EventSource,
    zone: tzinfo,
    *,
    with_alerts: bool,
    is_whole: bool,
    disabled: Sequence[str],
) -> None:
    """Print it; times are shown in `zone`. Where it is not `is_whole`, it says how far it came."""
    output, report = console(), replay.report
    if with_alerts:
        _print_alerts(output, report.alerts)
    output.print(Text(_headline(report, zone)))
    if not is_whole:
        output.print(Text(f"interrupted: this is what is known so far{_share(source)}"))
    _print_faults(output, source.faults, replay.faults)
    _print_rules(output, report)
    if disabled:
        output.print(Text(f"disabled, not replayed: {_names(disabled)}"))
    if replay.against_report is not None:
        _print_differences(output, replay, replay.against_report)


def _headline(report: Report, zone: tzinfo) -> str:
    if not report.events:
        return "no events"
    alerts = sum(each.alerts for each in report.rules.values())
    first, last = (
        local_text(datetime.fromtimestamp(each / 1e6, UTC), zone)
        for each in (report.first_us, report.last_us)
    )
    return f"{_counted(report.events, 'event')} from {first} to {last}: {_counted(alerts, 'alert')}"


def _share(source: EventSource) -> str:
    if not source.total:
        return ""
    return f", of {min(1.0, source.position / source.total):.0%} of the source"


def _print_faults(output: Console, *faults: Faults) -> None:
    count = sum(each.count for each in faults)
    if not count:
        return
    output.print(Text(f"{_counted(count, 'event')} can't be read and left out, such as:"))
    for each in faults:
        for line in each.first:
            output.print(Text(f"  {printable(line)}"), soft_wrap=True)


def _print_rules(output: Console, report: Report) -> None:
    shown = {name: each for name, each in report.rules.items() if each.matches or each.errors}
    if shown:
        output.print(_rule_table(shown, report))
    silent = [name for name in report.rules if name not in shown]
    if silent:
        output.print(Text(f"never matched: {_names(silent)}"))


def _rule_table(rules: Mapping[str, RuleReport], report: Report) -> Table:
    """A row for each rule, those with the most alerts first."""
    has_out_of_time = any(each.out_of_time for each in rules.values())
    has_expired = any(each.expired for each in rules.values())
    headings = ["rule", "matches", "alerts", "suppressed", "silenced"]
    headings += ["out of time"] * has_out_of_time + ["expired"] * has_expired + ["errors"]
    table = Table(*headings, "alerts over time", box=None, pad_edge=False)
    for column in table.columns[1:-1]:
        column.justify = "right"
    table.columns[-1].no_wrap = True
    for name, each in sorted(rules.items(), key=lambda item: -item[1].alerts):
        counts = [each.matches, each.alerts, each.suppressed, each.silenced]
        counts += [each.out_of_time] * has_out_of_time + [each.expired] * has_expired
        chart = _chart(each.times.counts(report.first_us, report.last_us, CHART_COLUMNS))
        table.add_row(Text(name), *(f"{count:,}" for count in [*counts, each.errors]), chart)
    return table


def _chart(counts: Sequence[int]) -> str:
    """A bar for each count, and a point for 0."""
    most = max(counts)
    if not most:
        return ""
    return "".join(
        _BARS[(count * len(_BARS) - 1) // most] if count else "\N{MIDDLE DOT}" for count in counts
    )


def _print_alerts(output: Console, alerts: Sequence[FoundAlert]) -> None:
    for each in alerts:
        output.print(Text(_line(each)), soft_wrap=True)


def _line(each: FoundAlert) -> str:
    message = printable(" ".join(each.message.split()))
    more = f" (and {each.suppressed_count} before)" if each.suppressed_count else ""
    expired = " (too old to be sent)" if each.is_expired else ""
    near = _near(each, message)
    return f"{printable(each.captured_at)}  {each.rule_id}: {message}{near}{more}{expired}"


def _near(each: FoundAlert, message: str) -> str:
    """What a reading is only like, where the message does not say it; "" for an exact match."""
    if not each.matched_plate:
        return ""
    words = printable(near_words(each.plate, each.matched_plate, each.likeness))
    return "" if words in message else f" ({words})"


def _print_differences(output: Console, replay: Replay, against: Report) -> None:
    here = sum(each.alerts for each in replay.report.rules.values())
    there = sum(each.alerts for each in against.rules.values())
    output.print(
        Text(f"\nagainst the other rules, which make {_counted(there, 'alert')} and not {here:,}:")
    )
    differences = replay.comparison.rules
    if not differences:
        output.print(Text("no difference: both alert on the same events"))
    for rule_id, each in sorted(differences.items()):
        output.print(
            Text(f"{rule_id}: {each.only_here:,} only here, {each.only_against:,} only there")
        )
        for mark, examples in (("here ", each.here), ("there", each.against)):
            for example in examples:
                output.print(Text(f"  {mark}  {_line(example)}"), soft_wrap=True)


def _names(names: Sequence[str]) -> str:
    more = len(names) - _MOST_NAMES
    return ", ".join(names[:_MOST_NAMES]) + (f" and {more:,} more" if more > 0 else "")


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
