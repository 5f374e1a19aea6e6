"""The check of a tree against the variables: names, fields, functions, constants, null guards.

Everything wrong is reported at once. What it finds out (what a name means, a part's type where
that is known) goes into `Checked`, which `plan.py` reads. Types are those that the schema and the
functions' signatures give; where they give none, the part is dynamic.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final

from engine.cel import guards, tree
from engine.cel.failures import Failure
from engine.cel.functions import ANY, FUNCTIONS, Function
from engine.cel.regexes import BadRegexError, compile_search
from engine.cel.scope import Broken, Local, Reference, Scope, Variable, dotted, suggest
from engine.cel.tree import Bound, Call, Comprehension, Ident, ListNode, Literal, Macro, MapNode
from engine.cel.tree import Node, Select
from engine.cel.values import Timestamp
from engine.errors import EvaluationError, Problem, Severity
from engine.schema import FieldType, Kind

_KINDS: Final[dict[type, Kind]] = {
    str: Kind.STRING,
    int: Kind.INT,
    float: Kind.DOUBLE,
    bool: Kind.BOOL,
    bytes: Kind.BYTES,
    list: Kind.LIST,
    dict: Kind.MAP,
    Timestamp: Kind.TIMESTAMP,
}
_RUNTIME: Final = {kind: runtime for runtime, kind in _KINDS.items()}
_NUMBERS: Final = frozenset({Kind.INT, Kind.DOUBLE})
_BOOL: Final = FieldType(Kind.BOOL)
_LOGICAL: Final = frozenset({tree.AND, tree.OR, tree.NOT})
#: Functions whose constant arguments are tried at load.
_TRIED: Final = frozenset({"timestamp", "duration"})
_NO_GUARDS: Final[frozenset[str]] = frozenset()


@dataclass(slots=True)
class Checked:
    """A tree and what the check found out about its nodes, by the nodes' identity."""

    root: Node
    references: dict[int, Reference] = field(default_factory=dict)
    functions: dict[int, Function] = field(default_factory=dict)
    types: dict[int, FieldType] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    paths: dict[int, str] = field(default_factory=dict)
    slots: int = 0

    def type_of(self, node: Node) -> FieldType | None:
        """The node's type where it is known."""
        return self.types.get(id(node))


def check(root: Node, scope: Scope) -> Checked:
    """Check a tree; errors and warnings are in the result's `problems`."""
    checker = _Checker(Checked(root), is_strict=scope.is_strict)
    checker.visit(root, scope, _NO_GUARDS)
    checker.found.problems.sort(key=lambda problem: problem.offset)
    return checker.found


class _Checker:
    def __init__(self, found: Checked, *, is_strict: bool) -> None:
        self.found: Final = found
        self._is_strict: Final = is_strict

    def visit(self, node: Node, scope: Scope, safe: frozenset[str]) -> FieldType | None:
        """Check a node and what is below; `safe` are the names known not to be null."""
        kind = self._kind(node, scope, safe)
        if kind is not None:
            self.found.types[id(node)] = kind
        return kind

    def _kind(self, node: Node, scope: Scope, safe: frozenset[str]) -> FieldType | None:
        match node:
            case Literal():
                literal = _KINDS.get(type(node.value))
                return FieldType(literal) if literal is not None else None
            case Bound():
                return FieldType(Kind.LIST) if isinstance(node.value, tuple | list) else None
            case Ident() | Select():
                return self._name(node, scope, safe)
            case Call():
                return self._call(node, scope, safe)
            case ListNode():
                kinds = [self.visit(item, scope, safe) for item in node.items]
                same = kinds and all(kind == kinds[0] for kind in kinds)
                return FieldType(Kind.LIST, element=kinds[0] if same else None)
            case MapNode():
                for key, value in node.entries:
                    self.visit(key, scope, safe)
                    self.visit(value, scope, safe)
                return FieldType(Kind.MAP)
            case Comprehension():
                return self._macro(node, scope, safe)

    def _report(
        self, node: Node, code: str, what: str, remedy: str = "", *, is_warning: bool = False
    ) -> None:
        if not self._is_strict:
            return
        severity = Severity.WARNING if is_warning else Severity.ERROR
        self.found.problems.append(Problem(node.offset, code, what, remedy, severity))

    def _break(self, node: Node, scope: Scope, kind: Failure, code: str, what: str, remedy: str) -> None:
        """An error at load, or where names are not checked, a failure of the evaluation."""
        if scope.is_strict:
            self._report(node, code, what, remedy)
        else:
            self.found.references[id(node)] = Broken(kind, what)

    def _name(self, node: Ident | Select, scope: Scope, safe: frozenset[str]) -> FieldType | None:
        path = dotted(node)
        if path is not None and not scope.is_local(node):
            text, first = path
            variable = scope.qualified(text, is_absolute=first.is_absolute)
            if variable is not None:
                return self._variable(node, variable, scope)
            constant = scope.type_constant(text)
            if constant is not None:
                self.found.references[id(node)] = constant
                return None
        if isinstance(node, Select):
            return self._select(node, scope, safe)
        if scope.is_local(node):
            slot, kind = scope.locals[node.name]
            self.found.references[id(node)] = Local(slot)
            return kind
        what = f"'{node.name}' is not known here"
        remedy = scope.suggestion(node.name)
        self._break(node, scope, Failure.UNKNOWN_NAME, "unknown-name", what, remedy)
        return None

    def _variable(self, node: Ident | Select, name: str, scope: Scope) -> FieldType | None:
        self.found.references[id(node)] = Variable(name)
        self.found.paths[id(node)] = name
        return scope.variables[name]

    def _select(self, node: Select, scope: Scope, safe: frozenset[str]) -> FieldType | None:
        operand = self.visit(node.operand, scope, safe)
        kind: FieldType | None = None
        if operand is not None and operand.kind is Kind.RECORD:
            kind = self._field(node, operand)
        elif operand is not None and operand.kind is Kind.MAP:
            kind = operand.element
        elif operand is not None:
            what = f"'{node.field}' can't be taken from a value of type {operand.kind}"
            self._report(node, "no-fields", what)
        return _BOOL if node.is_test else kind

    def _field(self, node: Select, operand: FieldType) -> FieldType | None:
        found = operand.fields.get(node.field)
        parent = dotted(node.operand)
        if found is None:
            where = f"'{parent[0]}'" if parent is not None else "the record"
            what = f"{where} has no field '{node.field}'"
            self._report(node, "unknown-field", what, suggest(node.field, operand.fields))
            return None
        path = self.found.paths.pop(id(node.operand), None)
        if path is not None:
            self.found.paths[id(node)] = f"{path}.{node.field}"
        return replace(found, nullable=True) if operand.nullable else found

    def _macro(self, node: Comprehension, scope: Scope, safe: frozenset[str]) -> FieldType | None:
        over = self.visit(node.range, scope, safe)
        item = None
        if over is not None and over.kind is Kind.LIST:
            item = over.element
        elif over is not None and over.kind is Kind.MAP and over.element is not None:
            item = FieldType(Kind.STRING)
        elif over is not None and over.kind is not Kind.MAP:
            what = f"{node.macro}() runs over a list or a map, not over {over.kind}"
            self._report(node, "no-overload", what)
        self._warn_null(node.range, over, safe, f"{node.macro}()")
        self.found.slots += 1
        slot = self.found.slots
        self.found.references[id(node)] = Local(slot)
        inner = scope.with_local(node.variable, slot, item)
        result: FieldType | None = None
        if node.condition is not None:
            condition = self.visit(node.condition, inner, safe)
            self._want_bool(node.condition, condition, f"the condition of {node.macro}()")
        if node.result is not None:
            result = self.visit(node.result, inner, safe)
        if node.macro is Macro.MAP:
            return FieldType(Kind.LIST, element=result)
        return FieldType(Kind.LIST, element=item) if node.macro is Macro.FILTER else _BOOL

    def _call(self, node: Call, scope: Scope, safe: frozenset[str]) -> FieldType | None:
        if node.target is None:
            if node.function in _LOGICAL:
                return self._logical(node, scope, safe)
            if node.function == tree.TERNARY:
                return self._ternary(node, scope, safe)
            if node.function in tree.ARITHMETIC:
                return self._arithmetic(node, scope, safe)
            if not node.function[0].isalpha():
                return self._operator(node, scope, safe)
        return self._function(node, scope, safe)

    def _logical(self, node: Call, scope: Scope, safe: frozenset[str]) -> FieldType:
        known: list[frozenset[str]] = []
        if node.function == tree.AND:
            known = [guards.when_true(arg) for arg in node.args]
        elif node.function == tree.OR:
            known = [guards.when_false(arg) for arg in node.args]
        safe = safe.union(*known)
        for arg in node.args:
            kind = self.visit(arg, scope, safe)
            self._want_bool(arg, kind, f"an operand of '{node.function.strip('_')}'")
        return _BOOL

    def _want_bool(self, node: Node, kind: FieldType | None, what: str) -> None:
        if kind is not None and kind.kind is not Kind.BOOL:
            message = f"{what} must be true or false, not {kind.kind}"
            self._report(node, "not-bool", message, "compare it with something")

    def _ternary(self, node: Call, scope: Scope, safe: frozenset[str]) -> FieldType | None:
        condition, first, second = node.args
        kind = self.visit(condition, scope, safe)
        self._want_bool(condition, kind, "the condition of '?'")
        one = self.visit(first, scope, safe | guards.when_true(condition))
        two = self.visit(second, scope, safe | guards.when_false(condition))
        for kind, other, branch in ((one, two, second), (two, one, first)):
            if isinstance(branch, Literal) and branch.value is None and kind is not None:
                return replace(kind, nullable=True)
            if kind is not None and other is not None and kind.kind is other.kind and kind.nullable:
                return kind
        return one if one == two else None

    def _arithmetic(self, node: Call, scope: Scope, safe: frozenset[str]) -> FieldType | None:
        first, calls = tree.arithmetic_chain(node)
        left: Node = first
        kind = self.visit(first, scope, safe)
        for step in calls:
            right = self.visit(step.args[1], scope, safe)
            sign = step.function.strip("_")
            self._warn_null(left, kind, safe, f"'{sign}'")
            self._warn_null(step.args[1], right, safe, f"'{sign}'")
            if kind is not None and right is not None and not _adds(step.function, kind, right):
                what = f"'{sign}' can't be applied to {kind.kind} and {right.kind}"
                self._report(step, "no-overload", what, "convert one of them, double(x) for instance")
            same = kind is not None and right is not None and kind.kind is right.kind
            kind = replace(kind, nullable=False) if same and kind is not None else None
            if kind is not None and kind.kind is Kind.TIMESTAMP:
                kind = None
            if kind is not None:
                self.found.types[id(step)] = kind
            left = step
        return kind

    def _operator(self, node: Call, scope: Scope, safe: frozenset[str]) -> FieldType | None:
        kinds = [self.visit(arg, scope, safe) for arg in node.args]
        sign = node.function.strip("_@") or node.function
        if node.function in tree.ORDERINGS:
            self._ordering(node, kinds, safe, sign)
        elif node.function in (tree.EQUALS, tree.NOT_EQUALS):
            left, right = kinds
            if left is not None and right is not None and _never_equal(left, right):
                what = f"{left.kind} and {right.kind} are never equal"
                self._report(node, "never-equal", what, "convert one of them", is_warning=True)
        elif node.function == tree.INDEX:
            over = kinds[0]
            return over.element if over is not None and over.kind in (Kind.LIST, Kind.MAP) else None
        elif node.function == tree.NEGATE:
            self._warn_null(node.args[0], kinds[0], safe, "'-'")
            return replace(kinds[0], nullable=False) if kinds[0] is not None else None
        elif node.function == tree.IN:
            over = kinds[1]
            if over is not None and over.kind not in (Kind.LIST, Kind.MAP):
                self._report(node, "no-overload", f"'in' looks into a list or a map, not {over.kind}")
        return _BOOL

    def _ordering(
        self, node: Call, kinds: list[FieldType | None], safe: frozenset[str], sign: str
    ) -> None:
        for arg, kind in zip(node.args, kinds, strict=True):
            self._warn_null(arg, kind, safe, f"'{sign}'")
            if isinstance(arg, Literal) and arg.value is None:
                self._report(arg, "no-overload", f"'{sign}' can't be applied to null")
        left, right = kinds
        if left is None or right is None:
            return
        is_number = left.kind in _NUMBERS and right.kind in _NUMBERS
        if not is_number and (left.kind is not right.kind or left.kind in _UNORDERED):
            what = f"'{sign}' can't compare {left.kind} with {right.kind}"
            self._report(node, "no-overload", what, "convert one of them, double(x) for instance")

    def _function(self, node: Call, scope: Scope, safe: frozenset[str]) -> FieldType | None:
        function, args = self._find(node, scope)
        kinds = [self.visit(arg, scope, safe) for arg in args]
        if function is None:
            return None
        self.found.functions[id(node)] = function
        fitting = [row for row in function.overloads if _fits(row.params, kinds)]
        if not fitting:
            given = ", ".join(str(kind.kind) if kind is not None else "null" for kind in kinds)
            self._report(node, "no-overload", f"{function.name}() can't be applied to ({given})")
            return None
        if function.overloads[0].params[0] is not ANY:
            for arg, kind in zip(args, kinds, strict=True):
                self._warn_null(arg, kind, safe, f"{function.name}()")
        if scope.is_strict:
            self._try_constants(node, function, args)
        results = {row.result for row in fitting}
        kind_of_result = _KINDS.get(results.pop()) if len(results) == 1 else None
        return FieldType(kind_of_result) if kind_of_result is not None else None

    def _find(self, node: Call, scope: Scope) -> tuple[Function | None, tuple[Node, ...]]:
        """The function that a call means and all its arguments, the target among them."""
        if node.target is not None:
            space = dotted(node.target)
            if space is not None and not scope.is_local(node.target):
                function = FUNCTIONS.get(f"{space[0]}.{node.function}")
                if function is not None:
                    return self._arity(node, function, node.args, scope)
        args = node.args if node.target is None else (node.target, *node.args)
        function = FUNCTIONS.get(node.function)
        style = "is_global" if node.target is None else "is_member"
        if function is None or not getattr(function, style):
            what = f"there is no function '{node.function}'"
            names = [name for name, row in FUNCTIONS.items() if getattr(row, style)]
            remedy = suggest(node.function, [*names, *MACRO_NAMES])
            if function is not None:
                way = "x.{}()" if function.is_member else "{}(x)"
                what = f"'{node.function}' is called otherwise"
                remedy = f"write {way.format(node.function)}"
            self._break(node, scope, Failure.UNKNOWN_NAME, "unknown-function", what, remedy)
            return None, args
        return self._arity(node, function, args, scope)

    def _arity(
        self, node: Call, function: Function, args: tuple[Node, ...], scope: Scope
    ) -> tuple[Function | None, tuple[Node, ...]]:
        if len(args) in function.arities:
            return function, args
        own = 0 if node.target is None or len(args) == len(node.args) else 1
        counts = " or ".join(str(count - own) for count in function.arities)
        what = f"{function.name}() takes {counts} arguments, not {len(node.args)}"
        self._break(node, scope, Failure.NO_OVERLOAD, "arity", what, "")
        return None, args

    def _try_constants(self, node: Call, function: Function, args: tuple[Node, ...]) -> None:
        last = args[-1]
        if not isinstance(last, Literal) or type(last.value) is not str:
            return
        try:
            if function.name == "matches":
                compile_search(last.value)
            elif function.name in _TRIED:
                function.overloads[1].implementation(last.value)
            elif function.name.startswith("get") and len(args) == 2:
                function.overloads[1].implementation(Timestamp(0), last.value)
        except (BadRegexError, EvaluationError) as error:
            self._report(last, "bad-constant", str(error))

    def _warn_null(
        self, node: Node, kind: FieldType | None, safe: frozenset[str], what: str
    ) -> None:
        if kind is None or not kind.nullable:
            return
        path = dotted(node)
        if path is None or path[0] in safe:
            return
        message = f"'{path[0]}' may be null, and {what} of null is an evaluation error"
        remedy = f"guard it: {path[0]} != null && …"
        self._report(node, "may-be-null", message, remedy, is_warning=True)


MACRO_NAMES: Final = ("has", *(macro.value for macro in Macro))
_UNORDERED: Final = frozenset({Kind.RECORD, Kind.LIST, Kind.MAP})
_ADDED: Final[dict[str, frozenset[Kind]]] = {
    "_+_": frozenset({Kind.INT, Kind.DOUBLE, Kind.STRING, Kind.BYTES, Kind.LIST}),
    "_-_": frozenset({Kind.INT, Kind.DOUBLE, Kind.TIMESTAMP}),
    "_*_": frozenset({Kind.INT, Kind.DOUBLE}),
    "_/_": frozenset({Kind.INT, Kind.DOUBLE}),
    "_%_": frozenset({Kind.INT}),
}


def _adds(function: str, left: FieldType, right: FieldType) -> bool:
    return left.kind is right.kind and left.kind in _ADDED[function]


def _never_equal(left: FieldType, right: FieldType) -> bool:
    if left.kind is right.kind or (left.kind in _NUMBERS and right.kind in _NUMBERS):
        return False
    maps = (Kind.RECORD, Kind.MAP)
    return not (left.kind in maps and right.kind in maps)


def _fits(params: tuple[type, ...], kinds: list[FieldType | None]) -> bool:
    if len(params) != len(kinds):
        return False
    return all(
        kind is None or param is ANY or kind.kind is Kind.RECORD or _RUNTIME[kind.kind] is param
        for param, kind in zip(params, kinds, strict=True)
    )
