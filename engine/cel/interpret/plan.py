"""A checked tree into closures over plain Python values, one for each node.

This is the reference for the generated code: each operator and function has one closure, which
follows CEL's definition and is not optimised. What `lower` generates must give the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final

from engine.cel.interpret import closures
from engine.cel.interpret.budget import BUDGET, MAX_ROUNDS, Closure, cost, counted, spend, weight
from engine.cel.syntax import tree
from engine.cel.syntax.tree import (
    Call,
    Comprehension,
    Ident,
    ListNode,
    Macro,
    MapNode,
    Node,
    Select,
    constant_of,
)
from engine.cel.types.findings import (
    Findings,
    interval_of,
    list_question,
    plates_question,
    watchlist_lookup,
)
from engine.cel.types.functions import Function
from engine.cel.types.scope import Broken, Constant, Local, Reference, Variable, dotted
from engine.cel.values.numbers import OPERATIONS, negate
from engine.cel.values.plates import similar_to
from engine.cel.values.values import (
    MISSING,
    ORDERINGS,
    CelType,
    Duration,
    Timestamp,
    UInt,
    constant_membership,
    contains,
    equal,
    failure,
    not_equal,
)
from engine.schema import FieldType, Kind

_BINARY: Final[dict[str, Callable[[Any, Any], Any]]] = {
    **ORDERINGS,
    tree.EQUALS: equal,
    tree.NOT_EQUALS: not_equal,
    tree.IN: contains,
}
_OF_LISTS: Final = {
    tree.IN: closures.is_listed,
    tree.INDEX: closures.listed_row,
    tree.ROWS: closures.listed_rows,
}
#: Kinds and types whose values are never long.
_SHORT: Final = frozenset(
    {Kind.BOOL, Kind.INT, Kind.UINT, Kind.DOUBLE, Kind.TIMESTAMP, Kind.RECORD}
)
_SCALARS: Final = frozenset({bool, int, UInt, float, Timestamp, Duration, CelType})


@dataclass(frozen=True, slots=True, eq=False)
class CheckedTree:
    """A checked tree: what the nodes mean, by their ids, without the problems that were found."""

    root: Node
    references: Mapping[int, Reference]
    functions: Mapping[int, Function]
    types: Mapping[int, FieldType]


class Interpreter:
    """Evaluates a checked tree without errors, or several of them joined by `&&`, by its closures.

    They are made when the first value is asked for: most rules never need them, and they take
    several times the memory of what they are made from.
    """

    __slots__ = ("_closure", "_source")

    def __init__(self, source: Findings | Sequence[Interpreter]) -> None:
        self._source: Final = _checked(source) if isinstance(source, Findings) else tuple(source)
        self._closure: Closure | None = None

    @property
    def trees(self) -> tuple[CheckedTree, ...]:
        """The checked trees that are joined."""
        source = self._source
        if isinstance(source, CheckedTree):
            return (source,)
        return tuple(chain.from_iterable(part.trees for part in source))

    @property
    def closure(self) -> Closure:
        """The closure of the whole."""
        made = self._closure
        if made is None:
            source = self._source
            if isinstance(source, CheckedTree):
                made = Planner(source).closure(source.root)
            else:
                made = closures.conjunction([part.closure for part in source])
            self._closure = made
        return made

    def __call__(self, bindings: Mapping[Any, Any]) -> Any:
        """The value for these bindings, as CEL has it; EvaluationError."""
        return self.closure({**bindings, BUDGET: MAX_ROUNDS})


def plan(findings: Findings, node: Node) -> Closure:
    """The closure of one node of a checked tree."""
    return Planner(_checked(findings)).closure(node)


def _checked(findings: Findings) -> CheckedTree:
    return CheckedTree(findings.root, findings.references, findings.functions, findings.types)


class Planner:
    """Makes the closures of a checked tree."""

    def __init__(self, checked: CheckedTree) -> None:
        self._checked: Final = checked
        #: The values of `cel.bind`, by the slots of their names.
        self._bound: Final[dict[int, Closure]] = {}

    def closure(self, node: Node) -> Closure:
        """The closure of a node; it spends what its value costs."""
        constant = constant_of(node)
        if constant is not MISSING:
            return _constant(constant)
        match node:
            case Ident() | Select():
                return counted(self._name(node)) if self._may_be_long(node) else self._name(node)
            case Call():
                return self._call(node)
            case ListNode():
                return counted(_list(tuple(map(self.closure, node.items))))
            case MapNode():
                pairs = [(self.closure(key), self.closure(value)) for key, value in node.entries]
                return counted(_map(tuple(pairs)))
            case Comprehension():
                return self._macro(node)
        raise AssertionError(node)

    def unpaid(self, node: Node) -> Closure:
        """The closure of a node for an operation that takes no longer where the value is long."""
        constant = constant_of(node)
        if constant is not MISSING:
            return lambda bindings: constant
        return self._name(node) if isinstance(node, Ident | Select) else self.closure(node)

    def _may_be_long(self, node: Node) -> bool:
        kind = self._checked.types.get(id(node))
        return kind is None or kind.kind not in _SHORT

    def _name(self, node: Ident | Select) -> Closure:
        reference = self._checked.references.get(id(node))
        match reference:
            case Variable():
                return self._instant(node, closures.variable(reference.name))
            case Local():
                slot = reference.slot
                if slot in self._bound:
                    return closures.bound(slot, self._bound[slot])
                return lambda bindings: bindings[slot]
            case Constant():
                value = reference.value
                return lambda bindings: value
            case Broken():
                return _broken(reference)
        assert isinstance(node, Select)
        return self._select(node)

    def _instant(self, node: Node, load: Closure) -> Closure:
        """The closure of a name, whose datetime becomes a timestamp."""
        kind = self._checked.types.get(id(node))
        is_instant = kind is not None and kind.kind is Kind.TIMESTAMP
        return closures.instant(load) if is_instant else load

    def _select(self, node: Select) -> Closure:
        operand = self.closure(node.operand)
        record = self._checked.types.get(id(node.operand))
        if record is None or record.kind is not Kind.RECORD:
            return closures.map_field(operand, node.field, is_test=node.is_test)
        path = dotted(node)
        name = path[0] if path is not None else node.field
        load = closures.record_field(operand, node.field, name, is_nullable=record.nullable)
        field = record.fields.get(node.field)
        if field is not None and field.kind is Kind.TIMESTAMP:
            load = closures.instant(load)
        return closures.has_field(load) if node.is_test else load

    def _macro(self, node: Comprehension) -> Closure:
        reference = self._checked.references[id(node)]
        assert isinstance(reference, Local)
        if node.macro is Macro.BIND:
            assert node.result is not None
            self._bound[reference.slot] = self.closure(node.range)
            return closures.bind(reference.slot, self.closure(node.result))
        over = self.unpaid(node.range)
        slot = reference.slot
        condition = self.closure(node.condition) if node.condition is not None else None
        if node.macro in (Macro.MAP, Macro.FILTER):
            result = self.closure(node.result) if node.result is not None else None
            return counted(
                closures.collect(node.macro, over, slot, condition, result, weight(node))
            )
        assert condition is not None
        if node.macro is Macro.EXISTS_ONE:
            return closures.exists_one(over, slot, condition, weight(node))
        return closures.quantifier(node.macro, over, slot, condition, weight(node))

    def _call(self, node: Call) -> Closure:
        broken = self._checked.references.get(id(node))
        if isinstance(broken, Broken):
            return _broken(broken)
        function = self._checked.functions.get(id(node))
        if function is not None:
            return self._function(node, function)
        of_list = watchlist_lookup(node)
        if of_list is not None:
            watchlist, key = of_list
            return _OF_LISTS[node.function](watchlist, self.closure(key))
        if node.function in tree.BY_LIKENESS:
            return self._by_likeness(node)
        interval = interval_of(node)
        if interval is not None:
            return closures.in_interval(interval)
        if node.function in tree.ARITHMETIC:
            first, calls = tree.arithmetic_chain(node)
            steps = [(OPERATIONS[call.function], self.closure(call.args[1])) for call in calls]
            return closures.arithmetic(self.closure(first), steps)
        if node.function == tree.INDEX:
            container, key_of = self.unpaid(node.args[0]), self.closure(node.args[1])
            return counted(lambda bindings: closures.element(container(bindings), key_of(bindings)))
        if node.function == tree.IN:
            values = constant_of(node.args[1])
            if type(values) is list:
                # A set: the list of a condition may have 100,000 values.
                return closures.unary(constant_membership(values), self.closure(node.args[0]))
        return _operator(node.function, [self.closure(arg) for arg in node.args])

    def _by_likeness(self, node: Call) -> Closure:
        of_list = list_question(node)
        if of_list is not None:
            watchlist, text, threshold = of_list
            make = closures.closest if node.function == tree.CLOSEST else closures.similar_listed
            return make(watchlist, self.closure(text), threshold)
        of_plates = plates_question(node)
        if of_plates is not None and len(of_plates.plates) != 1:
            test = similar_to(of_plates.plates, of_plates.threshold, of_plates.costs)
            return closures.unary(test.holds, self.closure(of_plates.text))
        bound, *args = node.args
        costs = constant_of(bound)
        make_test = closures.likeness if node.function == tree.LIKENESS else closures.similar
        return make_test(costs, *map(self.closure, args))

    def _function(self, node: Call, function: Function) -> Closure:
        args = node.args
        if node.target is not None and "." not in function.name:
            args = (node.target, *args)
        operand = self.unpaid if function.name == "size" else self.closure
        run = closures.call(function, [operand(arg) for arg in args])
        is_short = all(row.result in _SCALARS for row in function.overloads)
        return run if is_short else counted(run)


def _constant(value: Any) -> Closure:
    rounds = cost(value)
    if not rounds:
        return lambda bindings: value

    def read(bindings: dict[Any, Any]) -> Any:
        spend(rounds, bindings)
        return value

    return read


def _operator(function: str, args: list[Closure]) -> Closure:
    match function:
        case tree.AND:
            return closures.conjunction(args)
        case tree.OR:
            return closures.disjunction(args)
        case tree.NOT:
            return closures.negation(args[0])
        case tree.TERNARY:
            return closures.ternary(*args)
        case tree.NEGATE:
            return closures.unary(negate, args[0])
    left, right = args
    compare = _BINARY[function]
    return lambda bindings: compare(left(bindings), right(bindings))


def _list(items: tuple[Closure, ...]) -> Closure:
    return lambda bindings: [item(bindings) for item in items]


def _map(entries: tuple[tuple[Closure, Closure], ...]) -> Closure:
    def build(bindings: dict[Any, Any]) -> Any:
        return closures.make_map([(key(bindings), value(bindings)) for key, value in entries])

    return build


def _broken(reference: Broken) -> Closure:
    def fail(bindings: dict[Any, Any]) -> Any:
        raise failure(reference.kind, reference.message)

    return fail
