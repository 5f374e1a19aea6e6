"""`alert-engine erase`: removes a plate from the store, and says what it can't reach."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from engine.cli.stored import add_format, console, open_tool, write_json
from engine.errors import AlertEngineError
from engine.logs.text import printable
from engine.settings import Settings
from engine.store import Erased, OpenDelivery, PlateText, Trace
from engine.store.plate_text import SHORTEST_IN_TEXTS

#: How many open deliveries are named.
MOST_TOLD: Final = 20
_REFUSED: Final = 1


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `erase`."""
    parser.description = (
        "Removes all that the store of STATE_URL holds of a plate, also while engines run on it: "
        "alerts, messages, deliveries, counts, events, silences and kept dead letters. What names "
        "the plate beside another one goes too. Readings that come later make alerts as ever."
    )
    parser.add_argument("plate", metavar="PLATE", help="the plate, written in any way")
    parser.add_argument(
        "--force", action="store_true", help="also what has an open delivery, which is not sent"
    )
    parser.add_argument("--dry-run", action="store_true", help="only say what would be removed")
    add_format(parser)
    parser.set_defaults(command=erase_plate)


def erase_plate(arguments: argparse.Namespace) -> int:
    """Remove the plate; 1 where open deliveries keep it."""
    settings = Settings.from_environment()
    plate = PlateText(arguments.plate)
    if not plate.plate.strip():
        raise AlertEngineError(f"{arguments.plate!r} is no plate, give its letters and digits")
    erased = None
    with open_tool(settings) as store:
        trace = store.erasure.find(plate)
        is_refused = bool(trace.open) and not arguments.force
        if not arguments.dry_run and not is_refused:
            erased = store.erasure.erase(plate, trace, with_open=arguments.force)
            is_refused = bool(erased.refused)
        is_shared = store.is_shared
    beyond = (*_found_beyond(plate, trace), *beyond_reach(settings, is_shared=is_shared))
    if arguments.format == "json":
        write_json(_as_dict(plate, trace, erased, beyond))
        return _REFUSED if is_refused else 0
    if erased is None and is_refused and not arguments.dry_run:
        _tell_open(trace.open, "is open")
    else:
        _tell(trace, erased, beyond, is_forced=arguments.force)
    if is_refused:
        sys.stderr.write(
            "alert-engine: alerts of the plate have open deliveries, wait until they are sent or "
            "dead, or give --force\n"
        )
    return _REFUSED if is_refused else 0


def beyond_reach(settings: Settings, *, is_shared: bool) -> Iterator[str]:
    """What no engine can erase, a sentence each."""
    topics = ", ".join((*settings.kafka_topics, settings.dlq_topic))
    yield f"Kafka keeps the records of {topics} until the retention of each topic ends"
    yield (
        "lists, rule files and the last good ones beside the store: a reading that comes later "
        "makes an alert as ever, so take the plate out of what names it first"
    )
    yield "what receivers were sent: mail, chats, phones, the logs of webhooks"
    yield "backups and copies of the store, and what a file system keeps of freed blocks"
    yield "logs with LOG_PLATES, and what a database or proxy logs of its statements"
    if is_shared:
        yield (
            "PostgreSQL's files until the next CHECKPOINT, its WAL (also of archives) until the "
            "segments are used again, and replicas until they have replayed it"
        )


def _found_beyond(plate: PlateText, trace: Trace) -> Iterator[str]:
    if not plate.is_searched:
        yield (
            f"texts that name it: a plate of less than {SHORTEST_IN_TEXTS} signs is part of too "
            "many words"
        )
    for path in trace.rule_files:
        yield f"the store's copy of {path} names it, and goes when no alert of its rules is kept"


def _rows(trace: Trace) -> dict[str, int]:
    return {
        "alerts": len(trace.alerts) + len(trace.naming),
        "deliveries": trace.deliveries,
        "silences": len(trace.silences),
        "dead_letters": len(trace.letters),
    }


def _tell(trace: Trace, erased: Erased | None, beyond: Sequence[str], *, is_forced: bool) -> None:
    done = "would be removed" if erased is None else "removed"
    rows: Mapping[str, int] = _rows(trace) if erased is None else erased.rows
    counts = ", ".join(f"{count:,} {table.replace('_', ' ')}" for table, count in rows.items())
    output = [f"{done}: {counts}"]
    if trace.naming:
        output.append(
            f"of these {len(trace.naming):,} alerts are of another plate, and name this one"
        )
    if trace.silences:
        output.append(f"silences: {', '.join(trace.silences)}")
    sys.stdout.write("".join(f"{line}\n" for line in output))
    if erased is None:
        _tell_open(trace.open, "will not be sent" if is_forced else "is open")
    else:
        _tell_open(erased.unsent, "is not sent any more")
        _tell_open(erased.refused, "is open, its alert stays")
        for each in erased.left:
            sys.stdout.write(f"still to be done: {printable(each)}\n")
    sys.stdout.write("out of reach:\n")
    for each in beyond:
        sys.stdout.write(f"- {printable(each)}\n")


def _tell_open(deliveries: Sequence[OpenDelivery], what: str) -> None:
    output = console()
    for each in deliveries[:MOST_TOLD]:
        under_way = ", an engine may be sending it" if each.is_claimed else ""
        output.print(
            f"delivery {each.delivery_id} of alert {each.alert_id} to "
            f"{printable(each.target_id)} {what}{under_way}",
            markup=False,
            soft_wrap=True,
        )
    if len(deliveries) > MOST_TOLD:
        output.print(f"and {len(deliveries) - MOST_TOLD:,} more")


def _as_dict(
    plate: PlateText,
    trace: Trace,
    erased: Erased | None,
    beyond: Sequence[str],
) -> dict[str, Any]:
    return {
        "plate": plate.plate,
        "is_erased": erased is not None and not erased.refused,
        "rows": _rows(trace) if erased is None else dict(erased.rows),
        "alerts_of_other_plates": len(trace.naming),
        "silences": list(trace.silences),
        "open": [_delivery(each) for each in (trace.open if erased is None else erased.refused)],
        "unsent": [_delivery(each) for each in erased.unsent] if erased is not None else [],
        "rule_files": list(trace.rule_files),
        "still_to_be_done": list(erased.left) if erased is not None else [],
        "out_of_reach": list(beyond),
    }


def _delivery(each: OpenDelivery) -> dict[str, Any]:
    return {
        "delivery_id": each.delivery_id,
        "alert_id": each.alert_id,
        "channel": each.channel,
        "target_id": each.target_id,
        "is_claimed": each.is_claimed,
    }
