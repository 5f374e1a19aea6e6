"""The rule sets of every measurement, made up by chance, the same in every run.

Of ten mixed rules seven are lists of ten plates, one is a regex, one a text that the plate
contains, and one a range of the confidence at one camera. A rule matches one event of 200,000 or
so: the cost of looking is measured, not that of finding.
"""

from __future__ import annotations

import json
import random
import string
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from engine.bench.traffic import camera_name, make_camera
from engine.readings import make_plate

PLATES_A_LIST: Final = 10
SITE_RULES: Final = 50
SITE_PLATES: Final = 100_000
PLATE: Final = "plate.normalized_text"
# What the conditions look at.
FIELDS: Final = (PLATE, "plate.confidence", "camera_id")


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


def mixed_rules(count: int) -> list[PlainRule]:
    """So many rules; the first ten are one mix, and so on."""
    chance = random.Random(7)  # noqa: S311 - no secret
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
                Condition("camera_id", "equals", make_camera(chance)),
            )
    return (Condition(PLATE, "in_list", [make_plate(chance) for _ in range(PLATES_A_LIST)]),)


def site_plates(count: int = SITE_PLATES) -> list[str]:
    """The plates of a site's one long list."""
    chance = random.Random(99)  # noqa: S311 - no secret
    return [make_plate(chance) for _ in range(count)]


def site_rules(plates: Sequence[str]) -> list[PlainRule]:
    """The rules of a site: the first on these plates anywhere, the others each at one camera."""
    listed = Condition(PLATE, "in_list", plates)
    at_cameras = [
        PlainRule(f"rule-{number}", (listed, Condition("camera_id", "equals", camera_name(number))))
        for number in range(1, SITE_RULES)
    ]
    return [PlainRule("rule-0", (listed,)), *at_cameras]


def site_file(rules: Iterable[PlainRule], list_file: str) -> str:
    """The rules of a site as YAML; their plates are in the file of this name."""
    return f"watchlists: {{wanted: {{file: {list_file}}}}}\nrules:\n" + "".join(
        _head(rule.rule_id)
        + _conditions_key(rule.conditions[1:])
        + '    when: plate.normalized_text in watchlist("wanted")\n'
        + _tail(rule.rule_id)
        for rule in rules
    )


def rule_file(rules: Iterable[PlainRule]) -> str:
    """The rules as YAML, each with its own message; the channels that they name are defined."""
    rules = list(rules)
    names = dict.fromkeys(name for rule in rules for name in rule.notify)
    channels = json.dumps({name: f"https://{name}.example/" for name in names})
    return f"channels: {channels}\nrules:\n" + "".join(map(_entry, rules))


def _entry(rule: PlainRule) -> str:
    return _head(rule.rule_id) + _conditions_key(rule.conditions) + _tail(rule.rule_id, rule.notify)


def _conditions_key(conditions: Sequence[Condition]) -> str:
    lines = [
        f"      - {{field: {each.field}, operator: {each.operator}, "
        f"value: {json.dumps(each.value)}}}\n"
        for each in conditions
    ]
    return "".join(["    conditions:\n", *lines]) if lines else ""


def _head(rule_id: str) -> str:
    return f"  - id: {rule_id}\n    name: Rule {rule_id}\n    priority: high\n"


def _tail(rule_id: str, notify: Sequence[str] = ()) -> str:
    return (
        f"    notify: {json.dumps(notify)}\n"
        "    rate_limit: {cooldown_seconds: 300, dedup_key: plate.normalized_text}\n"
        f"    message_template: '{rule_id}: {{plate.normalized_text}} "
        "({plate.confidence:.0%}) at {camera_id}, {captured_at}'\n"
    )
