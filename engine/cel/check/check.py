"""The check of a tree: walks it once, resolves names and finds the type of each part.

All problems are reported, not only the first. Types come from the variables and from the
signatures of functions; a part whose type they don't give is dynamic, and fits everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Final

from engine.cel.check.calls import find_function, function_type
from engine.cel.check.likeness import check_likeness
from engine.cel.check.operators import (
    arithmetic_type,
    is_division_by_zero,
    operator_type,
    want_bool,
)
from engine.cel.check.remedies import FIELDS_HELP, remedy_of_name, remedy_of_text, remedy_of_types
from engine.cel.check.watchlists import check_rows, warn_of_missing
from engine.cel.syntax import remedies, tree
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
from engine.cel.types.findings import (
    Findings,
    guarded_in_bind,
    guarded_in_macro,
    guarded_when_false,
    guarded_when_true,
    is_used_as_value,
    part_name,
)
from engine.cel.types.functions import FUNCTIONS
from engine.cel.types.kinds import (
    BOOL,
    EMPTY_LIST,
    EMPTY_MAP,
    KEY_NAMES,
    KEYS,
    KINDS,
    SCALARS,
    can_join,
    join,
    list_of,
    list_type,
    not_null,
    nullable,
    type_name,
    with_article,
)
from engine.cel.types.scope import GUESSED, LISTED, Local, Scope, Variable, dotted, suggest
from engine.cel.values.values import FailureKind
from engine.errors import shorten
from engine.schema import FieldType, Kind
from engine.watchlist import Watchlist

_CONSTANT_NODES: Final = frozenset({Literal, ListNode, MapNode})
_LOGICAL: Final = frozenset({tree.AND, tree.OR, tree.NOT})
_BOUND_LIST: Final = FieldType(Kind.LIST)
_TYPE: Final = SCALARS[Kind.TYPE]
#: Other languages' names of `size()` as a field.
_LENGTHS: Final = frozenset({"length", "len", "count"})


def check(root: Node, scope: Scope) -> Findings:
    """Check a tree against a scope; the result has its types and its problems, sorted by place."""
    findings = Findings(root, scope)
    _Checker(findings).visit(root, scope, frozenset())
    findings.problems.sort(key=lambda problem: problem.offset)
    return findings


class _Checker:
    """Walks the tree; `safe` are the names of the parts that guards keep from being null."""

    def __init__(self, findings: Findings) -> None:
        self._findings: Final = findings
        #: The operand of the field access in progress: no text without its quotes.
        self._record: Node | None = None

    def visit(self, node: Node, scope: Scope, safe: frozenset[str]) -> FieldType | None:
        """Check a node and its children; its type, without null where a guard excludes it."""
        kind = self._kind(node, scope, safe)
        if kind is None:
            return None
        self._findings.types[id(node)] = kind
        if kind.nullable and safe and self._is_safe(node, safe):
            return not_null(kind)
        return kind

    def _is_safe(self, node: Node, safe: frozenset[str]) -> bool:
        """Whether a guard covers the node, or the record of which it is a never-null field."""
        if part_name(node) in safe:
            return True
        if not isinstance(node, Select):
            return False
        record = self._findings.type_of(node.operand)
        if record is None or record.kind is not Kind.RECORD or not record.nullable:
            return False
        field = record.fields.get(node.field)
        is_there = field is not None and not field.nullable
        return is_there and self._is_safe(node.operand, safe)

    def _kind(self, node: Node, scope: Scope, safe: frozenset[str]) -> FieldType | None:
        match node:
            case Literal():
                return SCALARS[KINDS[type(node.value)]]
            case Bound():
                if isinstance(node.value, Watchlist):
                    return list_type(node.value)
                return _BOUND_LIST if isinstance(node.value, tuple) else None
            case Ident() | Select():
                return self._name(node, scope, safe)
            case Call():
                return self._call(node, scope, safe)
            case ListNode():
                return self._list(node, scope, safe)
            case MapNode():
                return self._map(node, scope, safe)
            case Comprehension():
                return self._macro(node, scope, safe)

    def _list(self, node: ListNode, scope: Scope, safe: frozenset[str]) -> FieldType:
        return _literal_list_type([self.visit(item, scope, safe) for item in node.items])

    def _map(self, node: MapNode, scope: Scope, safe: frozenset[str]) -> FieldType:
        self._findings.has_constants = True
        kinds = [
            (self.visit(key, scope, safe), self.visit(value, scope, safe))
            for key, value in node.entries
        ]
        keys = [key for key, _ in kinds]
        return _literal_map_type(self._findings, node, keys, [value for _, value in kinds])

    def _name(self, node: Ident | Select, scope: Scope, safe: frozenset[str]) -> FieldType | None:
        path = dotted(node)
        is_local = scope.is_local(node)
        if path is not None and not is_local:
            text, first = path
            name = scope.qualified(text, is_absolute=first.is_absolute)
            if name is not None:
                self._findings.references[id(node)] = Variable(name)
                self._findings.paths[id(node)] = name
                return scope.variables[name]
            constant = scope.type_constant(text)
            if constant is not None:
                self._findings.references[id(node)] = constant
                return _TYPE
        if isinstance(node, Select):
            return self._select(node, scope, safe)
        if is_local:
            slot, kind = scope.locals[node.name]
            self._findings.references[id(node)] = Local(slot)
            return kind
        what = f"'{shorten(node.name)}' is not known here"
        remedy = "" if self._findings.is_full else self._remedy(node, scope)
        self._findings.unresolved(node, FailureKind.UNKNOWN_NAME, "unknown-name", what, remedy)
        return None

    def _remedy(self, node: Ident | Select, scope: Scope) -> str:
        """What to write instead of an unknown name, which may be a text without its quotes."""
        assert isinstance(node, Ident)
        found = remedy_of_name(node.name, scope.examples) or scope.suggestion(node.name)
        # A name that is only a little similar to another may as well be a text without quotes.
        is_near = not found.startswith(GUESSED) or scope.is_near(node.name)
        is_known = found and not found.startswith(LISTED) and is_near
        if (
            not is_known
            and node is not self._record
            and is_used_as_value(self._findings.root, node)
        ):
            return remedy_of_text(shorten(node.name))
        return found or FIELDS_HELP

    def _select(self, node: Select, scope: Scope, safe: frozenset[str]) -> FieldType | None:
        self._record = node.operand
        guarded = self.visit(node.operand, scope, safe)
        # The type without regard to guards: `&&` may evaluate this where its guard is false.
        operand = self._findings.type_of(node.operand)
        kind: FieldType | None = None
        if operand is not None and operand.kind is Kind.RECORD:
            kind = _field_type(self._findings, node, operand)
        elif operand is not None and operand.kind is Kind.MAP:
            self._findings.warn_of_null(node.operand, guarded, safe, f"'.{shorten(node.field)}'")
            kind = operand.element
        elif operand is not None:
            what = f"{with_article(operand)} has no field '{shorten(node.field)}'"
            self._findings.error(node, "no-fields", what, _remedy_of_field(node, operand))
        return BOOL if node.is_test else kind

    def _macro(self, node: Comprehension, scope: Scope, safe: frozenset[str]) -> FieldType | None:
        if node.macro is Macro.BIND:
            return self._bind(node, scope, safe)
        over = self.visit(node.range, scope, safe)
        item = _item_type(self._findings, node, over, safe)
        self._findings.slots += 1
        slot = self._findings.slots
        self._findings.references[id(node)] = Local(slot)
        inner = scope.with_local(node.variable, slot, item)
        hidden = guarded_in_macro(safe, node.variable)
        result: FieldType | None = None
        if node.condition is not None:
            condition = self.visit(node.condition, inner, hidden)
            what = f"the condition of {node.macro}()"
            want_bool(self._findings, node.condition, condition, hidden, what)
            known = guarded_when_true(node.condition)
            hidden |= known
            if item is not None and node.variable in known:
                item = not_null(item)
        if node.result is not None:
            result = self.visit(node.result, inner, hidden)
        if node.macro is Macro.MAP:
            return list_of(result)
        return list_of(item) if node.macro is Macro.FILTER else BOOL

    def _bind(self, node: Comprehension, scope: Scope, safe: frozenset[str]) -> FieldType | None:
        assert node.result is not None
        self.visit(node.range, scope, safe)
        self._findings.slots += 1
        slot = self._findings.slots
        self._findings.references[id(node)] = Local(slot)
        # As for the fields of a record: the type is that without guards, which `known` adds.
        kind = self._findings.type_of(node.range)
        inner = scope.with_local(node.variable, slot, kind)
        known = guarded_in_bind(safe, node)
        return self.visit(node.result, inner, known)

    def _call(self, node: Call, scope: Scope, safe: frozenset[str]) -> FieldType | None:
        if node.target is None and node.function in tree.OPERATORS:
            if node.function in _LOGICAL:
                return self._logical(node, scope, safe)
            if node.function == tree.TERNARY:
                return self._ternary(node, scope, safe)
            if node.function in tree.ARITHMETIC:
                return self._arithmetic(node, scope, safe)
            kinds = [self.visit(arg, scope, safe) for arg in node.args]
            self._note_constants(node.args)
            warn_of_missing(self._findings, node, part_name(node), safe)
            return operator_type(self._findings, node, kinds, safe)
        if node.function == tree.DURING:
            self.visit(node.args[1], scope, safe)
            return BOOL
        if node.function == tree.ROWS:
            return check_rows(self._findings, node, self.visit(node.args[1], scope, safe))
        if node.function in tree.BY_LIKENESS:
            kinds = [self.visit(arg, scope, safe) for arg in node.args]
            return check_likeness(self._findings, node, kinds, safe)
        function, args = find_function(self._findings, node, scope)
        kinds = [self.visit(arg, scope, safe) for arg in args]
        self._note_constants(args)
        if function is None:
            return None
        return function_type(self._findings, node, function, args, kinds, safe)

    def _note_constants(self, parts: tuple[Node, ...]) -> None:
        """Note an operation on constants only: `check_values` evaluates it at load."""
        if not self._findings.has_constants:
            self._findings.has_constants = all(type(part) in _CONSTANT_NODES for part in parts)

    def _logical(self, node: Call, scope: Scope, safe: frozenset[str]) -> FieldType:
        self._findings.has_logic |= node.function != tree.NOT
        if node.function == tree.AND:
            safe = safe.union(*map(guarded_when_true, node.args))
        elif node.function == tree.OR:
            safe = safe.union(*map(guarded_when_false, node.args))
        for arg in node.args:
            kind = self.visit(arg, scope, safe)
            what = f"an operand of '{node.function.strip('_')}'"
            want_bool(self._findings, arg, kind, safe, what)
        return BOOL

    def _ternary(self, node: Call, scope: Scope, safe: frozenset[str]) -> FieldType | None:
        condition, first, second = node.args
        kind = self.visit(condition, scope, safe)
        want_bool(self._findings, condition, kind, safe, "the condition of '?'")
        one = self.visit(first, scope, safe | guarded_when_true(condition))
        two = self.visit(second, scope, safe | guarded_when_false(condition))
        if one is not None and two is not None and not can_join(one, two):
            what = f"the sides of '?' have two types, {type_name(one)} and {type_name(two)}"
            remedy = remedy_of_types((first, second), (one, two), tree.TERNARY)
            self._findings.error(node, "no-overload", what, remedy)
        return join(one, two)

    def _arithmetic(self, node: Call, scope: Scope, safe: frozenset[str]) -> FieldType | None:
        first, calls = tree.arithmetic_chain(node)
        kind = self.visit(first, scope, safe)
        self._note_constants((first, calls[0].args[1]))
        for step in calls:
            right = self.visit(step.args[1], scope, safe)
            self._findings.has_constants |= is_division_by_zero(step)
            kind = arithmetic_type(self._findings, step, kind, right, safe)
            if kind is not None:
                self._findings.types[id(step)] = kind
        return kind


def _literal_list_type(kinds: Sequence[FieldType | None]) -> FieldType:
    """The type of a list literal whose items have these types."""
    return list_of(reduce(join, kinds)) if kinds else EMPTY_LIST


def _literal_map_type(
    findings: Findings,
    node: MapNode,
    keys: Sequence[FieldType | None],
    values: Sequence[FieldType | None],
) -> FieldType:
    """The type of a map literal whose keys and values have these types; reports bad keys."""
    for (key, _), kind in zip(node.entries, keys, strict=True):
        if kind is not None and kind.kind not in KEYS:
            what = f"a map's key must be {KEY_NAMES}, not {with_article(kind)}"
            findings.error(key, "bad-key", what, "write it as text, in quotes")
    if not keys:
        return EMPTY_MAP
    return FieldType(Kind.MAP, key=reduce(join, keys), element=reduce(join, values))


def _field_type(findings: Findings, node: Select, record: FieldType) -> FieldType | None:
    """The type of a record's field; reports an unknown one.

    Notes the full path of the field among the findings.
    """
    found = record.fields.get(node.field)
    path = findings.paths.pop(id(node.operand), None)
    if path is not None:
        findings.paths[id(node)] = f"{path}.{node.field}"
    if found is None:
        what = f"'{path or 'the record'}' has no field '{shorten(node.field)}'"
        remedy = suggest(node.field, record.fields)
        findings.error(node, "unknown-field", what, remedy)
        return None
    return nullable(found) if record.nullable else found


def _remedy_of_field(node: Select, operand: FieldType) -> str:
    """What to write instead of a field of a value whose type has no fields."""
    function = FUNCTIONS.get(node.field)
    if function is not None and function.is_member:
        return f"a function has brackets: write {node.field}()"
    element = operand.element
    if element is not None and element.kind is Kind.RECORD and node.field in element.fields:
        return f"its items have: write list.exists(item, item.{node.field} == …)"
    part = remedies.remedy_of_part(node.field) if operand.kind is Kind.TIMESTAMP else ""
    if node.field.lower() in _LENGTHS:
        return "write size(x)"
    return part or "fields are those of records and maps"


def _item_type(
    findings: Findings, node: Comprehension, over: FieldType | None, safe: frozenset[str]
) -> FieldType | None:
    """The type of a macro's variable, given the type of its range; reports one without items."""
    findings.warn_of_null(node.range, over, safe, f"{node.macro}()")
    if over is None or over.kind is Kind.LIST:
        return over.element if over is not None else None
    if over.kind is not Kind.MAP:
        what = f"{node.macro}() runs over a list or a map, not over {with_article(over)}"
        findings.error(node, "no-overload", what, f"write [a, b].{node.macro}(…)")
        return None
    return over.key
