"""A rule is a value."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from tests.unit.rules.rule_text import one


def test_a_rule_can_not_be_changed(tmp_path: Path) -> None:
    rule = one(tmp_path, "when: true")
    with pytest.raises(dataclasses.FrozenInstanceError):
        rule.name = "other"  # type: ignore[misc]
