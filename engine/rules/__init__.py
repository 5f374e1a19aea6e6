"""Loads rule files: YAML becomes a checked and compiled `RuleSet`, or all faults with their places.

It never evaluates a rule on an event, and never sends anything: it makes the channels' targets and
reads the watchlists that the files name. Read `load.py` first.
"""

from __future__ import annotations

from engine.rules.load import load_channels, load_rules, load_watchlists
from engine.rules.rate_limits import RateLimit
from engine.rules.rule import Rule, RuleSet, examples_of
from engine.rules.rule_test import Expect, Expectation, ExpectedAlert, RuleTest, SetTest
from engine.rules.set_tests import load_set_tests

__all__ = [
    "Expect",
    "Expectation",
    "ExpectedAlert",
    "RateLimit",
    "Rule",
    "RuleSet",
    "RuleTest",
    "SetTest",
    "examples_of",
    "load_channels",
    "load_rules",
    "load_set_tests",
    "load_watchlists",
]
