"""Conditions that ask for a text and are met by an empty one."""

from __future__ import annotations

from datetime import UTC
from pathlib import Path
from typing import Any

import pytest

from engine.cel import compile_expression
from engine.cel.condition import compile_condition, is_met_by_empty, value_if_empty
from engine.rules import load_rules
from tests.support.avro import plate_schema

PLATE = "plate.normalized_text"


def _is_met(text: str) -> bool:
    condition = compile_expression(text.replace("PLATE", PLATE), plate_schema().variables)
    return is_met_by_empty(condition, PLATE)


@pytest.mark.parametrize(
    "text",
    [
        'PLATE != "GUARD1"',
        '"GUARD1" != PLATE',
        '!(PLATE in ["A", "B"])',
        '!(lower(PLATE) in ["a", "b"])',
        '!PLATE.startsWith("TEST")',
        'PLATE.matches("^[A-Z]*$")',
        "size(PLATE) < 4",
        'PLATE < "B"',
        'camera_id == "gate" && PLATE != "GUARD1"',
        'PLATE != "GUARD1" && (plate.confidence > 0.5 || camera_id == "gate")',
        'camera_id == "gate" ? PLATE != "A" : plate.confidence > 0.9',
        '!(PLATE == "A" || camera_id == "gate")',
        '!["A", "B"].exists(p, PLATE.startsWith(p))',
        "cel.bind(n, PLATE.size(), n < 3)",
        'PLATE == "A" || !(PLATE in ["B"])',
        'PLATE in ["", "ABC123"]',
    ],
)
def test_conditions_that_an_unread_plate_meets(text: str) -> None:
    assert _is_met(text)


@pytest.mark.parametrize(
    "text",
    [
        "true",
        'camera_id == "gate"',
        'plate.text != "A"',
        'PLATE == "GUARD1"',
        'PLATE in ["A"]',
        'PLATE.contains("A") || PLATE.endsWith("9")',
        'PLATE.matches("^GOV")',
        "size(PLATE) > 4",
        'PLATE == "A" || vehicle.type == "truck"',
        'PLATE != "A" && false',
        'PLATE != "A" && PLATE.startsWith("G")',
        "PLATE == plate.text",
        'PLATE + camera_id != "A"',
        "int(PLATE) < 5",
        'PLATE == "" || PLATE != "GUARD1"',
        'PLATE == ""',
        'lower(PLATE) != "" && PLATE != "GUARD1"',
        '!(camera_id == "gate" ? PLATE != "A" : true)',
    ],
)
def test_conditions_that_it_does_not_meet_or_that_do_not_ask(text: str) -> None:
    assert not _is_met(text)


@pytest.mark.parametrize(
    ("operator", "value", "is_met"),
    [
        ("equals", "ABC123", False),
        ("in_list", ["ABC123"], False),
        ("contains", "A", False),
        ("regex", "^GOV", False),
        ("regex", "G?", True),
        ("less_than", 5, False),
        ("similar_to", "ABC123", False),
        ("similar_to", ["ABC123", "XYZ789"], False),
        ("greater_than", -1, False),
    ],
)
def test_operators(operator: str, value: Any, is_met: bool) -> None:
    condition = compile_condition(PLATE, operator, value, plate_schema().variables)
    assert is_met_by_empty(condition, PLATE) is is_met


def test_no_list_has_an_unread_plate(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("ABC123\n")
    rules = tmp_path / "rules.yaml"
    conditions = ["{} in {}", "!({} in {})", "similar({}, {})", "!similar({}, {})"]
    rules.write_text(
        "watchlists: {wanted: list.txt}\nrules:\n"
        + "".join(
            f"  - {{id: r{number}, when: '{text}', notify: []}}\n"
            for number, text in enumerate(
                each.format(PLATE, 'watchlist("wanted")') for each in conditions
            )
        )
    )
    found = load_rules([rules], plate_schema(), {}, zone=UTC)
    assert [is_met_by_empty(rule.condition, PLATE) for rule in found.rules] == [False, True] * 2
    assert [warning.code for warning in found.warnings] == ["empty-key"] * 2


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("plate.normalized_text", ""),
        ("lower(plate.normalized_text)", ""),
        ('plate.normalized_text + "!"', "!"),
        ('plate.normalized_text.split(" ")[0]', ""),
        ("int(plate.normalized_text)", None),
        ("plate.text", None),
    ],
)
def test_what_an_expression_gives_where_the_text_is_empty(text: str, value: object) -> None:
    assert value_if_empty(compile_expression(text, plate_schema().variables), PLATE) == value
