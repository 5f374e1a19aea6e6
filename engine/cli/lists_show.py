"""`alert-engine lists show`: what a watchlist holds, and whether a plate is on it, or nearly."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Any, Final

from engine.cli.inputs import load
from engine.cli.moments import moment_of
from engine.cli.stored import add_format, ago, instant, write_json
from engine.clock import local_text
from engine.errors import AlertEngineError
from engine.logs.text import printable
from engine.rules.faults import suggestion
from engine.rules.likeness_questions import LikenessQuestion, likeness_questions
from engine.settings import Settings
from engine.watchlist import Watchlist, plate_of
from engine.watchlist.builder import ListFaultCode
from engine.watchlist.likeness import MIN_LIST_THRESHOLD, Edit, edits_of, edits_text
from engine.watchlist.likeness_report import lines_of
from engine.watchlist.watchlist import Near
from engine.watchlist.wildcards import has_wildcards, wildcard_edits

#: So many near plates are shown.
_MOST: Final = 5


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `lists show`."""
    parser.add_argument("name", metavar="NAME", help="what the rules call the list")
    parser.add_argument(
        "plate", metavar="PLATE", nargs="?", help="a plate, or what a camera made of it"
    )
    parser.add_argument(
        "--at", metavar="TIME", help="when, in ISO 8601, for rows with a period (default: now)"
    )
    parser.add_argument(
        "--threshold",
        type=_threshold,
        help="from which likeness on a plate counts as on the list "
        "(default: as the rules ask; they may ask for the same plate only)",
    )
    parser.add_argument(
        "--rules",
        type=Path,
        metavar="PATH",
        help="the rule file or folder that defines it (default: RULES_PATH, else rules/)",
    )
    add_format(parser)
    parser.set_defaults(command=show_list)


def _threshold(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not MIN_LIST_THRESHOLD <= value <= 1:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no threshold of a list, write a number from {MIN_LIST_THRESHOLD} to 1"
        )
    return value


@dataclass(frozen=True, slots=True)
class Match:
    """A plate of a list that a reading is, or is like; `rows` are its rows in force.

    `line` is that of its first row, 0 where it is unknown.
    """

    plate: str
    likeness: float
    line: int
    edits: tuple[Edit, ...]
    rows: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Answer:
    """Whether a plate, as it was `asked` for, is on a list at a time.

    `matches` are the plates of the list that are like it, the nearest first; the first `counting`
    of them count, by the thresholds that the list is asked with. `is_over` says that the list has
    the plate itself, but none of its rows is in force at that time.
    """

    asked: str
    time: datetime
    matches: Sequence[Match]
    counting: int
    is_over: bool

    @property
    def is_ambiguous(self) -> bool:
        """Whether another plate is as near as the first."""
        return self.counting > 1 and self.matches[0].likeness == self.matches[1].likeness


def show_list(arguments: argparse.Namespace) -> int:
    """Print the list, or whether the plate is on it; 1 where it is not."""
    settings = Settings.from_environment()
    _, rule_set = load(settings, [arguments.rules] if arguments.rules else [], with_channels=False)
    watchlist = rule_set.watchlists.get(arguments.name)
    if watchlist is None:
        raise unknown_list(arguments.name, rule_set.watchlists)
    asked = likeness_questions(rule_set).get(watchlist.name, ())
    now, zone = datetime.now(UTC), settings.event_timezone
    time = moment_of("--at", arguments.at, zone) if arguments.at else now
    is_json = arguments.format == "json"
    if arguments.plate is None:
        if is_json:
            write_json(_list_json(watchlist, asked, time, now))
        else:
            _write(_list_lines(watchlist, asked, time, now))
        return 0
    if not plate_of(arguments.plate):
        raise AlertEngineError(f"the plate {arguments.plate!r} holds no letter A to Z and no digit")
    thresholds = {each.threshold for each in asked}
    if arguments.threshold is not None:
        thresholds = {arguments.threshold}
    answer = answer_on(watchlist, arguments.plate, time, thresholds)
    if is_json:
        write_json(_answer_json(watchlist, answer))
    else:
        _write(_answer_lines(watchlist, answer, zone))
    return 0 if answer.counting else 1


def answer_on(
    watchlist: Watchlist, asked: str, time: datetime, thresholds: Collection[float | None]
) -> Answer:
    """Whether the plate is on the list at `time` (aware), by these thresholds.

    None among them is that of each row; without any only the plate itself counts.
    """
    plate = plate_of(asked)
    if plate in watchlist.plates and (rows := watchlist.rows_of_entry(plate, time)):
        # Found without the index, which takes seconds to build for a long list.
        line = lines_of(watchlist, [plate]).get(plate, 0)
        return Answer(asked, time, [Match(plate, 1.0, line, (), rows)], 1, is_over=False)
    near = watchlist.nearest(plate, time, _MOST, MIN_LIST_THRESHOLD)
    counts = [len(watchlist.nearest(plate, time, _MOST, each)) for each in thresholds]
    matches = [_match(watchlist, plate, each, time) for each in near]
    is_exact = bool(near) and near[0].likeness == 1
    counting = max(counts, default=int(is_exact))
    return Answer(asked, time, matches, counting, is_over=plate in watchlist.plates)


def _match(watchlist: Watchlist, reading: str, near: Near, time: datetime) -> Match:
    plate, line = near.plate, near.line
    if has_wildcards(plate):
        edits = wildcard_edits(plate, reading, watchlist.costs)
    else:
        edits = edits_of(plate, reading, watchlist.costs)
        line = line or lines_of(watchlist, [plate]).get(plate, 0)
    return Match(plate, near.likeness, line, edits, watchlist.rows_of_entry(plate, time))


def unknown_list(name: str, known: Collection[str]) -> AlertEngineError:
    """The error for a list that no rule file defines."""
    otherwise = f"there are: {', '.join(sorted(known))}" if known else "the rules define none"
    hint = suggestion(name, sorted(known), otherwise)
    return AlertEngineError(f"there is no watchlist {name!r}, {hint}")


def _left_out(watchlist: Watchlist) -> list[tuple[int, str]]:
    """The rows that were left out, of which there may be more: line and reason."""
    return [
        (each.place.line, each.what.partition(": ")[2])
        for each in watchlist.faults
        if each.code == ListFaultCode.ROW
    ]


def _list_lines(
    watchlist: Watchlist, asked: Sequence[LikenessQuestion], time: datetime, now: datetime
) -> Iterator[str]:
    changed_us = watchlist.mark.changed_ns // 1_000
    age = ago(round(now.timestamp() * 1e6), changed_us)
    yield f"{watchlist.name}: {watchlist.path}, changed {instant(changed_us)}, {age}"
    yield (
        f"rows       {watchlist.row_count:,} of {watchlist.plate_count:,} plates, "
        f"{watchlist.count_in_force(time):,} plates in force"
    )
    left_out = _left_out(watchlist)
    yield f"left out   {watchlist.skipped_count:,}"
    for line, reason in left_out:
        yield f"           line {line}: {reason}"
    if watchlist.skipped_count > len(left_out):
        yield f"           and {watchlist.skipped_count - len(left_out):,} more"
    yield f"threshold  {watchlist.thresholds.usual:g}"
    rules = ", ".join(map(_question_text, asked))
    yield f"likeness   {f'asked by {rules}' if rules else 'no rule asks for it'}"


def _question_text(question: LikenessQuestion) -> str:
    given = question.threshold
    return question.rule_id if given is None else f"{question.rule_id} from {given:g}"


def _list_json(
    watchlist: Watchlist, asked: Sequence[LikenessQuestion], time: datetime, now: datetime
) -> dict[str, Any]:
    changed_us = watchlist.mark.changed_ns // 1_000
    return {
        "name": watchlist.name,
        "file": str(watchlist.path),
        "changed_at": instant(changed_us),
        "age_seconds": max(0, int(now.timestamp() - changed_us / 1e6)),
        "rows": watchlist.row_count,
        "plates": watchlist.plate_count,
        "at": time.isoformat(timespec="seconds"),
        "in_force": watchlist.count_in_force(time),
        "skipped": watchlist.skipped_count,
        "left_out": [{"line": line, "reason": reason} for line, reason in _left_out(watchlist)],
        "threshold": watchlist.thresholds.usual,
        "asked_by_likeness": [
            {"rule_id": each.rule_id, "threshold": each.threshold} for each in asked
        ],
    }


def _answer_lines(watchlist: Watchlist, answer: Answer, zone: tzinfo) -> Iterator[str]:
    counting, others = answer.matches[: answer.counting], answer.matches[answer.counting :]
    if not counting:
        is_over = ": its rows are not in force then" if answer.is_over else ""
        yield f"{answer.asked} is not on {watchlist.name}{is_over}"
    for number, each in enumerate(counting):
        if each.likeness == 1 and not number:
            pattern = f"as {each.plate}, " if has_wildcards(each.plate) else ""
            yield f"{answer.asked} is on {watchlist.name}, {pattern}{_where(each)}"
        elif not number:
            yield f"{answer.asked} is nearly on {watchlist.name}, as {_match_text(each)}"
        else:
            is_rival = each.likeness == counting[0].likeness
            yield f"{'or' if is_rival else 'less likely'} as {_match_text(each)}"
        for row in each.rows:
            yield from _row_lines(row, zone)
    for each in others:
        yield f"too far from {_match_text(each)}"


def _match_text(match: Match) -> str:
    percent = f"{100 * match.likeness:.1f}".removesuffix(".0")
    edits = edits_text(match.edits)
    return f"{match.plate}, {_where(match)}: {percent} %{f', {edits}' if edits else ''}"


def _where(match: Match) -> str:
    rows = f"{len(match.rows)} rows" if len(match.rows) > 1 else "1 row"
    return f"line {match.line}" if len(match.rows) == 1 and match.line else rows


def _row_lines(row: Mapping[str, Any], zone: tzinfo) -> Iterator[str]:
    """The columns of a row that hold something."""
    for name, value in row.items():
        if value is not None:
            text = local_text(value, zone) if isinstance(value, datetime) else value
            yield f"    {name}: {text}"


def _answer_json(watchlist: Watchlist, answer: Answer) -> dict[str, Any]:
    return {
        "name": watchlist.name,
        "file": str(watchlist.path),
        "asked": answer.asked,
        "at": answer.time.isoformat(timespec="seconds"),
        "is_on": answer.counting > 0,
        "is_exact": answer.counting > 0 and answer.matches[0].likeness == 1,
        "is_ambiguous": answer.is_ambiguous,
        "matches": [
            {
                "counts": number < answer.counting,
                "plate": each.plate,
                "likeness": each.likeness,
                "line": each.line or None,
                "edits": [edit._asdict() for edit in each.edits],
                "rows": [_row_json(row) for row in each.rows],
            }
            for number, each in enumerate(answer.matches)
        ],
    }


def _row_json(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in row.items()
    }


def _write(lines: Iterator[str]) -> None:
    sys.stdout.write("".join(f"{printable(line)}\n" for line in lines))
