"""The syntax tree of an expression: every part with its place in the text; no name is resolved.

Offsets count characters (code points) from the start of the text; trees that are not parsed from a
text have 0. `&&` and `||` hold all operands of a chain, so that a long chain is not a deep tree.
`unparse` writes a tree as CEL text of the same meaning.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final, TypeAlias

from engine.cel.values.values import MISSING, UInt
from engine.intervals import TimeInterval
from engine.watchlist import Watchlist

AND: Final = "_&&_"
OR: Final = "_||_"
NOT: Final = "!_"
NEGATE: Final = "-_"
TERNARY: Final = "_?_:_"
INDEX: Final = "_[_]"
EQUALS: Final = "_==_"
NOT_EQUALS: Final = "_!=_"
IN: Final = "@in"
#: `watchlist(…).rows(key)`: a call whose arguments are the bound watchlist and the key.
ROWS: Final = "@rows"
#: `during(…)`: a call whose arguments are the bound time interval and the event's `time`.
DURING: Final = "@during"
#: `likeness(a, b)`: a call whose arguments are the bound costs and the two texts.
LIKENESS: Final = "@likeness"
#: `similar(text, plate)`: a call whose arguments are the bound costs, the text, the plate or a list
#: of plates, and the threshold. Here and below a threshold of null is the usual one.
SIMILAR: Final = "@similar"
#: `similar(text, watchlist(…))` and `closest(watchlist(…), text)`: calls whose arguments are the
#: bound watchlist, the text, the literal threshold and the event's `time`.
SIMILAR_LISTED: Final = "@similar_listed"
CLOSEST: Final = "@closest"
#: All calls that compare by likeness.
BY_LIKENESS: Final = frozenset({LIKENESS, SIMILAR, SIMILAR_LISTED, CLOSEST})

#: Binary operators by their sign, with CEL's own function names.
BINARY: Final = {
    sign: f"_{sign}_" for sign in ("<", "<=", ">", ">=", "==", "!=", "+", "-", "*", "/", "%")
} | {"in": IN}
ARITHMETIC: Final = frozenset({"_+_", "_-_", "_*_", "_/_", "_%_"})
#: The orderings, each with the one that it is when its operands are swapped.
MIRRORED: Final = {"_<_": "_>_", "_<=_": "_>=_", "_>_": "_<_", "_>=_": "_<=_"}
ORDERINGS: Final = frozenset(MIRRORED)
#: Every call that is written as an operator; all other calls are functions.
OPERATORS: Final = frozenset({*BINARY.values(), AND, OR, NOT, NEGATE, TERNARY, INDEX})


class Macro(StrEnum):
    """The macros with a variable: for each item of a list or key of a map; `BIND` for one value."""

    ALL = "all"
    EXISTS = "exists"
    EXISTS_ONE = "exists_one"
    MAP = "map"
    FILTER = "filter"
    BIND = "bind"


@dataclass(frozen=True, slots=True, eq=False)
class Literal:
    """A constant as written: null, bool, int, uint, double, string or bytes."""

    offset: int
    value: Any


@dataclass(frozen=True, slots=True, eq=False)
class Bound:
    """A constant given as a value: a tuple of values, a watchlist, a time interval, or costs."""

    offset: int
    value: Any


@dataclass(frozen=True, slots=True, eq=False)
class Ident:
    """A name; a leading dot (`is_absolute`) skips the container and the macros' variables."""

    offset: int
    name: str
    is_absolute: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Select:
    """`operand.field`, or `has(operand.field)` with `is_test`; the offset is the field's."""

    offset: int
    operand: Node
    field: str
    is_test: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """A call of a function or an operator; `target` is the part before the dot, if any."""

    offset: int
    function: str
    args: tuple[Node, ...]
    target: Node | None = None


@dataclass(frozen=True, slots=True, eq=False)
class ListNode:
    """`[a, b]`."""

    offset: int
    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True, eq=False)
class MapNode:
    """`{key: value}`."""

    offset: int
    entries: tuple[tuple[Node, Node], ...]


@dataclass(frozen=True, slots=True, eq=False)
class Comprehension:
    """A macro over `range`; `condition` and `result` are evaluated with `variable` as each item.

    `all`, `exists`, `exists_one` and `filter` have a condition only; `map` has a result, and with
    three arguments a condition too. `cel.bind` has a result only, and `range` is the value itself.
    """

    offset: int
    macro: Macro
    range: Node
    variable: str
    condition: Node | None
    result: Node | None = None


Node: TypeAlias = Literal | Bound | Ident | Select | Call | ListNode | MapNode | Comprehension


def children(node: Node) -> Iterator[Node]:
    """The direct children of a node, in the order of the text."""
    match node:
        case Select():
            yield node.operand
        case Call():
            if node.target is not None:
                yield node.target
            yield from node.args
        case ListNode():
            yield from node.items
        case MapNode():
            for key, value in node.entries:
                yield key
                yield value
        case Comprehension():
            yield node.range
            if node.condition is not None:
                yield node.condition
            if node.result is not None:
                yield node.result
        case _:
            return


def nodes_of(root: Node) -> Iterator[Node]:
    """A tree's nodes, in no order."""
    waiting = [root]
    while waiting:
        node = waiting.pop()
        yield node
        waiting.extend(children(node))


def changed(node: Node, change: Callable[[Node], Node]) -> Node:
    """The node with each of its parts changed."""
    first, calls = arithmetic_chain(node)
    if calls:
        made = change(first)
        for call in calls:
            made = replace(call, args=(made, change(call.args[1])))
        return made
    match node:
        case Select():
            return replace(node, operand=change(node.operand))
        case Call():
            target = None if node.target is None else change(node.target)
            return replace(node, args=tuple(map(change, node.args)), target=target)
        case ListNode():
            return replace(node, items=tuple(map(change, node.items)))
        case MapNode():
            pairs = tuple((change(key), change(item)) for key, item in node.entries)
            return replace(node, entries=pairs)
        case Comprehension():
            condition = None if node.condition is None else change(node.condition)
            result = None if node.result is None else change(node.result)
            return replace(node, range=change(node.range), condition=condition, result=result)
    return node


def arithmetic_chain(node: Node) -> tuple[Node, list[Call]]:
    """The first operand of a chain such as `a + b - c`, and its calls, innermost first.

    The calls are empty for other nodes. A chain may have hundreds of operands, and nests to the
    left: code that walks a tree uses this loop in place of recursion.
    """
    calls: list[Call] = []
    while isinstance(node, Call) and node.function in ARITHMETIC and node.target is None:
        calls.append(node)
        node = node.args[0]
    calls.reverse()
    return node, calls


def call(function: str, *args: Node) -> Call:
    """A call of a global function or an operator, at offset 0."""
    return Call(0, function, args)


def chain(function: str, parts: list[Node]) -> Node:
    """The parts joined by `function`, `AND` or `OR`; chains of it among them are merged."""
    operands: list[Node] = []
    for part in parts:
        if isinstance(part, Call) and part.function == function and part.target is None:
            operands.extend(part.args)
        else:
            operands.append(part)
    return operands[0] if len(operands) == 1 else Call(0, function, tuple(operands))


def depth(root: Node) -> int:
    """The depth of the tree; a chain of `&&`, `||` or arithmetic counts as one level."""
    deepest = 0
    waiting = [(root, 1)]
    while waiting:
        node, level = waiting.pop()
        deepest = max(deepest, level)
        first, calls = arithmetic_chain(node)
        if calls:
            waiting.append((first, level + 1))
            waiting.extend((step.args[1], level + 1) for step in calls)
        else:
            waiting.extend((child, level + 1) for child in children(node))
    return deepest


def constant_of(node: Node) -> Any:
    """The value of a literal, a bound constant or a list of them; MISSING for other nodes."""
    if isinstance(node, Literal):
        return node.value
    if isinstance(node, Bound):
        return list(node.value) if isinstance(node.value, tuple) else node.value
    if isinstance(node, ListNode):
        values = [constant_of(item) for item in node.items]
        return MISSING if any(value is MISSING for value in values) else values
    return MISSING


# A tree as CEL text.

_SIGNS: Final = {function: sign for sign, function in BINARY.items()} | {
    AND: "&&",
    OR: "||",
}
#: The precedences of operators; an operand of a lower precedence than its place gets brackets.
_TERNARY, _OR, _AND, _RELATION, _SUM, _PRODUCT, _UNARY, _MEMBER = range(8)
_STRENGTHS: Final = (
    {OR: _OR, AND: _AND, "_+_": _SUM, "_-_": _SUM}
    | dict.fromkeys(("_*_", "_/_", "_%_"), _PRODUCT)
    | dict.fromkeys((*ORDERINGS, EQUALS, NOT_EQUALS, IN), _RELATION)
)
_KEYWORDS: Final = frozenset({"true", "false", "null", "in"})
_ESCAPES: Final = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def unparse(root: Node, shown_items: int | None = None) -> str:
    """The text of a tree; where `shown_items` is given, bound lists are cut to so many values."""
    return _TextWriter(shown_items).text(root, _TERNARY)


class _TextWriter:
    def __init__(self, shown_items: int | None) -> None:
        self._shown: Final = shown_items

    def text(self, node: Node, place: int) -> str:
        """The text of a node, in brackets if its precedence is lower than that of its place."""
        text, strength = self._node(node)
        return f"({text})" if strength < place else text

    def _node(self, node: Node) -> tuple[str, int]:
        match node:
            case Literal():
                return _literal(node.value)
            case Bound():
                return self._bound(node.value), _MEMBER
            case Ident():
                return ("." if node.is_absolute else "") + node.name, _MEMBER
            case Select():
                text = f"{self.text(node.operand, _MEMBER)}.{_field(node.field)}"
                return (f"has({text})" if node.is_test else text), _MEMBER
            case ListNode():
                return f"[{self._items(node.items)}]", _MEMBER
            case MapNode():
                pairs = (
                    f"{self.text(key, _TERNARY)}: {self.text(value, _TERNARY)}"
                    for key, value in node.entries
                )
                return f"{{{', '.join(pairs)}}}", _MEMBER
            case Comprehension():
                parts = (node.condition, node.result)
                args = self._items(part for part in parts if part is not None)
                if node.macro is Macro.BIND:
                    value = self.text(node.range, _TERNARY)
                    return f"cel.bind({node.variable}, {value}, {args})", _MEMBER
                over = self.text(node.range, _MEMBER)
                return f"{over}.{node.macro}({node.variable}, {args})", _MEMBER
            case Call():
                return self._call(node)

    def _items(self, nodes: Iterable[Node]) -> str:
        return ", ".join(self.text(node, _TERNARY) for node in nodes)

    def _bound(self, value: Any) -> str:
        if isinstance(value, Watchlist):
            return f"watchlist({_literal(value.name)[0]})"
        if isinstance(value, TimeInterval):
            return _literal(value.name)[0]
        if not isinstance(value, list | tuple):
            return _literal(value)[0]
        shown = len(value) if self._shown is None else self._shown
        texts = [_literal(item)[0] for item in value[:shown]]
        hidden = len(value) - len(texts)
        if hidden:
            texts.append(f"… {hidden:,} more")
        return f"[{', '.join(texts)}]"

    def _call(self, node: Call) -> tuple[str, int]:
        if node.target is not None:
            target = self.text(node.target, _MEMBER)
            return f"{target}.{node.function}({self._items(node.args)})", _MEMBER
        if node.function in _STRENGTHS:
            return self._operator(node)
        if node.function == TERNARY:
            condition, first, second = node.args
            test, one = self.text(condition, _OR), self.text(first, _OR)
            return f"{test} ? {one} : {self.text(second, _TERNARY)}", _TERNARY
        if node.function == INDEX:
            operand, index = node.args
            return f"{self.text(operand, _MEMBER)}[{self.text(index, _TERNARY)}]", _MEMBER
        if node.function == ROWS:
            watchlist, key = node.args
            return f"{self.text(watchlist, _MEMBER)}.rows({self.text(key, _TERNARY)})", _MEMBER
        if node.function == DURING:
            return f"during({self.text(node.args[0], _TERNARY)})", _MEMBER
        if node.function in BY_LIKENESS:
            return self._by_likeness(node), _MEMBER
        if node.function == NOT:
            return f"!{self.text(node.args[0], _UNARY)}", _UNARY
        if node.function == NEGATE:
            return f"-{self._negated(node.args[0])}", _UNARY
        return f"{node.function}({self._items(node.args)})", _MEMBER

    def _by_likeness(self, node: Call) -> str:
        """The text of a call by likeness, without its costs, its time and a usual threshold."""
        of, *args = node.args
        if node.function in (SIMILAR_LISTED, CLOSEST):
            text, threshold, _ = args
            args = [text, of] if node.function == SIMILAR_LISTED else [of, text]
            args.append(threshold)
        last = args[-1]
        if isinstance(last, Literal) and last.value is None:
            args.pop()
        name = {LIKENESS: "likeness", CLOSEST: "closest"}.get(node.function, "similar")
        return f"{name}({self._items(args)})"

    def _negated(self, operand: Node) -> str:
        text = self.text(operand, _UNARY)
        # A minus directly before a number would be the number's own sign.
        return f"({text})" if text[0].isdigit() or text[0] == "." else text

    def _operator(self, node: Call) -> tuple[str, int]:
        strength = _STRENGTHS[node.function]
        if node.function in (AND, OR):
            sign = f" {_SIGNS[node.function]} "
            return sign.join(self.text(arg, strength + 1) for arg in node.args), strength
        if node.function in ARITHMETIC:
            return self._arithmetic(node, strength)
        left = self.text(node.args[0], strength)
        right = self.text(node.args[1], strength + 1)
        return f"{left} {_SIGNS[node.function]} {right}", strength

    def _arithmetic(self, node: Call, strength: int) -> tuple[str, int]:
        first, calls = arithmetic_chain(node)
        text, binds = self._node(first)
        for call in calls:
            needed = _STRENGTHS[call.function]
            left = f"({text})" if binds < needed else text
            text = f"{left} {_SIGNS[call.function]} {self.text(call.args[1], needed + 1)}"
            binds = needed
        return text, strength


def _field(name: str) -> str:
    is_plain = name.isascii() and name.isidentifier() and name not in _KEYWORDS
    return name if is_plain else f"`{name}`"


def _literal(value: Any) -> tuple[str, int]:
    kind = type(value)
    if value is None:
        return "null", _MEMBER
    if kind is bool:
        return ("true" if value else "false"), _MEMBER
    if kind is str:
        return f'"{"".join(map(_character, value))}"', _MEMBER
    if kind is bytes:
        return 'b"' + "".join(f"\\x{byte:02x}" for byte in value) + '"', _MEMBER
    if kind is list or kind is tuple:
        return f"[{', '.join(_literal(item)[0] for item in value)}]", _MEMBER
    if kind is float and not math.isfinite(value):
        return f'double("{value}")', _MEMBER
    text = f"{int(value)}u" if kind is UInt else repr(value)
    if kind is float and "." not in text:
        mantissa, mark, exponent = text.partition("e")
        text = f"{mantissa}.0{mark}{exponent}"
    return text, _MEMBER


def _character(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    if character.isprintable():
        return character
    code = ord(character)
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
