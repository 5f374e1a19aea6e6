"""The matchers: one looks up in an index which rules may hold, one evaluates every rule."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final, NamedTuple, Protocol, TypeAlias

from engine.errors import EvaluationError
from engine.match.keys import FAILED, ODD, Keyring
from engine.match.look_up import Bucket, KeyLookUp, LookUp
from engine.match.necessary import needs_of
from engine.match.needs import (
    Affixes,
    Anything,
    Atom,
    Every,
    Interval,
    Listed,
    Need,
    Parts,
    Points,
    Present,
    Similar,
    SimilarListed,
    Some,
    Test,
    atoms_of,
    every,
    some,
)
from engine.rules import Rule
from engine.schema.event import Event
from engine.watchlist import Watchlist

#: Rules of one bucket from which on it gets an index of its own.
CROWD: Final = 16
_MAX_DEPTH: Final = 3

# What `Selectivity` estimates by.
#: A look-up that more events pass saves nothing.
MAX_COST: Final = 0.9
_NULL_SHARE: Final = 0.3
_FAILED_SHARE: Final = 0.1
#: How many values a key has for each one that rules name, and how many letters a place may have.
_UNNAMED: Final = 20.0
_LETTERS: Final = 20.0
_PLACES: Final = 8
_HALF_OPEN: Final = 0.4
_CLOSED: Final = 0.2
_PRESENT: Final = 0.7
#: How many readings are like a plate, for each that is the plate itself.
_READINGS: Final = 1.5
#: What a look-up by likeness costs beside reading its key, in evaluations of its rule: to compare
#: with one plate costs a third of it. A rule of many plates, or of a list, does the same itself,
#: and a list remembers its answer.
_ALIKE_WEIGHT: Final = 3.0
_LISTED_WEIGHT: Final = 0.5
#: More values of one key are not counted: they are many.
_MAX_NAMED: Final = 10_000

#: A rule's position, and what it needs.
IndexEntry = tuple[int, Need]
#: A key's text, its value, and the positions of the rules sought and found by it.
_Answer: TypeAlias = tuple[str, Any, Collection[int], Collection[int]]


@dataclass(frozen=True, slots=True)
class Match:
    """A rule that held on an event."""

    rule: Rule

    @property
    def rule_id(self) -> str:
        """The id of the rule."""
        return self.rule.rule_id


class RuleError(NamedTuple):
    """A rule whose evaluation failed on an event: it does not match."""

    rule: Rule
    error: EvaluationError


class MatchResult(NamedTuple):
    """The rules that held on an event, and those that failed, both in rule order."""

    matches: Sequence[Match]
    errors: Sequence[RuleError]


class Matcher(Protocol):
    """Finds the rules that hold on an event."""

    def match(self, event: Event) -> MatchResult:
        """Evaluate the rules on `event`."""

    def all_rules(self) -> tuple[Rule, ...]:
        """Every enabled rule, in order: what `match` would evaluate without an index."""


# Most events match no rule: they share one result.
_NO_MATCH: Final = MatchResult((), ())
#: A rule's match, made once, and its condition. The condition's `run` and not its `evaluate`:
#: a truth value needs no conversion.
_Plan: TypeAlias = tuple[Match, Callable[[Mapping[str, Any]], Any]]


class LinearMatcher:
    """Evaluates every rule on every event: the reference for the index."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self._rules = tuple(rules)
        self._plans = _plans(self._rules)

    def all_rules(self) -> tuple[Rule, ...]:
        """Every enabled rule, in order."""
        return self._rules

    def match(self, event: Event) -> MatchResult:
        """Evaluate all rules on `event`."""
        return _evaluate(self._plans, event.bindings)


class IndexedMatcher:
    """Gives the matches and the errors that evaluating every rule would give."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self._rules = tuple(rules)
        keyring = Keyring()
        self._index = Index([needs_of(rule.condition, keyring) for rule in self._rules])
        self._plan_at = _plans(self._rules).__getitem__

    def all_rules(self) -> tuple[Rule, ...]:
        """Every enabled rule, in order."""
        return self._rules

    def match(self, event: Event) -> MatchResult:
        """Evaluate on `event` the rules that may hold or fail."""
        bindings = event.bindings
        candidates = self._index.candidates(bindings)
        if not candidates:
            return _NO_MATCH
        return _evaluate(map(self._plan_at, candidates), bindings)

    def look_ups(self, event: Event) -> LookUps:
        """What the index looks up for `event`; `match` evaluates its candidates."""
        bindings = event.bindings
        return LookUps(
            tuple(
                Asked(
                    key,
                    None if value is FAILED or value is ODD else value,
                    value is not FAILED and value is not ODD,
                    self._ids(sought),
                    self._ids(found),
                )
                for key, value, sought, found in self._index.asked(bindings)
            ),
            self._ids(self._index.candidates(bindings)),
            {self._rules[position].rule_id: reason for position, reason in self._index.root()},
        )

    def _ids(self, positions: Iterable[int]) -> frozenset[str]:
        return frozenset(self._rules[position].rule_id for position in positions)

    def describe(self) -> Iterator[str]:
        """The index for people, one line after the other."""
        root = list(self._index.root())
        verb = "is" if len(root) == 1 else "are"
        always = f"{len(root):,} {verb} evaluated on every event"
        yield f"{len(self._rules):,} rules, of which {always}"
        yield from self._index.describe()
        if root:
            yield "on every event"
        for position, reason in root:
            yield f"    {self._rules[position].rule_id}: {reason}"


@dataclass(frozen=True, slots=True)
class Asked:
    """A key that the index looked up for an event; both sets have ids of rules.

    `value` is the key's, None where it is null; `is_readable` is false where it has none, since its
    evaluation failed. Of the rules that are looked up by this key, `sought`, those `found` may
    hold. A key may be asked for the rules that another one found.
    """

    key: str
    value: Any
    is_readable: bool
    sought: frozenset[str]
    found: frozenset[str]


@dataclass(frozen=True, slots=True)
class LookUps:
    """What the index looked up for one event, and the `candidates` that it named: ids of rules.

    `always` are the rules that no key helps for, with the reason of each: they are evaluated on
    every event.
    """

    asked: tuple[Asked, ...]
    candidates: frozenset[str]
    always: Mapping[str, str]

    def of(self, rule_id: str) -> tuple[Asked, ...]:
        """The keys by which a rule was looked up."""
        return tuple(each for each in self.asked if rule_id in each.sought)


class Index:
    """Finds the positions of the rules that may hold on an event."""

    def __init__(self, needs: Sequence[Need]) -> None:
        self._level = _Level(list(enumerate(needs)), 0)
        self._root: Final = tuple(position for position, _ in self._level.root)
        self._plan: Final = self._level.plan

    def candidates(self, bindings: dict[str, Any]) -> Sequence[int]:
        """The positions, ascending, of the rules that may hold or fail: all others are false."""
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

    def asked(self, bindings: dict[str, Any]) -> Iterator[_Answer]:
        """What is looked up for an event: keys, their values, and the rules sought and found."""
        return self._level.asked(bindings)

    def describe(self) -> Iterator[str]:
        """The look-ups for people, one a line."""
        return self._level.describe()


@dataclass(frozen=True, slots=True)
class Cover:
    """Atoms of which an event must meet one for the rule to hold or fail.

    `cost` is the estimated share of events that do, plus the rule's share in reading the keys.
    """

    cost: float
    atoms: tuple[Atom, ...]


class Selectivity:
    """Estimates which share of events meets an atom, from the needs of all rules."""

    def __init__(self, needs: Iterable[Need]) -> None:
        self._rules: Counter[str] = Counter()
        self._values: dict[str, set[Any]] = {}
        self._lists: set[tuple[str, Watchlist]] = set()
        self._plates: Counter[str] = Counter()
        self._asked: Counter[tuple[str, type]] = Counter()
        for need in needs:
            atoms = tuple(atoms_of(need))
            self._rules.update({atom.key.text for atom in atoms})
            self._asked.update({(atom.key.text, type(atom.test)) for atom in atoms})
            for atom in atoms:
                self._count(atom)

    def _count(self, atom: Atom) -> None:
        key, test = atom.key.text, atom.test
        if isinstance(test, Listed | SimilarListed) and (key, test.watchlist) not in self._lists:
            self._lists.add((key, test.watchlist))
            self._plates[key] += test.watchlist.plate_count
        elif isinstance(test, Points | Similar):
            values = test.values if isinstance(test, Points) else {text for text, _ in test.plates}
            named = self._values.setdefault(key, set())
            if len(named) < _MAX_NAMED:
                named.update(islice(values, _MAX_NAMED))

    def cover(self, need: Need) -> Cover | Anything:
        """The cheapest cover of a need, or why it has none."""
        match need:
            case Anything():
                return need
            case Atom():
                key = need.key.text
                cost = self._share(need) + need.key.weight / self._rules[key]
                cost += _look_up_weight(need.test) / self._asked[key, type(need.test)]
                if cost > MAX_COST:
                    return Anything(f"to look up {key} costs more than the rule")
                return Cover(cost, (need,))
            case Every(needs):
                covers = [self.cover(each) for each in needs]
                found = [cover for cover in covers if isinstance(cover, Cover)]
                return min(found, key=lambda cover: cover.cost) if found else covers[0]
        return self._union([self.cover(each) for each in need.needs])

    def _union(self, covers: list[Cover | Anything]) -> Cover | Anything:
        cost = 0.0
        atoms: list[Atom] = []
        for cover in covers:
            if isinstance(cover, Anything):
                return cover
            cost += cover.cost
            atoms.extend(cover.atoms)
        if cost > MAX_COST:
            return Anything("its alternatives hold on most events")
        return Cover(cost, tuple(atoms))

    def _share(self, atom: Atom) -> float:
        """The share of events that meet an atom."""
        share = self._test_share(atom)
        if atom.or_null:
            share += _NULL_SHARE
        if atom.or_failed:
            share += _FAILED_SHARE
        return min(share, 1.0)

    def _test_share(self, atom: Atom) -> float:
        match atom.test:
            case Points(values):
                if values & {True, False} and all(type(value) is bool for value in values):
                    return len(values) / 2
                return len(values) / (_UNNAMED * max(len(self._values[atom.key.text]), 1))
            case Similar(_, plates):
                named = max(len(self._values[atom.key.text]), 1)
                return _READINGS * len(plates) / (_UNNAMED * named)
            case Listed(watchlist) | SimilarListed(watchlist):
                return watchlist.plate_count / (_UNNAMED * max(self._plates[atom.key.text], 1))
            case Interval(low, high):
                is_closed = low != -high and abs(low) < float("inf") > abs(high)
                return _CLOSED if is_closed else _HALF_OPEN
            case Affixes(pairs):
                return sum(_LETTERS ** -len(begin + end) for begin, end in pairs)
            case Parts(texts):
                return sum(_PLACES * _LETTERS ** -len(text) for text in texts)
            case Present():
                return _PRESENT


def _look_up_weight(test: Test) -> float:
    """What a look-up costs beside reading its key, in evaluations of a rule that asks for it."""
    match test:
        case Similar(_, plates):
            return max(_LISTED_WEIGHT, _ALIKE_WEIGHT / len(plates))
        case SimilarListed():
            return _LISTED_WEIGHT
    return 0.0


def _plans(rules: Iterable[Rule]) -> tuple[_Plan, ...]:
    return tuple((Match(rule), rule.condition.run) for rule in rules)


def _evaluate(plans: Iterable[_Plan], bindings: Mapping[str, Any]) -> MatchResult:
    matches: list[Match] = []
    errors: list[RuleError] | None = None
    for match, run in plans:
        try:
            held = run(bindings)
            if held is True:
                matches.append(match)
            elif held is not False:
                raise EvaluationError(
                    "not_bool", f"the condition gave {type(held).__name__}, not true or false"
                )
        except EvaluationError as error:
            if errors is None:
                errors = []
            errors.append(RuleError(match.rule, error))
    if errors is None:
        return MatchResult(matches, ()) if matches else _NO_MATCH
    return MatchResult(matches, errors)


class _Level:
    """The look-up tables of some rules, and the rules that are in none of them."""

    def __init__(self, entries: list[IndexEntry], depth: int) -> None:
        self._depth: Final = depth
        self.root: Final[list[tuple[int, str]]] = []
        self._tables: Final[dict[str, KeyLookUp]] = {}
        self._buckets: dict[tuple[int, ...], Bucket] = {}
        self._needs = dict(entries)
        self._place(entries)
        self.plan: Final = tuple(
            (table.key.read, self._look_up(table)) for table in self._tables.values()
        )
        # Needed while the tables are built only.
        self._needs = {}
        self._buckets = {}

    def _place(self, entries: list[IndexEntry]) -> None:
        selectivity = Selectivity(need for _, need in entries)
        for position, need in entries:
            cover = selectivity.cover(need)
            if isinstance(cover, Anything):
                self.root.append((position, cover.reason))
                continue
            for atom in cover.atoms:
                text = atom.key.text
                if text not in self._tables:
                    self._tables[text] = KeyLookUp(atom.key)
                self._tables[text].add(atom, position)

    def _look_up(self, table: KeyLookUp) -> LookUp:
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

    def positions(self) -> set[int]:
        """The positions of all its rules."""
        found = {position for position, _ in self.root}
        return found.union(*(table.positions for table in self._tables.values()))

    def asked(self, bindings: dict[str, Any]) -> Iterator[_Answer]:
        """Each key with its value, and the positions of the rules sought and found by it."""
        for table, (read, look_up) in zip(self._tables.values(), self.plan, strict=True):
            value, buckets = read(bindings), list[Bucket]()
            look_up(value, buckets)
            levels = [bucket for bucket in buckets if isinstance(bucket, _Level)]
            found = {at for bucket in buckets if isinstance(bucket, tuple) for at in bucket}
            found.update(*(level.positions() for level in levels))
            yield table.key.text, value, table.positions, found
            for level in levels:
                yield from level.asked(bindings)

    def describe(self) -> Iterator[str]:
        """The tables for people."""
        for text, table in self._tables.items():
            yield text
            for line in table.describe():
                yield f"    {line}"


def _without_key(need: Need, key: str) -> Need:
    """What is needed besides the key, which has been looked up already."""
    match need:
        case Atom():
            return Anything(f"it needs nothing but {key}") if need.key.text == key else need
        case Every(needs):
            return every(_without_key(each, key) for each in needs)
        case Some(needs):
            return some(_without_key(each, key) for each in needs)
    return need
