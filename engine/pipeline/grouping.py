"""In which group an alert is at each of its targets, and how long it waits there for others."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from channels.alert import Priority, Target
from engine.cel import Expression
from engine.errors import EvaluationError
from engine.pipeline.cooldown import values_key
from engine.store import GroupPlace, key_id


@dataclass(frozen=True, slots=True)
class TargetGroups:
    """The groups of one target: alerts for which the `keys` give the same values are in one."""

    keys: tuple[Expression, ...]
    wait_seconds: float
    high_wait_seconds: float

    def place(self, bindings: Mapping[str, Any], priority: Priority) -> GroupPlace | None:
        """The place of an alert of this priority on the event that the bindings are of.

        None where it goes by itself: all values are absent, as of an unread plate, or one can't be
        evaluated on this event.
        """
        try:
            values = values_key([key.evaluate(bindings) for key in self.keys])
        except EvaluationError:
            return None
        if values is None:
            return None
        is_high = priority is Priority.HIGH
        seconds = self.high_wait_seconds if is_high else self.wait_seconds
        return GroupPlace(key_id(json.dumps(values)), seconds)


def target_groups(
    targets: Mapping[str, Target], expressions: Mapping[str, Expression]
) -> dict[str, TargetGroups]:
    """The groups of the targets that have any, by target id; `expressions` are by their texts."""
    found = {}
    for target_id, target in targets.items():
        grouping = target.terms.grouping
        if grouping is not None:
            keys = tuple(expressions[text] for text in grouping.by)
            found[target_id] = TargetGroups(keys, grouping.wait_seconds, grouping.high_wait_seconds)
    return found


def places(
    groups: Mapping[str, TargetGroups],
    targets: Iterable[tuple[str, str]],
    bindings: Mapping[str, Any],
    priority: Priority,
) -> dict[str, GroupPlace]:
    """The places of an alert at those of its targets (channel, id) that have groups, by id."""
    if not groups:
        return {}
    found = {}
    for _, target_id in targets:
        group = groups.get(target_id)
        place = None if group is None else group.place(bindings, priority)
        if place is not None:
            found[target_id] = place
    return found
