"""`watchlist("name")` in expressions: what it means, where it may stand, what it gives.

A list is bound into the tree as a constant, so that whoever works on a part of a tree has it. It
may be asked two things: is a key in it, and what does a column of a key's row say. Both are judged
at the event's `time`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from engine.cel import tree
from engine.cel.findings import Findings
from engine.cel.list_access import asked, listed
from engine.cel.scope import dotted, shorten, suggest
from engine.cel.tree import (
    Bound,
    Call,
    Comprehension,
    ListNode,
    Literal,
    MapNode,
    Node,
    Select,
)
from engine.cel.unparse import unparse
from engine.errors import Problem, Severity
from engine.schema import NORMALIZED_PLATE, PLATE_TEXT
from engine.watchlist import Watchlist, normalise

#: How a list is called.
FUNCTION: Final = "watchlist"
#: The code of a warning that is none in a message: a condition goes before it.
MISSING_ROW: Final = "may-be-missing"
_CODE: Final = "watchlist-name"
_KEY: Final = NORMALIZED_PLATE
_RAW: Final = PLATE_TEXT
#: The fields that lists may be asked for.
PLATES: Final = frozenset({_KEY, _RAW})
_LOWERING: Final = frozenset({"lower", "lowerAscii"})


class Lists:
    """The lists by name; one of None is there, but can't be used, which has been told.

    With `is_whole` an unknown name is a problem. `used` are the names that expressions asked for.
    """

    def __init__(self, known: Mapping[str, Watchlist | None], *, is_whole: bool = True) -> None:
        self.known: Final = known
        self.is_whole: Final = is_whole
        self.used: Final[set[str]] = set()


NO_LISTS: Final = Lists({})


class _Unusable:
    """Of this nothing is known."""

    __slots__ = ()


_UNUSABLE: Final = _Unusable()


def bind(root: Node, lists: Lists) -> tuple[Node, list[Problem]]:
    """The tree with its lists in it, and what is wrong with how they are asked for."""
    binding = _Binding(lists)
    return binding.node(root), binding.problems


class _Binding:
    """Walks a tree, puts lists in, and finds those that stand where they can't."""

    def __init__(self, lists: Lists) -> None:
        self._lists: Final = lists
        self.problems: Final[list[Problem]] = []

    def node(self, node: Node) -> Node:
        """The node with all lists below it bound."""
        match node:
            case Call():
                return self._call(node)
            case Select():
                return self._select(node)
            case ListNode():
                return replace(node, items=tuple(map(self.node, node.items)))
            case MapNode():
                pairs = tuple((self.node(key), self.node(value)) for key, value in node.entries)
                return replace(node, entries=pairs)
            case Comprehension():
                return replace(
                    node,
                    range=self.node(node.range),
                    condition=self._optional(node.condition),
                    result=self._optional(node.result),
                )
        return node

    def _optional(self, node: Node | None) -> Node | None:
        return self.node(node) if node is not None else None

    def _call(self, node: Call) -> Node:
        if _is_list(node):
            return self._refused(node, "can be asked for plates only", node)
        if node.function == tree.IN:
            item, container = node.args
            if _is_list(container):
                self._doubt(item)
            elif self._is_named(item, container) and isinstance(container, Literal):
                return _unusable(node)
            return replace(node, args=(self.node(item), self._container(container)))
        if node.function == tree.INDEX and _is_list(node.args[0]):
            what = "gives a row of which a column must be named"
            return self._refused(node.args[0], what, node)
        first, calls = tree.arithmetic_chain(node)
        if calls:
            bound = self.node(first)
            for step in calls:
                bound = replace(step, args=(bound, self.node(step.args[1])))
            return bound
        if node.function == tree.INDEX:
            return self._index(node)
        target = self.node(node.target) if node.target is not None else None
        return replace(node, args=tuple(map(self.node, node.args)), target=target)

    def _select(self, node: Select) -> Node:
        row = node.operand
        if isinstance(row, Call) and row.function == tree.INDEX and _is_list(row.args[0]):
            bound = self._index(row)
            self._doubt(row.args[1])
            self._warn_of_nothing(node, bound)
            return replace(node, operand=bound)
        if _is_list(row):
            return self._refused(row, "has no columns, its rows have", node)
        return replace(node, operand=self.node(row))

    def _index(self, node: Call) -> Call:
        container, key = node.args
        return replace(node, args=(self._container(container), self.node(key)))

    def _container(self, node: Node) -> Node:
        return self._list(node) if _is_list(node) else self.node(node)

    def _is_named(self, item: Node, container: Node) -> bool:
        """Whether a text stands where the list of that name is meant, which is reported.

        A written list with that one text is only doubted: a text may be meant after all. Lists have
        plates, so that another field's text may well be called as one of them.
        """
        path = dotted(item)
        if path is None or path[0] not in PLATES:
            return False
        is_only = isinstance(container, ListNode) and len(container.items) == 1
        named = container.items[0] if is_only and isinstance(container, ListNode) else container
        if not isinstance(named, Literal) or named.value not in self._lists.known:
            return False
        self._lists.used.add(named.value)
        what = f"'{shorten(named.value)}' is the name of a watchlist"
        severity = Severity.WARNING if is_only else Severity.ERROR
        problem = Problem(named.offset, _CODE, what, _question(named.value), severity)
        self.problems.append(problem)
        return True

    def _list(self, node: Node) -> Node:
        """The list itself in place of its name."""
        name = _name(node)
        if name is None:
            what = "watchlist() takes the name of a list, written out"
            self.problems.append(Problem(node.offset, _CODE, what, 'write watchlist("stolen")'))
            return _unusable(node)
        self._lists.used.add(name.value)
        known = self._lists.known
        found = known.get(name.value)
        if name.value not in known and self._lists.is_whole:
            what = f"there is no watchlist '{shorten(name.value)}'"
            remedy = suggest(name.value, known) or "define it under `watchlists:`"
            self.problems.append(Problem(name.offset, "unknown-watchlist", what, remedy))
        return Bound(node.offset, found) if found is not None else _unusable(node)

    def _refused(self, call: Node, what: str, whole: Node) -> Node:
        """Tell that the list stands where it can't; no more is told of the whole part."""
        name = _name(call)
        if name is not None:
            self._lists.used.add(name.value)
        known = name.value if name is not None else "stolen"
        text = f'watchlist("{shorten(known)}")'
        remedy = f"write {_KEY} in {text}, or {text}[{_KEY}].note"
        self.problems.append(Problem(call.offset, "watchlist-use", f"a watchlist {what}", remedy))
        return _unusable(whole)

    def _doubt(self, key: Node) -> None:
        """Warn of a key that no list has, since lists have plates as `normalized_text` has them."""
        what = ""
        name = dotted(key)
        if name is not None and name[0] == _RAW:
            what = f"'{_RAW}' is as the camera read it, a list has no hyphens and no lower case"
        elif isinstance(key, Literal) and type(key.value) is str:
            if normalise(key.value) != key.value:
                what = f"'{shorten(key.value)}' is on no list, which has capitals and digits only"
        elif isinstance(key, Call) and key.function in _LOWERING:
            what = "text in lower case is on no list, which has capitals and digits only"
        if what:
            remedy = f"ask for {_KEY}"
            warning = Problem(key.offset, "watchlist-key", what, remedy, Severity.WARNING)
            self.problems.append(warning)

    def _warn_of_nothing(self, node: Select, row: Call) -> None:
        """Warn of a column that rows may have, but none of this list has."""
        found = listed(row.args[0])
        if found is not None and node.field in found.absent_columns:
            what = f"the watchlist '{found.name}' has no column '{node.field}', so it is null"
            remedy = "add the column to its file"
            problem = Problem(node.offset, "watchlist-column", what, remedy, Severity.WARNING)
            self.problems.append(problem)


def with_lists(problems: Sequence[Problem], lists: Lists) -> tuple[Problem, ...]:
    """The problems, where an unknown name is that of a list with how the list is asked."""
    found: list[Problem] = []
    for problem in problems:
        name = problem.what.removeprefix("'").removesuffix("' is not known here")
        is_name = problem.code == "unknown-name" and name in lists.known
        found.append(replace(problem, remedy=_question(name)) if is_name else problem)
    return tuple(found)


def _question(name: str) -> str:
    return f'write watchlist("{shorten(name)}")'


def _unusable(node: Node) -> Node:
    """What stands for what can't be used: the fault has been told, no other follows."""
    return Bound(node.offset, _UNUSABLE)


def _is_list(node: Node) -> bool:
    return isinstance(node, Call) and node.function == FUNCTION and node.target is None


def _name(node: Node) -> Literal | None:
    """The name of a list where it is written out."""
    name = node.args[0] if isinstance(node, Call) and len(node.args) == 1 else None
    return name if isinstance(name, Literal) and type(name.value) is str else None


def warn_of_missing(findings: Findings, node: Call, name: str, safe: frozenset[str]) -> None:
    """Warn of a row that is asked for where the plate may not be on the list.

    `name` is how guards call the row; "" where it is too long for one.
    """
    found = asked(node)
    if found is None or node.function != tree.INDEX or not name or name in safe:
        return
    what = f"a plate that is not on '{found[0].name}' has no row, which is an evaluation error"
    remedy = f"guard it: {unparse(found[1])} in {unparse(node.args[0])} && …"
    findings.warning(node, MISSING_ROW, what, remedy)
