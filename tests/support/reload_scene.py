"""An engine whose rules change while it runs: each version of them is told apart by its rule id."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from tests.support.engine_process import EngineProcess
from tests.support.gate import Gate, is_about

RULES = """\
channels:
  hook: {url: "${HOOK_URL}", timeout: 20}
rules:
  - id: VERSION
    name: Every Plate
    priority: high
    when: "true"
    notify: [hook]
    rate_limit: {enabled: false}
    message_template: "{plate.normalized_text}"
"""
BROKEN = """\
rules:
  - id: VERSION
    when: plate.confidenc > 0.5
    notify: [nobody]
"""


def rules(version: str, text: str = RULES) -> str:
    """The rules of a version, whose one rule has its name."""
    return text.replace("VERSION", version)


def replace(path: Path, text: str) -> None:
    """Put a file in the place of another by renaming, as most editors do."""
    draft = path.with_name(f"{path.name}.draft")
    draft.write_text(text)
    draft.replace(path)


class Scene:
    """A running engine and its gate."""

    def __init__(self, gate: Gate, engine: EngineProcess, publish: Callable[[int], list[str]]):
        self.gate = gate
        self.engine = engine
        self._publish = publish

    def await_reload(self, count: int) -> Any:
        """The log line of the `count`th reload."""
        return self.await_event("rules.reloaded", count)

    def await_event(self, event: str, count: int = 1) -> Any:
        """The `count`th log line of this event."""
        line = self.engine.wait_for_line(f'"event": "{event}"', count)
        return json.loads(line.text)

    def rule_of_a_plate(self) -> str:
        """By which rule a plate that is seen now becomes an alert."""
        (plate,) = self._publish(1)
        requests = self.gate.hook.requests.wait_for(1, where=partial(is_about, plate))
        return str(requests[0].json()["alert"]["rule_id"])

    def rules_check(self) -> Any:
        """What `/readyz` says of the rules, once the engine is ready."""
        return self.engine.wait_ready()["checks"]["rules"]
