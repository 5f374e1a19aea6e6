"""`alert-engine check`: are the rules right?"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from engine.cli.inputs import add_paths, exit_code, load
from engine.cli.sms_preview import sms_previews
from engine.errors import Fault, RulesError, StoreError
from engine.match import IndexedMatcher
from engine.reload.last_good import LastGood, last_good_of
from engine.rules import RuleSet
from engine.rules.excerpt import Excerpts
from engine.rules.report import as_github, as_json, as_text
from engine.settings import Settings


class Format(StrEnum):
    """How faults are reported."""

    TEXT = "text"
    JSON = "json"
    GITHUB = "github"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `check`."""
    parser.description = (
        "Checks rules, templates, channels and watchlists against the event schema."
    )
    add_paths(parser)
    parser.add_argument(
        "--format",
        choices=[str(each) for each in Format],
        default=str(Format.TEXT),
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
    parser.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    """Report all faults; 1 when one of them is an error, 2 when a file can't be read."""
    settings = Settings.from_environment()
    form = Format(arguments.format)
    try:
        schema, rule_set = load(settings, arguments.paths, last_good=_last_good(settings))
    except RulesError as error:
        _write(_report(form, error.faults))
        if form is Format.TEXT:
            _write(f"{_count_of(error)}: the rules can't be loaded")
        return exit_code(error)
    if form is Format.JSON:
        shown = {rule.rule_id: rule.condition.cel for rule in rule_set.rules}
        cel = shown if arguments.show_cel else None
        _write(as_json(rule_set.warnings, cel, _watchlists(rule_set)))
        return 0
    _write(_report(form, rule_set.warnings))
    if form is Format.TEXT:
        if arguments.show_cel:
            _write(
                "".join(f"{rule.rule_id}\n    {rule.condition.cel}\n" for rule in rule_set.rules)
            )
        if arguments.show_index:
            _write("\n".join(IndexedMatcher(rule_set.rules).describe()))
        if arguments.show_sms:
            _write("\n".join(sms_previews(rule_set, schema, settings.event_timezone)))
        for watchlist in _watchlists(rule_set):
            _write(_LIST.format(**watchlist))
        _write(_summary(rule_set))
    return 0


def _last_good(settings: Settings) -> LastGood | None:
    """What an engine with these settings has in force, if one runs here."""
    try:
        return last_good_of(settings)
    except StoreError:
        return None


_LIST: Final = (
    "watchlist {name}: {rows:,} rows, {plates:,} plates, {in_force:,} in force now, "
    "{skipped:,} rows left out"
)


def _watchlists(rule_set: RuleSet) -> list[dict[str, object]]:
    now = datetime.now(UTC)
    return [
        {
            "name": name,
            "file": str(watchlist.path),
            "rows": watchlist.row_count,
            "plates": len(watchlist.plates),
            "in_force": watchlist.count_in_force(now),
            "skipped": watchlist.skipped_count,
        }
        for name, watchlist in rule_set.watchlists.items()
    ]


def _count_of(error: RulesError) -> str:
    """The faults, and the warnings beside them, which alone would stop nothing."""
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


def _report(form: Format, faults: Sequence[Fault]) -> str:
    match form:
        case Format.TEXT:
            return as_text(faults, Excerpts().line)
        case Format.JSON:
            return as_json(faults)
        case Format.GITHUB:
            return as_github(faults)
