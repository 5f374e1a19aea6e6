"""What the pipeline logs: each alert, and what is wrong, without a line for every event."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import structlog

from engine.clock import Clock
from engine.errors import EvaluationError
from engine.logs.text import mask_plate
from engine.match import RuleError
from engine.schema import (
    CAMERA_ID,
    CAPTURED_AT,
    NORMALIZED_PLATE,
    PLATE_TEXT,
    BrokenPromise,
    value_at,
)
from engine.schema.event import Event
from engine.store import MAX_EVENT_BYTES, NewAlert
from engine.stream.record import Record

log = structlog.get_logger(__name__)

RULE_ERROR_SECONDS: Final = 60.0
CUT_EVENT_SECONDS: Final = 60.0
# Camera ids come from outside: beyond so many they are neither remembered nor logged.
MAX_CAMERAS: Final = 1_000
# What lies between a reading and its Kafka timestamp: OCR, and a camera's network.
WHOLE_HOUR_TOLERANCE_SECONDS: Final = 120.0
# Clocks that differ by less agree.
AGREEMENT_SECONDS: Final = 600.0
_PRODUCER: Final = (
    "set the clock of the producer that writes to this topic, or the topic's "
    "message.timestamp.type to LogAppendTime: the camera's clock is right"
)
_IN_MILLISECONDS: Final = (
    "let the producer that writes to this topic give its Kafka timestamps in milliseconds"
)
# Shorter texts stand in words too, and name no car.
SHORTEST_PLATE: Final = 3


@dataclass(slots=True)
class EventNotes:
    """What is logged of one event once its batch is stored.

    `cut_values` are the event's as they are stored, where they were too large.
    """

    record: Record
    event: Event
    cut_values: Mapping[str, Any] | None = None
    broken_promises: tuple[BrokenPromise, ...] = ()
    alerts: list[NewAlert] = field(default_factory=list)
    rule_errors: list[RuleError] = field(default_factory=list)


class EventLog:
    """Writes the pipeline's log lines; plates are masked unless `log_plates`."""

    def __init__(self, clock: Clock, *, log_plates: bool) -> None:
        self._clock = clock
        self._log_plates = log_plates
        self._silent_until: dict[str, float] = {}
        self._cuts_silent_until = clock.monotonic()
        self._cameras_logged: set[str | None] = set()
        #: By topic and partition, the faults of Kafka timestamps that were logged.
        self._timestamps_logged: set[tuple[str, int, str]] = set()
        #: By camera, the fields of which a value out of range was logged.
        self._fields_logged: dict[str | None, set[str]] = {}

    def write(self, notes: EventNotes) -> None:
        """Write the lines of one event."""
        event = notes.event
        if event.time_replaced:
            self.time_replaced(event)
        if event.timestamp_replaced:
            self.timestamp_replaced(event)
        for broken in notes.broken_promises:
            self.value_out_of_range(event, broken)
        for new in notes.alerts:
            self.alert(new)
        if notes.alerts and notes.cut_values is not None:
            self.event_cut(event)
        for rule, error in notes.rule_errors:
            self.rule_error(rule.rule_id, error, event)

    def alert(self, new: NewAlert) -> None:
        """An alert is in the store; where a silence kept it from being sent, the line says so."""
        event = new.alert.event
        plate = value_at(event, NORMALIZED_PLATE) or ""
        facts = {
            "alert_id": new.alert.alert_id,
            "rule_id": new.alert.rule_id,
            "priority": str(new.alert.priority),
            "camera_id": value_at(event, CAMERA_ID),
            "plate": plate if self._log_plates else mask_plate(plate),
        }
        if new.silenced_by:
            log.info("alert.silenced", **facts, silence_id=new.silenced_by)
        else:
            log.info("alert.stored", **facts, targets=len(new.targets), is_expired=new.is_expired)

    def rule_error(self, rule_id: str, error: EvaluationError, event: Event) -> None:
        """A rule's evaluation failed on `event`: logged once a minute for each rule."""
        now = self._clock.monotonic()
        if now < self._silent_until.get(rule_id, now):
            return
        self._silent_until[rule_id] = now + RULE_ERROR_SECONDS
        # It may quote what could not be read as a number.
        text = str(error) if self._log_plates else _without_plates(str(error), event)
        log.warning("rule.error", rule_id=rule_id, error_type=error.error_type, error=text)

    def event_cut(self, event: Event) -> None:
        """An event was too large to be stored whole: logged once a minute."""
        now = self._clock.monotonic()
        if now < self._cuts_silent_until:
            return
        self._cuts_silent_until = now + CUT_EVENT_SECONDS
        log.warning(
            "event.cut",
            topic=event.topic,
            partition=event.partition,
            offset=event.offset,
            camera_id=value_at(event.values, CAMERA_ID),
            most_bytes=MAX_EVENT_BYTES,
            remedy="let the producer send URLs of images and not the images",
        )

    def time_replaced(self, event: Event) -> None:
        """An event's own time is unusable: logged once for each camera."""
        camera = value_at(event.values, CAMERA_ID)
        if camera in self._cameras_logged or len(self._cameras_logged) >= MAX_CAMERAS:
            return
        self._cameras_logged.add(camera)
        log.warning(
            "event.time_replaced",
            camera_id=camera,
            reason=event.time_replaced,
            captured_at=event.captured_at,
            used=event.time.isoformat(),
            remedy=_remedy(event, self._clock.now()),
        )

    def timestamp_replaced(self, event: Event) -> None:
        """A Kafka timestamp is unusable: logged once for each partition and kind of fault."""
        reason = event.timestamp_replaced
        known = (event.topic, event.partition, reason)
        if known in self._timestamps_logged:
            return
        self._timestamps_logged.add(known)
        log.warning(
            "record.time_replaced",
            topic=event.topic,
            partition=event.partition,
            camera_id=value_at(event.values, CAMERA_ID),
            reason=reason,
            timestamp_ms=event.timestamp_ms,
            used=event.time.isoformat(),
            remedy=_IN_MILLISECONDS if reason == "unit" else _PRODUCER,
        )

    def value_out_of_range(self, event: Event, broken: BrokenPromise) -> None:
        """A value is not as the schema promises: logged once for each camera and field."""
        camera = value_at(event.values, CAMERA_ID)
        fields = self._fields_logged.get(camera)
        if fields is None:
            if len(self._fields_logged) >= MAX_CAMERAS:
                return
            fields = self._fields_logged[camera] = set()
        if broken.field in fields:
            return
        fields.add(broken.field)
        is_text = isinstance(broken.value, str)
        value = mask_plate(broken.value) if is_text and not self._log_plates else broken.value
        log.warning(
            "event.value_out_of_range",
            camera_id=camera,
            field=broken.field,
            value=value,
            promised=broken.promise,
            remedy="let the producer send what the schema promises, or correct the schema",
        )


def _remedy(event: Event, now: datetime) -> str:
    """What to do about a time that was replaced, by `now`, our own clock.

    Where our clock agrees with the camera and not with the Kafka timestamp, it is the producer. A
    naive time that is wrong by whole hours was read in the wrong time zone.
    """
    given = value_at(event.values, CAPTURED_AT)
    try:
        moment = given if isinstance(given, datetime) else datetime.fromisoformat(given or "")
    except ValueError:
        return "send captured_at as ISO 8601, such as 2025-12-25T16:00:00Z"
    if moment.tzinfo is not None and _are_close(moment, now) and not _are_close(event.time, now):
        return _PRODUCER
    if moment.tzinfo is None:
        gap_seconds = (moment.replace(tzinfo=UTC) - event.time).total_seconds()
        off_seconds = abs(gap_seconds - round(gap_seconds / 3600) * 3600)
        if off_seconds <= WHOLE_HOUR_TOLERANCE_SECONDS:
            return "set EVENT_TIMEZONE: captured_at has no zone and is wrong by whole hours"
    return "set the camera's clock"


def _are_close(one: datetime, other: datetime) -> bool:
    return abs((one - other).total_seconds()) <= AGREEMENT_SECONDS


def _without_plates(text: str, event: Event) -> str:
    for path in (PLATE_TEXT, NORMALIZED_PLATE):
        number = value_at(event.values, path) or ""
        if len(number) >= SHORTEST_PLATE:
            pattern = re.compile(re.escape(number), re.IGNORECASE)
            text = pattern.sub(lambda found: mask_plate(found[0]), text)
    return text
