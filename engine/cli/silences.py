"""`alert-engine silences`: adds, lists and expires what is not to be alerted of for a while."""

from __future__ import annotations

import argparse
import dataclasses
import getpass
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

from rich.table import Table
from rich.text import Text

from engine.cli.inputs import load
from engine.cli.moments import length_of, moment_of
from engine.cli.stored import add_format, console, instant, open_tool, write_json
from engine.errors import AlertEngineError, EventError
from engine.logs.text import printable
from engine.pipeline.silences import SilencesInForce, compile_silence
from engine.rules.cameras import RULE_ID as CAMERA_RULE_ID
from engine.rules.faults import suggestion
from engine.schema import EventSchema, load_event_schema
from engine.schema.event import Event, make_event
from engine.settings import Settings
from engine.store import AlertFilter, Silence, SilenceState, Store, StoredAlert
from engine.watchlist import PlateCosts, costs_of, normalise

DAY_US: Final = 86_400 * 1_000_000
#: So many of the newest alerts of a day are looked at.
MOST_LOOKED_AT: Final = 5_000
LATEST_US: Final = round(datetime.max.replace(tzinfo=UTC, microsecond=0).timestamp() * 1e6)
_ALWAYS_US: Final = 1 << 62
_STYLES: Final = {
    SilenceState.PENDING: "yellow",
    SilenceState.ACTIVE: "green",
    SilenceState.EXPIRED: "dim",
}


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the three actions of `silences`."""
    parser.description = "Reads and writes the store of STATE_URL, also while engines run on it."
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)

    add = actions.add_parser(
        "add",
        help="silence a rule, a plate, a camera, or what a condition fits",
        description="All that is given must fit. It goes by the time of the events, and is in "
        "force within a second.",
    )
    add.add_argument("--rule", metavar="ID", default="", help="only matches of this rule")
    add.add_argument("--plate", default="", help="only this plate, written in any way")
    add.add_argument("--camera", metavar="ID", default="", help="only events of this camera")
    add.add_argument("--when", metavar="CEL", default="", help="only events on which this holds")
    add.add_argument("--from", dest="start", metavar="TIME", help="when it begins (default: now)")
    end = add.add_mutually_exclusive_group(required=True)
    end.add_argument("--for", dest="length", metavar="TIME", help="how long: 90s, 10m, 24h, 7d")
    end.add_argument("--until", dest="end", metavar="TIME", help="when it ends, ISO 8601")
    add.add_argument("--by", metavar="NAME", help="who silences (default: the system's user)")
    add.add_argument("--comment", default="", help="why")
    add_format(add)
    add.set_defaults(command=add_silence)

    listing = actions.add_parser("list", help="the silences that are active or pending")
    listing.add_argument("--all", action="store_true", help="those that are over, too")
    add_format(listing)
    listing.set_defaults(command=list_silences)

    expire = actions.add_parser("expire", help="end a silence now")
    expire.add_argument("silences", nargs="+", metavar="ID", help="its id, of `silences list`")
    add_format(expire)
    expire.set_defaults(command=expire_silences)


def add_silence(arguments: argparse.Namespace) -> int:
    """Store a silence, and print what it would have silenced within the last day."""
    settings = Settings.from_environment()
    schema = load_event_schema(settings.event_schema_path)
    costs = costs_of(settings.plate_costs_path)
    with open_tool(settings) as store:
        now_us = store.deliveries.now_us()
        starts_us, ends_us = _period(arguments, settings, now_us)
        silence = Silence(
            rule_id=arguments.rule,
            plate=normalise(arguments.plate) or arguments.plate,
            camera_id=arguments.camera,
            condition=arguments.when.strip(),
            starts_us=starts_us,
            ends_us=ends_us,
            created_by=arguments.by or _user(),
            comment=arguments.comment,
        )
        compile_silence(silence, schema, costs)
        added = store.silences.add(silence)
        looked_at = _newest_alerts(store, silence.rule_id, now_us)
    _warn_of_unknown_rule(silence.rule_id, settings)
    counts = would_have_silenced(silence, looked_at, schema, costs)
    if arguments.format == "json":
        document = {
            **as_dict(added, now_us),
            "alerts_of_a_day": dict(counts),
            "alerts_looked_at": len(looked_at),
        }
        write_json(document)
        return 0
    output = console()
    output.print(silence_table([added], now_us))
    output.print(Text(printable(_preview(counts, len(looked_at)))))
    return 0


def list_silences(arguments: argparse.Namespace) -> int:
    """Print the silences."""
    with open_tool(Settings.from_environment()) as store:
        now_us, found = store.deliveries.now_us(), store.silences.all()
    if not arguments.all:
        found = [each for each in found if each.state_at(now_us) is not SilenceState.EXPIRED]
    _write(found, now_us, arguments.format)
    return 0


def expire_silences(arguments: argparse.Namespace) -> int:
    """End silences; those that are over stay as they are."""
    with open_tool(Settings.from_environment()) as store:
        known = {each.silence_id for each in store.silences.all()}
        if unknown := [each for each in arguments.silences if each not in known]:
            raise AlertEngineError(
                f"there is no silence {', '.join(unknown)}, see `alert-engine silences list --all`"
            )
        ended = [store.silences.expire(each) for each in arguments.silences]
        now_us = store.deliveries.now_us()
    _write([each for each in ended if each is not None], now_us, arguments.format)
    return 0


def would_have_silenced(
    silence: Silence,
    alerts: Sequence[StoredAlert],
    schema: EventSchema,
    costs: PlateCosts,
) -> Counter[str]:
    """How many of the alerts the silence would have kept back at any time, by rule id.

    `costs` are those of misreadings of plates.
    """
    always = dataclasses.replace(silence, starts_us=0, ends_us=_ALWAYS_US)
    in_force, counts = SilencesInForce([always], schema, costs=costs), Counter[str]()
    for stored in alerts:
        rule_id = stored.alert.rule_id
        event, meant = _event(stored, schema), stored.alert.matched_plate
        if in_force.find(rule_id, event, partial(str, meant)) is not None:
            counts[rule_id] += 1
    return counts


def _warn_of_unknown_rule(rule_id: str, settings: Settings) -> None:
    """Warn of a rule that the files at hand do not have; another machine may have others."""
    if not rule_id:
        return
    try:
        _, rule_set = load(settings, (), with_channels=False)
    except AlertEngineError:
        return
    known = [rule.rule_id for rule in rule_set.rules]
    if rule_set.cameras is not None:
        known.append(CAMERA_RULE_ID)
    if rule_id not in known:
        sys.stderr.write(
            f"alert-engine: warning: {settings.rules_path} has no enabled rule {rule_id!r}, "
            f"{suggestion(rule_id, known, 'see `alert-engine check`')}\n"
        )


def _newest_alerts(store: Store, rule_id: str, now_us: int) -> list[StoredAlert]:
    only = AlertFilter(rule_id=rule_id or None, since_us=now_us - DAY_US)
    return store.archive.alerts(MOST_LOOKED_AT, only)


def _event(stored: StoredAlert, schema: EventSchema) -> Event:
    values: Mapping[str, Any] = stored.alert.event
    try:
        values = schema.complete(values)
    except EventError:
        # It was cut, or is of another schema: what fits counts.
        values = schema.complete(schema.fitting(values))
    return make_event(values, zone=UTC)


def _preview(counts: Mapping[str, int], looked_at: int) -> str:
    if not looked_at:
        return "no alert of the last day to compare with"
    newest = "newest " if looked_at == MOST_LOOKED_AT else ""
    rules = ", ".join(f"{count:,} of {rule_id}" for rule_id, count in sorted(counts.items()))
    total = sum(counts.values())
    return (
        f"of the {newest}{looked_at:,} alerts of the last day it would have silenced "
        f"{f'{total:,}: {rules}' if total else 'none'}"
    )


def _period(arguments: argparse.Namespace, settings: Settings, now_us: int) -> tuple[int, int]:
    """The start and the end of the silence, in microseconds since the epoch."""
    zone = settings.event_timezone
    starts_us = now_us
    if arguments.start is not None:
        starts_us = _microseconds(moment_of("--from", arguments.start, zone))
    if arguments.end is not None:
        ends_us = _microseconds(moment_of("--until", arguments.end, zone))
    else:
        ends_us = starts_us + round(length_of("--for", arguments.length).total_seconds() * 1e6)
    if ends_us <= starts_us:
        raise AlertEngineError("the silence ends before it begins, give a later --until")
    if ends_us > LATEST_US:
        raise AlertEngineError("the silence ends after the year 9999, give an earlier end")
    if ends_us <= now_us:
        raise AlertEngineError("the silence would be over already, give a later end")
    return starts_us, ends_us


def _microseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1e6)


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        # A container may run under a number that has no name.
        return ""


def _write(silences: Sequence[Silence], now_us: int, form: str) -> None:
    if form == "json":
        write_json([as_dict(each, now_us) for each in silences])
    elif silences:
        console().print(silence_table(silences, now_us))
    else:
        sys.stdout.write("no silences\n")


def as_dict(silence: Silence, now_us: int) -> dict[str, Any]:
    """The silence for JSON; a matcher that it does not have is null."""
    return {
        "silence_id": silence.silence_id,
        "state": str(silence.state_at(now_us)),
        "rule_id": silence.rule_id or None,
        "plate": silence.plate or None,
        "camera_id": silence.camera_id or None,
        "when": silence.condition or None,
        "starts_at": instant(silence.starts_us),
        "ends_at": instant(silence.ends_us),
        "created_by": silence.created_by,
        "comment": silence.comment,
    }


def silence_table(silences: Sequence[Silence], now_us: int) -> Table:
    """A table with a row for each silence."""
    headings = ("silence", "state", "silences", "from", "until", "by", "comment")
    table = Table(*headings, box=None, pad_edge=False)
    for each in silences:
        state = each.state_at(now_us)
        table.add_row(
            each.silence_id,
            Text(str(state), style=_STYLES[state]),
            Text(printable(_matchers(each))),
            instant(each.starts_us),
            instant(each.ends_us),
            Text(printable(each.created_by)),
            Text(printable(" ".join(each.comment.split()))),
        )
    return table


def _matchers(silence: Silence) -> str:
    given = {
        "rule": silence.rule_id,
        "plate": silence.plate,
        "camera": silence.camera_id,
        "when": silence.condition,
    }
    return ", ".join(f"{name} {value}" for name, value in given.items() if value)
