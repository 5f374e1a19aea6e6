"""Rule files: YAML in, checked rules out, every fault with its place."""

from __future__ import annotations

from engine.rules.load import load_rules, load_watchlists
from engine.rules.rule import Expect, RateLimit, Rule, RuleSet, RuleTest, examples_of

__all__ = [
    "Expect",
    "RateLimit",
    "Rule",
    "RuleSet",
    "RuleTest",
    "examples_of",
    "load_rules",
    "load_watchlists",
]
