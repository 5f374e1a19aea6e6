"""Reads a pattern, and finds texts of which every text that it matches must contain one.

`re2.Filter` (google-re2) is as exact; for 1,000 patterns an event costs 0.8 to 1.7 times as much
where they hold a literal and 2.2 times where they are letters and classes (`^A[A-Z]{2}[0-9]5$`), of
which it filters none, and for 10,000 up to 6 times. Each of its calls releases Python's global
lock, so that beside one busy thread an event takes about twice as long, beside four 4 to 8 times.
"""

from __future__ import annotations

import string
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product
from typing import Final, TypeAlias

#: Most texts of one set, and the longest of them.
MAX_TEXTS: Final = 64
MAX_LENGTH: Final = 64
_ALL: Final = frozenset({""})
_UNROLLED: Final = 4

Texts = frozenset[str]


@dataclass(frozen=True, slots=True)
class RegexParts:
    """A text that the pattern matches contains one text of each of the `sets`.

    BEGIN and END in them stand for the two ends of the text. With `is_folded` they are parts of the
    text with its case folded.
    """

    sets: tuple[Texts, ...]
    is_folded: bool


@dataclass(frozen=True, slots=True)
class _Facts:
    """What is known of the matches: `exact` are all, or None; `needs` is as RegexParts.sets."""

    exact: Texts | None
    begins: Texts
    ends: Texts
    needs: tuple[Texts, ...]


_UNKNOWN: Final = _Facts(None, _ALL, _ALL, ())


def regex_parts(pattern: str) -> RegexParts | None:
    """What a text must contain for RE2 to find `pattern` in it; None where nothing is known."""
    try:
        tree, is_folded = read_regex(pattern)
        facts = _facts(tree)
        sets = [each for each in _needs(facts) if "" not in each]
        if any(END + BEGIN in text for each in sets for text in each):
            return None
    except UnreadableError:
        return None
    kept = _best(sets)
    return RegexParts(kept, is_folded) if kept else None


def _needs(facts: _Facts) -> tuple[Texts, ...]:
    if facts.exact is not None:
        return (facts.exact,)
    return (*facts.needs, facts.begins, facts.ends)


def _best(sets: Iterable[Texts]) -> tuple[Texts, ...]:
    """The most selective set of begins, of ends, and of other parts."""
    best: dict[str, Texts] = {}
    for each in sets:
        kind = _kind(each)
        if kind not in best or weight(each) < weight(best[kind]):
            best[kind] = each
    return tuple(best.values())


def _kind(texts: Texts) -> str:
    if all(text.startswith(BEGIN) for text in texts):
        return BEGIN
    return END if all(text.endswith(END) for text in texts) else ""


def weight(texts: Texts) -> float:
    """Roughly the share of all texts that contain one of these."""
    return sum(20.0 ** -len(text) for text in texts)


def _lightest(sets: list[Texts]) -> Texts:
    return min(sets, key=weight, default=_ALL)


def _facts(node: Pattern) -> _Facts:
    match node:
        case Chars(chars):
            if chars is None or not 0 < len(chars) <= MAX_TEXTS // 4:
                return _UNKNOWN
            return _exactly(chars)
        case Edge(text):
            return _exactly(frozenset((text,)))
        case Sequence(parts):
            whole = _exactly(_ALL)
            for part in parts:
                whole = _joined(whole, _facts(part))
            return whole
        case Choice(options):
            return _one_of([_facts(option) for option in options])
        case Repeat():
            return _repeated(node)


def _exactly(texts: Texts) -> _Facts:
    return _Facts(texts, texts, texts, ())


def _joined(one: _Facts, two: _Facts) -> _Facts:
    if one.exact is not None and two.exact is not None:
        both = _products(one.exact, two.exact)
        if both is not None:
            return _exactly(both)
    begins = one.begins
    if one.exact is not None:
        begins = _products(one.exact, two.begins) or one.exact
    ends = two.ends
    if two.exact is not None:
        ends = _products(one.ends, two.exact) or two.exact
    seam = _products(one.ends, two.begins)
    sets = [*one.needs, *two.needs, one.begins, two.ends, begins, ends, one.ends, two.begins]
    if seam is not None:
        sets.append(seam)
    return _Facts(None, begins, ends, _best(each for each in sets if "" not in each))


def _products(one: Texts, two: Texts) -> Texts | None:
    """Every text of one followed by every text of two; None where they are too many or long."""
    if len(one) * len(two) > MAX_TEXTS:
        return None
    # Two anchors of one kind are one.
    texts = frozenset(
        (a + b).replace(BEGIN * 2, BEGIN).replace(END * 2, END) for a, b in product(one, two)
    )
    return texts if max(map(len, texts), default=0) <= MAX_LENGTH else None


def _one_of(options: list[_Facts]) -> _Facts:
    if all(option.exact is not None for option in options):
        exact = frozenset[str]().union(*(option.exact or () for option in options))
        if len(exact) <= MAX_TEXTS:
            return _exactly(exact)
    begins = frozenset[str]().union(*(option.begins for option in options))
    ends = frozenset[str]().union(*(option.ends for option in options))
    needs = frozenset[str]()
    for option in options:
        sets = [each for each in _needs(option) if "" not in each]
        needs |= _lightest(sets)
    return _Facts(
        None,
        begins if len(begins) <= MAX_TEXTS else _ALL,
        ends if len(ends) <= MAX_TEXTS else _ALL,
        () if "" in needs or len(needs) > MAX_TEXTS else (needs,),
    )


def _repeated(node: Repeat) -> _Facts:
    part = _facts(node.part)
    if node.most == 0:
        return _exactly(_ALL)
    if node.least == 0:
        return _one_of([_exactly(_ALL), part]) if node.most == 1 else _UNKNOWN
    whole = part
    for _ in range(min(node.least, _UNROLLED) - 1):
        whole = _joined(whole, part)
    if node.least == node.most and node.least <= _UNROLLED:
        return whole
    # Nothing is known of what comes between the first and the last.
    tail = _Facts(None, _ALL, part.ends, ())
    return _joined(whole, tail) if node.least > 1 else _plus(part)


def _plus(part: _Facts) -> _Facts:
    sets = [each for each in _needs(part) if "" not in each]
    return _Facts(None, part.begins, part.ends, _best(sets))


#: Stand for the two ends of the text, so that an anchor is a character like others.
BEGIN: Final = "\x02"
END: Final = "\x03"
_MAX_DEPTH: Final = 50
_MAX_REPEAT: Final = 1_000
_ESCAPES: Final = {"n": "\n", "t": "\t", "r": "\r", "f": "\f", "v": "\v", "a": "\a"}
_DIGITS: Final = frozenset(string.digits)
_ANY_CLASSES: Final = frozenset("wWsSD")
_FLAGS: Final = frozenset("imsU")


class UnreadableError(ValueError):
    """The pattern has a construct that is not read here."""


@dataclass(frozen=True, slots=True)
class Chars:
    """One character of these; None: any character may be meant."""

    chars: frozenset[str] | None


@dataclass(frozen=True, slots=True)
class Edge:
    """Nothing: an anchor (BEGIN, END), or the empty text."""

    text: str


@dataclass(frozen=True, slots=True)
class Sequence:
    """These parts, one after the other."""

    parts: tuple[Pattern, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """One of these options."""

    options: tuple[Pattern, ...]


@dataclass(frozen=True, slots=True)
class Repeat:
    """A part that is repeated at least and at most so many times (None: no limit)."""

    part: Pattern
    least: int
    most: int | None


Pattern: TypeAlias = Chars | Edge | Sequence | Choice | Repeat


def read_regex(pattern: str) -> tuple[Pattern, bool]:
    """The tree of a pattern that RE2 takes, and whether some of it ignores the case.

    If so, the letters A to Z are lower-case in the tree, and other letters are unknown characters.
    """
    reader = _Reader(pattern)
    tree = reader.choice(frozenset(), 0)
    if reader.rest:
        raise UnreadableError(pattern)
    return (_folded(tree), True) if reader.ignores_case else (tree, False)


def _folded(node: Pattern) -> Pattern:
    match node:
        case Chars(chars):
            if chars is None or not all(map(str.isascii, chars)):
                return Chars(None)
            return Chars(frozenset(map(str.lower, chars)))
        case Sequence(parts):
            return Sequence(tuple(map(_folded, parts)))
        case Choice(options):
            return Choice(tuple(map(_folded, options)))
        case Repeat(part, least, most):
            return Repeat(_folded(part), least, most)
    return node


class _Reader:
    """Reads from the left; flags hold to the end of their group."""

    def __init__(self, pattern: str) -> None:
        self._pattern: Final = pattern
        self._at = 0
        self.ignores_case = False

    @property
    def rest(self) -> bool:
        """Whether something is left to read."""
        return self._at < len(self._pattern)

    def _peek(self, text: str) -> bool:
        return self._pattern.startswith(text, self._at)

    def _take(self, text: str) -> bool:
        if not self._peek(text):
            return False
        self._at += len(text)
        return True

    def _next(self) -> str:
        if not self.rest:
            raise UnreadableError(self._pattern)
        self._at += 1
        return self._pattern[self._at - 1]

    def choice(self, flags: frozenset[str], depth: int) -> Pattern:
        """Options between bars, up to a closing bracket or the end."""
        if depth > _MAX_DEPTH:
            raise UnreadableError(self._pattern)
        options: list[Pattern] = []
        parts: list[Pattern] = []
        while self.rest and not self._peek(")"):
            if self._take("|"):
                options.append(Sequence(tuple(parts)))
                parts = []
            elif self._peek("(?") and (changed := self._flags(flags)) is not None:
                flags = changed
            else:
                parts.append(self._repeated(flags, depth))
        options.append(Sequence(tuple(parts)))
        return options[0] if len(options) == 1 else Choice(tuple(options))

    def _flags(self, flags: frozenset[str]) -> frozenset[str] | None:
        """The flags after `(?i)` and its like, or None where a group begins."""
        end = self._pattern.find(")", self._at)
        names = self._pattern[self._at + 2 : end]
        if end < 0 or not names or not set(names) <= _FLAGS | {"-"}:
            return None
        self._at = end + 1
        return self._changed(flags, names)

    def _changed(self, flags: frozenset[str], names: str) -> frozenset[str]:
        added, _, removed = names.partition("-")
        if not set(added + removed) <= _FLAGS:
            raise UnreadableError(self._pattern)
        self.ignores_case = self.ignores_case or "i" in added
        return (flags | set(added)) - set(removed)

    def _repeated(self, flags: frozenset[str], depth: int) -> Pattern:
        part = self._single(flags, depth)
        while self.rest and self._pattern[self._at] in "*+?{":
            least, most = self._count()
            self._take("?")
            part = Repeat(part, least, most)
        return part

    def _count(self) -> tuple[int, int | None]:
        sign = self._next()
        if sign != "{":
            return {"*": (0, None), "+": (1, None), "?": (0, 1)}[sign]
        end = self._pattern.find("}", self._at)
        low, comma, high = self._pattern[self._at : end].partition(",")
        if end < 0 or not _is_count(low) or not (high == "" or _is_count(high)):
            raise UnreadableError(self._pattern)
        self._at = end + 1
        least = int(low)
        most = int(high) if high else None if comma else least
        if max(least, most or 0) > _MAX_REPEAT:
            raise UnreadableError(self._pattern)
        return least, most

    def _single(self, flags: frozenset[str], depth: int) -> Pattern:
        char = self._next()
        match char:
            case "(":
                return self._group(flags, depth)
            case "[":
                return self._class()
            case ".":
                return Chars(None)
            case "^":
                return Edge("" if "m" in flags else BEGIN)
            case "$":
                return Edge("" if "m" in flags else END)
            case "\\":
                return self._escape()
            case "*" | "+" | "?" | "{":
                raise UnreadableError(self._pattern)
        return self._literal(char)

    def _literal(self, char: str) -> Chars:
        if char in (BEGIN, END):
            raise UnreadableError(self._pattern)
        return Chars(frozenset((char,)))

    def _group(self, flags: frozenset[str], depth: int) -> Pattern:
        if self._take("?"):
            if self._take("P<") or self._take("<"):
                name = self._pattern[self._at : self._pattern.find(">", self._at)]
                if not name.isidentifier():
                    raise UnreadableError(self._pattern)
                self._at += len(name) + 1
            else:
                end = self._pattern.find(":", self._at)
                if end < 0:
                    raise UnreadableError(self._pattern)
                flags = self._changed(flags, self._pattern[self._at : end])
                self._at = end + 1
        inner = self.choice(flags, depth + 1)
        if not self._take(")"):
            raise UnreadableError(self._pattern)
        return inner

    def _escape(self) -> Pattern:
        char = self._next()
        if char == "A":
            return Edge(BEGIN)
        if char == "z":
            return Edge(END)
        if char in "bB":
            return Edge("")
        return self._escaped_chars(char)

    def _escaped_chars(self, char: str) -> Chars:
        if char == "d":
            return Chars(_DIGITS)
        if char in _ANY_CLASSES:
            return Chars(None)
        if char in _ESCAPES:
            return Chars(frozenset(_ESCAPES[char]))
        if char.isascii() and not char.isalnum() and char != "_":
            return self._literal(char)
        raise UnreadableError(self._pattern)

    def _class(self) -> Chars:
        is_negated = self._take("^")
        chars: set[str] | None = set()
        is_first = True
        while is_first or not self._peek("]"):
            is_first = False
            item = self._class_item()
            chars = None if chars is None or item is None else chars | item
        self._at += 1
        return Chars(None if is_negated or chars is None else frozenset(chars))

    def _class_item(self) -> frozenset[str] | None:
        low = self._class_char()
        is_range = self._peek("-") and not self._peek("-]")
        if low is None or not is_range:
            return low
        self._at += 1
        high = self._class_char()
        if high is None or len(low) != 1 or len(high) != 1:
            raise UnreadableError(self._pattern)
        (first,), (last,) = low, high
        if ord(last) - ord(first) > len(string.printable):
            return None
        return frozenset(map(chr, range(ord(first), ord(last) + 1)))

    def _class_char(self) -> frozenset[str] | None:
        char = self._next()
        if char == "[" and self._pattern[self._at : self._at + 1] in (":", "=", "."):
            raise UnreadableError(self._pattern)
        if char == "\\":
            return self._escaped_chars(self._next()).chars
        return self._literal(char).chars


def _is_count(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 4
