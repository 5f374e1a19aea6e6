"""Changed rules without a restart: watched, loaded beside the running ones, then swapped in."""

from __future__ import annotations

from engine.reload.health import RulesHealth
from engine.reload.last_good import LastGood
from engine.reload.opening import Opening, open_rules
from engine.reload.source import RuleSource
from engine.reload.watcher import RuleWatcher, log_warnings

__all__ = [
    "LastGood",
    "Opening",
    "RuleSource",
    "RuleWatcher",
    "RulesHealth",
    "log_warnings",
    "open_rules",
]
