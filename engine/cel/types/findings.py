"""What a check finds: the meaning and type of each node, and the problems."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from engine.cel.syntax import tree
from engine.cel.syntax.tree import Call, ListNode, MapNode, Node, Select, children
from engine.cel.syntax.unparse import unparse
from engine.cel.types.functions import Function
from engine.cel.types.scope import Broken, Reference, Scope, dotted
from engine.cel.values.values import FailureKind
from engine.errors import Problem, Severity, errors_of
from engine.schema import FieldType, Kind

#: Most problems that one expression is told.
MAX_PROBLEMS: Final = 50


@dataclass(slots=True)
class Findings:
    """A tree and what is known of its nodes.

    Without `is_strict` nothing is a problem: what is wrong fails when it is evaluated.
    `has_constants` says that a part of it may be a constant that is yet to be computed, `has_logic`
    that it has `&&` or `||`. `zone` is
    the time zone of the site.
    """

    root: Node
    scope: Scope
    references: dict[int, Reference] = field(default_factory=dict)
    functions: dict[int, Function] = field(default_factory=dict)
    types: dict[int, FieldType] = field(default_factory=dict)
    paths: dict[int, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    slots: int = 0
    has_constants: bool = False
    has_logic: bool = False

    def type_of(self, node: Node) -> FieldType | None:
        """The node's type where it is known."""
        return self.types.get(id(node))

    @property
    def has_errors(self) -> bool:
        """Whether something is wrong, not only odd."""
        return bool(errors_of(self.problems))

    @property
    def is_full(self) -> bool:
        """Whether so much is wrong that more need not be told."""
        return len(self.problems) >= MAX_PROBLEMS

    def error(self, node: Node, code: str, what: str, remedy: str = "") -> None:
        """Something that is wrong."""
        if self.scope.is_strict and not self.is_full:
            self.problems.append(Problem(node.offset, code, what, remedy))

    def warning(self, node: Node, code: str, what: str, remedy: str) -> None:
        """Something that is odd."""
        if self.scope.is_strict and not self.is_full:
            severity = Severity.WARNING
            self.problems.append(Problem(node.offset, code, what, remedy, severity))

    def unresolved(self, node: Node, kind: FailureKind, code: str, what: str, remedy: str) -> None:
        """A name that means nothing: an error, or where names are not checked a failure later."""
        self.error(node, code, what, remedy)
        self.references[id(node)] = Broken(kind, what)

    def warn_of_null(
        self, node: Node, kind: FieldType | None, safe: frozenset[str], what: str
    ) -> None:
        """Warn when `what` (an operator or a function) may meet a null here."""
        if kind is None or not kind.nullable or kind.kind is Kind.NULL:
            return
        name = part_name(node)
        if name in safe:
            return
        message = f"{title(node)} may be null, and {what} of null is an evaluation error"
        remedy = f"guard it: {name} != null && …" if name else "give it another value than null"
        self.warning(node, "may-be-null", message, remedy)


#: Longest part that a message repeats, and that a guard knows.
_SHOWN: Final = 60
_MAX_TEXT: Final = 200
_LOGIC: Final = frozenset({tree.AND, tree.OR, tree.NOT})


def title(node: Node) -> str:
    """How a message calls a part: its text in quotes, or "this" where that is long."""
    text = unparse(node)
    return f"'{text}'" if len(text) <= _SHOWN else "this"


def is_used_as_value(root: Node, node: Node) -> bool:
    """Whether a part of `root` is compared, listed or handed over: where a text may stand."""
    waiting = [root]
    while waiting:
        parent = waiting.pop()
        parts = list(children(parent))
        if any(part is node for part in parts):
            is_logic = isinstance(parent, Call) and parent.function in _LOGIC
            return isinstance(parent, Call | ListNode | MapNode) and not is_logic
        waiting.extend(parts)
    return False


def part_name(node: Node) -> str:
    """The name by which a guard knows a part: its dotted path, or its text where that is short.

    Only what is read has one, a name, a field or an element: "" for anything else.
    """
    found = dotted(node)
    if found is not None:
        return found[0]
    is_read = isinstance(node, Select) or (isinstance(node, Call) and node.function == tree.INDEX)
    if not is_read:
        return ""
    text = unparse(node)
    return text if len(text) <= _MAX_TEXT else ""
