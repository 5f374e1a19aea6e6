"""A rule's own tests, read and checked against the event schema."""

from __future__ import annotations

from datetime import UTC
from typing import Final

from engine.errors import EventError
from engine.event import event_time
from engine.rules.fields import as_listing, as_table, as_text, check_keys
from engine.rules.findings import Code, Findings, shown, suggestion
from engine.rules.node import Node, Scalar, Table
from engine.rules.rule import Expect, RuleTest
from engine.rules.values import event_record
from engine.schema import CAPTURED_AT, TIME_VARIABLE, EventSchema, FieldType, Kind

_FLAGGED: Final = {
    "true": Expect.MATCH,
    "yes": Expect.MATCH,
    **dict.fromkeys(("1", "fires", "fire", "fired", "alert"), Expect.MATCH),
    **dict.fromkeys(("0", "silent", "none", "no_alert"), Expect.NO_MATCH),
    "false": Expect.NO_MATCH,
    "no": Expect.NO_MATCH,
}
TEST_KEYS: Final = ("name", "event", "expect")


def read_tests(node: Node, schema: EventSchema, findings: Findings) -> tuple[RuleTest, ...]:
    """The tests of a rule; faulty ones are left out, their faults told."""
    if isinstance(node, Scalar) and node.is_null:
        return ()
    listing = as_listing(node, "`tests`", findings)
    if listing is None:
        return ()
    fields = {name: kind for name, kind in schema.variables.items() if name != TIME_VARIABLE}
    record = FieldType(Kind.RECORD, fields=fields)
    found = [
        _test(item, number, schema, record, findings)
        for number, item in enumerate(listing.items, 1)
    ]
    return tuple(test for test in found if test is not None)


def _test(
    node: Node, number: int, schema: EventSchema, record: FieldType, findings: Findings
) -> RuleTest | None:
    table = as_table(node, "a test", findings)
    if table is None:
        return None
    check_keys(table, TEST_KEYS, "a test", findings)
    name = f"test {number}"
    if "name" in table.values:
        text = as_text(table.values["name"], "`name`", findings)
        name = text.text.strip() if text is not None else name
    expect = _expect(table, findings)
    event = _event(table, schema, record, findings)
    if expect is None or event is None:
        return None
    return RuleTest(name, event, expect, table.place)


def _expect(table: Table, findings: Findings) -> Expect | None:
    node = table.values.get("expect")
    if node is None:
        findings.error(
            table.place,
            Code.MISSING_KEY,
            "the test has no `expect`",
            "add `expect: match` or `expect: no_match`",
        )
        return None
    scalar = as_text(node, "`expect`", findings)
    if scalar is None:
        return None
    if scalar.text in tuple(Expect):
        return Expect(scalar.text)
    findings.error(
        scalar.place,
        Code.BAD_VALUE,
        f"`expect` can't be `{shown(scalar.text)}`",
        f"write {_FLAGGED[scalar.text.lower()]}"
        if scalar.text.lower() in _FLAGGED
        else suggestion(scalar.text, tuple(Expect), "write match or no_match"),
    )
    return None


def _event(
    table: Table, schema: EventSchema, record: FieldType, findings: Findings
) -> dict[str, object] | None:
    node = table.values.get("event")
    if node is None:
        findings.error(
            table.place,
            Code.MISSING_KEY,
            "the test has no `event`",
            "add `event:` with the fields that matter; `event: {}` is an event of defaults",
        )
        return None
    events = as_table(node, "`event`", findings)
    if events is None:
        return None
    probe = Findings()
    event = event_record(_without_time(events, findings), "", record, probe)
    findings.extend(probe)
    if probe.has_errors:
        return None
    try:
        schema.complete(event)
    except EventError as error:
        what = f"the event does not fit the schema: {error}"
        findings.error(node.place, Code.EVENT, what, "correct the field, or leave it out")
        return None
    _check_time(events, findings)
    return event


def _check_time(events: Table, findings: Findings) -> None:
    node = events.values.get(CAPTURED_AT)
    if isinstance(node, Scalar) and not node.is_null and event_time(node.text, 0, UTC)[1]:
        findings.error(
            node.place,
            Code.BAD_VALUE,
            f"`{CAPTURED_AT}` is no time: `{shown(node.text)}`",
            "write it like '2025-12-25T16:00:00Z'",
        )


def _without_time(events: Table, findings: Findings) -> Table:
    key = events.keys.get(TIME_VARIABLE)
    if key is None:
        return events
    findings.error(
        key.place,
        Code.UNKNOWN_KEY,
        "`time` is no field of the event, but follows from `captured_at`",
        "write captured_at: '2025-12-25T16:00:00Z'",
    )
    rest = Table(events.source, events.line, events.column)
    rest.keys = {name: each for name, each in events.keys.items() if name != TIME_VARIABLE}
    rest.values = {name: events.values[name] for name in rest.keys}
    return rest
