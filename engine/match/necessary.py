"""Derives from a rule's condition what an event must be like for the rule to hold or fail.

Macros over constant lists and conditions on a watchlist's rows are written out first.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import lru_cache
from itertools import islice
from typing import Any, Final

from engine.cel.expression import Expression, compile_tree
from engine.cel.interpret.budget import MAX_ROUNDS, ROW_ROUNDS, weight
from engine.cel.syntax import tree
from engine.cel.syntax.tree import (
    Bound,
    Call,
    Comprehension,
    Ident,
    ListNode,
    Literal,
    Macro,
    Node,
    Select,
    changed,
    children,
    constant_of,
    nodes_of,
)
from engine.cel.types.findings import list_question, most_items, plates_question, watchlist_lookup
from engine.cel.types.scope import Scope
from engine.cel.values.values import EXACT_LIMIT, MISSING, NUMBERS, Duration, Timestamp
from engine.errors import EvaluationError, ExpressionError
from engine.match.keys import Key, Keyring, Variables
from engine.match.needs import (
    NOTHING,
    Affixes,
    Anything,
    Atom,
    Interval,
    Listed,
    Need,
    Parts,
    Points,
    Present,
    Similar,
    SimilarListed,
    Test,
    every,
    some,
)
from engine.match.regex_parts import BEGIN, END, RegexParts, Texts, regex_parts
from engine.watchlist import Watchlist
from engine.watchlist.costs import PlateCosts
from engine.watchlist.likeness import MIN_LIST_THRESHOLD, PLACES, comparable

#: Functions of a text and a constant that are looked up.
TEXT_TESTS: Final = frozenset({"contains", "startsWith", "endsWith", "matches"})
#: Longest begin or end that is looked up; what is longer is cut.
MAX_AFFIX: Final = 64
#: Most items of a list that is written out.
MAX_ITEMS: Final = 1_000
#: Most rounds of all macros of a rule, those inside others multiplied.
MAX_UNROLLED: Final = 10_000
#: Longest expression that comes of writing a `cel.bind` out, in parts of the tree.
MAX_NODES: Final = 1_000
_SCALARS: Final = frozenset({str, bytes, bool, Timestamp, Duration})
_ALWAYS: Final = Anything("it holds, or fails, whatever the event")
_MIRRORED: Final = {"_<_": "_>_", "_<=_": "_>=_", "_>_": "_<_", "_>=_": "_<=_"}
_OPPOSITE: Final = {"_<_": "_>=_", "_<=_": "_>_", "_>_": "_<=_", "_>=_": "_<_"}
_FAILED: Final = object()
_OVER_NOTHING: Final[dict[Macro, Node]] = {
    Macro.ALL: Literal(0, value=True),
    Macro.EXISTS: Literal(0, value=False),
    Macro.EXISTS_ONE: Literal(0, value=False),
    Macro.MAP: ListNode(0, ()),
    Macro.FILTER: ListNode(0, ()),
}
#: The calls that give rows of a watchlist, with what they give where it has none.
_ROWS: Final[dict[str, Node]] = {tree.ROWS: ListNode(0, ()), tree.CLOSEST: Literal(0, None)}
_cached_parts: Final = lru_cache(maxsize=4_096)(regex_parts)


def needs_of(expression: Expression, keyring: Keyring) -> Need:
    """What an event must be like for the expression not to be false."""
    return _Reading(keyring, expression).need(expression.root, truth=True)


class _Reading:
    """Reads one condition; `truth` asks for events on which a part may be that, or fail."""

    def __init__(self, keyring: Keyring, expression: Expression) -> None:
        self._keyring: Final = keyring
        self._variables: Final[Variables] = expression.variables
        self._root = expression.root
        self._has_rows: Final = any(
            isinstance(node, Call) and node.function in _ROWS for node in nodes_of(expression.root)
        )

    def need(self, node: Node, *, truth: bool) -> Need:
        """The events on which `node` may be `truth`, or may fail."""
        if isinstance(node, Call) and node.target is None:
            match node.function:
                case tree.AND:
                    return self._chain(node.args, truth, is_and=truth)
                case tree.OR:
                    return self._chain(node.args, truth, is_and=not truth)
                case tree.NOT:
                    return self.need(node.args[0], truth=not truth)
                case tree.TERNARY:
                    return self._ternary(node, truth)
        if isinstance(node, Comprehension) and node.macro is Macro.BIND:
            return self._bound(node, truth)
        by_rows = self._by_rows(node, truth) if self._has_rows else None
        return self._one(node, truth) if by_rows is None else by_rows

    def _one(self, node: Node, truth: bool) -> Need:
        """The need of what is not logic."""
        if isinstance(node, Comprehension):
            return self._macro(node, truth)
        if isinstance(node, Call) and node.target is None:
            match node.function:
                case tree.EQUALS:
                    return self._equality(node, is_equal=truth)
                case tree.NOT_EQUALS:
                    return self._equality(node, is_equal=not truth)
                case tree.IN:
                    return self._membership(node, truth)
                case tree.SIMILAR:
                    return self._similar(node, truth)
                case tree.SIMILAR_LISTED:
                    return self._similar_listed(node, truth)
                case function if function in tree.ORDERINGS:
                    return self._ordering(node, truth)
        return self._plain(node, truth)

    def _chain(self, parts: tuple[Node, ...], truth: bool, *, is_and: bool) -> Need:
        needs = (self.need(part, truth=truth) for part in parts)
        return every(needs) if is_and else some(needs)

    def _ternary(self, node: Call, truth: bool) -> Need:
        condition, first, second = node.args
        if_true = self.need(condition, truth=True)
        if_false = self.need(condition, truth=False)
        return some(
            (
                every((if_true, self.need(first, truth=truth))),
                every((if_false, self.need(second, truth=truth))),
                # Where the condition fails it is neither.
                every((if_true, if_false)),
            )
        )

    def _macro(self, node: Comprehension, truth: bool) -> Need:
        is_list = node.macro in (Macro.MAP, Macro.FILTER)
        if is_list or items_of(node) is None or not can_unroll(self._root):
            return Anything(f"{node.macro}() over what is not a short constant list")
        parts = tuple(unrolled(node))
        if node.macro is Macro.EXISTS_ONE:
            if not truth:
                return Anything("exists_one() is false on most events")
            return some(self.need(part, truth=True) for part in parts)
        return self._chain(parts, truth, is_and=(node.macro is Macro.ALL) == truth)

    def _by_rows(self, node: Node, truth: bool) -> Need | None:
        """The need of a part that asks for rows of a watchlist; None where it has no look-up."""
        needs = [need for call in rows_asked(node) if (need := self._rows_need(call)) is not None]
        if not needs or any(isinstance(need, Anything) for need in needs):
            return None
        otherwise = self.need(without_rows(node), truth=truth)
        return None if isinstance(otherwise, Anything) else some((*needs, otherwise))

    def _rows_need(self, call: Call) -> Need | None:
        """What gives `rows()` a row, or makes `closest()` other than null."""
        if call.function == tree.CLOSEST:
            return self._similar_listed(call, truth=True)
        found = watchlist_lookup(call)
        return self._listed(*found, truth=True) if found is not None else None

    def _bound(self, node: Comprehension, truth: bool) -> Need:
        result = written_out(node)
        if result is None:
            return Anything("cel.bind() of a value that is not written out")
        # Written out, a list that has a name is one that a macro in it may be unrolled over.
        self._root = expanded(self._root)
        return self.need(result, truth=truth)

    def _key(self, node: Node) -> Key | None:
        if any(isinstance(each, Comprehension) for each in nodes_of(node)):
            return None
        return self._keyring.key(node, self._variables)

    def _constant(self, node: Node) -> Any:
        """The value of a part without names; MISSING where it has some, _FAILED where it fails."""
        value = constant_of(node)
        if value is not MISSING:
            return value
        if any(isinstance(each, Ident | Comprehension) for each in nodes_of(node)):
            return MISSING
        try:
            return compile_tree(node, "", Scope({})).run({})
        except (EvaluationError, ExpressionError):
            return _FAILED

    def _sides(self, node: Call) -> tuple[Node, Any, bool]:
        """The side that varies, the constant value of the other, and whether they are swapped."""
        left, right = node.args
        one, two = self._constant(left), self._constant(right)
        if one is not MISSING:
            return right, one if two is MISSING else MISSING, True
        return left, two, False

    def _equality(self, node: Call, *, is_equal: bool) -> Need:
        varying, value, _ = self._sides(node)
        if value is MISSING or value is _FAILED:
            return self._plain(node, truth=is_equal == (node.function == tree.EQUALS))
        key = self._key(varying)
        if key is None:
            return _unknown(varying)
        if value is None:
            return self._nullness(key, is_null=is_equal)
        if type(value) is float and math.isnan(value):
            return self._values(key, ()) if is_equal else _ALWAYS
        if not _is_point(value):
            return Anything("a comparison with a value that is not looked up")
        if is_equal:
            return self._values(key, (value,))
        if type(value) is bool and self._keyring.is_bool(varying, self._variables):
            return self._values(key, (not value,), or_null=True)
        return Anything(f"{key.text} is unequal to a constant on most events")

    def _nullness(self, key: Key, *, is_null: bool) -> Need:
        if is_null:
            return self._values(key, (), or_null=True)
        if not key.is_nullable:
            return _ALWAYS
        # A part that was given null fails, where a field is only unequal.
        return Atom(key, Present(), key.path != key.text, or_failed=key.can_fail)

    def _membership(self, node: Call, truth: bool) -> Need:
        if (found := watchlist_lookup(node)) is not None:
            return self._listed(*found, truth)
        varying, values, is_swapped = self._sides(node)
        if type(values) is not list or is_swapped or (key := self._key(varying)) is None:
            return self._plain(node, truth)
        if not truth:
            return Anything(f"{key.text} is not in a list on most events")
        if set(map(type, values)) == {str}:
            return self._values(key, values)
        wanted = [value for value in values if value is not None and not _is_nan(value)]
        if not all(map(_is_point, wanted)):
            return Anything("a list of values that are not looked up")
        return self._values(key, wanted, or_null=len(wanted) < len(values) and None in values)

    def _listed(self, watchlist: Watchlist, plate: Node, truth: bool) -> Need:
        """The plate is on the list; whether its row is in force then, the condition decides."""
        key = self._key(plate)
        if key is None:
            return _unknown(plate)
        if not truth:
            return Anything(f"{key.text} is not on a watchlist on most events")
        return _list_atom(key, Listed(watchlist))

    def _similar_listed(self, node: Call, truth: bool) -> Need:
        """The text is like a plate of the list; null is like none."""
        asked = list_question(node)
        key = self._key(asked.text) if asked is not None else None
        if asked is None or key is None:
            return _unknown(node)
        if not truth:
            return Anything(f"{key.text} is like no plate of a watchlist on most events")
        return _list_atom(key, SimilarListed(asked.watchlist, asked.threshold))

    def _similar(self, node: Call, truth: bool) -> Need:
        asked = plates_question(node)
        need = None if asked is None else self._alike(*asked, truth)
        return self._plain(node, truth) if need is None else need

    def _likeness(self, node: Node, least: float) -> Need | None:
        """The likeness of a text and a constant is `least` or more; None for other parts."""
        if not isinstance(node, Call) or node.function != tree.LIKENESS:
            return None
        costs, one, two = node.args
        text, plate = one, self._constant(two)
        if type(plate) is not str:
            text, plate = two, self._constant(one)
        # With fewer places more texts are alike, so that none is lost.
        threshold = math.floor(least * PLACES) / PLACES
        if type(plate) is not str or not isinstance(costs, Bound) or threshold < MIN_LIST_THRESHOLD:
            return None
        return self._alike(costs.value, text, (plate,), threshold, truth=True)

    def _alike(
        self, costs: PlateCosts, text: Node, plates: tuple[str, ...], threshold: float, truth: bool
    ) -> Need | None:
        """The text could be a misread one of these plates; None where no text could."""
        known = frozenset((each, threshold) for each in map(comparable, plates) if each)
        if not known or not threshold <= 1 or self._constant(text) is not MISSING:
            return None
        key = self._key(text)
        if key is None:
            return _unknown(text)
        if not truth:
            return Anything(f"{key.text} is unlike a plate on most events")
        if threshold < MIN_LIST_THRESHOLD:
            return Anything(f"a likeness below {MIN_LIST_THRESHOLD} is not looked up")
        return _atom(key, Similar(costs, known))

    def _ordering(self, node: Call, truth: bool) -> Need:
        varying, value, is_swapped = self._sides(node)
        if type(value) not in NUMBERS or (key := self._key(varying)) is None:
            return self._plain(node, truth)
        function = _MIRRORED[node.function] if is_swapped else node.function
        asked = function if truth else _OPPOSITE[function]
        if math.isnan(value):
            return _never_in_order(key) if truth else _ALWAYS
        if not -EXACT_LIMIT < value < EXACT_LIMIT:
            return Anything("a comparison with a number beyond 2^53")
        if ">" in asked and (need := self._likeness(varying, value)) is not None:
            return need
        return _range(key, asked, value, with_nan=not truth)

    def _plain(self, node: Node, truth: bool) -> Need:
        """The need of a constant, a field, or a part that is looked up as a whole."""
        value = self._constant(node)
        if value is not MISSING:
            return NOTHING if value is (not truth) else _ALWAYS
        if isinstance(node, Select) and node.is_test:
            return self._presence(node, truth)
        if isinstance(node, Call) and (node.function in TEXT_TESTS):
            return self._text(node, truth)
        key = self._key(node)
        if key is None:
            return _unknown(node)
        if not self._keyring.is_bool(node, self._variables):
            key = self._keyring.truth(key)
        return self._values(key, (truth,), or_null=True)

    def _presence(self, node: Select, truth: bool) -> Need:
        key = self._key(Select(node.offset, node.operand, node.field))
        if key is None or key.path != key.text:
            return Anything("has() of what is no field of the event")
        return self._nullness(key, is_null=not truth)

    def _text(self, node: Call, truth: bool) -> Need:
        args = node.args if node.target is None else (node.target, *node.args)
        text = self._constant(args[1]) if len(args) == 2 else MISSING
        key = self._key(args[0]) if type(text) is str else None
        if key is None or type(text) is not str:
            return _unknown(node)
        if not truth:
            return Anything(f"{node.function}() of {key.text} is false on most events")
        return text_need(node.function, key, text, self._keyring)

    def _values(self, key: Key, values: Iterable[Any], *, or_null: bool = False) -> Need:
        """The key is one of `values`; with `or_null` null meets it too."""
        is_field = key.path == key.text
        is_null = (or_null or not is_field) and key.is_nullable
        test = Points(self._keyring.values(values))
        return some((Atom(key, test, is_null, key.can_fail),))


def text_need(function: str, key: Key, text: str, keyring: Keyring) -> Need:
    """Of a function's call on `key` with a constant text."""
    if function == "matches":
        return _pattern(key, text, keyring)
    if not text:
        return Anything(f"every text has the empty one for {function}()")
    match function:
        case "contains":
            return _atom(key, Parts(frozenset((text,))))
        case "startsWith":
            return _atom(key, Affixes(frozenset(((text[:MAX_AFFIX], ""),))))
    return _atom(key, Affixes(frozenset((("", text[-MAX_AFFIX:]),))))


def can_unroll(root: Node) -> bool:
    """Whether it is known that no macro runs so often that the evaluation fails."""
    return _rounds(root) <= min(MAX_UNROLLED, MAX_ROUNDS)


def items_of(node: Comprehension) -> list[Any] | None:
    """The items of a macro's constant list, or None."""
    values = constant_of(node.range)
    return values if isinstance(values, list) and len(values) <= MAX_ITEMS else None


def unrolled(node: Comprehension) -> Iterator[Node]:
    """The condition of `all`, `exists` or `exists_one`, for each item of the constant list."""
    items = items_of(node)
    assert items is not None
    assert node.condition is not None
    for item in items:
        yield _put(node.condition, node.variable, _as_node(item))


def written_out(node: Comprehension) -> Node | None:
    """The result of `cel.bind` with the value in the place of its name, which means the same.

    None where a macro inside hides a name that the value uses, or where it would be too long.
    """
    assert node.result is not None
    names = {each.name for each in nodes_of(node.range) if isinstance(each, Ident)}
    inner = (each for each in nodes_of(node.result) if isinstance(each, Comprehension))
    if any(each.variable in names for each in inner):
        return None
    result = _put(node.result, node.variable, node.range)
    nodes = sum(1 for _ in islice(nodes_of(result), MAX_NODES + 1))
    return result if nodes <= MAX_NODES else None


def expanded(root: Node) -> Node:
    """The tree with every `cel.bind` written out that can be."""
    node = changed(root, expanded)
    if isinstance(node, Comprehension) and node.macro is Macro.BIND:
        return written_out(node) or node
    return node


def rows_asked(root: Node) -> list[Call]:
    """The calls of `rows()` and `closest()` in a part.

    None where a key hangs on the variable of a macro in it.
    """
    found: list[Call] = []
    waiting: list[tuple[Node, frozenset[str]]] = [(root, frozenset())]
    while waiting:
        node, hidden = waiting.pop()
        if isinstance(node, Call) and node.function in _ROWS:
            names = {
                each.name
                for each in nodes_of(node)
                if isinstance(each, Ident) and not each.is_absolute
            }
            if names & hidden:
                return []
            found.append(node)
        inner = hidden | {node.variable} if isinstance(node, Comprehension) else hidden
        over = node.range if isinstance(node, Comprehension) else None
        waiting += ((child, hidden if child is over else inner) for child in children(node))
    return found


def without_rows(node: Node) -> Node:
    """The part with nothing in the place of every row: no list of them, and no closest one.

    Macros over an empty list, and columns of null, are evaluated.
    """
    if isinstance(node, Call) and node.function in _ROWS:
        return _ROWS[node.function]
    made = changed(node, without_rows)
    if isinstance(made, Select) and _is_null(made.operand):
        return Literal(made.offset, False if made.is_test else None)
    if (
        isinstance(made, Comprehension)
        and isinstance(made.range, ListNode)
        and not made.range.items
    ):
        return _OVER_NOTHING.get(made.macro, made)
    return made


def _range(key: Key, function: str, limit: float, *, with_nan: bool) -> Need:
    is_below = function in ("_<_", "_<=_")
    is_open = function in ("_<_", "_>_")
    low, high = (-math.inf, limit) if is_below else (limit, math.inf)
    return _atom(key, Interval(low, high, not is_below and is_open, is_below and is_open, with_nan))


def _never_in_order(key: Key) -> Need:
    """The key is compared with not-a-number: false, or a failure."""
    return some((_atom(key, Interval(math.inf, -math.inf, True, True)),))


def _unknown(node: Node) -> Anything:
    what = f"{node.function.strip('_@')}" if isinstance(node, Call) else "a value"
    return Anything(f"'{what}' of something that has no key")


def _is_null(node: Node) -> bool:
    return isinstance(node, Literal) and node.value is None


def _is_nan(value: Any) -> bool:
    return type(value) is float and math.isnan(value)


def _is_point(value: Any) -> bool:
    """Whether Python's hash and equality are CEL's for this value."""
    if type(value) in NUMBERS:
        return bool(-EXACT_LIMIT < value < EXACT_LIMIT)
    return type(value) in _SCALARS


def _atom(key: Key, test: Test) -> Atom:
    return Atom(key, test, or_null=key.is_nullable, or_failed=key.can_fail)


def _list_atom(key: Key, test: Test) -> Atom:
    """A field that is null is on no list, where a part that was given null fails."""
    is_null = key.path != key.text and key.is_nullable
    return Atom(key, test, or_null=is_null, or_failed=key.can_fail)


def _pattern(key: Key, pattern: str, keyring: Keyring) -> Need:
    parts: RegexParts | None = _cached_parts(pattern)
    if parts is None:
        return Anything(f"nothing is known of the texts that match {pattern[:40]!r}")
    searched = keyring.folded(key) if parts.is_folded else keyring.whole(key)
    needs = [_texts(searched, each) for each in parts.sets]
    return every(needs)


def _texts(key: Key, texts: Texts) -> Need:
    """The text holds one of these, BEGIN and END being its own ends."""
    whole: set[str] = set()
    pairs: set[tuple[str, str]] = set()
    inside: set[str] = set()
    for text in texts:
        plain = text.removeprefix(BEGIN).removesuffix(END)
        begins, ends = text.startswith(BEGIN), text.endswith(END)
        if BEGIN in plain or END in plain:
            continue  # An anchor in the middle of a text is never met.
        if begins and ends:
            whole.add(plain)
        elif not plain:
            return Anything("the pattern matches every text")
        elif begins or ends:
            pairs.add((plain[:MAX_AFFIX], "") if begins else ("", plain[-MAX_AFFIX:]))
        else:
            inside.add(plain)
    if not (whole or pairs or inside):
        return Anything("the pattern matches no text")
    # A text that RE2 refuses, or null, fails whatever the pattern is.
    tests: list[Test] = [Points(frozenset(whole))]
    if pairs:
        tests.append(Affixes(frozenset(pairs)))
    if inside:
        tests.append(Parts(frozenset(inside)))
    return some(_atom(key, test) for test in tests)


def _rounds(root: Node) -> int:
    """The most rounds of all macros; more than any limit where that is unknown."""
    total = 0
    waiting = [(root, 1)]
    while waiting:
        node, times = waiting.pop()
        inner, over = times, None
        if isinstance(node, Comprehension) and node.macro is not Macro.BIND:
            most = _most_items(node)
            if most is None:
                return MAX_ROUNDS + 1
            inner, over = times * max(most, 1), node.range
            total += inner * weight(node)
        elif (
            isinstance(node, Call)
            and node.function == tree.ROWS
            and (found := watchlist_lookup(node))
        ):
            total += times * found[0].most_rows * ROW_ROUNDS
        waiting += ((child, times if child is over else inner) for child in children(node))
    return total


def _most_items(node: Comprehension) -> int | None:
    items = items_of(node)
    return len(items) if items is not None else most_items(node.range)


def _as_node(value: Any) -> Node:
    return Bound(0, tuple(value)) if isinstance(value, list) else Literal(0, value)


def _put(node: Node, name: str, value: Node) -> Node:
    """The tree with `value` in the place of a macro's variable."""
    if isinstance(node, Ident):
        return value if node.name == name and not node.is_absolute else node
    if isinstance(node, Comprehension) and node.variable == name:
        return replace(node, range=_put(node.range, name, value))
    return changed(node, lambda part: _put(part, name, value))
