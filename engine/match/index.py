"""Rules by what their conditions need: an event is looked up, and few rules are left to evaluate.

Two passes: the needs of all rules are gathered, then each rule is put where the fewest events find
it. What can't be looked up stays at the root. The index may give too many rules, never too few.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from engine.match.bucket import Bucket
from engine.match.needs import (
    Anything,
    Atom,
    Every,
    Need,
    Some,
    every,
    some,
)
from engine.match.selectivity import Selectivity
from engine.match.table import LookUp, Table

#: Rules of one bucket from which on it gets an index of its own.
CROWD: Final = 16
_MAX_DEPTH: Final = 3

#: A rule's position, and what it needs.
Entry = tuple[int, Need]


class Index:
    """Finds the positions of the rules that may hold on an event."""

    def __init__(self, needs: Sequence[Need]) -> None:
        self._level = _Level(list(enumerate(needs)), 0)
        self._root: Final = tuple(position for position, _ in self._level.root)
        self._plan: Final = self._level.plan

    def candidates(self, bindings: dict[str, Any]) -> Sequence[int]:
        """The positions, ascending, of all rules that are not false on the event."""
        found: list[Bucket] = []
        for read, look_up in self._plan:
            look_up(read(bindings), found)
        if not found:
            return self._root
        positions = set(self._root)
        for bucket in found:
            if type(bucket) is tuple:
                positions.update(bucket)
            else:
                bucket.gather(bindings, positions)  # type: ignore[union-attr]
        return sorted(positions)

    def root(self) -> Iterator[tuple[int, str]]:
        """The positions of the rules that are always evaluated, and why."""
        return iter(self._level.root)

    def describe(self) -> Iterator[str]:
        """The look-ups for people, one a line."""
        return self._level.describe()


class _Level:
    """The tables of some rules, and those that are in none."""

    def __init__(self, entries: list[Entry], depth: int) -> None:
        self._depth: Final = depth
        self.root: Final[list[tuple[int, str]]] = []
        self._tables: Final[dict[str, Table]] = {}
        self._buckets: dict[tuple[int, ...], Bucket] = {}
        self._needs = dict(entries)
        self._place(entries)
        self.plan: Final = tuple(
            (table.key.read, self._look_up(table)) for table in self._tables.values()
        )
        # Only what look-ups hold is kept.
        self._needs = {}
        self._buckets = {}

    def _place(self, entries: list[Entry]) -> None:
        selectivity = Selectivity(need for _, need in entries)
        for position, need in entries:
            cover = selectivity.cover(need)
            if isinstance(cover, Anything):
                self.root.append((position, cover.reason))
                continue
            for atom in cover.atoms:
                text = atom.key.text
                if text not in self._tables:
                    self._tables[text] = Table(atom.key)
                self._tables[text].add(atom, position)

    def _look_up(self, table: Table) -> LookUp:
        self._buckets = {}
        return table.look_up(lambda positions: self._bucket(table.key.text, positions))

    def _bucket(self, key: str, positions: Sequence[int]) -> Bucket:
        rules = tuple(positions)
        if len(rules) < CROWD or self._depth == _MAX_DEPTH:
            return rules
        if rules not in self._buckets:
            self._buckets[rules] = self._crowd(key, rules)
        return self._buckets[rules]

    def _crowd(self, key: str, rules: tuple[int, ...]) -> Bucket:
        """An index of the rules by what else they need, if it helps for most of them."""
        entries = [(position, _without_key(self._needs[position], key)) for position in rules]
        inner = _Level(entries, self._depth + 1)
        return inner if len(inner.root) * 2 <= len(rules) else rules

    def gather(self, bindings: dict[str, Any], positions: set[int]) -> None:
        """Add the positions of the rules that may hold on the event."""
        found: list[Bucket] = []
        for read, look_up in self.plan:
            look_up(read(bindings), found)
        positions.update(position for position, _ in self.root)
        for bucket in found:
            if type(bucket) is tuple:
                positions.update(bucket)
            else:
                bucket.gather(bindings, positions)  # type: ignore[union-attr]

    def describe(self) -> Iterator[str]:
        """The tables for people."""
        for text, table in self._tables.items():
            yield text
            for line in table.describe():
                yield f"    {line}"


def _without_key(need: Need, key: str) -> Need:
    """What is needed besides the key, whose look-up has been made."""
    match need:
        case Atom():
            return Anything(f"it needs nothing but {key}") if need.key.text == key else need
        case Every(needs):
            return every(_without_key(each, key) for each in needs)
        case Some(needs):
            return some(_without_key(each, key) for each in needs)
    return need
