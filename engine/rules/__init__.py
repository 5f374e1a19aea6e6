"""Loads rule files: YAML becomes a checked and compiled `RuleSet`, or all faults with their places.

It never evaluates a rule on an event, and never sends anything: it makes the channels' targets and
reads the watchlists that the files name. Read `load.py` first.
"""

from __future__ import annotations

from engine.rules.load import load_channels, load_rules, load_watchlists
from engine.rules.rate_limits import RateLimit
from engine.rules.rule import Expect, Rule, RuleSet, RuleTest, examples_of

__all__ = [
    "Expect",
    "RateLimit",
    "Rule",
    "RuleSet",
    "RuleTest",
    "examples_of",
    "load_channels",
    "load_rules",
    "load_watchlists",
]
