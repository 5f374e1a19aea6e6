"""`alert-engine why-not`: why nobody was told of a plate."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, redirect_stdout
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from channels.render import near_text
from engine.cli.evidence import (
    Evidence,
    add_rules,
    check_rule,
    condition_lines,
    event_json,
    gather,
    trace_json,
)
from engine.cli.moments import PAST_HELP, length_of, past_moment
from engine.cli.replay import reading_bar
from engine.cli.stored import instant, write_json
from engine.clock import local_text
from engine.dead_letters.letter_reader import LetterReader
from engine.errors import AlertEngineError, BrokerUnavailableError, HistoryError
from engine.logs.text import printable
from engine.rules import RuleSet
from engine.schema import CAMERA_ID, EVENT_ID, value_at
from engine.schema.event import Event
from engine.settings import Settings
from engine.simulate.answer_text import Sentence
from engine.simulate.plate_search import FoundReadings, PlateSearch
from engine.simulate.sources import KafkaSource, registry_of
from engine.simulate.why_not import (
    Answer,
    Question,
    ReadingState,
    Reason,
    RuleAnswer,
    Surroundings,
    plate_text,
    why_not,
)
from engine.store import DeliveryState, StoredDelivery
from engine.stream.history import History
from engine.stream.record import DeadLetter, Partition
from engine.watchlist import plate_of
from engine.watchlist.likeness import percent

#: How much later than its event a record is still looked for, and how much earlier.
LATE: Final = timedelta(hours=1)
EARLY: Final = timedelta(minutes=10)
#: How many kept letters, readings and rules are looked at or shown.
MOST_LETTERS: Final = 10_000
MOST_READINGS: Final = 20
MOST_RULES: Final = 20
LONGEST: Final = timedelta(days=90)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `why-not`."""
    parser.description = (
        "Follows a plate from the camera to the delivery: was it read, did the engine come to it,"
        " what did each rule make of it, and who got the alert. It reads the past of KAFKA_TOPIC"
        " and the store of STATE_URL, beside the engine and without a trace."
    )
    parser.add_argument("plate", metavar="PLATE", help="the plate, however it is written")
    parser.add_argument(
        "--at",
        metavar="TIME",
        help=f"when: {PAST_HELP}; by default the last pass up to now",
    )
    parser.add_argument(
        "--within",
        metavar="AGE",
        default="30m",
        help="how far from that time to look, such as 90s, 30m, 24h (default 30m)",
    )
    add_rules(parser)
    parser.set_defaults(command=run)


@dataclass(frozen=True, slots=True)
class _Searched:
    """What Kafka has told: `missing` says why it could not be asked."""

    found: FoundReadings
    committed: Mapping[Partition, int] | None = None
    letters: Sequence[DeadLetter] = ()
    missing: str = ""


def run(arguments: argparse.Namespace) -> int:
    """Print the answer."""
    settings = Settings.from_environment()
    question = _question(arguments, settings)
    with ExitStack() as stack:
        # What the engine's parts log must not come between the answer's lines.
        stack.enter_context(redirect_stdout(sys.stderr))
        evidence = gather(settings, arguments.rules, stack, needs_store=True)
        assert evidence.store is not None
        check_rule(arguments.rule, [evidence.today, *_former(question, evidence)])
        searched = _search(question, settings, evidence)
        kept = evidence.store.letters.kept(MOST_LETTERS)
        answer = why_not(
            question,
            searched.found,
            Surroundings(
                searched.committed,
                (*searched.letters, *kept.values()),
                evidence.store.deliveries.held(),
                evidence.silences,
                settings.max_alert_age_seconds,
            ),
            evidence.rules,
            evidence.schema,
            evidence.store.archive,
        )
    notes = [*([searched.missing] if searched.missing else []), *answer.notes]
    sentence = Sentence(settings.event_timezone, question.at or question.until).of(answer)
    if arguments.format == "json":
        write_json(_as_json(answer, sentence, notes))
    else:
        text = _Text(settings, answer, notes)
        lines = [sentence, *text.lines()]
        sys.stdout.write("".join(f"{printable(line)}\n" for line in lines))
    return 0


def _question(arguments: argparse.Namespace, settings: Settings) -> Question:
    if not plate_of(arguments.plate):
        raise AlertEngineError(f"the plate {arguments.plate!r} holds no letter A to Z and no digit")
    within, now, zone = (
        length_of("--within", arguments.within),
        datetime.now(UTC),
        settings.event_timezone,
    )
    at = None if arguments.at is None else past_moment("--at", arguments.at, zone, now)
    if within > LONGEST:
        raise AlertEngineError(f"--within: at most {LONGEST.days} days, name a time with --at")
    since = (at or now) - within
    # A camera's clock may be a little ahead.
    until = at + within if at is not None else now + timedelta(minutes=1)
    return Question(arguments.plate, since, until, at, arguments.rule)


def _former(question: Question, evidence: Evidence) -> list[RuleSet]:
    """The rules of then, by which a rule may be asked for that is gone."""
    if not question.rule_id:
        return []
    moment = question.at or question.until
    return [evidence.rules.at(int(moment.timestamp() * 1e6)).rule_set]


def _search(question: Question, settings: Settings, evidence: Evidence) -> _Searched:
    """Read the past of the topics; what is not there is told, and the store has its own answer."""
    search: PlateSearch | None = None
    try:
        with History(settings) as history, registry_of(settings) as registry:
            until = min(question.until + LATE, datetime.now(UTC))
            stretch = history.stretch(question.since - EARLY, until)
            source = KafkaSource(stretch, evidence.schema, registry, settings.event_timezone)
            search = PlateSearch(
                question.plate,
                question.since,
                question.until,
                source.decoder,
                evidence.today.costs,
            )
            with reading_bar(source) as show:
                for batch in source.batches():
                    search.take(batch)
                    show(search.found.events)
            committed = history.committed()
            letters = _letters(question, settings, history)
    except (BrokerUnavailableError, HistoryError) as error:
        found = search.end() if search is not None else FoundReadings()
        return _Searched(found, missing=f"only the store was asked: {error}")
    return _Searched(search.end(), committed, letters)


def _letters(question: Question, settings: Settings, history: History) -> list[DeadLetter]:
    """The dead letters since then; none where their topic can't be read."""
    if not settings.enable_dlq:
        return []
    reader = LetterReader(settings.dlq_schema_path)
    try:
        stretch = history.stretch(question.since - EARLY, None, [settings.dlq_topic])
        return [each.letter for batch in stretch.batches() for each in reader.letters(batch)]
    except HistoryError:
        # Nothing has made the topic yet.
        return []


class _Text:
    """The evidence for people."""

    def __init__(self, settings: Settings, answer: Answer, notes: Sequence[str]) -> None:
        self._zone = settings.event_timezone
        self._answer = answer
        self._notes = notes
        question = answer.question
        self._sentence = Sentence(self._zone, question.at or question.until)

    def lines(self) -> Iterator[str]:
        """All lines behind the sentence."""
        answer = self._answer
        if self._notes:
            yield ""
            yield from (f"note: {note}" for note in self._notes)
        if answer.readings:
            yield ""
            yield from self._readings(answer.readings)
        for each in answer.near:
            yield f"near: {each.plate} ({percent(each.likeness)}), {self._reading(each.event)}"
        for letter in answer.undecodable[:MOST_READINGS]:
            record = letter.record
            place = f"{record.topic}:{record.partition}:{record.offset}"
            yield f"not decoded: {place}: {letter.reason}"
        yield from self._rules(answer.rules)

    def _readings(self, readings: Sequence[ReadingState]) -> Iterator[str]:
        for each in readings[-MOST_READINGS:]:
            state = ""
            if each.reason is Reason.IN_LAG:
                state = f", in the lag, {each.behind:,} before it"
            elif each.letter is not None:
                state = f", a dead letter: {each.letter.message}"
            yield f"read: {self._reading(each.event)}{state}"
        if len(readings) > MOST_READINGS:
            yield f"and {len(readings) - MOST_READINGS:,} readings before those"

    def _reading(self, event: Event) -> str:
        confidence = value_at(event.values, "plate.confidence")
        sure = f", confidence {confidence:g}" if isinstance(confidence, float) else ""
        place = f", {event.topic}:{event.partition}:{event.offset}" if event.topic else ""
        camera = value_at(event.values, CAMERA_ID)
        return f"{local_text(event.time, self._zone)} at {camera}{sure}{place}"

    def _rules(self, rules: Sequence[RuleAnswer]) -> Iterator[str]:
        for each in rules[:MOST_RULES]:
            yield ""
            yield f"{each.rule_id}: {each.reason}"
            yield f"  {self._sentence.of_rule(each)}"
            if each.alert is not None and each.alert.alert.matched_plate:
                yield f"  possible: {near_text(each.alert.alert)}"
            if each.changed:
                yield f"  {each.changed}"
            if each.explanation is not None:
                for line in condition_lines(each.explanation.trace):
                    yield f"    {line}"
            for delivery in each.deliveries:
                yield f"  {_delivery_line(delivery)}"
        if len(rules) > MOST_RULES:
            yield ""
            yield f"and {len(rules) - MOST_RULES:,} rules more, name one by --rule"


def _delivery_line(delivery: StoredDelivery) -> str:
    is_sent = delivery.state is DeliveryState.SENT
    moment = f"{delivery.state} {'at' if is_sent else 'since'} {instant(delivery.changed_us)}"
    tries = f"after {delivery.tries} tries" if delivery.tries > 1 else ""
    why = "" if is_sent else f"{delivery.reason} {delivery.detail}".strip()
    parts = [f"delivery to {delivery.target_id}: {moment}", tries, why]
    return ", ".join(part for part in parts if part)


def _as_json(answer: Answer, sentence: str, notes: Sequence[str]) -> dict[str, Any]:
    deliveries = {
        delivery.delivery_id: (each.rule_id, delivery)
        for each in answer.rules
        for delivery in each.deliveries
    }
    return {
        "answer": sentence,
        "reason": str(answer.reason),
        "readings": [_reading_json(each) for each in answer.readings],
        "near": [{**_event_json(each.event), "likeness": each.likeness} for each in answer.near],
        "undecodable": [
            {
                "topic": each.record.topic,
                "partition": each.record.partition,
                "offset": each.record.offset,
                "reason": each.reason,
                "names_plate": each.names_plate,
            }
            for each in answer.undecodable
        ],
        "rules": [_rule_json(each) for each in answer.rules],
        "deliveries": [
            {
                "rule_id": rule_id,
                "channel": each.channel,
                "target_id": each.target_id,
                "state": str(each.state),
                "tries": each.tries,
                "reason": each.reason,
                "detail": each.detail,
                "changed_at": instant(each.changed_us),
            }
            for rule_id, each in deliveries.values()
        ],
        "notes": list(notes),
    }


def _reading_json(each: ReadingState) -> dict[str, Any]:
    found = _event_json(each.event)
    if each.reason is not None:
        found["reason"] = str(each.reason)
    if each.reason is Reason.IN_LAG:
        found["behind"] = each.behind
    if each.letter is not None:
        found["error"] = each.letter.message
    return found


def _event_json(event: Event) -> dict[str, Any]:
    return {
        "at": event.time.isoformat(),
        "plate": plate_text(event),
        "camera_id": value_at(event.values, CAMERA_ID),
        "event_id": value_at(event.values, EVENT_ID),
        "topic": event.topic,
        "partition": event.partition,
        "offset": event.offset,
        "event": event_json(event.values),
    }


def _rule_json(each: RuleAnswer) -> dict[str, Any]:
    found: dict[str, Any] = {
        "rule_id": each.rule_id,
        "reason": str(each.reason),
        "at": each.reading.event.time.isoformat(),
        "changed": each.changed,
    }
    explained = each.explanation
    if explained is not None:
        found["condition"] = trace_json(explained.trace)
        outcome = explained.outcome
        if outcome is not None and outcome.interval:
            found["interval"] = outcome.interval
        if outcome is not None and outcome.error is not None:
            found["error"] = {"type": outcome.error.error_type, "message": str(outcome.error)}
        if explained.silence is not None:
            found["silenced_by"] = explained.silence.silence_id
        if each.suppressor is not None:
            found["suppressed_by"] = each.suppressor.alert.alert_id
    if each.alert is not None:
        alert = each.alert.alert
        found["alert_id"] = alert.alert_id
        found["matched_plate"] = alert.matched_plate or None
        found["likeness"] = alert.likeness
    return found
