"""Loading rules from a text, for the tests of the loader's parts."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC
from functools import cache
from pathlib import Path

from engine.errors import RulesError
from engine.rules import Rule, RuleSet, load_rules
from engine.schema import EventSchema
from engine.schema.event import make_event

ROOT = Path(__file__).parents[3]


@cache
def schema() -> EventSchema:
    """The shipped event schema."""
    return EventSchema.load(ROOT / "schemas" / "plate_event.avsc")


def load(folder: Path, text: str, variables: Mapping[str, str] | None = None) -> RuleSet:
    """The rules of a file `rules.yaml` with this text."""
    path = folder / "rules.yaml"
    path.write_text(text, encoding="utf-8")
    return load_rules([path], schema(), variables or {})


def one(folder: Path, rule: str) -> Rule:
    """The only rule of a file: `rule` is what stands in its flow mapping, beside id and notify."""
    (found,) = load(folder, f"rules:\n  - {{id: a, notify: [], {rule}}}\n").rules
    return found


def faults(folder: Path, text: str, variables: Mapping[str, str] | None = None) -> list[str]:
    """The faults of a file as `line:column: what, remedy`; warnings too."""
    try:
        found = load(folder, text, variables).warnings
    except RulesError as error:
        found = error.faults
    return [str(fault).removeprefix(f"{folder / 'rules.yaml'}:") for fault in found]


def rule_faults(folder: Path, rule: str) -> list[str]:
    """The faults of a rule as `one` takes it, without their places."""
    found = faults(folder, f"rules:\n  - {{id: a, notify: [], {rule}}}\n")
    return [fault.split(": ", 1)[1] for fault in found]


def matches(rule: Rule, **event: object) -> object:
    """What the rule's condition gives on an event."""
    values = schema().complete(event)
    return rule.condition.evaluate(make_event(values, zone=UTC).bindings)
