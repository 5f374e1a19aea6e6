"""Writes a tree as CEL text of the same meaning."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, Final

from engine.cel.syntax import tree
from engine.cel.syntax.tree import (
    Bound,
    Call,
    Comprehension,
    Ident,
    ListNode,
    Literal,
    Macro,
    MapNode,
    Node,
    Select,
)
from engine.cel.values.values import UInt
from engine.watchlist import Watchlist

_SIGNS: Final = {function: sign for sign, function in tree.BINARY.items()} | {
    tree.AND: "&&",
    tree.OR: "||",
}
#: The precedences of operators; an operand of a lower precedence than its place gets brackets.
_TERNARY, _OR, _AND, _RELATION, _SUM, _PRODUCT, _UNARY, _MEMBER = range(8)
_STRENGTHS: Final = (
    {tree.OR: _OR, tree.AND: _AND, "_+_": _SUM, "_-_": _SUM}
    | dict.fromkeys(("_*_", "_/_", "_%_"), _PRODUCT)
    | dict.fromkeys((*tree.ORDERINGS, tree.EQUALS, tree.NOT_EQUALS, tree.IN), _RELATION)
)
_WORDS: Final = frozenset({"true", "false", "null", "in"})
_ESCAPES: Final = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def unparse(root: Node, shown_items: int | None = None) -> str:
    """The text of a tree; where `shown_items` is given, bound lists are cut to so many values."""
    return _Writer(shown_items).text(root, _TERNARY)


class _Writer:
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
        match node.function:
            case tree.TERNARY:
                condition, first, second = node.args
                text = (
                    f"{self.text(condition, _OR)} ? {self.text(first, _OR)}"
                    f" : {self.text(second, _TERNARY)}"
                )
                return text, _TERNARY
            case tree.INDEX:
                operand, index = node.args
                return f"{self.text(operand, _MEMBER)}[{self.text(index, _TERNARY)}]", _MEMBER
            case tree.ROWS:
                watchlist, key = node.args
                text = f"{self.text(watchlist, _MEMBER)}.rows({self.text(key, _TERNARY)})"
                return text, _MEMBER
            case tree.NOT:
                return f"!{self.text(node.args[0], _UNARY)}", _UNARY
            case tree.NEGATE:
                return f"-{self._negated(node.args[0])}", _UNARY
            case function if function in _STRENGTHS:
                return self._operator(node)
        return f"{node.function}({self._items(node.args)})", _MEMBER

    def _negated(self, operand: Node) -> str:
        text = self.text(operand, _UNARY)
        # A minus directly before a number would be the number's own sign.
        return f"({text})" if text[0].isdigit() or text[0] == "." else text

    def _operator(self, node: Call) -> tuple[str, int]:
        strength = _STRENGTHS[node.function]
        if node.function in (tree.AND, tree.OR):
            sign = f" {_SIGNS[node.function]} "
            return sign.join(self.text(arg, strength + 1) for arg in node.args), strength
        if node.function in tree.ARITHMETIC:
            return self._arithmetic(node, strength)
        left = self.text(node.args[0], strength)
        right = self.text(node.args[1], strength + 1)
        return f"{left} {_SIGNS[node.function]} {right}", strength

    def _arithmetic(self, node: Call, strength: int) -> tuple[str, int]:
        first, calls = tree.arithmetic_chain(node)
        text, binds = self._node(first)
        for call in calls:
            needed = _STRENGTHS[call.function]
            left = f"({text})" if binds < needed else text
            text = f"{left} {_SIGNS[call.function]} {self.text(call.args[1], needed + 1)}"
            binds = needed
        return text, strength


def _field(name: str) -> str:
    is_plain = name.isascii() and name.isidentifier() and name not in _WORDS
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
