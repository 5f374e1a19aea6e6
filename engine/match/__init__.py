"""Which rules hold on an event."""

from __future__ import annotations

from engine.match.matcher import IndexedMatcher, LinearMatcher, Match, Matcher, OnError

__all__ = ["IndexedMatcher", "LinearMatcher", "Match", "Matcher", "OnError"]
