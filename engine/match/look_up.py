"""The look-ups of one key: by value, by range, by begin and end, by part, and where it is null."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Collection, Container, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, Protocol, TypeAlias

import ahocorasick

from engine.cel.values.values import Duration, Timestamp, UInt
from engine.match.keys import FAILED, Key
from engine.match.needs import (
    Affixes,
    Atom,
    Interval,
    Listed,
    Parts,
    Points,
    Present,
    Similar,
    SimilarListed,
    Test,
)
from engine.watchlist import CHARACTERS, Watchlist, plate_of
from engine.watchlist.costs import PlateCosts
from engine.watchlist.likeness import comparable
from engine.watchlist.plates import MAX_TEXT


class Inner(Protocol):
    """An index of the rules of one bucket."""

    def gather(self, bindings: dict[str, Any], positions: set[int]) -> None:
        """Add the positions of the rules that may hold on the event."""


Bucket: TypeAlias = tuple[int, ...] | Inner
#: Makes the bucket of these positions.
Bucketer = Callable[[Sequence[int]], Bucket]
#: Appends the buckets for a key's value.
Step = Callable[[Any, list[Bucket]], None]

_NUMBERS: Final = frozenset({int, float, UInt})
_TEXTS: Final = frozenset({str})
_HASHED: Final = _NUMBERS | {str, bytes, bool, Timestamp, Duration}

LookUp = Callable[[Any, list[Bucket]], None]


class KeyLookUp:
    """Collects the atoms of one key, then makes their look-up."""

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

    @property
    def positions(self) -> Collection[int]:
        """The positions of all rules that have an atom of this key."""
        return self._all.keys()

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
                # A value of another type may make each of the conditions fail.
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
            elif kind is Similar:
                steps.extend(similar_steps(rules, bucket))
                types &= _TEXTS
            elif kind is SimilarListed:
                steps.extend(similar_lists_steps(rules, bucket))
                types &= _TEXTS
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
        if kind is Similar:
            plates = {text for test, _ in rules for text, _ in test.plates}
            return f"like {_plates(len(plates))}"
        if kind is Listed:
            return f"{_plates(self._listed)} of {_lists(watchlist for watchlist, _ in rules)}"
        if kind is SimilarListed:
            lists = {test.watchlist for test, _ in rules}
            return f"like {_plates(sum(each.plate_count for each in lists))} of {_lists(lists)}"
        return _WORDS[kind]


_WORDS: Final[dict[type, str]] = {
    Interval: "a range of numbers",
    Affixes: "a begin or an end",
    Parts: "a text in it",
    Present: "anything but null",
}


def _count(rules: int) -> str:
    return "1 rule" if rules == 1 else f"{rules:,} rules"


def _plates(count: int) -> str:
    return f"one of {count:,} plates"


def _lists(lists: Iterable[Watchlist]) -> str:
    names = sorted({watchlist.name for watchlist in lists})
    return f"the watchlist {names[0]}" if len(names) == 1 else f"{len(names):,} watchlists"


def _content(test: Test) -> Any:
    """The values, plates, pairs or texts that the look-up of a test is built from."""
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


#: Lengths to which begins and ends are cut, so that few pairs of lengths occur.
LENGTHS: Final = (0, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 64)

Pairs = frozenset[tuple[str, str]]


def affix_steps(rules: Sequence[tuple[Pairs, int]], bucket: Bucketer) -> list[Step]:
    """The look-ups of texts by their begins and ends."""
    tables: dict[tuple[int, int], dict[str, list[int]]] = {}
    for pairs, position in rules:
        for begin, end in pairs:
            lengths = _cut(begin), _cut(end)
            text = begin[: lengths[0]] + end[len(end) - lengths[1] :]
            positions = tables.setdefault(lengths, {}).setdefault(text, [])
            if positions[-1:] != [position]:
                positions.append(position)
    return [
        _affix_step(begin, end, {text: bucket(positions) for text, positions in table.items()})
        for (begin, end), table in tables.items()
    ]


def _cut(text: str) -> int:
    return max(length for length in LENGTHS if length <= len(text))


def _affix_step(begin: int, end: int, table: dict[str, Bucket]) -> Step:
    get = table.get

    def by_begin(value: Any, found: list[Bucket]) -> None:
        bucket = get(value[:begin])
        if bucket is not None:
            found.append(bucket)

    def by_end(value: Any, found: list[Bucket]) -> None:
        bucket = get(value[-end:])
        if bucket is not None:
            found.append(bucket)

    def by_both(value: Any, found: list[Bucket]) -> None:
        bucket = get(value[:begin] + value[-end:])
        if bucket is not None:
            found.append(bucket)

    return by_both if begin and end else by_end if end else by_begin


def intervals_step(rules: Sequence[tuple[Interval, int]], bucket: Bucketer) -> Step:
    """The look-up of a number among intervals; not-a-number is in those `with_nan`."""
    ends = {bound for test, _ in rules for bound in (test.low, test.high)}
    bounds = sorted(ends)
    leaves = 2 * len(bounds) + 1
    lists: list[list[int]] = [[] for _ in range(2 * leaves)]
    for test, position in rules:
        if test.low <= test.high:
            low = 2 * bisect_left(bounds, test.low) + 1 + test.is_low_open
            high = 2 * bisect_left(bounds, test.high) + 1 - test.is_high_open
            _insert(lists, low + leaves, high + leaves + 1, position)
    nodes = [bucket(positions) if positions else None for positions in lists]
    odd = [position for test, position in rules if test.with_nan]
    return _interval_step(bounds, nodes, bucket(odd) if odd else None)


def _insert(lists: list[list[int]], low: int, high: int, position: int) -> None:
    """Put a rule into the nodes that cover the leaves from `low` to before `high`."""
    while low < high:
        if low & 1:
            lists[low].append(position)
            low += 1
        if high & 1:
            high -= 1
            lists[high].append(position)
        low >>= 1
        high >>= 1


def _interval_step(bounds: list[float], nodes: list[Bucket | None], odd: Bucket | None) -> Step:
    leaves = len(nodes) // 2

    def look_up(value: Any, found: list[Bucket]) -> None:
        if value != value:
            if odd is not None:
                found.append(odd)
            return
        place = bisect_left(bounds, value)
        is_bound = place < len(bounds) and bounds[place] == value
        node = 2 * place + is_bound + leaves
        while node:
            bucket = nodes[node]
            if bucket is not None:
                found.append(bucket)
            node >>= 1

    return look_up


def parts_step(rules: Sequence[tuple[frozenset[str], int]], bucket: Bucketer) -> Step:
    """The look-up of the parts of a text; no part may be empty."""
    positions: dict[str, list[int]] = {}
    for texts, position in rules:
        for text in texts:
            positions.setdefault(text, []).append(position)
    automaton = ahocorasick.Automaton()
    for text, rules_of in positions.items():
        automaton.add_word(text, bucket(rules_of))
    automaton.make_automaton()
    walk = automaton.iter

    def look_up(value: Any, found: list[Bucket]) -> None:
        for _, part in walk(value):
            found.append(part)

    return look_up


#: Values in the table from which on a long list stays a set of its own.
MAX_VALUES: Final = 500_000
#: A list of so many values is long: its own probe costs less than its share of the table.
LONG: Final = 1_000
#: At most so many watchlists, the longest, are asked themselves.
MAX_PROBES: Final = 16

Values = frozenset[Any]


def points_step(rules: Sequence[tuple[Values, int]], bucket: Bucketer) -> tuple[Step, int]:
    """The look-up of values, and how many there are."""
    groups: dict[Values, list[int]] = {}
    for values, position in rules:
        groups.setdefault(values, []).append(position)
    tabled: list[tuple[Values, list[int]]] = []
    probes: list[tuple[Values, Bucket]] = []
    total = 0
    for values, positions in sorted(groups.items(), key=lambda item: len(item[0])):
        if len(values) < LONG or total + len(values) <= MAX_VALUES:
            tabled.append((values, positions))
        else:
            probes.append((values, bucket(positions)))
        total += len(values)
    return _point_step(_table(tabled, bucket), tuple(probes)), total


def lists_step(rules: Sequence[tuple[Watchlist, int]], bucket: Bucketer) -> tuple[Step, int]:
    """The look-up of plates among watchlists, and how many plates those have.

    A value is normalised as the lists' plates were.

    Long lists are asked themselves, so that nothing is copied; short ones, and the others of very
    many, share a table. Rows with wildcards are asked beside these.
    """
    groups: dict[Watchlist, list[int]] = {}
    for watchlist, position in rules:
        groups.setdefault(watchlist, []).append(position)
    by_size = sorted(groups.items(), key=lambda item: len(item[0].plates))
    tabled: list[tuple[Collection[Any], list[int]]] = []
    probes: list[tuple[Container[str], Bucket]] = []
    total = 0
    for place, (watchlist, positions) in enumerate(by_size):
        plates = watchlist.plates
        total += watchlist.plate_count
        if watchlist.wildcards is not None:
            probes.append((watchlist.wildcards, bucket(positions)))
        is_asked = len(plates) >= LONG and place >= len(by_size) - MAX_PROBES
        if not is_asked and total <= MAX_VALUES:
            tabled.append((plates, positions))
        else:
            probes.append((plates, bucket(positions)))
    return _plates_step(_table(tabled, bucket), tuple(probes)), total


def _plates_step(
    table: Mapping[Any, Bucket], probes: tuple[tuple[Container[str], Bucket], ...]
) -> Step:
    # Both have `plate_of` in them, without its call where the producer has normalised.
    get = table.get

    def look_up(value: Any, found: list[Bucket]) -> None:
        if type(value) is str:
            bucket = get(plate_of(value) if value.lstrip(CHARACTERS) else value)
            if bucket is not None:
                found.append(bucket)

    if not probes:
        return look_up

    def look_up_all(value: Any, found: list[Bucket]) -> None:
        if type(value) is str:
            plate = plate_of(value) if value.lstrip(CHARACTERS) else value
            bucket = get(plate)
            if bucket is not None:
                found.append(bucket)
            for plates, bucket in probes:
                if plate in plates:
                    found.append(bucket)

    return look_up_all


#: Plates that a text may be like, each with its threshold, and the rules that ask for them.
Alike = dict[tuple[str, float], list[int]]


def similar_steps(rules: Sequence[tuple[Similar, int]], bucket: Bucketer) -> list[Step]:
    """The look-ups of texts that are like one of some plates: one for each table of costs."""
    tables: dict[PlateCosts, Alike] = {}
    for test, position in rules:
        table = tables.setdefault(test.costs, {})
        for plate in test.plates:
            _note(table, plate, position)
    return [_similar_step(table, costs, comparable, bucket) for costs, table in tables.items()]


def similar_lists_steps(rules: Sequence[tuple[SimilarListed, int]], bucket: Bucketer) -> list[Step]:
    """The look-ups of texts that are like a plate of a watchlist.

    Long lists are asked themselves, so that nothing is copied, as are those with wildcards. The
    plates of short ones share an index.
    """
    groups: dict[SimilarListed, list[int]] = {}
    for test, position in rules:
        groups.setdefault(test, []).append(position)
    short = {test for test in groups if _is_short(test.watchlist)}
    if len(short) == 1 or sum(test.watchlist.plate_count for test in short) > MAX_VALUES:
        short = set()
    tables: dict[PlateCosts, Alike] = {}
    for test, positions in groups.items():
        if test in short:
            _note_list(tables.setdefault(test.watchlist.costs, {}), test, positions)
    steps = [_similar_step(table, costs, plate_of, bucket) for costs, table in tables.items()]
    probes = [(test, bucket(groups[test])) for test in groups if test not in short]
    return [*steps, _likeness_step(probes)] if probes else steps


def _is_short(watchlist: Watchlist) -> bool:
    return watchlist.plate_count < LONG and watchlist.wildcards is None


def _note_list(table: Alike, test: SimilarListed, positions: Sequence[int]) -> None:
    thresholds = test.watchlist.thresholds
    for plate, number in test.watchlist.plates.items():
        least = thresholds.lowest(number) if test.threshold is None else test.threshold
        for position in positions:
            _note(table, (plate, least), position)


def _note(table: Alike, plate: tuple[str, float], position: int) -> None:
    positions = table.setdefault(plate, [])
    if positions[-1:] != [position]:
        positions.append(position)


def _similar_step(
    table: Alike, costs: PlateCosts, normalised: Callable[[str], str], bucket: Bucketer
) -> Step:
    # numpy takes 15 MB, which services without such rules need not have.
    from engine.watchlist.likeness_index import LikenessIndex

    index = LikenessIndex([text for text, _ in table], [least for _, least in table], costs)
    buckets = [bucket(positions) for positions in table.values()]
    near = index.near

    def look_up(value: Any, found: list[Bucket]) -> None:
        if len(value) <= MAX_TEXT:
            text = normalised(value) if value.lstrip(CHARACTERS) else value
            found.extend(buckets[each.number] for each in near(text))

    return look_up


def _likeness_step(probes: Sequence[tuple[SimilarListed, Bucket]]) -> Step:
    asked = tuple(
        (test.watchlist.may_be_similar, test.threshold, bucket) for test, bucket in probes
    )

    def look_up(value: Any, found: list[Bucket]) -> None:
        for may_be_similar, threshold, rules_of in asked:
            if may_be_similar(value, threshold):
                found.append(rules_of)

    return look_up


def _table(
    groups: Sequence[tuple[Collection[Any], list[int]]], bucket: Bucketer
) -> dict[Any, Bucket]:
    """The bucket of each value; values of one list only share that list's."""
    owners: dict[Any, list[int]] = {}
    shared: dict[Any, list[int]] = {}
    for values, positions in groups:
        for value in values:
            known = owners.setdefault(value, positions)
            if known is not positions:
                shared[value] = [*shared.get(value, known), *positions]
    buckets = {id(positions): bucket(positions) for _, positions in groups}
    table = {value: buckets[id(positions)] for value, positions in owners.items()}
    table.update((value, bucket(positions)) for value, positions in shared.items())
    return table


def _point_step(
    table: Mapping[Any, Bucket], probes: tuple[tuple[Collection[Any], Bucket], ...]
) -> Step:
    get = table.get

    def look_up(value: Any, found: list[Bucket]) -> None:
        bucket = get(value)
        if bucket is not None:
            found.append(bucket)

    if not probes:
        return look_up

    def look_up_all(value: Any, found: list[Bucket]) -> None:
        look_up(value, found)
        for values, bucket in probes:
            if value in values:
                found.append(bucket)

    return look_up_all
