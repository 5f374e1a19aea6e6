"""All look-ups of one key: by value, by range, by begin and end, by part, and where it is null."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from engine.cel.values import Duration, Timestamp, UInt
from engine.match.affixes import affix_steps
from engine.match.bucket import Bucket, Bucketer, Step
from engine.match.intervals import intervals_step
from engine.match.key import FAILED, Key
from engine.match.needs import Affixes, Atom, Interval, Listed, Parts, Points, Present, Test
from engine.match.parts import parts_step
from engine.match.points import lists_step, points_step

_NUMBERS: Final = frozenset({int, float, UInt})
_TEXTS: Final = frozenset({str})
_HASHED: Final = _NUMBERS | {str, bytes, bool, Timestamp, Duration}

LookUp = Callable[[Any, list[Bucket]], None]


class Table:
    """Gathers the atoms of one key, then makes their look-up."""

    def __init__(self, key: Key) -> None:
        self.key: Final = key
        self._tests: Final[dict[type, list[tuple[Any, int]]]] = {}
        self._null: Final[list[int]] = []
        self._failed: Final[list[int]] = []
        self._all: Final[dict[int, None]] = {}
        self._size = 0
        self._listed = 0

    def add(self, atom: Atom, position: int) -> None:
        """Let the rule at `position` be found where the atom is met."""
        test: Test = atom.test
        self._tests.setdefault(type(test), []).append((_content(test), position))
        if atom.or_null:
            self._null.append(position)
        if atom.or_failed:
            self._failed.append(position)
        self._all[position] = None

    def look_up(self, bucket: Bucketer) -> LookUp:
        """Appends the buckets of the rules whose atoms a value of the key meets."""
        steps, types = self._steps(bucket)
        null = self._bucket(self._null, bucket)
        failed = self._bucket(self._failed, bucket)
        everything = bucket(tuple(self._all))
        (step, *more) = steps
        others = tuple(more)

        def find(value: Any, found: list[Bucket]) -> None:
            if type(value) in types:
                step(value, found)
                for other in others:
                    other(value, found)
            elif value is None:
                found.extend(null)
            elif value is FAILED:
                found.extend(failed)
            else:
                # Whatever an atom says of a value it knows nothing of, it may be an error.
                found.append(everything)

        return find

    def _bucket(self, positions: list[int], bucket: Bucketer) -> tuple[Bucket, ...]:
        return (bucket(positions),) if positions else ()

    def _steps(self, bucket: Bucketer) -> tuple[list[Step], frozenset[type]]:
        """The look-ups, and the types of values on which all of them are right."""
        steps: list[Step] = []
        types: frozenset[type] = _HASHED
        for kind, rules in self._tests.items():
            if kind is Points:
                step, self._size = points_step(rules, bucket)
                steps.append(step)
            elif kind is Listed:
                step, self._listed = lists_step(rules, bucket)
                steps.append(step)
            elif kind is Interval:
                steps.append(intervals_step(rules, bucket))
                types &= _NUMBERS
            elif kind is Affixes:
                steps.extend(affix_steps(rules, bucket))
                types &= _TEXTS
            elif kind is Parts:
                steps.append(parts_step(rules, bucket))
                types &= _TEXTS
            else:
                steps.append(_always(bucket([position for _, position in rules])))
        return steps, types

    def describe(self) -> Iterator[str]:
        """The look-ups for people, one a line."""
        for kind, rules in self._tests.items():
            count = len({position for _, position in rules})
            yield f"{self._words(kind, rules)}: {_count(count)}"
        for words, positions in (("null", self._null), ("not to be had", self._failed)):
            if positions:
                yield f"{words}: {_count(len(set(positions)))}"

    def _words(self, kind: type, rules: list[tuple[Any, int]]) -> str:
        if kind is Points:
            return f"one of {self._size:,} values"
        if kind is not Listed:
            return _WORDS[kind]
        names = sorted({watchlist.name for watchlist, _ in rules})
        lists = f"the watchlist {names[0]}" if len(names) == 1 else f"{len(names):,} watchlists"
        return f"one of {self._listed:,} plates of {lists}"


_WORDS: Final[dict[type, str]] = {
    Interval: "a range of numbers",
    Affixes: "a begin or an end",
    Parts: "a text in it",
    Present: "anything but null",
}


def _count(rules: int) -> str:
    return "1 rule" if rules == 1 else f"{rules:,} rules"


def _content(test: Test) -> Any:
    """What the look-up of a test is made of."""
    match test:
        case Points(values):
            return values
        case Listed(watchlist):
            return watchlist
        case Affixes(pairs):
            return pairs
        case Parts(texts):
            return texts
    return test


def _always(rules: Bucket) -> Step:
    def look_up(_value: Any, found: list[Bucket]) -> None:
        found.append(rules)

    return look_up
