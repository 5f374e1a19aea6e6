"""`alert-engine explain`: why the rules did what they did on one event."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, redirect_stdout
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from channels.alert import Alert
from channels.render import Message, near_text
from channels.targets.preview import preview, readable
from engine.cel.trace import value_text
from engine.cli.evidence import (
    Evidence,
    add_rules,
    check_rule,
    condition_lines,
    event_json,
    gather,
    trace_json,
)
from engine.cli.stored import instant, write_json
from engine.clock import local_text
from engine.errors import AlertEngineError, DecodeError, RegistryUnavailableError, SourceError
from engine.logs.text import printable
from engine.pipeline.outcome import Verdict
from engine.pipeline.pipeline import EventDecoder
from engine.rules import RuleSet
from engine.rules.cameras import RULE_ID as CAMERA_RULE_ID
from engine.schema import CAMERA_ID, value_at
from engine.schema.event import Event
from engine.settings import Settings
from engine.simulate.answer_text import Sentence, facts
from engine.simulate.explain import Explainer, Explanation
from engine.simulate.former_rules import RulesOfTime, change_text
from engine.simulate.sources import STANDARD_INPUT, FileSource, open_file, registry_of
from engine.simulate.why_not import event_of, failing_condition, plate_text
from engine.store import StoredAlert
from engine.stream.decoder import Decoder
from engine.stream.history import History, RecordPlace
from engine.stream.record import Record

#: How long the schema registry may take to give the schema of one record.
REGISTRY_SECONDS: Final = 15.0
_PAUSE_SECONDS: Final = 0.1
#: How many rules that are false are shown with a line each, where none was asked for.
MOST_FALSE: Final = 20
_FORMS: Final = "give an alert's id, a file, - for standard input, or topic:partition:offset"


@dataclass(frozen=True, slots=True)
class _Subject:
    """The event to explain, the rules to explain it by, and the alert that was asked for."""

    event: Event
    rules: RulesOfTime
    alert: StoredAlert | None = None


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `explain`."""
    parser.description = (
        "Shows for each rule what became of it on one event, and why: the condition with the value"
        " of each part, what the index looked up, and the alert as each channel shows it. An alert"
        " or a record is explained by the rules of then, as far as the store has them; a file by"
        " those of today. Nothing is sent, stored or committed."
    )
    parser.add_argument(
        "event",
        metavar="EVENT",
        help=f"an alert's id or a unique beginning of it, a file with one event, {STANDARD_INPUT}"
        " for standard input, or a record as topic:partition:offset",
    )
    add_rules(parser)
    parser.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the explanation."""
    settings = Settings.from_environment()
    with ExitStack() as stack:
        # What the engine's parts log must not come between the answer's lines.
        stack.enter_context(redirect_stdout(sys.stderr))
        evidence = gather(settings, arguments.rules, stack, needs_store=False)
        subject = _subject(arguments.event, settings, evidence)
        check_rule(arguments.rule, [subject.rules.rule_set])
        explainer = Explainer(
            subject.rules.rule_set,
            evidence.schema,
            evidence.store.archive if evidence.store is not None else None,
            evidence.silences,
            settings.max_alert_age_seconds,
        )
        own = subject.alert.alert.rule_id if subject.alert is not None else ""
        chosen = sorted(
            (each for each in subject.rules.rule_set.rules if arguments.rule in ("", each.rule_id)),
            key=lambda each: each.rule_id != own,
        )
        explained = explainer.explain(subject.event, chosen)
    if arguments.format == "json":
        write_json(_as_json(subject, explained, evidence))
    else:
        lines = _Text(settings, subject, evidence).lines(explained, is_one=bool(arguments.rule))
        sys.stdout.write("".join(f"{printable(line)}\n" for line in lines))
    return 0


def _subject(text: str, settings: Settings, evidence: Evidence) -> _Subject:
    """The event that the argument names."""
    if text == STANDARD_INPUT:
        source = FileSource(
            sys.stdin.buffer, "standard input", evidence.schema, settings.event_timezone
        )
        return _Subject(_only_event(source, "standard input"), RulesOfTime(evidence.today))
    if Path(text).exists():
        with open_file(Path(text), evidence.schema, settings.event_timezone) as opened:
            return _Subject(_only_event(opened, text), RulesOfTime(evidence.today))
    try:
        place = RecordPlace.parse(text)
    except ValueError:
        return _of_alert(text, evidence)
    event = _event_at(place, settings, evidence)
    return _Subject(event, evidence.rules.at(max(event.time_us, event.timestamp_ms * 1_000)))


def _of_alert(text: str, evidence: Evidence) -> _Subject:
    if evidence.store is None:
        raise AlertEngineError(f"{text!r} is no file and no record, and {evidence.missing}")
    stored = evidence.store.archive.alert(text)
    if stored is None:
        raise AlertEngineError(f"no single alert's id begins with {text!r}, {_FORMS}")
    if stored.alert.rule_id == CAMERA_RULE_ID:
        raise AlertEngineError(
            f"the alert {text} is of a silent camera, no event made it: see `alert-engine alerts "
            f"show {text}`"
        )
    rules = evidence.rules.of(stored.rules_digest)
    return _Subject(event_of(stored, evidence.schema), rules, stored)


def _only_event(source: FileSource, name: str) -> Event:
    """The one event of a file; SourceError where it has none, or more."""
    records = [record for batch in source.batches() for record in batch]
    if source.faults.count:
        raise SourceError(source.faults.first[0])
    if len(records) != 1:
        raise SourceError(
            f"{name}: has {len(records):,} events, give one: `sed -n 3p FILE | alert-engine explain"
            " -`, or let `alert-engine replay` take them all"
        )
    return source.decoder.decode(records[0])


def _event_at(place: RecordPlace, settings: Settings, evidence: Evidence) -> Event:
    with History(settings) as history, registry_of(settings) as registry:
        record = history.record(place)
        if record.value is None:
            raise SourceError(f"{place}: is a tombstone, which has no event")
        decoder = Decoder(evidence.schema, registry, settings.event_timezone)
        return _decoded(record, decoder, place)


def _decoded(record: Record, decoder: EventDecoder, place: RecordPlace) -> Event:
    deadline = time.monotonic() + REGISTRY_SECONDS
    while True:
        try:
            return decoder.decode(record)
        except DecodeError as error:
            raise SourceError(f"{place}: is no event: {error}") from error
        except RegistryUnavailableError as error:
            if time.monotonic() >= deadline:
                raise SourceError(f"{place}: can't be decoded: {error}") from error
            time.sleep(_PAUSE_SECONDS)


class _Text:
    """The explanation for people."""

    def __init__(self, settings: Settings, subject: _Subject, evidence: Evidence) -> None:
        self._zone = settings.event_timezone
        self._subject = subject
        self._evidence = evidence
        self._sentence = Sentence(self._zone, subject.event.time)

    def lines(self, explained: Sequence[Explanation], *, is_one: bool) -> Iterator[str]:
        """All lines; of rules that are false the details only where one was asked for."""
        event, rules = self._subject.event, self._subject.rules
        camera = value_at(event.values, CAMERA_ID)
        place = f", {event.topic}:{event.partition}:{event.offset}" if event.topic else ""
        yield f"{plate_text(event)} at {camera}, {local_text(event.time, self._zone)}{place}"
        if self._evidence.missing:
            yield f"without a store, as if nothing had been before: {self._evidence.missing}"
        if rules.note:
            yield rules.note
        told = [each for each in explained if each.verdict is not Verdict.FALSE or is_one]
        for each in told:
            yield ""
            yield from self._rule(each)
        untold = [each for each in explained if each not in told]
        if untold:
            yield ""
        for each in untold[:MOST_FALSE]:
            yield f"{each.rule.rule_id}: false, {_why_false(each)}"
        if len(untold) > MOST_FALSE:
            yield f"and {len(untold) - MOST_FALSE:,} rules that are false, name one by --rule"

    def _rule(self, each: Explanation) -> Iterator[str]:
        rule = each.rule
        yield f"{rule.rule_id}: {each.verdict}   ({rule.place})"
        change = self._subject.rules.changes.get(rule.rule_id)
        if change is not None:
            yield f"  {change_text(change)}"
        for line in self._why(each):
            yield f"  {line}"
        yield f"  {_looked_up(each)}"
        yield f"  condition: {'error' if each.trace.error else value_text(each.trace.value)}"
        for line in condition_lines(each.trace):
            yield f"    {line}"
        alert = alert_of(each)
        if alert is not None:
            for name, message in previews(each, alert, self._evidence.today):
                yield f"  {name}"
                yield from _message_lines(message)

    def _why(self, each: Explanation) -> Iterator[str]:
        outcome, made = each.outcome, alert_of(each)
        if made is not None and made.matched_plate:
            yield f"possible: {near_text(made)}"
        if each.stored is not None:
            alert = each.stored.alert
            yield f"stored as the alert {alert.alert_id}, made at {alert.created_at}"
            for delivery in each.stored.deliveries:
                detail = (
                    f": {delivery.reason} {delivery.detail}".rstrip() if delivery.reason else ""
                )
                yield (
                    f"delivery {delivery.target_id}: {delivery.state} since"
                    f" {instant(delivery.changed_us)}{detail}"
                )
        if each.silence is not None:
            silence = each.silence
            who = f" by {silence.created_by}" if silence.created_by else ""
            yield (
                f"silence {silence.silence_id}{who}, until {instant(silence.ends_us)}:"
                f" {silence.comment}"
            ).rstrip(": ")
        if outcome is None:
            return
        if outcome.interval:
            yield f"time interval: {outcome.interval}"
        if outcome.error is not None:
            yield f"error: {outcome.error.error_type}, {outcome.error}"
        if outcome.key is not None:
            yield f"cooldown key: {outcome.key}"
        if each.stored is None and outcome.suppressed_by_us is not None:
            limit = each.rule.rate_limit
            seconds = f" ({limit.cooldown_seconds:g} s)" if limit is not None else ""
            known = f", {each.suppressor.alert.alert_id}" if each.suppressor is not None else ""
            yield f"suppressed by the alert of {instant(outcome.suppressed_by_us)}{seconds}{known}"


def _why_false(each: Explanation) -> str:
    place, count = failing_condition(each)
    failing = each.trace.conditions[place - 1]
    values = ", ".join(f"{name} is {value}" for name, value in facts(failing))
    which = f"condition {place} of {count}: " if count > 1 else ""
    return f"{which}{failing.words or failing.text}{f' ({values})' if values else ''}"


def _looked_up(each: Explanation) -> str:
    """What the index did for the rule."""
    if each.always:
        return f"index: evaluated on every event, {each.always}"
    keys = ", ".join(
        f"{asked.key} is {value_text(asked.value) if asked.is_readable else 'not to be had'}"
        for asked in each.asked
    )
    if each.is_candidate:
        return f"index: looked up, {keys}"
    return f"index: not evaluated, since {keys or 'nothing can meet it'}"


def alert_of(each: Explanation) -> Alert | None:
    """The alert that was made of the event; None where there is none."""
    if each.stored is not None:
        return each.stored.alert
    new = each.outcome.alert if each.outcome is not None else None
    return new.alert if new is not None else None


def previews(
    each: Explanation, alert: Alert, today: RuleSet
) -> Iterator[tuple[str, Message | str]]:
    """The alert as each target of the rule's channels shows it, or its text where none can."""
    made = datetime.fromisoformat(alert.created_at)
    now = made if made.tzinfo is not None else made.replace(tzinfo=UTC)
    found = False
    for channel in each.rule.notify:
        for target in today.channels.get(channel, ()):
            message = preview(target, alert, now)
            if message is not None:
                found = True
                yield target.label, message
    if not found:
        yield "the message", alert.message


def _message_lines(message: Message | str) -> Iterator[str]:
    if isinstance(message, str):
        yield from (f"    {line}" for line in message.strip().splitlines())
        return
    if message.title:
        yield f"    {message.title}"
    yield from (f"    {line}" for line in readable(message).strip().splitlines())


def _as_json(
    subject: _Subject, explained: Sequence[Explanation], evidence: Evidence
) -> dict[str, Any]:
    event, rules = subject.event, subject.rules
    record = (
        {"topic": event.topic, "partition": event.partition, "offset": event.offset}
        if event.topic
        else None
    )
    return {
        "event": event_json(event.values),
        "time": event.time.isoformat(),
        "record": record,
        "rules_digest": rules.rule_set.digest,
        "note": rules.note,
        "rules": [_rule_json(each, rules, evidence) for each in explained],
    }


def _rule_json(each: Explanation, rules: RulesOfTime, evidence: Evidence) -> dict[str, Any]:
    outcome, alert = each.outcome, alert_of(each)
    change = rules.changes.get(each.rule.rule_id)
    found: dict[str, Any] = {
        "rule_id": each.rule.rule_id,
        "verdict": str(each.verdict),
        "place": str(each.rule.place),
        "changed": change_text(change) if change is not None else "",
        "condition": trace_json(each.trace),
        "index": {
            "is_candidate": each.is_candidate,
            "always": each.always,
            "looked_up": [
                {
                    "key": asked.key,
                    "value": value_text(asked.value) if asked.is_readable else None,
                    "found": each.rule.rule_id in asked.found,
                }
                for asked in each.asked
            ],
        },
    }
    if outcome is not None:
        found["key"] = outcome.key
        found["interval"] = outcome.interval
        if outcome.suppressed_by_us is not None and each.stored is None:
            found["suppressed_by"] = {
                "at": instant(outcome.suppressed_by_us),
                "alert_id": each.suppressor.alert.alert_id if each.suppressor is not None else None,
            }
    if each.silence is not None:
        found["silenced_by"] = each.silence.silence_id
    if alert is not None:
        found["alert"] = {
            "alert_id": alert.alert_id,
            "is_stored": each.stored is not None,
            "message": alert.message,
            "suppressed_count": alert.suppressed_count,
            "matched_plate": alert.matched_plate or None,
            "likeness": alert.likeness,
            "channels": [
                {"target": name, "title": message.title, "body": message.body}
                for name, message in previews(each, alert, evidence.today)
                if isinstance(message, Message)
            ],
        }
    return found
