"""Texts that contain one of many: an automaton finds all of them in one walk over the text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import ahocorasick

from engine.match.bucket import Bucket, Bucketer, Step

Texts = frozenset[str]


def parts_step(rules: Sequence[tuple[Texts, int]], bucket: Bucketer) -> Step:
    """The look-up of the parts of a text; no part may be empty."""
    positions: dict[str, list[int]] = {}
    for texts, position in rules:
        for text in texts:
            positions.setdefault(text, []).append(position)
    automaton = ahocorasick.Automaton()
    for text, rules_of in positions.items():
        automaton.add_word(text, bucket(rules_of))
    automaton.make_automaton()
    walk = automaton.iter

    def look_up(value: Any, found: list[Bucket]) -> None:
        for _, part in walk(value):
            found.append(part)

    return look_up
