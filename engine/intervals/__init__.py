"""Time intervals: when a rule counts, by the wall clock of a place.

A `TimeInterval` says of a moment whether it is night, a holiday or working hours; a `Schedule` says
whether a rule counts then. This package reads no files and no clock: `engine.rules` makes intervals
of YAML, and the caller gives the moment. Read `interval.py` first.
"""

from engine.intervals.coverage import Coverage, coverage
from engine.intervals.interval import Pattern, TimeInterval
from engine.intervals.schedule import OutOfTime, Reason, Schedule

__all__ = [
    "Coverage",
    "OutOfTime",
    "Pattern",
    "Reason",
    "Schedule",
    "TimeInterval",
    "coverage",
]
