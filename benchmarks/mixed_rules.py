"""The rule sets of `alert-engine bench`, in the forms of the engine and of CEL."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from channels.alert import Target
from engine.bench.rule_sets import PlainCondition, PlainRule, rule_file
from engine.rules import Rule, RuleSet, load_rules
from tests.support.avro import plate_schema
from tests.support.rule_files import Mailbox

# A list longer than this is a function to other implementations, which refuse so much text.
LONGEST_LITERAL: Final = 1_000
LISTED: Final = "listed"


def mailbox(channel: str) -> tuple[Target, ...]:
    """A target in memory that takes everything."""
    return (Mailbox(channel),)


def load(
    text: str, folder: Path, targets: Callable[[str], tuple[Target, ...]] = mailbox
) -> RuleSet:
    """The rules of a file of this text, with these targets for the channels that it names."""
    path = folder / "rules.yaml"
    path.write_text(text, encoding="utf-8")
    return load_rules([path], plate_schema(), {}, targets_by_name=targets)


def compiled(rules: Sequence[PlainRule], folder: Path) -> tuple[Rule, ...]:
    """The rules as the engine runs them."""
    return load(rule_file(rules), folder).rules


def as_cel(rule: PlainRule) -> str:
    """The rule in plain CEL, for other implementations; plates and cameras have one case here."""
    return " && ".join(_cel_condition(each) for each in rule.conditions)


def listed_plates(rules: Sequence[PlainRule]) -> Sequence[str]:
    """The one long list that some of these rules have, or nothing."""
    lists = (each.value for rule in rules for each in rule.conditions if _is_long(each))
    return next(lists, ())


def _is_long(condition: PlainCondition) -> bool:
    return condition.operator == "in_list" and len(condition.value) > LONGEST_LITERAL


def _cel_condition(condition: PlainCondition) -> str:
    if _is_long(condition):
        return f"{LISTED}({condition.field})"
    value = json.dumps(condition.value)
    match condition.operator:
        case "in_list":
            return f"{condition.field} in {value}"
        case "regex":
            return f"{condition.field}.matches({value})"
        case "contains":
            return f"{condition.field}.contains({value})"
        case "greater_than":
            return f"{condition.field} > {value}"
        case "equals":
            return f"{condition.field} == {value}"
    raise AssertionError(condition.operator)
