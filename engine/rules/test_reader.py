"""Reads the tests of rules: `tests:` of a rule, and those of a file of tests over several rules."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, Final, Generic, TypeVar

from engine.clock import localise
from engine.errors import EventError, Place
from engine.rules.faults import FaultCode, Faults, shown, suggestion
from engine.rules.keys import ALERT, EXPECTED, TEST
from engine.rules.nodes import (
    MappingNode,
    ScalarNode,
    SequenceNode,
    YamlNode,
    as_items,
    as_mapping,
    as_sequence,
    as_text,
    check_keys,
    number_of,
)
from engine.rules.rule_test import (
    Expect,
    Expectation,
    ExpectedAlert,
    GivenEvent,
    GivenSilence,
    RuleTest,
    SetTest,
)
from engine.rules.silence_reader import read_silences
from engine.rules.values import event_record
from engine.schema import CAPTURED_AT, TIME_VARIABLE, EventSchema, FieldType, Kind
from engine.schema.event import read_time
from engine.settings.values import parse_duration

TEXT_KEYS: Final = ("message", "subject", "sms")
_MATCHED: Final = "matched_plate"
#: When an event was captured, and when Kafka got it.
AT: Final = "at"
RECEIVED_AT: Final = "received_at"
#: When the first event of a sequence was captured where the test does not say it.
FIRST_AT: Final = "2025-01-01T00:00:00Z"

T = TypeVar("T")

#: Expectations of other programs.
_EXPECTATIONS: Final = {
    **dict.fromkeys(("true", "yes", "1", "fires", "fire", "fired"), Expect.MATCH),
    **dict.fromkeys(("no", "0", "silent", "none", "no_alert"), Expect.NO_MATCH),
    **dict.fromkeys(("alerts", "alerted", "sent"), Expect.ALERT),
    **dict.fromkeys(("throttled", "cooldown", "rate_limited", "held"), Expect.SUPPRESSED),
}
_EXAMPLE: Final = "write it like '2025-12-25T16:00:00Z'"
_TIME_OR_STEP: Final = f"{_EXAMPLE}, or like +2m: so long after the event before"
_TIME_OR_DELAY: Final = f"{_EXAMPLE}, or like +2m: so long after the event's own time"
_ONE_EACH: Final = "write one expectation for each event, in their order"


def read_tests(
    node: YamlNode, schema: EventSchema, zone: tzinfo, faults: Faults
) -> tuple[RuleTest, ...]:
    """The tests of a rule; those with faults are left out. Naive times are read in `zone`."""
    # Named, for its type would else be lost on the way.
    tests: Iterator[_Read[Expectation]] = _TestReader(schema, zone, faults).tests(
        node, _expectation
    )
    return tuple(
        RuleTest(test.name, test.events, test.expectations, test.place, test.silences)
        for test in tests
    )


def read_set_tests(
    node: YamlNode,
    schema: EventSchema,
    zone: tzinfo,
    rule_ids: Collection[str] | None,
    faults: Faults,
) -> tuple[SetTest, ...]:
    """The tests of a file over several rules; those with faults are left out.

    `rule_ids` are those that they may name, None where that is unknown.
    """
    reader = _TestReader(schema, zone, faults)

    def expectations(node: YamlNode, faults: Faults) -> Mapping[str, Expectation] | None:
        return _expectations_by_rule(node, rule_ids, faults)

    return tuple(
        SetTest(test.name, test.events, test.expectations, test.place, test.silences)
        for test in reader.tests(node, expectations)
    )


@dataclass(frozen=True, slots=True)
class _Read(Generic[T]):
    """A test as it was read; `T` is what it expects of an event."""

    place: Place
    name: str
    events: tuple[GivenEvent, ...]
    expectations: tuple[T, ...]
    silences: tuple[GivenSilence, ...]


class _TestReader:
    """Reads a list of tests, whatever they expect of their events."""

    def __init__(self, schema: EventSchema, zone: tzinfo, faults: Faults) -> None:
        fields = {name: kind for name, kind in schema.variables.items() if name != TIME_VARIABLE}
        self._record = FieldType(Kind.RECORD, fields=fields)
        self._schema = schema
        self._zone = zone
        self._faults = faults

    def tests(
        self, node: YamlNode, expectation: Callable[[YamlNode, Faults], T | None]
    ) -> Iterator[_Read[T]]:
        """The tests without faults; `expectation` reads what one expects of an event."""
        if node.is_null:
            return
        sequence = as_sequence(node, "`tests`", self._faults)
        for number, item in enumerate(sequence.items if sequence is not None else (), 1):
            test = self._test(item, number, expectation)
            if test is not None:
                yield test

    def _test(
        self, node: YamlNode, number: int, expectation: Callable[[YamlNode, Faults], T | None]
    ) -> _Read[T] | None:
        faults = self._faults
        mapping = as_mapping(node, "a test", faults)
        if mapping is None:
            return None
        check_keys(mapping, TEST.names, TEST.title, faults)
        name = f"test {number}"
        if "name" in mapping.values:
            text = as_text(mapping.values["name"], "`name`", faults)
            name = text.text.strip() if text is not None else name
        expected = self._expectations(mapping, expectation)
        nodes = self._event_nodes(mapping)
        has_time = "events" in mapping.values or "silences" in mapping.values
        events = self._events(nodes, has_time)
        silences: tuple[GivenSilence, ...] = ()
        if "silences" in mapping.values:
            first = read_time(events[0].values.get(CAPTURED_AT), self._zone) if events else None
            node = mapping.values["silences"]
            silences = read_silences(node, self._schema, self._zone, first, faults)
        if expected is None or not events or len(events) != len(expected):
            return None
        return _Read(mapping.place, name, events, expected, silences)

    def _event_nodes(self, mapping: MappingNode) -> list[YamlNode]:
        """The nodes of the test's events; none and a fault where it has none."""
        faults, values = self._faults, mapping.values
        if "event" in values and "events" in values:
            what = "the test has `event` and `events`"
            faults.error(mapping.keys["event"].place, FaultCode.BAD_VALUE, what, "remove one")
        elif "event" in values:
            return [values["event"]]
        elif "events" in values:
            sequence = as_sequence(values["events"], "`events`", faults)
            if sequence is not None and not sequence.items:
                remedy = "write at least one event"
                faults.error(sequence.place, FaultCode.BAD_VALUE, "`events` is empty", remedy)
            return sequence.items if sequence is not None else []
        else:
            faults.error(
                mapping.place,
                FaultCode.MISSING_KEY,
                "the test has no `event`",
                "add `event:` with the fields that matter; `event: {}` is an event of defaults",
            )
        return []

    def _expectations(
        self,
        mapping: MappingNode,
        expectation: Callable[[YamlNode, Faults], T | None],
    ) -> tuple[T, ...] | None:
        """What it expects of each event; None where there are faults."""
        faults = self._faults
        node = mapping.values.get("expect")
        if node is None:
            faults.error(
                mapping.place,
                FaultCode.MISSING_KEY,
                "the test has no `expect`",
                f"{_ONE_EACH}, under `expect:`"
                if "events" in mapping.values
                else "add `expect: match` or `expect: no_match`",
            )
            return None
        nodes = [node]
        events = mapping.values.get("events")
        if events is not None and "event" not in mapping.values:
            sequence = as_sequence(node, "`expect` of several events", faults, _ONE_EACH)
            if sequence is None:
                return None
            nodes = sequence.items
            count = len(events.items) if isinstance(events, SequenceNode) else 0
            if count and len(nodes) != count:
                what = f"`expect` has {len(nodes)} items, but there are {count} events"
                faults.error(sequence.place, FaultCode.BAD_VALUE, what, _ONE_EACH)
                return None
        found = [each for item in nodes if (each := expectation(item, faults)) is not None]
        return tuple(found) if len(found) == len(nodes) else None

    def _events(self, nodes: list[YamlNode], has_time: bool) -> tuple[GivenEvent, ...]:
        """The events of a test; none where one of them has faults.

        What an event does not give is as in the event before. With `has_time` the first one has a
        time, whether it gives one or not.
        """
        found: list[GivenEvent] = []
        for node in nodes:
            mapping = as_mapping(node, "an event" if len(nodes) > 1 else "`event`", self._faults)
            if mapping is None:
                return ()
            event = self._event(mapping, found[-1] if found else None, has_time)
            if event is None:
                return ()
            found.append(event)
        return tuple(found)

    def _event(
        self, mapping: MappingNode, before: GivenEvent | None, has_time: bool
    ) -> GivenEvent | None:
        of_event = Faults()
        times = self._times(mapping, of_event)
        rest = _without(mapping, {*times, TIME_VARIABLE})
        values = event_record(rest, "", self._record, of_event)
        if not of_event.has_errors and before is not None:
            values = _merged(before.values, values, self._record)
        if AT in times:
            at = self._at(times[AT], mapping, before, of_event)
            values = {**values, CAPTURED_AT: at}
        elif has_time or RECEIVED_AT in times:
            values = {CAPTURED_AT: FIRST_AT, **values}
        received_at = None
        if RECEIVED_AT in times and not of_event.has_errors:
            received_at = self._received_at(times[RECEIVED_AT], values, of_event)
        if not of_event.has_errors:
            self._check(mapping, values, of_event)
        self._faults.extend(of_event)
        return None if of_event.has_errors else GivenEvent(values, received_at)

    def _times(self, mapping: MappingNode, faults: Faults) -> Mapping[str, YamlNode]:
        """The nodes of `at` and `received_at`, unless these are fields of the site's events."""
        key = mapping.keys.get(TIME_VARIABLE)
        if key is not None:
            faults.error(
                key.place,
                FaultCode.UNKNOWN_KEY,
                "`time` is no field of the event, but follows from `captured_at`",
                "write captured_at: '2025-12-25T16:00:00Z'",
            )
        return {
            name: mapping.values[name]
            for name in (AT, RECEIVED_AT)
            if name in mapping.values and name not in self._record.fields
        }

    def _at(
        self, node: YamlNode, mapping: MappingNode, before: GivenEvent | None, faults: Faults
    ) -> str:
        """The value of `captured_at`; "" and a fault where the node is no time."""
        if CAPTURED_AT in mapping.values:
            what = f"the event has `{AT}` and `{CAPTURED_AT}`"
            faults.error(node.place, FaultCode.BAD_VALUE, what, "remove one")
            return ""
        scalar = as_text(node, f"`{AT}`", faults)
        if scalar is None:
            return ""
        if not scalar.text.startswith("+"):
            moment = read_time(scalar.text, self._zone)
            if moment is None:
                remedy = _EXAMPLE if before is None else _TIME_OR_STEP
                _no_time(scalar, AT, remedy, faults)
                return ""
            return scalar.text if self._is_text else moment.isoformat()
        base = None if before is None else before.values.get(CAPTURED_AT)
        moment = self._after(base, scalar, AT, faults)
        return "" if moment is None else self._written(moment, base)

    def _received_at(
        self, node: YamlNode, values: Mapping[str, Any], faults: Faults
    ) -> datetime | None:
        scalar = as_text(node, f"`{RECEIVED_AT}`", faults)
        if scalar is None:
            return None
        if scalar.text.startswith("+"):
            return self._after(values.get(CAPTURED_AT), scalar, RECEIVED_AT, faults)
        moment = read_time(scalar.text, self._zone)
        if moment is None:
            _no_time(scalar, RECEIVED_AT, _TIME_OR_DELAY, faults)
        return moment

    def _after(self, base: object, scalar: ScalarNode, key: str, faults: Faults) -> datetime | None:
        """The instant `scalar` after the time `base`; None and a fault where there is none."""
        moment = read_time(base, self._zone)
        if moment is None:
            what = f"`{key}` is `{shown(scalar.text)}`, but there is no time before it"
            faults.error(scalar.place, FaultCode.BAD_VALUE, what, _EXAMPLE)
            return None
        try:
            return moment + timedelta(seconds=parse_duration(scalar.text[1:]))
        except (ValueError, OverflowError):
            _no_time(scalar, key, "write it like +90s, +2m, +24h or +7d", faults)
            return None

    def _written(self, moment: datetime, base: object) -> str:
        """The instant as text, with the offset of the time `base` that it follows."""
        if not self._is_text:
            return moment.isoformat()
        zone = self._zone
        if isinstance(base, str):
            given = _as_datetime(base)
            zone = given.tzinfo or zone if given is not None else zone
        return localise(moment, zone).isoformat().replace("+00:00", "Z")

    @property
    def _is_text(self) -> bool:
        """Whether the site's events have their time as a text."""
        return self._record.fields[CAPTURED_AT].kind is Kind.STRING

    def _check(self, mapping: MappingNode, values: Mapping[str, Any], faults: Faults) -> None:
        try:
            self._schema.complete(values)
        except EventError as error:
            what = f"the event does not fit the schema: {error}"
            remedy = "correct the field, or leave it out"
            faults.error(mapping.place, FaultCode.EVENT, what, remedy)
            return
        node = mapping.values.get(CAPTURED_AT)
        if isinstance(node, ScalarNode) and not node.is_null and read_time(node.text, UTC) is None:
            _no_time(node, CAPTURED_AT, _EXAMPLE, faults)


def _no_time(scalar: ScalarNode, key: str, remedy: str, faults: Faults) -> None:
    what = f"`{key}` is no time: `{shown(scalar.text)}`"
    faults.error(scalar.place, FaultCode.BAD_VALUE, what, remedy)


def _as_datetime(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def _merged(
    before: Mapping[str, Any], given: Mapping[str, Any], record: FieldType
) -> dict[str, Any]:
    """`before` with the fields of `given` in place of its own; records are merged."""
    merged = dict(before)
    for name, value in given.items():
        own, field = merged.get(name), record.fields[name]
        if field.kind is Kind.RECORD and isinstance(value, Mapping) and isinstance(own, Mapping):
            value = _merged(own, value, field)
        merged[name] = value
    return merged


def _without(mapping: MappingNode, names: Collection[str]) -> MappingNode:
    """The mapping without these keys."""
    if not any(name in mapping.values for name in names):
        return mapping
    rest = MappingNode(mapping.source, mapping.line, mapping.column)
    rest.keys = {name: each for name, each in mapping.keys.items() if name not in names}
    rest.values = {name: mapping.values[name] for name in rest.keys}
    return rest


def _expectation(node: YamlNode, faults: Faults) -> Expectation | None:
    """What a test expects of a rule on one event; None and a fault where that can't be read."""
    if isinstance(node, MappingNode):
        check_keys(node, EXPECTED.names, EXPECTED.title, faults)
        alert = node.values.get("alert")
        if alert is not None:
            return _expected_alert(alert, faults)
        if not node.values:
            faults.error(node.place, FaultCode.BAD_VALUE, "`expect` is empty", _KNOWN)
        return None
    scalar = as_text(node, "`expect`", faults, _ONE_EVENT)
    if scalar is None:
        return None
    if scalar.text in tuple(Expect):
        return Expect(scalar.text)
    other = _EXPECTATIONS.get(scalar.text.lower())
    faults.error(
        scalar.place,
        FaultCode.BAD_VALUE,
        f"`expect` can't be `{shown(scalar.text)}`",
        f"write {other}" if other is not None else suggestion(scalar.text, tuple(Expect), _KNOWN),
    )
    return None


_KNOWN: Final = "write match, no_match or one of " + ", ".join(
    each for each in Expect if each not in (Expect.MATCH, Expect.NO_MATCH)
)
_ONE_EVENT: Final = "write one expectation; a list is for `events:`"


def _expected_alert(node: YamlNode, faults: Faults) -> ExpectedAlert | None:
    mapping = as_mapping(node, "`alert`", faults, "write `{message: …}`, or `alert` alone")
    if mapping is None:
        return None
    of_alert = Faults()
    check_keys(mapping, ALERT.names, ALERT.title, of_alert)
    texts: dict[str, ScalarNode | None] = {
        key: as_text(mapping.values[key], f"`{key}`", of_alert)
        for key in TEXT_KEYS
        if key in mapping.values
    }
    if _MATCHED in mapping.values:
        texts[_MATCHED] = _maybe_empty(mapping.values[_MATCHED], of_alert)
    count = None
    if "suppressed_count" in mapping.values:
        count = _count(mapping.values["suppressed_count"], of_alert)
    faults.extend(of_alert)
    if of_alert.has_errors:
        return None
    given = {key: scalar.text for key, scalar in texts.items() if scalar is not None}
    return ExpectedAlert(**given, suppressed_count=count)


def _maybe_empty(node: YamlNode, faults: Faults) -> ScalarNode | None:
    """The node as a scalar, which may be the text ''."""
    if isinstance(node, ScalarNode) and not node.plain and not node.text:
        return node
    return as_text(node, f"`{_MATCHED}`", faults, "write '' for an exact match")


def _count(node: YamlNode, faults: Faults) -> int | None:
    number = number_of(node.text) if isinstance(node, ScalarNode) and node.plain else None
    if isinstance(number, int) and number >= 0:
        return number
    faults.error(
        node.place,
        FaultCode.WRONG_TYPE,
        "`suppressed_count` is no whole number",
        "write how many matches the alert stands for, like 2",
    )
    return None


def _expectations_by_rule(
    node: YamlNode, rule_ids: Collection[str] | None, faults: Faults
) -> Mapping[str, Expectation] | None:
    """What a test over several rules expects of one event; None and a fault where that is unclear.

    A list has the ids of the rules that alert; a mapping has an expectation by rule id.
    """
    of_event = Faults()
    found: dict[str, Expectation | None] = {}
    if isinstance(node, SequenceNode):
        for item in node.items:
            scalar = as_text(item, "a rule's id", of_event)
            if scalar is not None:
                _check_rule(scalar, rule_ids, of_event)
                found[scalar.text] = Expect.ALERT
    elif isinstance(node, MappingNode):
        for rule_id, key in node.keys.items():
            _check_rule(key, rule_ids, of_event)
            found[rule_id] = _expectation(node.values[rule_id], of_event)
    else:
        of_event.error(
            node.place,
            FaultCode.WRONG_TYPE,
            "what is expected of an event must be a list of rule ids, or a mapping",
            as_items(node),
        )
    faults.extend(of_event)
    if of_event.has_errors:
        return None
    return {rule_id: each for rule_id, each in found.items() if each is not None}


def _check_rule(scalar: ScalarNode, rule_ids: Collection[str] | None, faults: Faults) -> None:
    if rule_ids is not None and scalar.text not in rule_ids:
        faults.error(
            scalar.place,
            FaultCode.UNKNOWN_RULE,
            f"there is no rule `{shown(scalar.text)}`",
            suggestion(scalar.text, rule_ids, "write the id of a rule"),
        )
