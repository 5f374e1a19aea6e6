"""`alert-engine alerts`: lists, shows and redelivers the alerts of the store."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from rich.table import Table
from rich.text import Text

from channels.alert import Reason
from channels.render import near_text
from engine.cli.moments import PAST_HELP, past_moment
from engine.cli.stored import add_format, console, instant, open_tool, write_json
from engine.errors import AlertEngineError
from engine.logs.text import printable
from engine.settings import Settings
from engine.store import (
    AlertFilter,
    Archive,
    DeliveryState,
    StoredAlert,
    StoredDelivery,
)

MOST_ALERTS: Final = 1_000_000
STATE_STYLES: Final = {
    DeliveryState.WAITING: "yellow",
    DeliveryState.SENT: "green",
    DeliveryState.DEAD: "red",
}


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the three actions of `alerts`."""
    parser.description = "Reads and writes the store of STATE_URL, also while the engine runs."
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)

    listing = actions.add_parser("list", help="the newest alerts and their deliveries")
    listing.add_argument("--limit", type=_limit, default=20, help="how many (default 20)")
    listing.add_argument("--rule", metavar="ID", help="only alerts of this rule")
    listing.add_argument("--plate", help="only of this plate, however it is written")
    listing.add_argument("--camera", metavar="ID", help="only of this camera")
    listing.add_argument("--channel", metavar="NAME", help="only alerts for this channel")
    listing.add_argument(
        "--state", choices=[str(state) for state in DeliveryState], help="only with such deliveries"
    )
    _add_since(listing, "only alerts stored since then")
    listing.add_argument(
        "--until", metavar="TIME", help="only alerts stored before then, as for --since"
    )
    add_format(listing)
    listing.set_defaults(command=list_alerts)

    show = actions.add_parser("show", help="one alert, its event and its deliveries")
    show.add_argument("alert", help="the alert's id, or a unique beginning of it")
    add_format(show)
    show.set_defaults(command=show_alert)

    redeliver = actions.add_parser(
        "redeliver",
        help="send dead deliveries again and wake held channels",
        description="Without ids: every dead delivery. With ids: those alerts' dead and sent ones.",
    )
    redeliver.add_argument(
        "alerts", nargs="*", metavar="ALERT", help="ids of alerts, or unique beginnings of them"
    )
    redeliver.add_argument("--channel", metavar="NAME", help="only deliveries of this channel")
    _add_since(redeliver, "only what died since then")
    redeliver.set_defaults(command=redeliver_alerts)


def _add_since(parser: argparse.ArgumentParser, text: str) -> None:
    parser.add_argument("--since", metavar="TIME", help=f"{text}: {PAST_HELP}")


def _limit(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 0 < int(text) <= MOST_ALERTS:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to {MOST_ALERTS:,}")
    return int(text)


def _past_us(option: str, text: str | None, settings: Settings) -> int | None:
    """The time that an option names; None where it is not given."""
    if text is None:
        return None
    moment = past_moment(option, text, settings.event_timezone, datetime.now(UTC))
    return int(moment.timestamp() * 1_000_000)


def list_alerts(arguments: argparse.Namespace) -> int:
    """Print the newest alerts."""
    settings = Settings.from_environment()
    only = AlertFilter(
        rule_id=arguments.rule,
        channel=arguments.channel,
        state=DeliveryState(arguments.state) if arguments.state else None,
        since_us=_past_us("--since", arguments.since, settings),
        plate=arguments.plate,
        camera_id=arguments.camera,
        until_us=_past_us("--until", arguments.until, settings),
    )
    with open_tool(settings) as store:
        found = store.archive.alerts(arguments.limit, only)
    if arguments.format == "json":
        write_json([_as_dict(alert) for alert in found])
        return 0
    console().print(alert_table(found))
    return 0


def show_alert(arguments: argparse.Namespace) -> int:
    """Print one alert whole."""
    with open_tool(Settings.from_environment()) as store:
        stored = _found(store.archive, arguments.alert)
    if arguments.format == "json":
        write_json(_as_dict(stored))
        return 0
    output = console()
    output.print(fact_table(stored))
    output.print(delivery_table(stored))
    return 0


def redeliver_alerts(arguments: argparse.Namespace) -> int:
    """Open deliveries again; a running engine sends them at once."""
    settings = Settings.from_environment()
    with open_tool(settings) as store:
        alerts = [_found(store.archive, beginning).alert.alert_id for beginning in arguments.alerts]
        since_us = _past_us("--since", arguments.since, settings)
        done = store.archive.redeliver(alerts, arguments.channel, since_us)
    sys.stdout.write(f"deliveries opened: {done.reopened}, holds released: {done.released}\n")
    return 0


def _found(archive: Archive, beginning: str) -> StoredAlert:
    stored = archive.alert(beginning)
    if stored is None:
        raise AlertEngineError(
            f"no single alert's id begins with {beginning!r}, see `alert-engine alerts list`"
        )
    return stored


def _as_dict(stored: StoredAlert) -> dict[str, object]:
    alert = dataclasses.asdict(dataclasses.replace(stored.alert, event={}))
    # No drill is ever stored, and notes are those of deliveries.
    del alert["is_test"], alert["note"]
    alert["matched_plate"] = stored.alert.matched_plate or None
    return {
        **alert,
        "event": dict(stored.alert.event),
        "is_expired": stored.is_expired,
        "silenced_by": stored.silenced_by or None,
        "record": {
            "topic": stored.topic,
            "partition": stored.partition,
            "offset": stored.offset,
        },
        "deliveries": [dataclasses.asdict(delivery) for delivery in stored.deliveries],
    }


def alert_table(alerts: Sequence[StoredAlert]) -> Table:
    """A table with a row for each alert."""
    headings = ("alert", "created", "rule", "priority", "deliveries", "message")
    table = Table(*headings, box=None, pad_edge=False)
    for column in table.columns:
        column.no_wrap = True
        column.overflow = "ellipsis"
    for stored in alerts:
        alert = stored.alert
        mark = "possible: " if alert.matched_plate else ""
        table.add_row(
            alert.alert_id[:8],
            alert.created_at[:19],
            alert.rule_id,
            str(alert.priority),
            _states(stored),
            Text(mark + printable(" ".join(alert.message.split()))),
        )
    return table


def _states(stored: StoredAlert) -> Text:
    if stored.silenced_by:
        return Text(f"silenced by {stored.silenced_by}", style="dim")
    if stored.is_expired:
        return Text("expired", style="dim")
    counts = Counter(delivery.state for delivery in stored.deliveries)
    parts = [Text(f"{counts[state]} {state}", STATE_STYLES[state]) for state in sorted(counts)]
    return Text(", ").join(parts) if parts else Text("no channel", style="dim")


def fact_table(stored: StoredAlert) -> Table:
    """A table of all that is stored of one alert, with its event."""
    alert = stored.alert
    table = Table(box=None, show_header=False, pad_edge=False)
    silenced = (("silenced by", stored.silenced_by),) if stored.silenced_by else ()
    near = (("possible", near_text(alert)),) if alert.matched_plate else ()
    for name, value in (
        ("alert", alert.alert_id),
        ("rule", f"{alert.rule_id} ({alert.rule_name})"),
        ("priority", str(alert.priority)),
        *near,
        ("captured", alert.captured_at),
        ("created", alert.created_at),
        ("record", _record(stored)),
        *silenced,
        ("suppressed", str(alert.suppressed_count)),
        ("message", alert.message.strip()),
        ("event", json.dumps(dict(alert.event), ensure_ascii=False)),
    ):
        table.add_row(Text(name, style="bold"), Text(printable(value)))
    return table


def delivery_table(stored: StoredAlert) -> Table:
    """A table with a row for each delivery of the alert."""
    headings = ("delivery", "state", "tries", "reason", "changed", "next try", "message", "detail")
    table = Table(*headings, box=None, pad_edge=False)
    for delivery in stored.deliveries:
        table.add_row(
            Text(delivery.target_id),
            Text(str(delivery.state), style=STATE_STYLES[delivery.state]),
            str(delivery.tries),
            delivery.reason,
            instant(delivery.changed_us),
            _next_try(delivery),
            _message(delivery),
            Text(printable(_detail(delivery))),
        )
    return table


def _next_try(delivery: StoredDelivery) -> str:
    """When the delivery is tried next by its own retries; a held target decides for itself."""
    if delivery.state is not DeliveryState.WAITING:
        return ""
    return instant(delivery.next_try_us) if delivery.next_try_us else "due"


def _message(delivery: StoredDelivery) -> str:
    """The message of several alerts that carries it, if it is one."""
    if not delivery.message_id:
        return ""
    return f"{delivery.kind} {delivery.message_id} of {delivery.message_alerts}"


def _detail(delivery: StoredDelivery) -> str:
    detail = delivery.detail
    if delivery.reason == Reason.UNCONFIRMED and delivery.state is not DeliveryState.SENT:
        detail = f"it may have arrived: {detail}"
    return "; ".join(filter(None, (delivery.note, detail)))


def _record(stored: StoredAlert) -> str:
    if not stored.topic:
        return "none: what was not seen made it"
    return f"{stored.topic}[{stored.partition}]@{stored.offset}"
