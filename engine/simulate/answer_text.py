"""The first sentence of an answer, which a guard understands."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Final

from channels.render import duration
from engine.cel.trace import Trace, value_text
from engine.clock import local_text, localise
from engine.schema import CAMERA_ID, value_at
from engine.schema.event import EPOCH, Event
from engine.simulate.why_not import (
    Answer,
    Reason,
    RuleAnswer,
    failing_condition,
    plate_text,
)
from engine.store import DeliveryState, StoredAlert, StoredDelivery
from engine.watchlist import plate_of
from engine.watchlist.likeness import percent

#: How many values of a part the sentence names.
MOST_FACTS: Final = 3
_CLOCK: Final = slice(len("2025-07-01 "), len("2025-07-01 22:00:05"))


@dataclass(frozen=True, slots=True)
class Sentence:
    """Writes times in `zone`: without a date where it is that of `day`."""

    zone: tzinfo
    day: datetime

    def of(self, answer: Answer) -> str:
        """The sentence of an answer."""
        question, headline = answer.question, answer.headline
        plate = plate_of(question.plate)
        if headline is None:
            if answer.readings:
                read = self._was_read(answer.readings[-1].event)
                if question.rule_id:
                    return f"{read}; rule {question.rule_id} was not in force then"
                return f"{read}; no rule was in force then"
            return self._not_read(answer, plate)
        read = self._was_read(headline.reading.event)
        if headline.reason is Reason.FALSE and not question.rule_id:
            return f"{read}; no rule matched: {self._false(headline, answer)}"
        return f"{read}; {self.of_rule(headline)}"

    def of_rule(self, answer: RuleAnswer) -> str:
        """What became of one rule, from its name on."""
        rule, explained = f"rule {answer.rule_id}", answer.explanation
        match answer.reason:
            case Reason.FALSE:
                return self._false(answer, None)
            case Reason.ERROR:
                error = explained.trace.error if explained is not None else None
                return f"{rule} failed on it: {error}"
            case Reason.INACTIVE | Reason.MUTED:
                return f"{rule} matched, but {self._out_of_time(answer)}"
            case Reason.SILENCED:
                return f"{rule} matched, but {self._silenced(answer)}"
            case Reason.SUPPRESSED:
                return f"{rule} matched, but {self._suppressed(answer)}"
            case Reason.EXPIRED:
                late = answer.alert.alert.late_seconds if answer.alert is not None else 0.0
                return f"{rule} matched, but it came too late to be sent: {duration(late)} late"
            case Reason.IN_LAG:
                behind = answer.reading.behind
                before = f"{behind:,} records are before it" if behind else "it is the next one"
                return f"{rule} matches, but the engine has not come to it yet: {before}"
            case Reason.DEAD_LETTER:
                letter = answer.reading.letter
                why = letter.message if letter is not None else ""
                return f"{rule} matches, but the engine could not process it, a dead letter: {why}"
            case Reason.NOT_READ:
                return (
                    f"{rule} matches, but no alert of it is stored: it was swept, the rules were"
                    " others then, or the engine passed over the record"
                )
        assert answer.alert is not None
        return f"{rule} alerted, {self._deliveries(answer.alert, answer)}"

    def moment(self, moment: datetime) -> str:
        """A time, without its date where it is that of the day."""
        local, day = localise(moment, self.zone), localise(self.day, self.zone)
        text = local_text(moment, self.zone)
        return text[_CLOCK] if local.date() == day.date() else text

    def _us(self, us: int) -> str:
        return self.moment(EPOCH + timedelta(microseconds=us))

    def _was_read(self, event: Event) -> str:
        camera = value_at(event.values, CAMERA_ID)
        where = f" at {camera}" if camera else ""
        return f"{plate_text(event)} was read{where} at {self.moment(event.time)}"

    def _not_read(self, answer: Answer, plate: str) -> str:
        question = answer.question
        window = f"between {self.moment(question.since)} and {self.moment(question.until)}"
        if answer.reason is Reason.DEAD_LETTER:
            first = answer.undecodable[0]
            record = first.record
            place = f"{record.topic}:{record.partition}:{record.offset}"
            return (
                f"{plate} was not read {window}, but the record {place}, which holds this text,"
                f" could not be decoded: {first.reason}"
            )
        if not answer.near:
            return f"{plate} was not read {window}, nor anything like it"
        near = answer.near[0]
        camera = value_at(near.event.values, CAMERA_ID)
        return (
            f"{plate} was not read {window}; the nearest reading is {near.plate}"
            f" ({percent(near.likeness)}) at {camera} at {self.moment(near.event.time)}"
        )

    def _false(self, answer: RuleAnswer, whole: Answer | None) -> str:
        explained = answer.explanation
        if explained is None:
            return f"there was no rule {answer.rule_id}"
        name = f"rule {answer.rule_id}"
        if whole is not None and len(whole.rules) > 1:
            name = f"the nearest is {name}"
        place, count = failing_condition(explained)
        failing = explained.trace.conditions[place - 1]
        which = f"condition {place} of {count}" if count > 1 else "its condition"
        text = failing.words or failing.text
        found = facts(failing)[:MOST_FACTS]
        values = f" ({', '.join(f'{name} is {value}' for name, value in found)})" if found else ""
        if whole is not None:
            return f"{name}, {which} is false, {text}{values}"
        return f"{name} did not match: {which} is false, {text}{values}"

    def _out_of_time(self, answer: RuleAnswer) -> str:
        outcome = answer.explanation.outcome if answer.explanation is not None else None
        interval = outcome.interval if outcome is not None else ""
        if answer.reason is Reason.MUTED:
            return f"it is muted during {interval}"
        return f"it counts only during {interval}"

    def _silenced(self, answer: RuleAnswer) -> str:
        silence = answer.explanation.silence if answer.explanation is not None else None
        if silence is None:
            alert = answer.alert
            return f"the silence {alert.silenced_by if alert is not None else ''} kept it back"
        who = f" by {silence.created_by}" if silence.created_by else ""
        why = f": {silence.comment}" if silence.comment else ""
        return (
            f"it was silenced{who} until {self._us(silence.ends_us)}"
            f" (silence {silence.silence_id}){why}"
        )

    def _suppressed(self, answer: RuleAnswer) -> str:
        explained = answer.explanation
        assert explained is not None
        limit, outcome = explained.rule.rate_limit, explained.outcome
        seconds = f" ({limit.cooldown_seconds:g} s)" if limit is not None else ""
        at_us = outcome.suppressed_by_us if outcome is not None else None
        at = self._us(at_us) if at_us is not None else "before"
        text = f"an alert of {at} suppressed it{seconds}"
        suppressor = explained.suppressor
        if suppressor is None:
            return text
        return f"{text}; that one {self._fate(suppressor, answer)}"

    def _deliveries(self, alert: StoredAlert, answer: RuleAnswer) -> str:
        fate = self._fate(alert, answer)
        is_sent = answer.reason is Reason.SENT
        return f"and the alert {fate}" if is_sent else f"but the alert {fate}"

    def _fate(self, alert: StoredAlert, answer: RuleAnswer) -> str:
        """What became of an alert: `reached …`, `waits for …`."""
        if alert.is_expired:
            return "was too old to be sent"
        if not alert.deliveries:
            return "had no channel to go to"
        parts = list(self._parts(alert.deliveries, answer))
        return ", ".join(parts[:-1]) + (", and " if len(parts) > 1 else "") + parts[-1]

    def _parts(self, deliveries: Sequence[StoredDelivery], answer: RuleAnswer) -> Iterator[str]:
        holds = {each.target_id: each for each in answer.held}
        order = (DeliveryState.DEAD, DeliveryState.WAITING, DeliveryState.SENT)
        for each in sorted(deliveries, key=lambda one: order.index(one.state)):
            target = f"{each.channel} ({each.target_id.removeprefix(f'{each.channel}:')})"
            detail = f": {each.detail}" if each.detail else ""
            match each.state:
                case DeliveryState.SENT:
                    yield f"reached {target} at {self._us(each.changed_us)}"
                case DeliveryState.DEAD:
                    at = self._us(each.changed_us)
                    yield f"was given up for {target} at {at}, {each.reason}{detail}"
                case DeliveryState.WAITING if each.target_id in holds:
                    hold = holds[each.target_id]
                    since = self._us(hold.since_us)
                    yield f"waits for {target}, which is held since {since}, {hold.reason}{detail}"
                case DeliveryState.WAITING:
                    after = (
                        f" after {each.tries} tries, {each.reason}{detail}" if each.tries else ""
                    )
                    yield f"still waits for {target}{after}"


def facts(part: Trace) -> list[tuple[str, str]]:
    """The values of the event that a part has read, each once, by their names."""
    found: dict[str, str] = {}
    for each in part.walk():
        if each is not part and not each.parts and each.skipped is None and each.error is None:
            found.setdefault(each.text, value_text(each.value))
    return list(found.items())
