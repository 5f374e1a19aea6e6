"""`alert-engine check`: reports every fault of rules, channels and watchlists."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, tzinfo
from enum import StrEnum
from pathlib import Path
from typing import Final

from channels.render import Style, segments_of
from channels.render import render as render_message
from channels.targets.apprise_target import AppriseTarget
from engine.cli.inputs import add_paths, exit_code, load, rule_ids
from engine.cli.watch import Round, add_watch, run_or_watch
from engine.errors import Fault, RulesError, StoreError, errors_of
from engine.match import IndexedMatcher
from engine.pipeline.active_rules import render
from engine.reload.last_good import LastGood, last_good_of
from engine.rules import Rule, RuleSet, examples_of, load_set_tests
from engine.rules.faults import Faults
from engine.rules.likeness_questions import likeness_questions
from engine.rules.report import Excerpts, as_github, as_json, as_text
from engine.schema import EventSchema, load_event_schema
from engine.schema.event import make_event
from engine.settings import Settings
from engine.watchlist.likeness_report import LikenessReport, likeness_faults, likeness_report

_LIST: Final = (
    "watchlist {name}: {rows:,} rows, {plates:,} plates, {in_force:,} in force now, "
    "{skipped:,} rows left out"
)


_NO_RULES: Final = "the rules can't be loaded"
_NO_TESTS: Final = "the tests can't be run"


class CheckFormat(StrEnum):
    """How faults are reported."""

    TEXT = "text"
    JSON = "json"
    GITHUB = "github"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `check`."""
    parser.description = (
        "Checks rules, templates, channels, watchlists and time intervals against the event schema."
    )
    add_paths(parser)
    parser.add_argument(
        "--format",
        choices=[str(each) for each in CheckFormat],
        default=str(CheckFormat.TEXT),
        help="text for people, json for tools, github for annotations in GitHub Actions",
    )
    parser.add_argument(
        "--show-cel", action="store_true", help="show each rule's conditions lowered to CEL"
    )
    parser.add_argument(
        "--show-index",
        action="store_true",
        help="show by what rules are looked up, and which are evaluated on every event, and why",
    )
    parser.add_argument(
        "--show-sms",
        action="store_true",
        help="show each rule's text message, by its first test that expects a match, in segments",
    )
    add_watch(parser)
    parser.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    """Report all faults; 1 when one of them is an error, 2 when a file can't be read."""
    settings = Settings.from_environment()
    paths = arguments.paths or [settings.rules_path]
    return run_or_watch(arguments.watch, paths, lambda: _check(arguments, settings))


def _check(arguments: argparse.Namespace, settings: Settings) -> Round:
    """Check once, and report."""
    form = CheckFormat(arguments.format)
    try:
        schema, rule_set = load(settings, arguments.paths, last_good=_last_good(settings))
    except RulesError as error:
        of_tests = _test_faults(settings, arguments.paths, None)
        return Round(_refuse(form, error, of_tests, _NO_RULES), error.lists)
    lists = tuple(rule_set.list_marks)
    of_tests = _test_faults(settings, arguments.paths, rule_ids(rule_set))
    reports = _likeness_reports(rule_set)
    of_lists = [
        fault
        for name, report in reports.items()
        for fault in likeness_faults(rule_set.watchlists[name], report)
    ]
    warnings = _sorted(rule_set.warnings, (*of_tests, *of_lists))
    rule_set = replace(rule_set, warnings=warnings)
    if errors_of(of_tests):
        return Round(_refuse(form, RulesError(rule_set.warnings), (), _NO_TESTS), lists)
    if form is CheckFormat.JSON:
        shown = {rule.rule_id: rule.condition.cel for rule in rule_set.rules}
        cel = shown if arguments.show_cel else None
        _write(as_json(rule_set.warnings, cel, _watchlists(rule_set, reports)))
        return Round(0, lists)
    _write(_report(form, rule_set.warnings))
    if form is CheckFormat.TEXT:
        if arguments.show_cel:
            _write(
                "".join(f"{rule.rule_id}\n    {rule.condition.cel}\n" for rule in rule_set.rules)
            )
        if arguments.show_index:
            _write("\n".join(IndexedMatcher(rule_set.rules).describe()))
        if arguments.show_sms:
            _write("\n".join(sms_previews(rule_set, schema, settings.event_timezone)))
        for watchlist in _watchlists(rule_set, {}):
            _write(_LIST.format(**watchlist))
            report = reports.get(str(watchlist["name"]))
            if report is not None:
                _write("\n".join(_likeness_lines(report)))
        _write(_summary(rule_set))
    return Round(0, lists)


def _refuse(form: CheckFormat, error: RulesError, of_tests: Sequence[Fault], why: str) -> int:
    """Report what keeps the rules or their tests from being used; returns the exit code."""
    whole = RulesError(_sorted(error.faults, of_tests))
    _write(_report(form, whole.faults))
    if form is CheckFormat.TEXT:
        _write(f"{_count_of(whole)}: {why}")
    return exit_code(whole)


def _test_faults(
    settings: Settings, paths: Sequence[Path], rule_ids: Collection[str] | None
) -> tuple[Fault, ...]:
    """The faults and warnings of files of tests; `rule_ids` is None where there are no rules."""
    faults = Faults()
    schema = load_event_schema(settings.event_schema_path)
    chosen = paths or [settings.rules_path]
    load_set_tests(chosen, schema, settings.event_timezone, rule_ids, faults)
    return faults.sorted()


def _sorted(faults: Iterable[Fault], others: Iterable[Fault]) -> tuple[Fault, ...]:
    return tuple(sorted((*faults, *others), key=lambda fault: fault.place))


def _last_good(settings: Settings) -> LastGood | None:
    """The last good rules of the engine of these settings; None where `STATE_URL` is unusable."""
    try:
        return last_good_of(settings)
    except StoreError:
        return None


def _likeness_reports(rule_set: RuleSet) -> dict[str, LikenessReport]:
    """The reports on the lists that rules ask by likeness, by name."""
    now = datetime.now(UTC)
    return {
        name: likeness_report(
            rule_set.watchlists[name], {question.threshold for question in questions}, now
        )
        for name, questions in likeness_questions(rule_set).items()
    }


def _likeness_lines(report: LikenessReport) -> Iterator[str]:
    """The report for people, below the line of its list."""
    yield (
        f"    by likeness from {report.threshold:g}: {report.false_matches} of the readings of "
        "other cars match"
    )
    if report.pairs:
        count = f"{'about ' if report.is_estimated else ''}{report.pair_count:,}"
        verb = "pair of its own plates matches" if count == "1" else "pairs of its own plates match"
        yield f"    {count} {verb}{', such as' if report.pair_count > len(report.pairs) else ''}:"
    for pair in report.pairs:
        yield f"        {pair}"


def _watchlists(
    rule_set: RuleSet, reports: Mapping[str, LikenessReport]
) -> list[dict[str, object]]:
    now = datetime.now(UTC)
    found: list[dict[str, object]] = []
    for name, watchlist in rule_set.watchlists.items():
        known: dict[str, object] = {
            "name": name,
            "file": str(watchlist.path),
            "rows": watchlist.row_count,
            "plates": watchlist.plate_count,
            "in_force": watchlist.count_in_force(now),
            "skipped": watchlist.skipped_count,
        }
        if name in reports:
            known["likeness"] = _likeness_json(reports[name])
        found.append(known)
    return found


def _likeness_json(report: LikenessReport) -> dict[str, object]:
    low, high = report.false_matches.bounds
    return {
        "threshold": report.threshold,
        "pairs": report.pair_count,
        "pairs_are_estimated": report.is_estimated,
        "first_pairs": [
            {"lines": list(pair.lines), "likeness": pair.likeness, "edits": pair.edits}
            for pair in report.pairs
        ],
        "readings": report.false_matches.total,
        "false_matches": report.false_matches.hits,
        "false_share": [low, high],
        "better_threshold": report.better,
        "short_plates": report.short,
        "most_compared": report.crowd,
        "wildcards": report.wildcards,
        "loose_wildcards": report.loose_wildcards,
    }


def _count_of(error: RulesError) -> str:
    """The number of faults and of warnings, in words."""
    faults = len(error.errors)
    warnings = len(error.faults) - faults
    parts = [_counted(faults, "fault"), *([_counted(warnings, "warning")] if warnings else [])]
    return ", ".join(parts)


def _summary(rule_set: RuleSet) -> str:
    targets = sum(len(targets) for targets in rule_set.channels.values())
    channels = _counted(len(rule_set.channels), "channel")
    parts = [
        _counted(len(rule_set.rules), "rule"),
        f"{len(rule_set.disabled)} disabled",
        f"{channels} with {_counted(targets, 'recipient')}",
        _counted(len(rule_set.warnings), "warning"),
    ]
    return f"good: {', '.join(parts)}"


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _write(text: str) -> None:
    if text:
        sys.stdout.write(f"{text}\n")


def _report(form: CheckFormat, faults: Sequence[Fault]) -> str:
    match form:
        case CheckFormat.TEXT:
            return as_text(faults, Excerpts().line)
        case CheckFormat.JSON:
            return as_json(faults)
        case CheckFormat.GITHUB:
            return as_github(faults)


def sms_previews(rule_set: RuleSet, schema: EventSchema, zone: tzinfo) -> Iterator[str]:
    """A line for each rule that sends text messages: number of segments, alphabet, text.

    The event is that of the rule's first test that expects a match; a naive `captured_at` in it is
    read in `zone`.
    """
    for rule in rule_set.rules:
        if not any(_is_sms(rule_set, channel) for channel in rule.notify):
            continue
        event = next(iter(examples_of([rule])), None)
        if event is None:
            yield f"{rule.rule_id}: no test that expects a match shows its text message"
        else:
            yield _preview(rule, _text_of(rule, schema.complete(event), zone))


def _is_sms(rule_set: RuleSet, channel: str) -> bool:
    targets = rule_set.channels.get(channel, ())
    return any(isinstance(each, AppriseTarget) and each.style is Style.SMS for each in targets)


def _text_of(rule: Rule, values: dict[str, object], zone: tzinfo) -> str:
    event = make_event(values, zone=zone)
    alert, _ = render(rule, event, 0, event.time)
    return render_message(alert, Style.SMS, event.time, zone).body


def _preview(rule: Rule, text: str) -> str:
    found = segments_of(text)
    segments = "1 segment" if found.count == 1 else f"{found.count} segments"
    why = f" because of {' '.join(found.beyond)}" if found.beyond else ""
    return f"{rule.rule_id}: {segments} of {found.alphabet}{why}: {text}"
