"""A typed tree into closures over plain Python values."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any, Final

from engine.cel.interpret import closures
from engine.cel.interpret.budget import Closure, cost, counted, pay, spend, weight
from engine.cel.interpret.closures import bind, bound, equals_constant, folded, orders_constant
from engine.cel.interpret.watchlists import plan_list
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
from engine.cel.types.findings import Findings
from engine.cel.types.functions import ANY, Function, Implementation
from engine.cel.types.scope import Broken, Constant, Local, Variable
from engine.cel.values.comparison import (
    ORDERINGS,
    constant_membership,
    contains,
    equal,
    not_equal,
)
from engine.cel.values.numbers import OPERATIONS, negate
from engine.cel.values.regexes import BadRegexError, compile_search
from engine.cel.values.values import (
    MISSING,
    CelMap,
    CelType,
    Duration,
    FailureKind,
    Timestamp,
    UInt,
    failure,
    no_overload,
)
from engine.schema import Kind

_BINARY: Final[dict[str, Callable[[Any, Any], Any]]] = {
    **ORDERINGS,
    tree.EQUALS: equal,
    tree.NOT_EQUALS: not_equal,
    tree.IN: contains,
}
_KEYS: Final = frozenset({str, int, UInt, bool})
_JOINED: Final = frozenset({str, bytes, list})
#: Kinds and types whose values are never long.
_SHORT: Final = frozenset(
    {Kind.BOOL, Kind.INT, Kind.UINT, Kind.DOUBLE, Kind.TIMESTAMP, Kind.RECORD}
)
_SCALARS: Final = frozenset({bool, int, UInt, float, Timestamp, Duration, CelType})


def plan(findings: Findings) -> Closure:
    """The closure of a checked tree without errors."""
    return plan_part(findings, findings.root)


def plan_part(findings: Findings, node: Node) -> Closure:
    """The closure of one node of a checked tree."""
    return _Planner(findings).closure(node)


class _Planner:
    def __init__(self, findings: Findings) -> None:
        self._findings: Final = findings
        #: The values of `cel.bind`, by the slots of their names.
        self._bound: Final[dict[int, Closure]] = {}

    def closure(self, node: Node) -> Closure:
        """The closure of a node, whose value is paid for."""
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

    def _glance(self, node: Node) -> Closure:
        """The closure of a node whose size does not matter to who reads it."""
        constant = constant_of(node)
        if constant is not MISSING:
            return lambda bindings: constant
        return self._name(node) if isinstance(node, Ident | Select) else self.closure(node)

    def _may_be_long(self, node: Node) -> bool:
        kind = self._findings.type_of(node)
        return kind is None or kind.kind not in _SHORT

    def _name(self, node: Ident | Select) -> Closure:
        reference = self._findings.references.get(id(node))
        match reference:
            case Variable():
                return self._variable(node, reference)
            case Local():
                slot = reference.slot
                if slot in self._bound:
                    return bound(slot, self._bound[slot])
                return lambda bindings: bindings[slot]
            case Constant():
                value = reference.value
                return lambda bindings: value
            case Broken():
                return _broken(reference)
        assert isinstance(node, Select)
        return self._select(node)

    def _variable(self, node: Ident | Select, reference: Variable) -> Closure:
        load = closures.variable(reference.name)
        kind = self._findings.type_of(node)
        if kind is not None and kind.kind is Kind.TIMESTAMP:
            load = closures.instant(load)
        return load

    def _select(self, node: Select) -> Closure:
        record = self._findings.type_of(node.operand)
        if record is None or record.kind is not Kind.RECORD:
            return closures.map_field(self.closure(node.operand), node.field, is_test=node.is_test)
        reference = self._findings.references.get(id(node.operand))
        if isinstance(reference, Variable):
            load = closures.variable_field(reference.name, node.field, is_nullable=record.nullable)
        else:
            operand = self.closure(node.operand)
            load = closures.record_field(operand, node.field, is_nullable=record.nullable)
        field = record.fields.get(node.field)
        if field is not None and field.kind is Kind.TIMESTAMP:
            load = closures.instant(load)
        return closures.has_field(load) if node.is_test else load

    def _macro(self, node: Comprehension) -> Closure:
        reference = self._findings.references[id(node)]
        assert isinstance(reference, Local)
        if node.macro is Macro.BIND:
            assert node.result is not None
            self._bound[reference.slot] = self.closure(node.range)
            return bind(reference.slot, self.closure(node.result))
        over = self._glance(node.range)
        slot, heft = reference.slot, weight(node)
        condition = self.closure(node.condition) if node.condition is not None else None
        if node.macro in (Macro.MAP, Macro.FILTER):
            result = self.closure(node.result) if node.result is not None else None
            return counted(closures.collect(node.macro, over, slot, condition, result, heft))
        assert condition is not None
        if node.macro is Macro.EXISTS_ONE:
            return closures.exists_one(over, slot, condition, heft)
        return closures.quantifier(node.macro, over, slot, condition, heft)

    def _call(self, node: Call) -> Closure:
        broken = self._findings.references.get(id(node))
        if isinstance(broken, Broken):
            return _broken(broken)
        function = self._findings.functions.get(id(node))
        if function is not None:
            is_member = node.target is not None and "." not in function.name
            args = node.args
            if node.target is not None and is_member:
                args = (node.target, *args)
            constants = [constant_of(arg) for arg in args]
            operand = self._glance if function.name == "size" else self.closure
            run = plan_function(function, [operand(arg) for arg in args], constants)
            if not all(row.result in _SCALARS for row in function.overloads):
                run = counted(run)
            return run if any(value is MISSING for value in constants) else folded(run)
        of_list = plan_list(node, self.closure)
        if of_list is not None:
            return of_list
        if node.function in tree.ARITHMETIC:
            return self._arithmetic(node)
        if node.function in (tree.EQUALS, tree.NOT_EQUALS):
            return self._equality(node)
        if node.function == tree.IN:
            return self._membership(node)
        if node.function == tree.INDEX:
            container, key = self._glance(node.args[0]), self.closure(node.args[1])
            return counted(lambda bindings: closures.element(container(bindings), key(bindings)))
        args_closures = [self.closure(arg) for arg in node.args]
        return _operator(node.function, args_closures, node.args)

    def _arithmetic(self, node: Call) -> Closure:
        first, calls = tree.arithmetic_chain(node)
        start = self.closure(first)
        steps = tuple((OPERATIONS[call.function], self.closure(call.args[1])) for call in calls)

        def run(bindings: dict[Any, Any]) -> Any:
            value = start(bindings)
            for step, right in steps:
                value = step(value, right(bindings))
                if type(value) in _JOINED:
                    pay(value, bindings)
            return value

        return run

    def _equality(self, node: Call) -> Closure:
        is_equal = node.function == tree.EQUALS
        for arg, other in (node.args, node.args[::-1]):
            constant = constant_of(arg)
            if constant is not MISSING:
                special = equals_constant(self.closure(other), constant, is_equal=is_equal)
                if special is not None:
                    return special
        left, right = map(self.closure, node.args)
        compare = _BINARY[node.function]
        return lambda bindings: compare(left(bindings), right(bindings))

    def _membership(self, node: Call) -> Closure:
        item = self.closure(node.args[0])
        values = constant_of(node.args[1])
        if type(values) is list:
            probe = constant_membership(values)
            return lambda bindings: probe(item(bindings))
        container = self.closure(node.args[1])
        return lambda bindings: contains(item(bindings), container(bindings))


def _constant(value: Any) -> Closure:
    rounds = cost(value)
    if not rounds:
        return lambda bindings: value

    def read(bindings: dict[Any, Any]) -> Any:
        spend(rounds, bindings)
        return value

    return read


def _operator(function: str, args: list[Closure], nodes: tuple[Node, ...]) -> Closure:
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
            operand = args[0]
            return lambda bindings: negate(operand(bindings))
    left, right = args
    compare = _BINARY[function]
    constant = constant_of(nodes[1])
    kind = type(constant)
    if function in ORDERINGS and kind in (int, float, str):
        return orders_constant(left, function, constant)
    return lambda bindings: compare(left(bindings), right(bindings))


def _list(items: tuple[Closure, ...]) -> Closure:
    return lambda bindings: [item(bindings) for item in items]


def _map(entries: tuple[tuple[Closure, Closure], ...]) -> Closure:
    def build(bindings: dict[Any, Any]) -> Any:
        pairs = [(key(bindings), value(bindings)) for key, value in entries]
        return make_map(pairs)

    return build


def make_map(pairs: list[tuple[Any, Any]]) -> Any:
    """A map of keys and values; an evaluation error for a key that can't be one or is there."""
    result = CelMap()
    for key, value in pairs:
        if type(key) not in _KEYS:
            raise failure(
                FailureKind.BAD_KEY, "a map's key must be a text, a whole number or a bool"
            )
        if not result.add(key, value):
            raise failure(FailureKind.BAD_KEY, f"the key {str(key)[:40]!r} stands twice in a map")
    if all(type(key) is str for key in result):
        return dict(result.items())
    return result


def _broken(reference: Broken) -> Closure:
    def fail(bindings: dict[Any, Any]) -> Any:
        raise failure(reference.kind, reference.message)

    return fail


_WITH_TEXT: Final = frozenset({"contains", "startsWith", "endsWith"})


def plan_function(function: Function, args: Sequence[Closure], constants: Sequence[Any]) -> Closure:
    """The closure of a call; `constants` holds the arguments' values where they are known."""
    rows = [row for row in function.overloads if len(row.params) == len(args)]
    if len(args) == 2 and type(constants[1]) is str:
        special = _with_constant_text(function.name, args[0], constants[1])
        if special is not None:
            return special
    if len(args) == 1:
        if rows[0].params[0] is ANY:
            return _unchecked(rows[0].implementation, args[0])
        return _unary(function.name, {row.params[0]: row.implementation for row in rows}, args[0])
    return _dispatch(function.name, {row.params: row.implementation for row in rows}, tuple(args))


def _unchecked(implementation: Implementation, arg: Closure) -> Closure:
    return lambda bindings: implementation(arg(bindings))


def _unary(name: str, table: dict[type, Implementation], arg: Closure) -> Closure:
    def run(bindings: dict[Any, Any]) -> Any:
        value = arg(bindings)
        implementation = table.get(type(value))
        if implementation is None:
            raise no_overload(name, value)
        return implementation(value)

    return run


def _dispatch(
    name: str, table: dict[tuple[type, ...], Implementation], args: tuple[Closure, ...]
) -> Closure:
    def run(bindings: dict[Any, Any]) -> Any:
        values = [arg(bindings) for arg in args]
        implementation = table.get(tuple(map(type, values)))
        if implementation is None:
            raise no_overload(name, *values)
        return implementation(*values)

    return run


def _with_constant_text(name: str, target: Closure, text: str) -> Closure | None:
    """`target.name("text")` for the functions that gain by knowing the text."""
    if name in _WITH_TEXT:
        test = _TESTS[name]
    elif name == "matches":
        try:
            test = _ignoring_pattern(compile_search(text))
        except BadRegexError as error:
            return _failing(str(error))
    else:
        return None

    def run(bindings: dict[Any, Any]) -> bool:
        value = target(bindings)
        if type(value) is str:
            return test(value, text)
        raise no_overload(name, value, text)

    return run


_TESTS: Final[dict[str, Callable[[str, str], bool]]] = {
    "contains": operator.contains,
    "startsWith": str.startswith,
    "endsWith": str.endswith,
}


def _ignoring_pattern(search: Callable[[str], bool]) -> Callable[[str, str], bool]:
    def test(value: str, _pattern: str) -> bool:
        try:
            return search(value)
        except UnicodeEncodeError:
            raise failure(FailureKind.BAD_ARGUMENT, "the text is not valid Unicode") from None

    return test


def _failing(message: str) -> Closure:
    def fail(bindings: dict[Any, Any]) -> Any:
        raise failure(FailureKind.BAD_REGEX, message)

    return fail
