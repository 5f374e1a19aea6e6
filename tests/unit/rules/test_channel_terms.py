"""What channels say of groups and fallbacks, as the loader checks it: by file, line and remedy."""

from __future__ import annotations

from datetime import UTC
from pathlib import Path

import pytest

from engine.pipeline.active_rules import prepare
from engine.pipeline.grouping import places
from engine.schema.event import make_event
from tests.support.avro import plate_schema
from tests.unit.rules.rule_text import faults, load

RULE = "rules:\n  - {id: a, when: true, notify: [a]}\n"


def channels(**keys: str) -> str:
    lines = (f"  {name}: {{url: 'http://localhost/{name}', {key}}}\n" for name, key in keys.items())
    return "channels:\n" + "".join(lines) + RULE


@pytest.mark.parametrize(
    ("by", "fault"),
    [
        ("[plate.nothing]", "nothing"),
        ("[plate.text +]", "an operand or a bracket is missing"),
        ("plate.nothing", "nothing"),
    ],
)
def test_a_group_by_what_is_no_expression_is_an_error(tmp_path: Path, by: str, fault: str) -> None:
    (found,) = faults(tmp_path, channels(a=f"group: {{by: {by}}}"))
    line, column, text = found.split(":", 2)
    assert (line, int(column) > 40) == ("2", True)
    assert fault in text


def test_a_fallback_that_is_no_channel_is_an_error(tmp_path: Path) -> None:
    (found,) = faults(tmp_path, channels(a="fallback: fones", phones="timeout: 3"))
    assert found == "2:44: unknown channel `fones`, did you mean `phones`?"
    (found,) = faults(tmp_path, channels(a="fallback: 'https://x.org/y'"))
    assert "`fallback` takes names of channels, not a URL" in found


def test_fallbacks_in_a_row_are_fine_and_a_circle_is_an_error(tmp_path: Path) -> None:
    row = channels(a="fallback: b", b="fallback: c", c="timeout: 3")
    found = load(tmp_path, row)
    assert [targets[0].terms.fallback for targets in found.channels.values()] == ["b", "c", ""]
    told = faults(tmp_path, channels(a="fallback: b", b="fallback: c", c="fallback: b"))
    assert [each.split(":")[0] for each in told] == ["3", "4"]
    assert "the fallbacks of b lead back to it, by c, let the last of them" in told[0]
    (alone,) = faults(tmp_path, channels(a="fallback: a"))
    assert "the fallbacks of a lead back to it, by a" in alone


def test_a_disabled_fallback_is_warned_of(tmp_path: Path) -> None:
    text = channels(a="fallback: sms") + "notifications: {sms: {enabled: false}}\n"
    (found,) = faults(tmp_path, text)
    assert "the fallback of a, sms, is disabled" in found


def test_alerts_have_their_places_by_the_values_of_the_expressions(tmp_path: Path) -> None:
    key = "group: {by: [plate.normalized_text, plate.region], wait_seconds: 7}"
    rules = prepare(load(tmp_path, channels(a=key)))
    rule = rules.rule_set.rules[0]

    def place_of(**plate: object) -> tuple[str, float] | None:
        values = plate_schema().complete({"plate": plate})
        bindings = make_event(values, zone=UTC).bindings
        found = places(rules.groups, rules.targets["a"], bindings, rule.priority)
        return next(((each.key, each.wait_seconds) for each in found.values()), None)

    first = place_of(normalized_text="ABC123", region="US")
    assert first is not None
    assert first[1] == 7.0
    assert "ABC123" not in first[0]
    assert place_of(normalized_text="ABC123", region="US", text="ABC 123") == first
    # A part may be null; of an unread plate, the alert goes by itself.
    assert place_of(normalized_text="ABC123") not in (None, first)
    assert place_of(normalized_text="") is None
