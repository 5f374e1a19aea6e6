"""Changed rules without a restart: watched, loaded beside the running ones, then swapped in."""

from __future__ import annotations

from engine.reload.health import RulesHealth
from engine.reload.last_good import LastGood
from engine.reload.opening import Opening, last_good_of, open_rules, rule_source_of
from engine.reload.sighting import digest_of
from engine.reload.watcher import RuleWatcher, log_misconfigured, log_warnings

__all__ = [
    "LastGood",
    "Opening",
    "RuleWatcher",
    "RulesHealth",
    "digest_of",
    "last_good_of",
    "log_misconfigured",
    "log_warnings",
    "open_rules",
    "rule_source_of",
]
