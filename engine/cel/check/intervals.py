"""The check of `during("name")` in expressions, and its replacement by the time interval itself.

The call becomes one of `tree.DURING` on the interval and the event's `time`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from engine.cel.syntax import tree
from engine.cel.syntax.tree import Bound, Call, Ident, Literal, Node
from engine.cel.types.scope import TIME, suggest
from engine.errors import Problem, shorten
from engine.intervals import TimeInterval

#: The function that asks whether the event's time is inside of an interval.
FUNCTION: Final = "during"


class Intervals:
    """The time intervals that rules and expressions may name.

    One of None exists but can't be used, which is reported elsewhere. Without `is_whole` there may
    be further intervals, so that an unknown name is no problem. `used` collects the names in use.
    """

    def __init__(self, known: Mapping[str, TimeInterval | None], *, is_whole: bool = True) -> None:
        self.known: Final = known
        self.is_whole: Final = is_whole
        self.used: Final[set[str]] = set()

    def is_missing(self, name: str) -> bool:
        """Whether no interval has this name."""
        return name not in self.known and self.is_whole

    def remedy(self, name: str) -> str:
        """What to write in place of an unknown name."""
        return suggest(name, self.known) or "define it under `time_intervals:`"


NO_INTERVALS: Final = Intervals({})


def is_during(node: Node) -> bool:
    """Whether a node calls `during`."""
    return isinstance(node, Call) and node.function == FUNCTION and node.target is None


def bind_interval(node: Call, intervals: Intervals) -> Call | Problem | None:
    """The call on the interval itself, or the problem of the call.

    None where the interval can't be used, which is reported elsewhere.
    """
    name = node.args[0] if len(node.args) == 1 else None
    if not isinstance(name, Literal) or type(name.value) is not str:
        known = next(iter(intervals.known), "night")
        what = f"{FUNCTION}() takes the name of a time interval, written out"
        return Problem(node.offset, "interval-name", what, f'write {FUNCTION}("{known}")')
    intervals.used.add(name.value)
    if intervals.is_missing(name.value):
        what = f"there is no time interval '{shorten(name.value)}'"
        return Problem(name.offset, "unknown-interval", what, intervals.remedy(name.value))
    found = intervals.known.get(name.value)
    if found is None:
        return None
    # Absolute, since a macro's variable may have this name.
    moment = Ident(node.offset, TIME, is_absolute=True)
    return Call(node.offset, tree.DURING, (Bound(name.offset, found), moment))


def remedy_of_interval(name: str) -> str:
    """What to write in place of the bare name of an interval."""
    return f'write {FUNCTION}("{shorten(name)}")'
