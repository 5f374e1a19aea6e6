"""The operators of `conditions:` as expression trees; their values are constants of the tree.

Text is compared without regard to case, by `lower()`, plates as lists have them. An absent field
matches `equals: null` and nothing else.

For any condition: whether it holds because a text is empty.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from enum import IntEnum, StrEnum
from typing import Any, Final

from engine.cel.check import domains
from engine.cel.check.check import check
from engine.cel.check.likeness import SIMILAR, why_no_plate
from engine.cel.check.watchlists import FUNCTION, NO_LISTS, Lists, bind
from engine.cel.expression import Expression, compile_tree
from engine.cel.syntax import tree
from engine.cel.syntax.examples import NEUTRAL, Examples
from engine.cel.syntax.tree import (
    Bound,
    Call,
    Ident,
    Literal,
    Node,
    Select,
    call,
    children,
    constant_of,
)
from engine.cel.types.findings import part_name, watchlist_lookup
from engine.cel.types.kinds import with_article
from engine.cel.types.scope import Scope, suggest
from engine.cel.values.numbers import is_number
from engine.cel.values.text import matches
from engine.cel.values.values import INT_MAX, INT_MIN, MISSING
from engine.errors import EvaluationError, ExpressionError, Problem, Severity, errors_of
from engine.schema import FieldType, Kind


class Operator(StrEnum):
    """The operators that a condition may use."""

    EQUALS = "equals"
    CONTAINS = "contains"
    REGEX = "regex"
    IN_LIST = "in_list"
    GREATER_THAN = "greater_than"
    LESS_THAN = "less_than"
    SIMILAR_TO = "similar_to"
    IN_WATCHLIST = "in_watchlist"
    SIMILAR_IN_WATCHLIST = "similar_in_watchlist"


#: The operators that may have a threshold, those that are given the names of watchlists, and those
#: that take a list of values.
BY_LIKENESS: Final = frozenset({Operator.SIMILAR_TO, Operator.SIMILAR_IN_WATCHLIST})
OF_LISTS: Final = frozenset({Operator.IN_WATCHLIST, Operator.SIMILAR_IN_WATCHLIST})
OF_SEVERAL: Final = OF_LISTS | {Operator.IN_LIST, Operator.SIMILAR_TO}

_NUMBERS: Final = frozenset({Kind.INT, Kind.DOUBLE})
_SHOWN: Final = 60
_ODD_TEXTS: Final = frozenset({"never-equal", "never-true"})
#: Functions that make an empty text of an empty text.
_KEEPING_EMPTY: Final = frozenset({"lower", "lowerAscii", "upper", "upperAscii", "trim"})
_TEXT_TESTS: Final = {
    "contains": lambda text, part: part in text,
    "startsWith": lambda text, part: text.startswith(part),
    "endsWith": lambda text, part: text.endswith(part),
    "matches": matches,
}
_COMPARING: Final = frozenset({tree.EQUALS, tree.NOT_EQUALS, *_TEXT_TESTS})
_FAILED_PART: Final = object()


def compile_condition(
    field: str,
    operator: str,
    value: object,
    variables: Mapping[str, FieldType],
    examples: Examples = NEUTRAL,
    lists: Lists = NO_LISTS,
    threshold: float | None = None,
) -> Expression:
    """Compile one condition against the variables' types.

    `value` is a plain value, for `in_list` a list of them, for `OF_SEVERAL` it may be one: there
    the offset of a problem is the position of the value, from 1. `lists` are the watchlists that
    `OF_LISTS` may name. `threshold`, 0 to 1, is that of an operator of `BY_LIKENESS`; None is the
    usual one. `examples` are the names that messages show.

    ExpressionError for an unknown field or operator (codes `unknown-name`, `unknown-field`,
    `unknown-operator`), for an unknown watchlist (`unknown-watchlist`), and for a value that does
    not fit the field (`bad-value`, `bad-constant`, `threshold`).
    """
    scope = Scope(variables)
    path = _path(field, examples)
    found = check(path, scope)
    problems = [*errors_of(found.problems)]
    kind = found.type_of(path)
    if operator not in tuple(Operator):
        remedy = suggest(operator, tuple(Operator))
        problems.append(Problem(0, "unknown-operator", f"no operator '{operator}'", remedy))
    if problems or kind is None:
        raise ExpressionError(tuple(problems))
    builder = _ConditionBuilder(path, field, kind, Operator(operator), threshold)
    root, of_binding = bind(builder.build(value), lists, examples)
    text = f"{field} {operator} {_shorten(value)}"
    if threshold is not None:
        text = f"{text} (threshold {threshold:g})"
    expression = compile_tree(root, text, scope, of_binding)
    # A warning about `lower(field)` would repeat one that names the author's own value.
    repeated = _ODD_TEXTS if builder.is_odd else frozenset()
    warnings = [each for each in expression.warnings if each.code not in repeated]
    return replace(expression, warnings=(*builder.warnings, *warnings), words=(text,))


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
    return None if value is MISSING or value is _FAILED_PART else value


def _path(field: str, examples: Examples) -> Node:
    names = field.split(".")
    if not all(name.isidentifier() for name in names):
        what = f"'{field}' is not a field's name"
        remedy = f"write it like {examples.condition}; an expression stands under `when`"
        raise ExpressionError((Problem(0, "unknown-field", what, remedy),))
    node: Node = Ident(0, names[0])
    for name in names[1:]:
        node = Select(0, node, name)
    return node


def _shorten(value: object) -> str:
    if isinstance(value, list | tuple) and len(value) > 5:
        return f"({len(value):,} values)"
    text = str(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


class _ConditionBuilder:
    """Builds the tree of one condition, and collects the warnings."""

    def __init__(
        self,
        path: Node,
        field: str,
        kind: FieldType,
        operator: Operator,
        threshold: float | None,
    ) -> None:
        self._threshold: Final = threshold
        self._path: Final = path
        self._field: Final = field
        self._kind: Final = kind
        self._operator: Final = operator
        self.warnings: Final[list[Problem]] = []
        #: Whether a warning names a value that the field never has.
        self.is_odd = False

    def build(self, value: object) -> Node:
        """The tree of `field operator value`."""
        builders: dict[Operator, Callable[[Any], Node]] = {
            Operator.EQUALS: self._equals,
            Operator.CONTAINS: self._contains,
            Operator.REGEX: self._regex,
            Operator.IN_LIST: self._in_list,
            Operator.GREATER_THAN: self._orders,
            Operator.LESS_THAN: self._orders,
            Operator.SIMILAR_TO: self._similar_to,
            Operator.IN_WATCHLIST: self._in_watchlist,
            Operator.SIMILAR_IN_WATCHLIST: self._in_watchlist,
        }
        return builders[self._operator](value)

    def _error(self, what: str, remedy: str = "") -> ExpressionError:
        return ExpressionError((Problem(0, "bad-value", what, remedy),))

    def _warn(self, what: str, remedy: str = "") -> None:
        self.warnings.append(Problem(0, "odd-value", what, remedy, Severity.WARNING))

    def _check_texts(self, given: Sequence[str | None], *, is_part: bool = False) -> None:
        """Warn of texts that the field never has, in upper or lower case."""
        domain = self._kind.domain
        if domain is None or not domain.is_of_texts:
            return
        texts = [text for text in given if text is not None]
        odd = domains.outside_in_any_case(domain, texts, is_part=is_part)
        if odd:
            self.is_odd = True
            what = f"{domains.description(self._path, domain)}, never {domains.shown_values(odd)}"
            remedy = domains.remedy_in(domain, odd, texts)
            pattern = "" if is_part else domains.pattern_of(odd[0])
            if pattern:
                remedy = f"use the operator regex with the value '{pattern}'"
            offset = 1 + given.index(odd[0]) if self._operator is Operator.IN_LIST else 0
            self.warnings.append(Problem(offset, "never-equal", what, remedy, Severity.WARNING))

    def _guarded(self, test: Node) -> Node:
        """The test; false where the field is null."""
        if not self._kind.nullable:
            return test
        present = call(tree.NOT_EQUALS, self._path, Literal(0, None))
        return tree.chain(tree.AND, [present, test])

    def _lower_case(self) -> Node:
        return call("lower", self._path)

    def _is_null(self) -> Node:
        return call(tree.EQUALS, self._path, Literal(0, None))

    def _equals(self, value: Any) -> Node:
        if value is None:
            return self._is_null()
        fitted = self._fit(value)
        if self._kind.kind is Kind.STRING:
            self._check_texts([value])
            return self._guarded(call(tree.EQUALS, self._lower_case(), Literal(0, fitted)))
        return call(tree.EQUALS, self._path, Literal(0, fitted))

    def _in_list(self, value: Any) -> Node:
        if not isinstance(value, list | tuple):
            raise self._error(f"'in_list' wants a list, not {value!r}", "write [a, b]")
        if not value:
            self._warn("the list is empty, so the condition never holds", "write values into it")
        wanted = [item for item in value if item is not None]
        fitted = tuple(dict.fromkeys(self._fit(item) for item in wanted))
        is_text = self._kind.kind is Kind.STRING
        if is_text:
            self._check_texts(value)
        test = call(tree.IN, self._lower_case() if is_text else self._path, Bound(0, fitted))
        if len(wanted) == len(value):
            return self._guarded(test) if is_text else test
        return tree.chain(tree.OR, [self._is_null(), test])

    def _fit(self, value: Any) -> Any:
        """The value in the field's type, text in lower case; ExpressionError if it does not fit."""
        kind = self._kind.kind
        if kind is Kind.STRING and isinstance(value, str):
            return value.lower()
        if kind in _NUMBERS:
            number = self._number(value)
            if kind is Kind.INT and number != int(number):
                self.is_odd = True
                what = f"{self._field} is a whole number, never {number}"
                self._warn(what, "write a whole number, or use greater_than or less_than")
            return number
        if kind is Kind.BOOL and isinstance(value, bool):
            return value
        if kind in (Kind.STRING, Kind.BOOL):
            raise self._error(f"{self._field} is a {kind}, {value!r} is none")
        raise self._unfit_field()

    def _unfit_field(self) -> ExpressionError:
        what = (
            f"{self._field} is {with_article(self._kind)}: '{self._operator}' does not work on it"
        )
        if self._kind.kind is Kind.RECORD:
            names = ", ".join(f"{self._field}.{name}" for name in self._kind.fields)
            return self._error(what, f"choose one of its fields: {names}")
        return self._error(what, "write a CEL expression under 'when'")

    def _number(self, value: Any) -> int | float:
        if isinstance(value, str) and is_number(value.strip()):
            text = value.strip()
            is_whole = text.lstrip("+-").isdecimal() and len(text) < 19
            self._warn(f"{value!r} is text, taken as a number", f"write {text} without quotes")
            return int(text) if is_whole else self._number(float(text))
        is_plain = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_plain or not math.isfinite(value):
            raise self._error(f"{self._field} is a number, {value!r} is none")
        return value if INT_MIN <= value <= INT_MAX else float(value)

    def _want_text(self, value: Any) -> str:
        if self._kind.kind is not Kind.STRING:
            raise self._unfit_field()
        if not isinstance(value, str):
            raise self._error(f"'{self._operator}' wants a text, {value!r} is none", "quote it")
        return value

    def _contains(self, value: Any) -> Node:
        text = self._want_text(value)
        if not text:
            what = "every text contains the empty one, so the condition always holds"
            self._warn(what, "write a part of the text")
        self._check_texts([text], is_part=True)
        return self._guarded(Call(0, "contains", (Literal(0, text.lower()),), self._lower_case()))

    def _regex(self, value: Any) -> Node:
        pattern = f"(?i){self._want_text(value)}"
        return self._guarded(Call(0, "matches", (Literal(0, pattern),), self._path))

    def _similar(self, of: Node) -> Node:
        """`similar(field, of)`, with the threshold where one is given."""
        given = () if self._threshold is None else (Literal(0, self._threshold),)
        return call(SIMILAR, self._path, of, *given)

    def _similar_to(self, value: Any) -> Node:
        if not isinstance(value, list | tuple):
            return self._guarded(self._similar(Literal(0, self._want_text(value))))
        plates = tuple(dict.fromkeys(map(self._want_text, value)))
        for place, plate in enumerate(value, 1):
            reason = why_no_plate(plate)
            if reason:
                what, remedy = f"{plate!r} is like no plate: {reason}", "write a whole plate"
                problem = Problem(place, "watchlist-key", what, remedy, Severity.WARNING)
                self.warnings.append(problem)
        return self._guarded(self._similar(Bound(0, plates)))

    def _in_watchlist(self, value: Any) -> Node:
        is_several = isinstance(value, list | tuple)
        names = [self._want_text(name) for name in (value if is_several else [value])]
        if not names:
            raise self._error(f"'{self._operator}' names no watchlist", "write the name of one")
        tests: list[Node] = []
        for place, name in enumerate(names, 1 if is_several else 0):
            of_list = Call(place, FUNCTION, (Literal(place, name),))
            is_exact = self._operator is Operator.IN_WATCHLIST
            tests.append(call(tree.IN, self._path, of_list) if is_exact else self._similar(of_list))
        return tree.chain(tree.OR, tests)

    def _orders(self, value: Any) -> Node:
        function = "_>_" if self._operator is Operator.GREATER_THAN else "_<_"
        kind = self._kind.kind
        if kind in _NUMBERS:
            return self._guarded(call(function, self._path, Literal(0, self._number(value))))
        if kind is not Kind.STRING:
            raise self._unfit_field()
        limit = float(value) if isinstance(value, str) and is_number(value.strip()) else value
        if type(limit) not in (int, float) or not math.isfinite(limit):
            raise self._error(f"'{self._operator}' wants a number, {value!r} is none")
        number = call(function, call("double", self._path), Literal(0, float(limit)))
        test = tree.chain(tree.AND, [call("isNumber", self._path), number])
        return self._guarded(test)


class _Holds(IntEnum):
    """Whether a part may be true (or false), and whether the text has a part in it."""

    NEVER = 0
    #: It may be, whatever the text is: it does not read the text.
    UNREAD = 1
    #: It is, because the text is empty.
    IF_EMPTY = 2


def _all_hold(parts: Sequence[_Holds]) -> _Holds:
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
                    return _all_hold(parts) if (node.function == tree.AND) == truth else max(parts)
                case tree.NOT:
                    return self.holds(node.args[0], truth=not truth)
                case tree.TERNARY:
                    condition, first, second = node.args
                    return max(
                        _all_hold(
                            [self.holds(condition, truth=chosen), self.holds(part, truth=truth)]
                        )
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
        if node.function == tree.SIMILAR_LISTED and self._is_empty(node.args[1]):
            return False
        args = node.args if node.target is None else (node.target, *node.args)
        if len(args) != 2 or not self._is_empty(args[0]):
            return MISSING
        if node.function == tree.IN and (found := watchlist_lookup(node)) is not None:
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
        while isinstance(node, Call) and node.function in _KEEPING_EMPTY:
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
            return _FAILED_PART
