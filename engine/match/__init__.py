"""Finds the rules that hold on an event: an index names the few that may, their programs decide.

It never changes a verdict: the index may return too many rules, never too few, and gives the
matches and errors that `LinearMatcher` gives. Read `matcher.py` first, then `necessary.py` (what a
condition needs) and `look_up.py` (how that is looked up).
"""

from __future__ import annotations

from engine.match.matcher import (
    Asked,
    IndexedMatcher,
    LinearMatcher,
    LookUps,
    Match,
    Matcher,
    MatchResult,
    RuleError,
)

__all__ = [
    "Asked",
    "IndexedMatcher",
    "LinearMatcher",
    "LookUps",
    "Match",
    "MatchResult",
    "Matcher",
    "RuleError",
]
