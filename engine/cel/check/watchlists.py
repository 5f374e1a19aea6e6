"""The check of `watchlist("name")` in expressions, and its replacement by the list itself.

Before the check, `bind` puts each list into the tree as a constant (`Bound`), so that every later
step has it at hand. An expression may look up three things by a key, which is a plate: whether the
key is in the list, a column of its first row, and all its rows; and by likeness whether a plate of
the list is similar to a text, and the closest. Only rows in force at the event's `time` count.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from engine.cel.check.intervals import (
    NO_INTERVALS,
    Intervals,
    bind_interval,
    is_during,
    remedy_of_interval,
)
from engine.cel.check.likeness import (
    CLOSEST,
    FUNCTIONS,
    LIKENESS,
    fault_of_call,
    is_by_likeness,
    why_no_plate,
)
from engine.cel.syntax import tree
from engine.cel.syntax.examples import NEUTRAL, Examples
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
    unparse,
)
from engine.cel.types.findings import Findings, watchlist_lookup, watchlist_of
from engine.cel.types.kinds import CLOSEST_FIELDS, rows_type, with_article
from engine.cel.types.scope import TIME, Broken, dotted, suggest
from engine.cel.values.values import FailureKind
from engine.errors import Problem, Severity, shorten
from engine.schema import FieldType, Kind
from engine.watchlist import PlateCosts, Watchlist, first_difference, standard_costs

#: The function that names a list.
FUNCTION: Final = "watchlist"
#: The function that gives all rows of a plate: `watchlist("name").rows(key)`.
ROWS: Final = "rows"
#: The code of a warning that does not apply in a message: its rule's condition has held before.
MISSING_ROW: Final = "may-be-missing"
_NAME_CODE: Final = "watchlist-name"


class Lists:
    """The watchlists that expressions may look up, by name.

    One of None exists but can't be used, which is reported elsewhere. Without `is_whole` there may
    be further lists, so that an unknown name is no problem. `costs` are those of misreadings of
    plates, the package's unless given. `remedy` is told of an unknown name. `used` collects the
    names that expressions used, `asked_by_likeness` those that they asked by `similar` and
    `closest`.
    """

    def __init__(
        self,
        known: Mapping[str, Watchlist | None],
        *,
        is_whole: bool = True,
        costs: PlateCosts | None = None,
        remedy: str = "define it under `watchlists:`",
    ) -> None:
        self.remedy: Final = remedy
        self.known: Final = known
        self.costs: Final = standard_costs() if costs is None else costs
        self.is_whole: Final = is_whole
        self.used: Final[set[str]] = set()
        self.asked_by_likeness: Final[set[str]] = set()
        self._differences: Final[dict[tuple[str, str], tuple[int, int] | None]] = {}

    def difference(self, found: Watchlist, column: str) -> tuple[int, int] | None:
        """The line numbers of two rows of one plate that differ in a column, or None.

        A list is searched once for each column.
        """
        key = found.name, column
        if key not in self._differences:
            self._differences[key] = first_difference(found, column)
        return self._differences[key]


NO_LISTS: Final = Lists({})


def lists_of_silences(costs: PlateCosts | None = None) -> Lists:
    """The lists of silences' conditions: none, whatever the rules have; `costs` as for `Lists`."""
    return Lists({}, costs=costs, remedy="silences know none: ask in a rule, and silence the rule")


class _Unusable:
    """The value of a part that can't be used: its type is unknown, so nothing more is reported.

    Its text is that of the part.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text: Final = text

    def __repr__(self) -> str:
        return self._text


def bind(
    root: Node,
    lists: Lists,
    examples: Examples = NEUTRAL,
    intervals: Intervals = NO_INTERVALS,
) -> tuple[Node, list[Problem]]:
    """The tree with `watchlist("name")` replaced by the lists, and the problems of their use.

    Time intervals replace `during("name")` in the same walk. `examples` are the names that remedies
    show; its `keys` are the fields whose values stand on lists.
    """
    binding = _Binding(lists, examples, intervals)
    return binding.node(root), binding.problems


class _Binding:
    """Walks a tree, replaces lists, and reports those in places where a list can't be."""

    def __init__(self, lists: Lists, examples: Examples, intervals: Intervals) -> None:
        self._lists: Final = lists
        self._intervals: Final = intervals
        self._examples: Final = examples
        self.problems: Final[list[Problem]] = []
        #: The lists whose rows are macros' variables, by the variables' names.
        self._named: dict[str, Watchlist | None] = {}

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
                return self._macro(node)
        return node

    def _macro(self, node: Comprehension) -> Node:
        over = node.range
        if node.macro is not Macro.BIND and isinstance(over, Call):
            is_list = _is_list(over)
            if is_list or _is_row(over):
                call = over if is_list else over.args[0]
                what = f"{'has no items' if is_list else 'gives one row'} for {node.macro}()"
                remedy = f"write {self._rows_text(call)}.{node.macro}(…)"
                return self._refuse(call, what, node, remedy)
        bound = self.node(over)
        named = self._named
        is_item = node.macro is not Macro.BIND
        self._named = {**named, node.variable: _rows_in(bound) if is_item else None}
        condition, result = self._optional(node.condition), self._optional(node.result)
        self._named = named
        return replace(node, range=bound, condition=condition, result=result)

    def _optional(self, node: Node | None) -> Node | None:
        return self.node(node) if node is not None else None

    def _call(self, node: Call) -> Node:
        if _is_list(node):
            return self._refuse(node, "can be asked for plates only", node)
        if is_during(node):
            return self._during(node)
        if is_by_likeness(node):
            return self._by_likeness(node)
        if node.function == ROWS and node.target is not None and _is_list(node.target):
            return self._rows(node, node.target)
        if node.target is not None and _is_list(node.target) and node.args:
            what = f"has no function '{shorten(node.function)}'"
            remedy = f"for all rows of a plate write {self._rows_text(node.target)}"
            if node.function in FUNCTIONS:
                text, key = self._text(node.target), self._examples.key
                form = f"closest({text}, {key})" if node.function == CLOSEST else ""
                remedy = f"write {form or f'similar({key}, {text})'}"
            return self._refuse(node.target, what, node, remedy)
        if node.function == tree.IN:
            item, container = node.args
            if _is_list(container):
                self._check_key(item)
            elif self._is_named(item, container) and isinstance(container, Literal):
                return _unusable(node)
            return replace(node, args=(self.node(item), self._container(container)))
        if node.function == tree.INDEX and _is_list(node.args[0]):
            what = "gives a row of which a column must be named"
            return self._refuse(node.args[0], what, node)
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

    def _during(self, node: Call) -> Node:
        bound = bind_interval(node, self._intervals)
        if isinstance(bound, Call):
            return bound
        if bound is not None:
            self.problems.append(bound)
        return _unusable(node)

    def _by_likeness(self, node: Call) -> Node:
        """`likeness`, `similar` or `closest` as a call on the costs or the list itself."""
        problem = fault_of_call(node, _is_list, self._examples)
        if problem is not None:
            self.problems.append(problem)
            for arg in filter(_is_list, node.args):
                self._list(arg)
            return _unusable(node)
        one, two, *given = node.args
        of, text = (one, two) if node.function == CLOSEST else (two, one)
        if not _is_list(of):
            if self._is_named(text, of) and isinstance(of, Literal):
                return _unusable(node)
            parts = tuple(map(self.node, node.args))
            self._check_plates(parts[:2])
            costs = Bound(node.offset, self._lists.costs)
            if node.function == LIKENESS:
                return Call(node.offset, tree.LIKENESS, (costs, *parts))
            return Call(node.offset, tree.SIMILAR, (costs, *parts, *_usual(node, given)))
        self._check_key(text)
        bound = self._list(of)
        found = watchlist_of(bound)
        if found is not None:
            self._lists.asked_by_likeness.add(found.name)
        function = tree.CLOSEST if node.function == CLOSEST else tree.SIMILAR_LISTED
        # Absolute, since a macro's variable may have this name.
        moment = Ident(node.offset, TIME, is_absolute=True)
        threshold = (*given, *_usual(node, given))[0]
        return Call(node.offset, function, (bound, self.node(text), threshold, moment))

    def _check_plates(self, parts: Sequence[Node]) -> None:
        """Warn of literal texts that are no plates; two of them are reported by the check."""
        if all(isinstance(part, Literal) for part in parts):
            return
        for part in parts:
            for item in part.items if isinstance(part, ListNode) else [part]:
                if isinstance(item, Literal) and type(item.value) is str:
                    self._warn_of_plate(item, "is like no plate", "write a whole plate")

    def _select(self, node: Select) -> Node:
        row = node.operand
        if isinstance(row, Call) and row.function == tree.INDEX and _is_list(row.args[0]):
            bound = self._index(row)
            self._check_key(row.args[1])
            found = watchlist_of(bound.args[0])
            self._warn_of_absent_column(node, found)
            self._warn_of_difference(node, found)
            return replace(node, operand=bound)
        if _is_list(row):
            return self._refuse(row, "has no columns, its rows have", node)
        operand = self.node(row)
        if isinstance(operand, Call) and operand.function == tree.CLOSEST:
            found = watchlist_of(operand.args[0])
            self._warn_of_hidden_column(node, found)
        else:
            found = self._row_of(operand)
        self._warn_of_absent_column(node, found)
        return replace(node, operand=operand)

    def _row_of(self, node: Node) -> Watchlist | None:
        """The list of which a part is a row given by `rows()`; None for other parts."""
        if isinstance(node, Ident):
            return self._named.get(node.name)
        is_element = isinstance(node, Call) and node.function == tree.INDEX
        return _rows_in(node.args[0]) if isinstance(node, Call) and is_element else None

    def _rows(self, node: Call, target: Node) -> Node:
        """`watchlist(…).rows(key)` as one call on the list itself and the key."""
        if len(node.args) != 1:
            what = f"{ROWS}() takes 1 argument, not {len(node.args)}"
            remedy = f"write {self._rows_text(target)}"
            self.problems.append(Problem(node.offset, "arity", what, remedy))
            return _unusable(node)
        (key,) = node.args
        self._check_key(key)
        return Call(node.offset, tree.ROWS, (self._list(target), self.node(key)))

    def _index(self, node: Call) -> Call:
        container, key = node.args
        return replace(node, args=(self._container(container), self.node(key)))

    def _container(self, node: Node) -> Node:
        return self._list(node) if _is_list(node) else self.node(node)

    def _is_named(self, item: Node, container: Node) -> bool:
        """Report the name of a list in place of the list, as in `plate in "stolen"`.

        A list literal of that one text gets a warning only: the text itself may be meant. Returns
        whether a name was reported. Only fields whose values are on lists are considered: a value
        of another field may well be equal to a list's name.
        """
        path = dotted(item)
        if path is None or path[0] not in self._examples.keys:
            return False
        is_only = isinstance(container, ListNode) and len(container.items) == 1
        named = container.items[0] if is_only and isinstance(container, ListNode) else container
        if not isinstance(named, Literal) or named.value not in self._lists.known:
            return False
        self._lists.used.add(named.value)
        what = f"'{shorten(named.value)}' is the name of a watchlist"
        severity = Severity.WARNING if is_only else Severity.ERROR
        problem = Problem(named.offset, _NAME_CODE, what, _remedy(named.value), severity)
        self.problems.append(problem)
        return True

    def _list(self, node: Node) -> Node:
        """The list itself in place of its name."""
        name = _name(node)
        if name is None:
            what = "watchlist() takes the name of a list, written out"
            remedy = f"write {self._examples.list_call}"
            self.problems.append(Problem(node.offset, _NAME_CODE, what, remedy))
            return _unusable(node)
        self._lists.used.add(name.value)
        known = self._lists.known
        found = known.get(name.value)
        if name.value not in known and self._lists.is_whole:
            what = f"there is no watchlist '{shorten(name.value)}'"
            remedy = suggest(name.value, known) or self._lists.remedy
            self.problems.append(Problem(name.offset, "unknown-watchlist", what, remedy))
        return Bound(node.offset, found) if found is not None else _unusable(node)

    def _refuse(self, call: Node, what: str, whole: Node, remedy: str = "") -> Node:
        """Report a list in a wrong place; returns what replaces the whole part, `whole`."""
        name = _name(call)
        if name is not None:
            self._lists.used.add(name.value)
        text, key = self._text(call), self._examples.key
        remedy = remedy or f"write {key} in {text}, or {text}[{key}].note"
        self.problems.append(Problem(call.offset, "watchlist-use", f"a watchlist {what}", remedy))
        return _unusable(whole)

    def _text(self, call: Node) -> str:
        """The call `watchlist("name")` of a list, as remedies show it."""
        name = _name(call)
        return self._examples.list_call if name is None else f'{FUNCTION}("{shorten(name.value)}")'

    def _rows_text(self, call: Node) -> str:
        """The call of `rows()` of a list, as remedies show it."""
        return f"{self._text(call)}.{ROWS}({self._examples.key})"

    def _check_key(self, key: Node) -> None:
        """Warn of a literal plate that can't be on any list."""
        if isinstance(key, Literal) and type(key.value) is str:
            self._warn_of_plate(key, "is on no list", f"ask for {self._examples.key}")

    def _warn_of_plate(self, plate: Literal, what: str, remedy: str) -> None:
        reason = why_no_plate(plate.value)
        if reason:
            what = f"'{shorten(plate.value)}' {what}: {reason}"
            warning = Problem(plate.offset, "watchlist-key", what, remedy, Severity.WARNING)
            self.problems.append(warning)

    def _warn_of_absent_column(self, node: Select, found: Watchlist | None) -> None:
        """Warn of a column that rows may have in general, but this list has not."""
        if found is not None and node.field in found.absent_columns:
            what = f"the watchlist '{found.name}' has no column '{node.field}', so it is null"
            remedy = "add the column to its file"
            problem = Problem(node.offset, "watchlist-column", what, remedy, Severity.WARNING)
            self.problems.append(problem)

    def _warn_of_hidden_column(self, node: Select, found: Watchlist | None) -> None:
        """Warn where `closest()` says something else by the name of a column."""
        name = node.field
        if found is not None and name in CLOSEST_FIELDS and name in found.columns:
            what = f"this is not the column '{name}' of the watchlist '{found.name}': closest() has"
            what += f" a '{name}' of its own"
            remedy = "to read the column rename it in the file"
            problem = Problem(node.offset, "watchlist-column", what, remedy, Severity.WARNING)
            self.problems.append(problem)

    def _warn_of_difference(self, node: Select, found: Watchlist | None) -> None:
        """Warn where a plate has several rows, and only the first of them is read."""
        lines = self._lists.difference(found, node.field) if found is not None else None
        if found is None or lines is None:
            return
        what = (
            f"lines {lines[0]} and {lines[1]} of {found.path} have one plate and differ in "
            f"'{node.field}'; this reads the first that is in force"
        )
        rows = f'watchlist("{found.name}").{ROWS}({self._examples.key})'
        remedy = f"to ask all rows write {rows}.exists(r, r.{node.field} == …), or .map(…)"
        problem = Problem(node.offset, "watchlist-rows-differ", what, remedy, Severity.WARNING)
        self.problems.append(problem)


def with_names(
    problems: Sequence[Problem], lists: Lists, intervals: Intervals
) -> tuple[Problem, ...]:
    """The problems with another remedy for unknown names that are those of lists or intervals."""
    found: list[Problem] = []
    for problem in problems:
        name = problem.what.removeprefix("'").removesuffix("' is not known here")
        remedy = problem.remedy
        if problem.code == "unknown-name" and name in lists.known:
            remedy = _remedy(name)
        elif problem.code == "unknown-name" and name in intervals.known:
            remedy = remedy_of_interval(name)
        found.append(replace(problem, remedy=remedy))
    return tuple(found)


def _remedy(name: str) -> str:
    return f'write watchlist("{shorten(name)}")'


def _usual(node: Call, given: Sequence[Node]) -> tuple[Node, ...]:
    """The threshold of a call that has none: null, which stands for the usual one."""
    return () if given else (Literal(node.offset, None),)


def _unusable(node: Node) -> Node:
    """Replaces a node that can't be used; its fault is reported, and no other follows from it."""
    return Bound(node.offset, _Unusable(unparse(node)))


def _is_list(node: Node) -> bool:
    return isinstance(node, Call) and node.function == FUNCTION and node.target is None


def _is_row(node: Node) -> bool:
    return isinstance(node, Call) and node.function == tree.INDEX and _is_list(node.args[0])


def _rows_in(node: Node) -> Watchlist | None:
    """The list of which a part gives whole rows: `rows()`, maybe filtered; None for other parts."""
    while isinstance(node, Comprehension) and node.macro is Macro.FILTER:
        node = node.range
    is_rows = isinstance(node, Call) and node.function == tree.ROWS
    return watchlist_of(node.args[0]) if isinstance(node, Call) and is_rows else None


def _name(node: Node) -> Literal | None:
    """The literal name of a list in its call; None for a call without one."""
    name = node.args[0] if isinstance(node, Call) and len(node.args) == 1 else None
    return name if isinstance(name, Literal) and type(name.value) is str else None


def check_rows(findings: Findings, node: Call, key: FieldType | None) -> FieldType | None:
    """The type of `rows(key)`; reports a key that is no text."""
    found = watchlist_of(node.args[0])
    if found is None:
        # That is reported already, or the list is in a file that can't be read.
        findings.references[id(node)] = Broken(
            FailureKind.UNKNOWN_NAME, "the watchlist can't be used"
        )
        return None
    if key is not None and key.kind is not Kind.STRING:
        what = f"{ROWS}() takes a plate as text, not {with_article(key)}"
        findings.error(node.args[1], "no-overload", what, f"ask for {findings.scope.examples.key}")
    return rows_type(found)


def warn_of_missing(findings: Findings, node: Call, name: str, safe: frozenset[str]) -> None:
    """Warn of `watchlist(…)[key]` without a guard: the key may not be on the list.

    `name` is the row's name for guards (`part_name`), or ""; `safe` are the guarded names.
    """
    found = watchlist_lookup(node)
    if found is None or node.function != tree.INDEX or not name or name in safe:
        return
    what = f"a plate that is not on '{found[0].name}' has no row, which is an evaluation error"
    remedy = f"guard it: {unparse(found[1])} in {unparse(node.args[0])} && …"
    findings.warning(node, MISSING_ROW, what, remedy)
