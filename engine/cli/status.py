"""`alert-engine status`: the engines on a store, held targets, and what waits."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from engine.cli.stored import add_format, ago, console, instant, open_tool, write_json
from engine.errors import StoreUnavailableError
from engine.logs.text import printable
from engine.service.status import Status, read_status
from engine.settings import Settings
from engine.store import Instance


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `status`."""
    parser.description = (
        "Reads the store of STATE_URL, also while engines run. Exit code 1 where something is "
        "wrong: no engine runs, some are lost, their rules differ, targets are held, or the store "
        "is away."
    )
    add_format(parser)
    parser.set_defaults(command=show_status)


def show_status(arguments: argparse.Namespace) -> int:
    """Print the status; 1 where something is wrong."""
    settings = Settings.from_environment()
    is_json = arguments.format == "json"
    try:
        with open_tool(settings) as store:
            status = read_status(store)
    except StoreUnavailableError as error:
        if is_json:
            write_json({"is_good": False, "problems": [str(error)]})
        else:
            sys.stdout.write(f"wrong: {error}\n")
        return 1
    if is_json:
        write_json(as_dict(status))
    else:
        _print(status)
    return 1 if status.problems else 0


def as_dict(status: Status) -> dict[str, Any]:
    """The status for JSON."""
    ran = [(each, True) for each in status.replicas] + [(each, False) for each in status.lost]
    return {
        "is_good": not status.problems,
        "problems": status.problems,
        "replicas": [
            {
                "instance_id": each.instance_id,
                "is_running": is_running,
                "host": each.host,
                "version": each.version,
                "rules_digest": each.rules_digest,
                "since": instant(each.started_us),
                "last_seen": instant(each.seen_us),
                "partitions": list(each.partitions),
                "lag": each.lag,
            }
            for each, is_running in ran
        ],
        "rule_sets_differ": status.rule_sets_differ,
        "held": [
            {
                "target_id": each.target_id,
                "channel": each.channel,
                "reason": each.reason,
                "detail": each.detail,
                "since": instant(each.since_us),
            }
            for each in status.held
        ],
        "waiting": [
            {"channel": each.channel, "count": each.count, "oldest": instant(each.oldest_us)}
            for each in status.waiting
        ],
        "dead_within_a_day": dict(status.dead),
        "dead_letters": {
            "count": status.dead_letters.count,
            "size_bytes": status.dead_letters.size_bytes,
        },
        "active_silences": status.active_silences,
        "cameras": [
            {
                "camera_id": each.camera_id,
                "last_seen": instant(each.seen_us) if each.seen_us else None,
                "silent_since": instant(each.since_us) if each.silent_us else None,
            }
            for each in status.cameras
        ],
        "store": {"url": status.url, "engine": status.engine, "rows": dict(status.rows)},
    }


def _print(status: Status) -> None:
    output = console()
    output.print(store_table(status))
    tables = (
        replica_table(status),
        held_table(status),
        waiting_table(status),
        camera_table(status),
    )
    for table in tables:
        if table.row_count:
            output.print()
            output.print(table)
    output.print()
    for problem in status.problems:
        output.print(Text(f"wrong: {printable(problem)}", style="red"))
    if not status.problems:
        output.print(Text("good", style="green"))


def store_table(status: Status) -> Table:
    """A table of what there is one of."""
    table = Table(box=None, show_header=False, pad_edge=False)
    rows = ", ".join(f"{count:,} {name}" for name, count in status.rows.items())
    letters = status.dead_letters
    dead = ", ".join(f"{count:,} of {channel}" for channel, count in status.dead.items())
    for name, value in (
        ("store", f"{status.url} ({status.engine})"),
        ("rows", rows),
        ("dead letters", f"{letters.count:,} kept, {letters.size_bytes:,} bytes"),
        ("dead in 24 h", dead or "none"),
        ("silences", f"{status.active_silences:,} active"),
    ):
        table.add_row(Text(name, style="bold"), Text(printable(value)))
    return table


def replica_table(status: Status) -> Table:
    """A table with a row for each engine, those that are lost at the end."""
    table = _table("engine", "host", "version", "rules", "since", "seen", "partitions", "lag")
    for each in status.replicas:
        _add_replica(table, each, status, "")
    for each in status.lost:
        _add_replica(table, each, status, "red")
    return table


def _add_replica(table: Table, each: Instance, status: Status, style: str) -> None:
    cells = (
        each.instance_id,
        each.host,
        each.version,
        each.rules_digest,
        ago(status.now_us, each.started_us),
        ago(status.now_us, each.seen_us),
        partition_text(each.partitions),
        f"{each.lag:,}",
    )
    table.add_row(*(Text(printable(cell), style=style) for cell in cells))


def held_table(status: Status) -> Table:
    """A table with a row for each held target."""
    table = _table("held", "since", "reason", "detail")
    for each in status.held:
        table.add_row(
            Text(printable(each.target_id)),
            ago(status.now_us, each.since_us),
            each.reason,
            Text(printable(each.detail)),
        )
    return table


def waiting_table(status: Status) -> Table:
    """A table with a row for each channel for which something waits."""
    table = _table("waiting", "deliveries", "oldest")
    for each in status.waiting:
        oldest = ago(status.now_us, each.oldest_us)
        table.add_row(Text(printable(each.channel)), f"{each.count:,}", oldest)
    return table


def camera_table(status: Status) -> Table:
    """A table with a row for each camera that must not be silent, the silent ones first."""
    table = _table("camera", "last seen", "silent since")
    for each in sorted(status.cameras, key=lambda camera: not camera.silent_us):
        table.add_row(
            Text(printable(each.camera_id), style="red" if each.silent_us else ""),
            ago(status.now_us, each.seen_us) if each.seen_us else "never",
            ago(status.now_us, each.since_us) if each.silent_us else "",
        )
    return table


def _table(*headings: str) -> Table:
    return Table(*headings, box=None, pad_edge=False)


def partition_text(partitions: Sequence[str]) -> str:
    """`plates/0`, `plates/1` → `plates/0,1`."""
    numbers: dict[str, list[str]] = {}
    for each in partitions:
        topic, _, number = each.rpartition("/")
        numbers.setdefault(topic, []).append(number)
    return " ".join(f"{topic}/{','.join(found)}" for topic, found in numbers.items())
