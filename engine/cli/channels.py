"""`alert-engine channels`: lists the targets of channels, and sends them a drill."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from rich.table import Table
from rich.text import Text

from channels.alert import Outcome, Status, Target
from channels.targets.identity import MisconfiguredTarget, target_id
from engine.cli.stored import add_format, console, instant, open_tool, write_json
from engine.delivery.drill import DrillResult, make_drill, run_drill
from engine.errors import AlertEngineError, StoreError
from engine.logs.text import printable
from engine.rules import load_channels
from engine.rules.channel_reader import ChannelReader
from engine.rules.faults import suggestion
from engine.schema import load_event_schema
from engine.settings import Settings
from engine.store import Backlog, Hold


class Standing(StrEnum):
    """How a target stands; `GONE`: something waits for it, and the rules have it no more."""

    OPEN = "open"
    HELD = "held"
    MISCONFIGURED = "misconfigured"
    SWITCHED_OFF = "off"
    GONE = "gone"
    UNKNOWN = "unknown"


_STYLES = {
    Standing.OPEN: "green",
    Standing.HELD: "red",
    Standing.MISCONFIGURED: "red",
    Standing.GONE: "yellow",
}


@dataclass(frozen=True, slots=True)
class Stored:
    """What the store knows of targets, by their ids; `key` is for the ids."""

    key: bytes
    holds: Mapping[str, Hold]
    backlogs: Mapping[str, Backlog]


@dataclass(frozen=True, slots=True)
class Listed:
    """One line of the list; without a store the last three are not known."""

    channel: str
    label: str
    standing: Standing
    reason: str = ""
    detail: str = ""
    target_id: str | None = None
    since_us: int | None = None
    waiting: int | None = None


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the two actions of `channels`."""
    parser.description = (
        "Reads the channels of the rules, and, where it is there, the store of STATE_URL. It works "
        "beside a running engine and without one; it needs no Kafka."
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)

    listing = actions.add_parser("list", help="each target, whether it is held, and what waits")
    _add_common(listing)
    listing.set_defaults(command=list_channels)

    test = actions.add_parser(
        "test",
        help="send a drill to a channel, and show what its servers answer",
        description="Sends an alert that is marked as [TEST] to each target of the channel, once. "
        "Nothing is stored, and a held target stays held. Exit code 1 where a target did not take "
        "it.",
    )
    test.add_argument("name", metavar="NAME", help="the channel's name")
    test.add_argument(
        "--target",
        metavar="ID",
        help="only the target with this id, or those with this label, as `channels list` has them",
    )
    _add_common(test)
    test.set_defaults(command=test_channel)


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--rules",
        type=Path,
        metavar="PATH",
        help="the rule file or folder with the channels (default: RULES_PATH, else rules/)",
    )
    add_format(parser)


def list_channels(arguments: argparse.Namespace) -> int:
    """Print each target of each channel."""
    settings = Settings.from_environment()
    channels = _channels(settings, arguments.rules)
    stored: Stored | None = None
    try:
        stored = _stored(settings)
    except StoreError as error:
        sys.stderr.write(f"alert-engine: holds and what waits are not shown: {error}\n")
    found = sorted(_listed(channels, stored), key=lambda each: each.channel)
    if arguments.format == "json":
        write_json([_as_dict(each) for each in found])
    else:
        console().print(target_table(found))
    return 0


def test_channel(arguments: argparse.Namespace) -> int:
    """Send a drill to the targets of a channel; 1 where one of them did not take it."""
    settings = Settings.from_environment()
    channels = _channels(settings, arguments.rules)
    stored: Stored | None = None
    # Without it only the ids and the holds are not known.
    with suppress(StoreError):
        stored = _stored(settings)
    name = str(arguments.name)
    targets = _chosen(name, channels, stored, arguments.target)
    alert = make_drill(name, load_event_schema(settings.event_schema_path), datetime.now(UTC))
    results: list[tuple[Listed, DrillResult]] = []
    for number, target in enumerate(targets, 1):
        listed = _listed_target(target, stored)
        result = run_drill(target, alert, f"{alert.alert_id}-{number}", time.monotonic)
        results.append((listed, result))
        if arguments.format == "text":
            sys.stdout.write(f"{_line(listed, result)}\n")
            sys.stdout.flush()
    is_good = all(_is_sent(result.outcome) for _, result in results)
    if arguments.format == "json":
        shown = [_result_as_dict(*each) for each in results]
        write_json(
            {"channel": name, "is_good": is_good, "alert_id": alert.alert_id, "targets": shown}
        )
    return 0 if is_good else 1


def _channels(settings: Settings, rules: Path | None) -> ChannelReader:
    """The channels as an engine of these settings has them; RulesError."""
    paths = [rules or settings.rules_path]
    return load_channels(paths, settings.variables.reveal(), zone=settings.event_timezone)


def _stored(settings: Settings) -> Stored:
    """What the store knows; StoreError where it is away, or there is none."""
    with open_tool(settings) as store:
        return Stored(
            store.key,
            {hold.target_id: hold for hold in store.deliveries.held()},
            {backlog.target_id: backlog for backlog in store.deliveries.backlogs()},
        )


def _chosen(
    name: str, channels: ChannelReader, stored: Stored | None, wanted: str | None
) -> Sequence[Target]:
    """The targets to try out; AlertEngineError where there is none."""
    if name in channels.switched_off:
        raise AlertEngineError(f"the channel {name} is disabled, set `enabled: true` to use it")
    targets = channels.targets.get(name)
    if targets is None:
        known = sorted(channels.targets)
        otherwise = f"there are: {', '.join(known)}" if known else "the rules define none"
        raise AlertEngineError(
            f"there is no channel {name!r}, {suggestion(name, known, otherwise)}"
        )
    if wanted is None:
        return targets
    listed = [(target, _listed_target(target, stored)) for target in targets]
    of_id = [target for target, each in listed if each.target_id == wanted]
    found = of_id or [target for target, each in listed if each.label == wanted]
    if not found:
        known = [_shown_id(each) for _, each in listed]
        raise AlertEngineError(
            f"the channel {name} has no target {wanted!r}, there are: {', '.join(known)}"
        )
    return found


def _listed(channels: ChannelReader, stored: Stored | None) -> Iterator[Listed]:
    """A line for each target, for each channel without any, and for what waits for others."""
    used: set[str | None] = set()
    for targets in channels.targets.values():
        for target in targets:
            listed = _listed_target(target, stored)
            used.add(listed.target_id)
            yield listed
    for name in channels.switched_off:
        yield Listed(name, name, Standing.SWITCHED_OFF)
    for backlog in stored.backlogs.values() if stored else ():
        if backlog.target_id not in used:
            yield Listed(
                backlog.channel,
                backlog.target_id,
                Standing.GONE,
                target_id=backlog.target_id,
                waiting=backlog.count,
            )


def _listed_target(target: Target, stored: Stored | None) -> Listed:
    channel, label, own_id = target.channel, target.label, None
    hold, waiting = None, None
    if stored is not None:
        own_id = target_id(target, stored.key)
        hold, backlog = stored.holds.get(own_id), stored.backlogs.get(own_id)
        waiting = backlog.count if backlog else 0
    since_us = hold.since_us if hold else None
    if isinstance(target, MisconfiguredTarget):
        standing, reason, detail = Standing.MISCONFIGURED, "", target.detail
    elif hold is not None:
        standing, reason, detail = Standing.HELD, hold.reason, hold.detail
    else:
        standing = Standing.UNKNOWN if stored is None else Standing.OPEN
        reason = detail = ""
    return Listed(channel, label, standing, reason, detail, own_id, since_us, waiting)


def _as_dict(each: Listed) -> dict[str, object]:
    return {
        "channel": each.channel,
        "target_id": each.target_id,
        "label": each.label,
        "state": str(each.standing),
        "since": None if each.since_us is None else instant(each.since_us),
        "reason": each.reason,
        "detail": each.detail,
        "waiting": each.waiting,
    }


def target_table(targets: Sequence[Listed]) -> Table:
    """A table with a row for each target."""
    headings = ("channel", "target", "state", "since", "waiting", "reason", "detail")
    table = Table(*headings, box=None, pad_edge=False)
    for each in targets:
        table.add_row(
            each.channel,
            Text(printable(_shown_id(each))),
            Text(str(each.standing), style=_STYLES.get(each.standing, "dim")),
            "" if each.since_us is None else instant(each.since_us),
            "" if each.waiting is None else f"{each.waiting:,}",
            each.reason,
            Text(printable(each.detail)),
        )
    return table


def _shown_id(each: Listed) -> str:
    return each.target_id or each.label


def _line(listed: Listed, result: DrillResult) -> str:
    """What came of one drill, in words."""
    outcome = result.outcome
    what = f"sent in {result.seconds:.2f} s"
    if not _is_sent(outcome):
        what = f"{outcome.status} ({outcome.reason}) after {result.seconds:.2f} s"
    answer = _answer(outcome)
    text = f"{_shown_id(listed)}: {what}{f': {answer}' if answer else ''}"
    if listed.standing is Standing.HELD and _is_sent(outcome):
        text += (
            f"\n  it is held for {listed.reason}; "
            f"`alert-engine alerts redeliver --channel {listed.channel}` sends what waits"
        )
    return printable(text)


def _result_as_dict(listed: Listed, result: DrillResult) -> dict[str, object]:
    return {
        "target_id": listed.target_id,
        "label": listed.label,
        "state": str(listed.standing),
        "status": str(result.outcome.status),
        "reason": str(result.outcome.reason),
        "answer": _answer(result.outcome),
        "seconds": round(result.seconds, 3),
    }


def _is_sent(outcome: Outcome) -> bool:
    return outcome.status is Status.SENT


def _answer(outcome: Outcome) -> str:
    """What the service said, or why it could not be asked."""
    return outcome.answer if _is_sent(outcome) else outcome.detail
