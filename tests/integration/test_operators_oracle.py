"""The operators, loaded from YAML, against an oracle written here in plain Python."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Mapping
from datetime import UTC
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest

from engine.match import LinearMatcher
from engine.rules import load_rules
from engine.schema.event import make_event
from engine.watchlist import likeness
from tests.support.avro import plate_schema
from tests.support.likeness_oracle import LikenessOracle

SETS: Final = 200
EVENTS: Final = 2_000

TEXTS: Final[Mapping[str, list[str | None]]] = {
    "plate.normalized_text": ["ABC123", "ABC124", "XYZ789", "0123", "12", "NO"],
    "plate.text": ["abc-123", "Abc 123", "KÖLN 1", "köln 1", "", "12.5"],
    "camera_id": ["cam-1", "CAM-1", "gate", "7"],
    "plate.region": ["US-FL", "us-fl", "DE", "", None],
    "vehicle.make": ["Toyota", "TOYOTA", "Citroën", "CITROËN", None],
    "extras.direction": ["inbound", "Outbound", None],
}
NUMBERS: Final[Mapping[str, list[float | None]]] = {
    "plate.confidence": [0.0, 0.5, 0.9, 0.95, 1.0],
    "latency_ms": [0, 12, 150, -3],
    "extras.quality_score": [0.25, 1.0, None],
    "extras.frame_number": [0, 1, 150, None],
}
PLATES: Final = ["A8C123", "abc-12", "OI23", "N0", "XY2789", "T0Y0TA", "US-F1", "KÖLN 2"]
REGEXES: Final = ["^AB", r"\d{3}$", "a.c", "^$", "B|7", "ö", "^us-[a-z]{2}$", "o.o"]

COSTS: Final = Path(likeness.__file__).with_name("plate_costs.txt").read_text()
LIKENESS: Final = LikenessOracle(COSTS)

Condition = dict[str, Any]


def random_condition(chance: random.Random) -> Condition:
    if chance.random() < 0.6:
        field = chance.choice(list(TEXTS))
        words = [word for word in TEXTS[field] if word is not None]
        operator = chance.choice(
            ["equals", "contains", "regex", "in_list", "greater_than", "similar_to"]
        )
        values: dict[str, Callable[[], Any]] = {
            "equals": lambda: chance.choice([*TEXTS[field], "zzz", None]),
            "contains": lambda: chance.choice(words)[: chance.randint(0, 3)],
            "regex": lambda: chance.choice(REGEXES),
            "in_list": lambda: chance.sample([*words, "abc123", "q"], 3),
            "greater_than": lambda: chance.choice([0, 10, "12", 12.25]),
            "similar_to": lambda: chance.choice([chance.choice(PLATES), chance.sample(PLATES, 3)]),
        }
        condition = {"field": field, "operator": operator, "value": values[operator]()}
        if operator == "similar_to" and chance.random() < 0.7:
            condition["threshold"] = chance.choice([0.84, 0.85, 0.9, 0.95, 1])
        return condition
    field = chance.choice(list(NUMBERS))
    numbers = [number for number in NUMBERS[field] if number is not None]
    one = chance.choice([*numbers, 0.7, 100])
    operator = chance.choice(["equals", "in_list", "greater_than", "less_than"])
    value: Any = one if operator != "in_list" else [one, *chance.sample(numbers, 2)]
    if operator == "equals" and chance.random() < 0.2:
        value = None
    elif operator != "in_list" and chance.random() < 0.2:
        value = str(one)
    return {"field": field, "operator": operator, "value": value}


def random_event(chance: random.Random) -> dict[str, Any]:
    event: dict[str, Any] = {"captured_at": "2025-12-25T16:00:00Z"}
    has_extras = chance.random() < 0.7
    fields: dict[str, list[Any]] = {**TEXTS, **NUMBERS}
    for path, values in fields.items():
        first, _, second = path.partition(".")
        if first == "extras" and not has_extras:
            continue
        value = chance.choice(values)
        if second:
            event.setdefault(first, {})[second] = value
        else:
            event[first] = value
    return event


def oracle(conditions: list[Condition], event: Mapping[str, Any]) -> bool:
    return all(holds(condition, event) for condition in conditions)


def holds(condition: Condition, event: Mapping[str, Any]) -> bool:
    first, _, second = condition["field"].partition(".")
    found = event.get(first)
    if second:
        found = (found or {}).get(second)
    operator, wanted = condition["operator"], condition["value"]
    if found is None:
        return operator == "equals" and wanted is None
    if operator == "equals":
        return same(found, wanted)
    if operator == "in_list":
        return any(same(found, each) for each in wanted)
    if operator == "contains":
        return wanted.lower() in found.lower()
    if operator == "similar_to":
        plates = wanted if isinstance(wanted, list) else [wanted]
        places = round(condition.get("threshold", 0.9) * 10_000)
        return any(is_like(found, plate, places) for plate in plates)
    if operator == "regex":
        return re.search(wanted, found, re.IGNORECASE) is not None
    try:
        number = float(found)
    except ValueError:
        return False
    return number > float(wanted) if operator == "greater_than" else number < float(wanted)


@cache
def is_like(reading: str, plate: str, places: int) -> bool:
    one, two = ("".join(filter(str.isalnum, text.upper())) for text in (reading, plate))
    return bool(one and two) and LIKENESS.reaches(one, two, places)


def same(found: Any, wanted: Any) -> bool:
    if wanted is None:
        return False
    if isinstance(found, str):
        return found.lower() == str(wanted).lower()
    return float(found) == float(wanted)


@pytest.mark.parametrize("seed", [1, 2])
def test_rules_agree_with_the_oracle(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    sets = [[random_condition(chance) for _ in range(chance.randint(1, 3))] for _ in range(SETS)]
    path = tmp_path / "rules.yaml"
    document = {
        "rules": [
            {"id": f"r{number}", "conditions": conditions, "notify": []}
            for number, conditions in enumerate(sets)
        ]
    }
    path.write_text(json.dumps(document), encoding="utf-8")
    rules = load_rules([path], plate_schema(), None).rules
    matcher = LinearMatcher(rules)
    fired: set[str] = set()
    for _ in range(EVENTS):
        values = random_event(chance)
        event = make_event(plate_schema().complete(values), zone=UTC)
        result = matcher.match(event)
        assert result.errors == (), values
        found = [match.rule_id for match in result.matches]
        expected = [f"r{number}" for number, each in enumerate(sets) if oracle(each, values)]
        assert found == expected, values
        fired.update(found)
    assert len(fired) > SETS / 3, "too few sets ever hold: the comparison says little"
