"""Whether a condition that reads a text field also holds where that text is empty."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import Any, Final

from engine.cel.expression import Expression, compile_tree
from engine.cel.syntax import tree
from engine.cel.syntax.tree import Call, Node, children, constant_of
from engine.cel.types.findings import part_name
from engine.cel.types.scope import Scope
from engine.cel.types.watchlists import asked
from engine.cel.values.regexes import matches
from engine.cel.values.values import MISSING
from engine.errors import EvaluationError, ExpressionError

#: Functions that make an empty text of an empty text.
_KEEPING: Final = frozenset({"lower", "lowerAscii", "upper", "upperAscii", "trim"})
_TEXT_TESTS: Final = {
    "contains": lambda text, part: part in text,
    "startsWith": lambda text, part: text.startswith(part),
    "endsWith": lambda text, part: text.endswith(part),
    "matches": matches,
}
_COMPARING: Final = frozenset({tree.EQUALS, tree.NOT_EQUALS, *_TEXT_TESTS})
_FAILED: Final = object()


class _Holds(IntEnum):
    """Whether a part may be true (or false), and whether the text has a part in it."""

    NEVER = 0
    #: It may be, whatever the text is: it does not read the text.
    UNREAD = 1
    #: It is, because the text is empty.
    IF_EMPTY = 2


def is_met_by_empty(condition: Expression, path: str) -> bool:
    """Whether a condition may be true because the text at a dotted path is empty.

    A part that reads this text and other fields counts as false, since its value is unknown. Where
    the condition compares the text with `""`, its author has thought of empty texts: the answer is
    no.
    """
    event, root = _EmptyText(condition, path), condition.root
    return event.holds(root, truth=True) is _Holds.IF_EMPTY and not event.names_empty(root)


def value_if_empty(expression: Expression, path: str) -> Any:
    """The value of an expression that reads only this path, where the text there is empty.

    None where it fails, or reads other fields.
    """
    if part_name(expression.root) == path:
        return ""
    value = _EmptyText(expression, path).evaluated(expression.root)
    return None if value is MISSING or value is _FAILED else value


def _all(parts: Sequence[_Holds]) -> _Holds:
    return _Holds.NEVER if _Holds.NEVER in parts else max(parts)


class _EmptyText:
    """Evaluates parts of an expression for an event of which it knows only that a text is empty."""

    def __init__(self, expression: Expression, path: str) -> None:
        self._scope = Scope(expression.variables)
        self._path = path

    def holds(self, node: Node, *, truth: bool) -> _Holds:
        """Whether a part may be `truth`, which is true or false; a failing part is neither."""
        if isinstance(node, Call) and node.target is None:
            match node.function:
                case tree.AND | tree.OR:
                    parts = [self.holds(part, truth=truth) for part in node.args]
                    return _all(parts) if (node.function == tree.AND) == truth else max(parts)
                case tree.NOT:
                    return self.holds(node.args[0], truth=not truth)
                case tree.TERNARY:
                    condition, first, second = node.args
                    return max(
                        _all([self.holds(condition, truth=chosen), self.holds(part, truth=truth)])
                        for chosen, part in ((True, first), (False, second))
                    )
        if not self._reads(node):
            return _Holds.NEVER if constant_of(node) is (not truth) else _Holds.UNREAD
        value = self._common_comparison(node) if isinstance(node, Call) else MISSING
        value = self.evaluated(node) if value is MISSING else value
        return _Holds.IF_EMPTY if value is truth else _Holds.NEVER

    def _reads(self, root: Node) -> bool:
        waiting = [root]
        while waiting:
            node = waiting.pop()
            if part_name(node) == self._path:
                return True
            waiting.extend(children(node))
        return False

    def names_empty(self, root: Node) -> bool:
        """Whether a part compares the text with `""`, or searches it for `""`."""
        waiting = [root]
        while waiting:
            node = waiting.pop()
            if isinstance(node, Call) and node.function in _COMPARING:
                args = node.args if node.target is None else (node.target, *node.args)
                if any(map(self._is_empty, args)) and any(constant_of(arg) == "" for arg in args):
                    return True
            waiting.extend(children(node))
        return False

    def _common_comparison(self, node: Call) -> Any:
        """The value of the most common comparisons, without compiling them; MISSING for others."""
        args = node.args if node.target is None else (node.target, *node.args)
        if len(args) != 2 or not self._is_empty(args[0]):
            return MISSING
        if node.function == tree.IN and (found := asked(node)) is not None:
            return MISSING if "" in found[0].plates else False
        other = constant_of(args[1])
        if node.function == tree.IN and type(other) is list:
            return "" in other
        if type(other) is not str:
            return MISSING
        if node.function in (tree.EQUALS, tree.NOT_EQUALS):
            return node.function == tree.NOT_EQUALS
        test = _TEXT_TESTS.get(node.function)
        return MISSING if test is None else test("", other)

    def _is_empty(self, node: Node) -> bool:
        while isinstance(node, Call) and node.function in _KEEPING:
            node = node.args[0] if node.target is None else node.target
        return part_name(node) == self._path

    def evaluated(self, node: Node) -> Any:
        """The value of a part that reads only the path; MISSING if it reads more or is faulty."""
        try:
            part = compile_tree(node, "", self._scope)
        except ExpressionError:
            return MISSING
        if part.fields != {self._path}:
            return MISSING
        first, *names = self._path.split(".")
        value: Any = ""
        for name in reversed(names):
            value = {name: value}
        try:
            return part.run({first: value})
        except EvaluationError:
            return _FAILED
