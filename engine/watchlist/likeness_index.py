"""Finds, among many plates, those that a camera could have misread as a text.

A text and a plate that are alike enough differ by changes within classes of easily confused
characters, and by one other edit at most: two of these cost `MAX_COST` or more, and lists are
asked with budgets below that. So the index has, for each plate, keys of the text in classes as a
whole and with each one character left out, as of Mor and Fraenkel (1982), and a text has the same
keys. What meets is costed. So the answers are those of `cost_of` with every plate.

A key is a hash: two texts with the same one cost time and nothing else.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple

import numpy as np

from engine.watchlist.costs import MAX_COST, SEVERE, PlateCosts
from engine.watchlist.likeness import (
    COUNTED_LENGTH,
    MAX_COMPARED,
    MIN_LIST_THRESHOLD,
    budget,
    cost_of,
    likeness_of,
)
from engine.watchlist.plates import CHARACTERS

#: A word of the index: a hash, the character left out, and the number of the plate.
_NUMBER_BITS: Final = 23
_CODE_BITS: Final = 6
_CODE: Final = (1 << _CODE_BITS) - 1
_LOW_BITS: Final = _NUMBER_BITS + _CODE_BITS
_LOW: Final = 1 << _LOW_BITS
_NUMBER: Final = (1 << _NUMBER_BITS) - 1
_WORD_BITS: Final = 64
MAX_TEXTS: Final = 1 << _NUMBER_BITS
#: In place of the character left out: none is.
_WHOLE: Final = 0
#: Stands for all characters that no plate of a list has.
_FOREIGN: Final = "?"
_CODES: Final = {character: code for code, character in enumerate(CHARACTERS + _FOREIGN, 1)}
_ALL: Final = (1 << len(_CODES) + 1) - 1
#: Plates that are added at once: the interpreter's lock is not held for longer.
_SLICE: Final = 8_192
#: The least and most bits of a word that lead to its place.
_MIN_PLACE_BITS: Final = 1
_MAX_PLACE_BITS: Final = 23
#: Words of one place from which on they are looked at all at once.
_CROWD: Final = 128

_Array = np.ndarray[Any, Any]

_Budgets = tuple[int, ...]
"""The budget for each length, 0 to `MAX_COMPARED`."""


class Candidate(NamedTuple):
    """A plate that a text could be: its likeness, 0 to 1, its number, and the cost."""

    likeness: float
    number: int
    cost: int


class LikenessIndex:
    """The plates among `texts` that another text could be; it is immutable and safe for threads.

    The texts are `comparable`, `thresholds` is one for all or one for each; a plate is found where
    its likeness reaches its threshold. ValueError where a threshold is below `MIN_LIST_THRESHOLD`,
    or where there are more than `MAX_TEXTS`.

    A million plates of seven characters take about 90 MB, of which `texts` has 8. To build them
    does not hold the interpreter's lock for long at once.
    """

    __slots__ = (
        "_crowds",
        "_long",
        "_loosest",
        "_own",
        "_places",
        "_shift",
        "_tables",
        "_texts",
        "_words",
    )

    def __init__(
        self, texts: Sequence[str], thresholds: float | Sequence[float], costs: PlateCosts
    ) -> None:
        if len(texts) > MAX_TEXTS:
            raise ValueError(f"more than {MAX_TEXTS:,} plates")
        #: The budgets of each plate; None where all have the loosest.
        self._own: list[_Budgets] | None = None
        if isinstance(thresholds, int | float):
            self._loosest = _budgets(thresholds)
        else:
            self._own = [_budgets(threshold) for threshold in thresholds]
            self._loosest = max(set(self._own), default=_budgets(1))
        self._tables: Final = _tables(costs)
        self._texts: Final = texts
        #: Longer texts, which are like the same text only.
        self._long: Final[dict[str, list[int]]] = {}
        words, rows = self._all_words()
        bits = min(_MAX_PLACE_BITS, max(_MIN_PLACE_BITS, len(words).bit_length() - 1))
        self._shift: Final = _WORD_BITS - bits
        places = _places(words, bits)
        crowd = max(
            (
                int(np.diff(places[at : at + _SLICE + 1]).max())
                for at in range(0, 1 << bits, _SLICE)
            ),
            default=0,
        )
        self._crowds: Final = (words, rows) if crowd >= _CROWD else None
        # To index a view gives Python's own numbers, and faster than numpy.
        self._places: Final = memoryview(places.data)
        self._words: Final = memoryview(words.data)

    def near(self, text: str, threshold: float | None = None) -> list[Candidate]:
        """The plates that the text could be, the nearest first, then in their order.

        `threshold` stands for those of all plates; ValueError where it is too low.
        """
        length = len(text)
        if length > MAX_COMPARED:
            return [Candidate(1.0, number, 0) for number in self._long.get(text, ())]
        if not length:
            return []
        budgets = self._loosest if threshold is None else _budgets(threshold)
        numbers = self._met(text, budgets)
        if not numbers:
            return []
        own = self._own if threshold is None else None
        texts, costs = self._texts, self._tables.costs
        result: list[Candidate] = []
        for number in set(numbers):
            plate = texts[number]
            longer = max(length, len(plate))
            most = (budgets if own is None else own[number])[longer]
            cost = cost_of(plate, text, costs, most)
            if cost <= most:
                result.append(Candidate(likeness_of(cost, longer), number, cost))
        if len(result) > 1:
            result.sort(key=_rank)
        return result

    def keys(self) -> tuple[_Array, _Array, _Array]:
        """The keys of all texts of at most `MAX_COMPARED` characters, sorted by their hashes.

        These are the hashes; for each the character left out, from 1 by its place in `CHARACTERS`,
        or 0 for the whole text; and the number of the text. A text may have a key twice.
        """
        words = np.asarray(self._words)
        codes = (words >> np.uint64(_NUMBER_BITS)).astype(np.uint8) & np.uint8(_CODE)
        return words >> np.uint64(_LOW_BITS), codes, (words & np.uint64(_NUMBER)).astype(np.int32)

    def _met(self, text: str, budgets: _Budgets) -> list[int]:
        """The numbers of plates that share a key with a text, and may be within the budgets."""
        tables, length = self._tables, len(text)
        plain = text if text.isascii() else _plain(text)
        values = tables.values
        here = [table[character] for table, character in zip(values, plain, strict=False)]
        key = 0
        for value in here:
            key ^= value
        same, more = budgets[length], budgets[min(length + 1, MAX_COMPARED)]
        # Each key has a mask of the characters that a plate may lack for it.
        keys = [(key, _ALL if more >= SEVERE else 1 << _WHOLE)]
        if same >= SEVERE:
            # The key without the first character, and then without each next one.
            before = [table[character] for table, character in zip(values, plain[1:], strict=False)]
            key = 0
            for value in before:
                key ^= value
            before.append(-1)
            masks, mask = tables.masks(same), 0
            for character, one, two in zip(plain, here, before, strict=True):
                mask |= masks[character]
                # Without a character or the next one of its class the key is the same.
                if one != two:
                    keys.append((key, mask))
                    key ^= one ^ two
                    mask = 0
        shift, places, words = self._shift, self._places, self._words
        met: list[int] = []
        for key, mask in keys:
            place = key >> shift
            start, end = places[place], places[place + 1]
            if end - start >= _CROWD:
                met.extend(self._met_in_crowd(start, end, key, mask, text, budgets))
                continue
            while start < end:
                low = words[start] ^ key
                start += 1
                if low < _LOW and mask >> (low >> _NUMBER_BITS) & 1:
                    met.append(low & _NUMBER)
        return met

    def _met_in_crowd(
        self, start: int, end: int, key: int, mask: int, text: str, budgets: _Budgets
    ) -> list[int]:
        """As `_met` for one key, with very many words from `start` to `end`."""
        assert self._crowds is not None
        words, rows = self._crowds
        low = words[start:end] ^ np.uint64(key)
        low = low[low < _LOW]
        bits = np.frombuffer(mask.to_bytes(8, "little"), np.uint8)
        is_met = np.unpackbits(bits, bitorder="little").view(bool)
        low = low[is_met[(low >> np.uint64(_NUMBER_BITS)).astype(np.intp)]]
        numbers = (low & np.uint64(_NUMBER)).astype(np.intp)
        met: list[int] = numbers[self._tables.may_be_within(rows[numbers], text, budgets)].tolist()
        return met

    def _all_words(self) -> tuple[_Array, _Array]:
        """The sorted words of all texts, and their characters: a row each, 0 behind the end."""
        texts = self._texts
        starts = range(0, len(texts), _SLICE)
        total = sum(
            sum(map(len, some)) + len(some) for some in (texts[at : at + _SLICE] for at in starts)
        )
        words = np.empty(total, np.uint64)
        rows = np.zeros((len(texts), MAX_COMPARED), np.uint8)
        count = 0
        for start in starts:
            some = texts[start : start + _SLICE]
            rows[start : start + len(some)] = self._rows(start, some)
            for part in self._tables.words(rows[start : start + len(some)], start):
                words[count : count + len(part)] = part
                count += len(part)
        words = words[:count]
        words.sort()
        return words, rows

    def _rows(self, start: int, some: Sequence[str]) -> _Array:
        """The characters of texts, none for a text that is too long."""
        if max(map(len, some)) > MAX_COMPARED:
            kept = []
            for number, text in enumerate(some, start):
                if len(text) > MAX_COMPARED:
                    self._long.setdefault(text, []).append(number)
                kept.append(text if len(text) <= MAX_COMPARED else "")
            some = kept
        if not "".join(some).isascii():
            some = list(map(_plain, some))
        return np.array(some, dtype=f"S{MAX_COMPARED}").view(np.uint8).reshape(-1, MAX_COMPARED)


class _Tables:
    """What the index needs of one table of costs, as tables by characters."""

    def __init__(self, costs: PlateCosts) -> None:
        self.costs: Final = costs
        classes = {each: costs.classes.get(each, each) for each in _CODES}
        #: For each place in a text, the part of a character in the hash: the same for a class.
        self.values: Final[list[dict[str, int]]] = [
            {each: _hash(place, classes[each]) for each in _CODES} for place in range(MAX_COMPARED)
        ]
        self._classes: Final = classes
        self._changes: Final = {
            one + two: costs.change(one, two) for one in CHARACTERS for two in CHARACTERS
        }
        self._masks: Final[dict[int, dict[str, int]]] = {}
        self._values: Final = np.zeros((MAX_COMPARED, 128), np.uint64)
        self._codes: Final = np.zeros(128, np.uint64)
        for each, code in _CODES.items():
            self._codes[ord(each)] = code << _NUMBER_BITS
            for place, values in enumerate(self.values):
                self._values[place, ord(each)] = values[each]
        # A foreign character may be the same one.
        self._by_code: Final = np.zeros((128, 128), np.uint16)
        for pair, cost in self._changes.items():
            self._by_code[ord(pair[0]), ord(pair[1])] = cost

    def masks(self, most: int) -> dict[str, int]:
        """For each character the bits of those that may stand for it with a budget.

        Those of its class are not among them: a plate with one of these has the whole text's key.
        """
        found = self._masks.get(most)
        if found is None:
            found = self._masks[most] = {
                one: 1 << _WHOLE
                | sum(
                    1 << code
                    for two, code in _CODES.items()
                    if _FOREIGN in one + two
                    or (
                        self._classes[one] != self._classes[two]
                        and self._changes[one + two] <= most
                    )
                )
                for one in _CODES
            }
        return found

    def words(self, rows: _Array, start: int) -> Iterator[_Array]:
        """The words of texts, whose numbers begin with `start`, in parts."""
        numbers = np.arange(start, start + len(rows), dtype=np.uint64)
        is_text = rows[:, 0] != 0
        rows, numbers = rows[is_text], numbers[is_text]
        key = np.zeros(len(rows), np.uint64)
        for place in range(MAX_COMPARED):
            key ^= self._values[place][rows[:, place]]
        yield key | numbers
        key = np.zeros(len(rows), np.uint64)
        for place in range(1, MAX_COMPARED):
            key ^= self._values[place - 1][rows[:, place]]
        for place in range(MAX_COMPARED):
            left_out = rows[:, place]
            if place + 1 == MAX_COMPARED:
                yield key | self._codes[left_out] | numbers
                return
            behind = rows[:, place + 1]
            is_double = left_out == behind
            yield (key | self._codes[left_out] | numbers)[~is_double]
            key ^= self._values[place][left_out] ^ self._values[place][behind]
            is_longer = behind != 0
            if not is_longer.all():
                rows, numbers, key = rows[is_longer], numbers[is_longer], key[is_longer]

    def may_be_within(self, rows: _Array, text: str, budgets: _Budgets) -> _Array:
        """Which texts may be within the budgets, by a bound that is seldom below the cost."""
        result = np.zeros(len(rows), bool)
        lengths = (rows != 0).sum(axis=1, dtype=np.uint8)
        read = np.frombuffer(_plain(text).encode(), np.uint8)
        length = len(read)
        is_same = lengths == length
        if is_same.any():
            costs = self._by_code[rows[is_same, :length], read].sum(axis=1, dtype=np.int32)
            result[is_same] = costs <= budgets[length]
        if length < MAX_COMPARED and budgets[length + 1] >= SEVERE:
            is_longer = lengths == length + 1
            longer = rows[is_longer, : length + 1]
            least = self._least(longer, np.broadcast_to(read, (len(longer), length)))
            result[is_longer] = least <= budgets[length + 1]
        if length > 1 and budgets[length] >= SEVERE:
            is_shorter = lengths == length - 1
            shorter = rows[is_shorter, : length - 1]
            least = self._least(np.broadcast_to(read, (len(shorter), length)), shorter)
            result[is_shorter] = least <= budgets[length]
        return result

    def _least(self, longer: _Array, shorter: _Array) -> _Array:
        """A lower bound of the costs of texts, of which one has one character more."""
        count, size = shorter.shape
        before = np.zeros((size, count), np.uint16)
        behind = np.zeros((size, count), np.uint16)
        for place in range(1, size):
            changes = self._by_code[longer[:, place - 1], shorter[:, place - 1]]
            np.add(before[place - 1], changes, out=before[place])
        for place in range(size - 1, 0, -1):
            changes = self._by_code[longer[:, place + 1], shorter[:, place]]
            np.add(behind[place], changes, out=behind[place - 1])
        # Where two characters are one, or one of them is left out, both may cost nothing more.
        least: _Array = (before + behind).min(axis=0) + SEVERE
        return least


@lru_cache(maxsize=4)
def _tables(costs: PlateCosts) -> _Tables:
    return _Tables(costs)


@lru_cache(maxsize=1_024)
def _budgets(threshold: float) -> _Budgets:
    if budget(threshold, COUNTED_LENGTH) >= MAX_COST:
        raise ValueError(f"a threshold below {MIN_LIST_THRESHOLD}")
    return tuple(budget(threshold, length) for length in range(MAX_COMPARED + 1))


def _hash(place: int, character: str) -> int:
    """The part of a character in a hash: always the same, and zero in the bits of a word below."""
    digest = hashlib.blake2b(f"{place}{character}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") & ~(_LOW - 1)


def _plain(text: str) -> str:
    """The text with one sign for each character that no plate of a list has."""
    if text.isascii():
        return text
    return "".join(each if each.isascii() else _FOREIGN for each in text)


def _rank(candidate: Candidate) -> tuple[float, int]:
    return -candidate.likeness, candidate.number


def _places(words: _Array, bits: int) -> _Array:
    """Where the words begin whose first `bits` bits are a number, for each such number.

    The last one is the number of words.
    """
    count = 1 << bits
    places = np.full(count + 1, len(words), np.uint32)
    for start in range(0, count, _SLICE):
        first = np.arange(start, min(count, start + _SLICE), dtype=np.uint64)
        bounds = first << np.uint64(_WORD_BITS - bits)
        places[start : start + len(first)] = np.searchsorted(words, bounds)
    return places
