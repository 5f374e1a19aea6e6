"""`alert-engine dlq`: lists and shows dead letters, and puts their records back on their topics."""

from __future__ import annotations

import argparse
import base64
import sys
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any, Final

from rich.table import Table
from rich.text import Text

from engine.cli.moments import PAST_HELP, past_moment
from engine.cli.stored import add_format, console, instant, open_tool, write_json
from engine.dead_letters.letter_reader import DatedLetter, LetterFilter, LetterReader, all_letters
from engine.dead_letters.replayer import Replayer
from engine.errors import AlertEngineError, NoTopicError
from engine.logs.text import printable
from engine.settings import Settings
from engine.store import Store
from engine.stream.history import History, Stretch
from engine.stream.record import DeadLetterType, Record

#: How many letters go back at once; what is told of so many may be sent twice after a kill.
AT_ONCE: Final = 100
SHOWN_ID: Final = 8
#: How many bytes of a value are shown, and how many refusals are told.
SHOWN_BYTES: Final = 256
MOST_TOLD: Final = 10


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the three actions of `dlq`."""
    parser.description = (
        "Reads DLQ_TOPIC and the letters that the store of STATE_URL keeps, also while engines "
        "run. It joins no group and commits nothing."
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)

    listing = actions.add_parser("list", help="the newest dead letters")
    _add_filter(listing)
    listing.add_argument(
        "--limit", type=_count, default=50, metavar="N", help="how many at most (default: 50)"
    )
    add_format(listing)
    listing.set_defaults(command=list_letters)

    show = actions.add_parser("show", help="one letter with all that it holds")
    show.add_argument("letter", metavar="ID", help="the id of a letter, or its beginning")
    add_format(show)
    show.set_defaults(command=show_letter)

    replay = actions.add_parser(
        "replay",
        help="put records back on their topics, each once",
        description="Sends the records of dead letters back to their topics, with their bytes, "
        "keys, headers and timestamps, and a header that names the letter. Without options it is "
        "all letters. A letter that was replayed before is left out.",
    )
    replay.add_argument("letters", nargs="*", metavar="ID", help="letters, by the begin of the id")
    _add_filter(replay)
    replay.add_argument("--dry-run", action="store_true", help="only say what would be sent")
    replay.add_argument("--again", action="store_true", help="also what was replayed before")
    add_format(replay)
    replay.set_defaults(command=replay_letters)


def _add_filter(parser: argparse.ArgumentParser) -> None:
    kinds = [str(kind) for kind in DeadLetterType]
    parser.add_argument("--type", choices=kinds, help="only with this error type")
    parser.add_argument("--since", metavar="TIME", help=f"only written since then: {PAST_HELP}")
    parser.add_argument("--until", metavar="TIME", help="only written before then, as for --since")
    parser.add_argument("--topic", help="only of records of this topic")
    parser.add_argument("--partition", type=_count, metavar="N", help="only of this partition")


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number")
    return int(text)


def list_letters(arguments: argparse.Namespace) -> int:
    """Print the newest letters that are asked for."""
    settings = Settings.from_environment()
    with ExitStack() as stack:
        store = stack.enter_context(open_tool(settings))
        newest: deque[DatedLetter] = deque(maxlen=arguments.limit)
        total = 0
        for dated in _chosen(_filter(arguments, settings), settings, store, stack):
            newest.append(dated)
            total += 1
        replayed = store.letters.replayed(each.letter_id for each in newest)
    found = sorted(newest, key=lambda each: each.written_at, reverse=True)
    if arguments.format == "json":
        write_json([_as_dict(each, replayed) for each in found])
    elif found:
        console().print(_table(found, replayed))
        if total > len(found):
            sys.stdout.write(f"the newest {len(found):,} of {total:,}, more by --limit\n")
    else:
        sys.stdout.write("no dead letters\n")
    return 0


def show_letter(arguments: argparse.Namespace) -> int:
    """Print one letter."""
    settings = Settings.from_environment()
    with ExitStack() as stack:
        store = stack.enter_context(open_tool(settings))
        only = LetterFilter(beginnings=(arguments.letter,))
        found = list(_chosen(only, settings, store, stack))
        if len(found) != 1:
            raise AlertEngineError(
                f"no single letter's id begins with {arguments.letter!r}, "
                "see `alert-engine dlq list`"
            )
        (dated,) = found
        replayed = store.letters.replayed([dated.letter_id])
    if arguments.format == "json":
        write_json({**_as_dict(dated, replayed), **_content(dated)})
    else:
        console().print(_facts(dated, replayed))
    return 0


def replay_letters(arguments: argparse.Namespace) -> int:
    """Put records back; 1 where some could not be."""
    settings = Settings.from_environment()
    only = _filter(arguments, settings)
    counts: Counter[str] = Counter()
    skipped, failed = 0, dict[str, str]()
    with ExitStack() as stack:
        store = stack.enter_context(open_tool(settings))
        replayer = None if arguments.dry_run else stack.enter_context(Replayer(settings))
        for some in _in_parts(_chosen(only, settings, store, stack)):
            before = {} if arguments.again else store.letters.replayed(e.letter_id for e in some)
            todo = [each for each in some if each.letter_id not in before]
            skipped += len(some) - len(todo)
            refused = replayer.send(todo) if replayer is not None and todo else {}
            sent = [each for each in todo if each.letter_id not in refused]
            if replayer is not None and sent:
                store.letters.mark_replayed(each.letter_id for each in sent)
            counts.update(str(each.letter.error_type) for each in sent)
            failed |= refused
    if arguments.format == "json":
        write_json(
            {
                "replayed": counts.total(),
                "by_type": dict(sorted(counts.items())),
                "replayed_before": skipped,
                "failed": failed,
                "is_dry_run": arguments.dry_run,
            }
        )
    else:
        _tell(counts, skipped, failed, is_dry_run=arguments.dry_run)
    return 1 if failed else 0


def _tell(counts: Counter[str], skipped: int, failed: dict[str, str], *, is_dry_run: bool) -> None:
    done = "would be replayed" if is_dry_run else "replayed"
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in sorted(counts.items()))
    sys.stdout.write(f"{done}: {counts.total():,}{f' ({kinds})' if kinds else ''}\n")
    if skipped:
        sys.stdout.write(f"replayed before: {skipped:,}, left out without --again\n")
    for letter_id, reason in list(failed.items())[:MOST_TOLD]:
        sys.stderr.write(f"alert-engine: {letter_id[:SHOWN_ID]}: {printable(reason)}\n")
    if failed:
        sys.stderr.write(f"alert-engine: {len(failed):,} could not be replayed\n")


def _filter(arguments: argparse.Namespace, settings: Settings) -> LetterFilter:
    now = datetime.now(UTC)
    since, until = (
        None if text is None else past_moment(option, text, settings.event_timezone, now)
        for option, text in (("--since", arguments.since), ("--until", arguments.until))
    )
    return LetterFilter(
        error_type=DeadLetterType(arguments.type) if arguments.type else None,
        since=since,
        until=until,
        topic=arguments.topic,
        partition=arguments.partition,
        beginnings=tuple(getattr(arguments, "letters", ())),
    )


def _chosen(
    only: LetterFilter, settings: Settings, store: Store, stack: ExitStack
) -> Iterator[DatedLetter]:
    reader = LetterReader(settings.dlq_schema_path)
    stretch = _stretch(only, stack.enter_context(History(settings)), settings)
    letters = all_letters(stretch, reader, store.letters, settings.kafka_group_id)
    return (each for each in letters if only.takes(each))


def _stretch(only: LetterFilter, history: History, settings: Settings) -> Stretch | None:
    """The part of the topic that may have such letters; None where nothing has made it yet."""
    try:
        # A letter is written before the topic has it.
        return history.stretch(only.since, None, [settings.dlq_topic])
    except NoTopicError:
        return None


def _in_parts(letters: Iterable[DatedLetter]) -> Iterator[list[DatedLetter]]:
    part: list[DatedLetter] = []
    for each in letters:
        part.append(each)
        if len(part) == AT_ONCE:
            yield part
            part = []
    if part:
        yield part


def _place(record: Record) -> str:
    return f"{record.topic}:{record.partition}:{record.offset}"


def _table(letters: Sequence[DatedLetter], replayed: dict[str, int]) -> Table:
    table = Table(
        "letter",
        "written",
        "type",
        "record",
        "bytes",
        "replayed",
        "error",
        box=None,
        pad_edge=False,
    )
    for each in letters:
        letter = each.letter
        again = replayed.get(each.letter_id)
        table.add_row(
            each.letter_id[:SHOWN_ID],
            f"{each.written_at:%Y-%m-%dT%H:%M:%S}Z{' (kept)' if each.is_kept else ''}",
            str(letter.error_type),
            Text(printable(_place(letter.record))),
            f"{len(letter.record.value or b''):,}",
            "" if again is None else instant(again),
            Text(printable(letter.message)),
        )
    return table


def _as_dict(dated: DatedLetter, replayed: dict[str, int]) -> dict[str, Any]:
    letter, record = dated.letter, dated.letter.record
    again = replayed.get(dated.letter_id)
    return {
        "letter_id": dated.letter_id,
        "written_at": dated.written_at.isoformat(),
        "error_type": str(letter.error_type),
        "error_message": letter.message,
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "bytes": len(record.value or b""),
        "is_kept": dated.is_kept,
        "replayed_at": None if again is None else instant(again),
    }


def _content(dated: DatedLetter) -> dict[str, Any]:
    """The rest of a letter; bytes are in Base64, as in its topic."""
    letter, record = dated.letter, dated.letter.record
    return {
        "timestamp_ms": record.timestamp_ms,
        "key": _base64(record.key),
        "value": _base64(record.value),
        "headers": [{"name": name, "value": _base64(value)} for name, value in record.headers],
        "stack_trace": letter.stack_trace,
        "retry_count": letter.retry_count,
    }


def _base64(data: bytes | None) -> str | None:
    return None if data is None else base64.b64encode(data).decode("ascii")


def _facts(dated: DatedLetter, replayed: dict[str, int]) -> Table:
    letter, record = dated.letter, dated.letter.record
    again = replayed.get(dated.letter_id)
    value = record.value or b""
    more = f" and {len(value) - SHOWN_BYTES:,} bytes more" if len(value) > SHOWN_BYTES else ""
    facts = {
        "letter": dated.letter_id,
        "written": dated.written_at.isoformat(),
        "kept": "in the store, its topic has not taken it" if dated.is_kept else "",
        "replayed": "no" if again is None else instant(again),
        "error": f"{letter.error_type}: {letter.message}",
        "record": _place(record),
        "key": "" if record.key is None else repr(record.key),
        **{f"header {name}": repr(content) for name, content in record.headers},
        "value": f"{len(value):,} bytes: {value[:SHOWN_BYTES].hex(' ')}{more}",
        "stack trace": letter.stack_trace or "",
    }
    table = Table(box=None, show_header=False, pad_edge=False)
    for name, text in facts.items():
        if text:
            table.add_row(Text(printable(name)), Text("\n".join(map(printable, text.splitlines()))))
    return table
