"""The mixed rule set of the benchmarks, in the forms of the engine, of the reference and of CEL.

Of ten rules seven are lists of ten plates, one is a regex, one a text that the plate contains, and
one a range of the confidence at one camera. They are chosen so that matches stay rare however many
rules there are: the cost of looking is measured, not that of finding.
"""

from __future__ import annotations

import json
import random
import string
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks.readings import camera, plate
from channels.alert import Target
from engine.rules import Rule, RuleSet, load_rules
from tests.support.avro import plate_schema
from tests.support.rule_files import Mailbox

PLATES_A_LIST: Final = 10
PLATE: Final = "plate.normalized_text"


@dataclass(frozen=True, slots=True)
class Condition:
    """One of a rule's conditions, as its file has it."""

    field: str
    operator: str
    value: Any


@dataclass(frozen=True, slots=True)
class PlainRule:
    """A rule as its file has it: all conditions must hold."""

    rule_id: str
    conditions: tuple[Condition, ...]
    notify: tuple[str, ...] = ()


def mixed_rules(count: int, seed: int = 7) -> list[PlainRule]:
    """So many rules; the first ten are one mix, and so on."""
    chance = random.Random(seed)
    return [
        PlainRule(f"rule-{number}", _conditions(number % 10, chance)) for number in range(count)
    ]


def _conditions(kind: int, chance: random.Random) -> tuple[Condition, ...]:
    letters = "".join(chance.choices(string.ascii_uppercase, k=3))
    digits = f"{chance.randrange(100):02}"
    match kind:
        case 7:
            return (Condition(PLATE, "regex", f"^{letters[:2]}.*[0-4]{digits}$"),)
        case 8:
            return (Condition(PLATE, "contains", f"{letters[:2]}{digits}"),)
        case 9:
            return (
                Condition("plate.confidence", "greater_than", 0.99),
                Condition("camera_id", "equals", camera(chance)),
            )
    return (Condition(PLATE, "in_list", [plate(chance) for _ in range(PLATES_A_LIST)]),)


def rule_file(rules: Sequence[PlainRule]) -> str:
    """The rules as YAML, each with its own message; the channels that they name are defined."""
    names = dict.fromkeys(name for rule in rules for name in rule.notify)
    channels = json.dumps({name: f"https://{name}.example/" for name in names})
    return f"channels: {channels}\nrules:\n" + "".join(map(_entry, rules))


def _entry(rule: PlainRule) -> str:
    conditions = "".join(
        f"      - {{field: {each.field}, operator: {each.operator}, "
        f"value: {json.dumps(each.value)}}}\n"
        for each in rule.conditions
    )
    return (
        f"  - id: {rule.rule_id}\n"
        f"    name: Rule {rule.rule_id}\n"
        "    priority: high\n"
        f"    conditions:\n{conditions}"
        f"    notify: {json.dumps(rule.notify)}\n"
        "    rate_limit: {cooldown_seconds: 300, dedup_key: plate.normalized_text}\n"
        f"    message_template: '{rule.rule_id}: {{plate.normalized_text}} "
        "({plate.confidence:.0%}) at {camera_id}, {captured_at}'\n"
    )


def mailbox(channel: str) -> tuple[Target, ...]:
    """A target in memory that takes everything."""
    return (Mailbox(channel),)


def load(
    text: str, folder: Path, targets: Callable[[str], tuple[Target, ...]] = mailbox
) -> RuleSet:
    """The rules of a file of this text, with these targets for the channels that it names."""
    path = folder / "rules.yaml"
    path.write_text(text, encoding="utf-8")
    return load_rules([path], plate_schema(), {}, stand_in=targets)


def compiled(rules: Sequence[PlainRule], folder: Path) -> tuple[Rule, ...]:
    """The rules as the engine runs them."""
    return load(rule_file(rules), folder).rules


def as_cel(rule: PlainRule) -> str:
    """The rule in plain CEL, for other implementations; plates and cameras have one case here."""
    return " && ".join(_cel_condition(each) for each in rule.conditions)


def _cel_condition(condition: Condition) -> str:
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
