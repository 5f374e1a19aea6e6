"""The typed tree that a check makes, its problems, and what its parts name, look up and guard."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from engine.cel.syntax import tree
from engine.cel.syntax.tree import (
    Bound,
    Call,
    Comprehension,
    ListNode,
    Literal,
    Macro,
    MapNode,
    Node,
    Select,
    children,
    constant_of,
    unparse,
)
from engine.cel.types.functions import Function
from engine.cel.types.scope import Broken, Reference, Scope, dotted
from engine.cel.values.values import MISSING, FailureKind
from engine.errors import Problem, Severity, errors_of
from engine.intervals import TimeInterval
from engine.schema import FieldType, Kind
from engine.watchlist import PlateCosts, Watchlist
from engine.watchlist.likeness import DEFAULT_THRESHOLD

#: Most problems that are reported of one expression.
MAX_PROBLEMS: Final = 50
#: Longest text of a part that a message quotes.
_SHOWN: Final = 60
#: Longest text of a part that may be its name for guards.
_MAX_TEXT: Final = 200
_LOGIC: Final = frozenset({tree.AND, tree.OR, tree.NOT})
_NO_NAMES: Final[frozenset[str]] = frozenset()
_READING: Final = frozenset({tree.INDEX, tree.CLOSEST})
_PATH: Final = re.compile(r"[\w.]+")


@dataclass(slots=True)
class Findings:
    """A tree with what the check found: the references, functions, types and paths of its nodes.

    They are kept by the `id` of a node. `references` says what a name, a macro's variable or a
    macro refers to; `functions` which function a call calls; `types` the known types; `paths` the
    full paths of the fields that the expression reads. `problems` are errors and warnings. `slots`
    counts the variables of macros.

    `has_constants` says that a part may be a constant that is yet to be evaluated, `has_logic` that
    the tree has `&&` or `||`. In a scope that is not strict nothing is reported: what is wrong
    fails at evaluation.
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
        """The type of a node; None where it is unknown."""
        return self.types.get(id(node))

    @property
    def has_errors(self) -> bool:
        """Whether one of the problems is an error."""
        return bool(errors_of(self.problems))

    @property
    def is_full(self) -> bool:
        """Whether `MAX_PROBLEMS` are reported: no more will be."""
        return len(self.problems) >= MAX_PROBLEMS

    def error(self, node: Node, code: str, what: str, remedy: str = "") -> None:
        """Report an error at a node; `code` is the problem's stable name."""
        if self.scope.is_strict and not self.is_full:
            self.problems.append(Problem(node.offset, code, what, remedy))

    def warning(self, node: Node, code: str, what: str, remedy: str) -> None:
        """Report a warning at a node; `code` is the problem's stable name."""
        if self.scope.is_strict and not self.is_full:
            severity = Severity.WARNING
            self.problems.append(Problem(node.offset, code, what, remedy, severity))

    def unresolved(self, node: Node, kind: FailureKind, code: str, what: str, remedy: str) -> None:
        """Report an unknown name or function, whose evaluation raises an error of that `kind`."""
        self.error(node, code, what, remedy)
        self.references[id(node)] = Broken(kind, what)

    def warn_of_null(
        self, node: Node, kind: FieldType | None, safe: frozenset[str], what: str
    ) -> None:
        """Warn where a node of type `kind` may be null, and `what` (an operator, a function) fails.

        `safe` are the names that guards keep from being null here.
        """
        if kind is None or not kind.nullable or kind.kind is Kind.NULL:
            return
        name = part_name(node)
        if name in safe:
            return
        message = f"{title(node)} may be null, and {what} of null is an evaluation error"
        remedy = f"guard it: {name} != null && …" if name else "give it another value than null"
        self.warning(node, "may-be-null", message, remedy)


def title(node: Node) -> str:
    """A part as messages show it: its text in quotes, or "this" where that is long."""
    text = unparse(node)
    return f"'{text}'" if len(text) <= _SHOWN else "this"


def is_used_as_value(root: Node, node: Node) -> bool:
    """Whether a part of `root` is an operand, an argument or an item: a place for any value."""
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
    """The name of a part for null guards: its dotted path, or its text where that is short.

    Only a name, a field, an element or a `closest()` has one; "" for any other part.
    """
    found = dotted(node)
    if found is not None:
        return found[0]
    is_read = isinstance(node, Select) or (isinstance(node, Call) and node.function in _READING)
    if not is_read:
        return ""
    text = unparse(node)
    return text if len(text) <= _MAX_TEXT else ""


def watchlist_of(node: Node) -> Watchlist | None:
    """The watchlist that is bound at a node; None for other nodes."""
    if isinstance(node, Bound) and isinstance(node.value, Watchlist):
        return node.value
    return None


def watchlist_lookup(node: Call) -> tuple[Watchlist, Node] | None:
    """The watchlist that `in`, `[ ]` or `rows()` looks up, and the key; None for other calls."""
    if node.function == tree.IN:
        key, container = node.args
    elif node.function in (tree.INDEX, tree.ROWS):
        container, key = node.args
    else:
        return None
    found = watchlist_of(container)
    return (found, key) if found is not None else None


class PlatesQuestion(NamedTuple):
    """`similar(text, plate)` with constants: the plates as written, the threshold 0 to 1."""

    costs: PlateCosts
    text: Node
    plates: tuple[str, ...]
    threshold: float


class ListQuestion(NamedTuple):
    """`similar()` or `closest()` of a watchlist; a threshold of None is that of the row or list."""

    watchlist: Watchlist
    text: Node
    threshold: float | None


def plates_question(node: Call) -> PlatesQuestion | None:
    """What `similar()` asks of plates and a threshold that are constants; None for other calls."""
    if node.function != tree.SIMILAR:
        return None
    costs, text, *constants = node.args
    plates, threshold = map(constant_of, constants)
    if type(plates) is str:
        plates = [plates]
    if not isinstance(costs, Bound) or type(plates) is not list or threshold is MISSING:
        return None
    known = DEFAULT_THRESHOLD if threshold is None else float(threshold)
    return PlatesQuestion(costs.value, text, tuple(plates), known)


def list_question(node: Call) -> ListQuestion | None:
    """What `similar()` or `closest()` asks of a watchlist; None for other calls."""
    if node.function not in (tree.SIMILAR_LISTED, tree.CLOSEST):
        return None
    container, text, constant, _ = node.args
    found, threshold = watchlist_of(container), constant_of(constant)
    if found is None:
        return None
    return ListQuestion(found, text, None if threshold is None else float(threshold))


def interval_of(node: Call) -> TimeInterval | None:
    """The time interval that `during()` asks; None for other calls."""
    bound = node.args[0] if node.function == tree.DURING else None
    found = bound.value if isinstance(bound, Bound) else None
    return found if isinstance(found, TimeInterval) else None


def most_items(node: Node) -> int | None:
    """The most items of a part that gives one plate's rows, filtered or mapped; None for others."""
    while isinstance(node, Comprehension) and node.macro in (Macro.FILTER, Macro.MAP):
        node = node.range
    found = (
        watchlist_lookup(node) if isinstance(node, Call) and node.function == tree.ROWS else None
    )
    return found[0].most_rows if found is not None else None


# Null guards: which parts are known not to be null where another part is evaluated. CEL raises an
# error where `f(a)` meets a null. In `a != null && f(a)`, `has(r.a) && f(r.a)`, `a == null || f(a)`
# and `a != null ? f(a) : b` the first part guards `a` in `f(a)`. A guard may be on either side of
# `&&` and `||`, since these absorb an error where the other side decides. Guarded parts are kept by
# name (`part_name`), in sets that the check and the translator call `safe`.


def guarded_when_true(node: Node) -> frozenset[str]:
    """The names of the parts that are not null if the node is true."""
    if isinstance(node, Select) and node.is_test:
        return _names_of(Select(node.offset, node.operand, node.field))
    if not isinstance(node, Call):
        return frozenset()
    match node.function:
        case tree.AND:
            return frozenset().union(*map(guarded_when_true, node.args))
        case tree.OR:
            return frozenset.intersection(*map(guarded_when_true, node.args))
        case tree.NOT:
            return guarded_when_false(node.args[0])
        case tree.NOT_EQUALS:
            return _compared(node, with_null=True)
        case tree.EQUALS:
            return _compared(node, with_null=False)
        case tree.IN:
            values = constant_of(node.args[1])
            if (of_list := watchlist_lookup(node)) is not None:
                row = Call(0, tree.INDEX, (node.args[1], of_list[1]))
                return _names_of(of_list[1]) | _names_of(row)
            is_guard = type(values) is list and None not in values
            return _names_of(node.args[0]) if is_guard else _NO_NAMES
        case tree.SIMILAR_LISTED:
            closest = Call(0, tree.CLOSEST, node.args)
            return _names_of(node.args[1]) | _names_of(closest)
    # An ordering or a function of null is an error: it needs a guard, and is none.
    return _NO_NAMES


def guarded_when_false(node: Node) -> frozenset[str]:
    """The names of the parts that are not null if the node is false."""
    if not isinstance(node, Call):
        return frozenset()
    match node.function:
        case tree.AND:
            return frozenset.intersection(*map(guarded_when_false, node.args))
        case tree.OR:
            return frozenset().union(*map(guarded_when_false, node.args))
        case tree.NOT:
            return guarded_when_true(node.args[0])
        case tree.EQUALS:
            return _compared(node, with_null=True)
        case tree.NOT_EQUALS:
            return _compared(node, with_null=False)
    return frozenset()


def guarded_in_bind(safe: frozenset[str], node: Comprehension) -> frozenset[str]:
    """The names that are not null in the result of a `cel.bind`, given those around it.

    Where the bound value is a guarded part, or has guarded fields, the variable's are guarded too.
    """
    path, variable = part_name(node.range), node.variable
    names = {path: variable} if path in safe else {}
    if _PATH.fullmatch(path):
        fields = (name for name in safe if name.startswith(f"{path}."))
        names |= {name: f"{variable}{name.removeprefix(path)}" for name in fields}
    return guarded_in_macro(safe, variable) | frozenset(names.values())


def guarded_in_macro(safe: frozenset[str], variable: str) -> frozenset[str]:
    """The names of `safe` that still mean the same in a macro, whose `variable` may hide some."""
    return frozenset(
        name
        for name in safe
        if (name.split(".")[0] != variable if _PATH.fullmatch(name) else variable not in name)
    )


def _compared(node: Call, *, with_null: bool) -> frozenset[str]:
    left, right = node.args
    for name, other in ((left, right), (right, left)):
        if isinstance(other, Literal) and (other.value is None) == with_null:
            return _names_of(name)
    return frozenset()


def _names_of(node: Node) -> frozenset[str]:
    found = part_name(node)
    return frozenset((found,)) if found else _NO_NAMES
