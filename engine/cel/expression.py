"""Expressions: text or tree is parsed, checked against the variables, and compiled once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from functools import lru_cache
from typing import Any, Final

from engine.cel.check.check import check
from engine.cel.check.watchlists import FUNCTION, NO_LISTS, Lists, bind, with_lists
from engine.cel.constants import check_values
from engine.cel.interpret.plan import Interpreter
from engine.cel.lower import Fragment, join, lower
from engine.cel.syntax import tree
from engine.cel.syntax.examples import NEUTRAL, Examples
from engine.cel.syntax.parser import parse
from engine.cel.syntax.tree import Literal, Node
from engine.cel.syntax.unparse import unparse
from engine.cel.types.scope import Scope
from engine.cel.values.values import FailureKind, failure, from_python, to_python
from engine.errors import ExpressionError, Problem, errors_of
from engine.schema import FieldType, Kind

#: Values of a long bound list that the text for people shows.
SHOWN_ITEMS: Final = 5


@dataclass(frozen=True, slots=True, eq=False)
class Expression:
    """One compiled expression; any thread may evaluate it.

    `evaluate(bindings)` returns the value for these bindings (`Event.bindings`) as a plain Python
    value, `run(bindings)` as CEL has it: timestamps and durations to the nanosecond. Both raise
    EvaluationError with its stable `error_type` when CEL's evaluation fails.

    `text` is as the author wrote it, `cel` the tree as CEL text with long bound lists shortened.
    `fields` are the dotted paths that it reads. `type` is the result's type where it is known.
    `root` is the tree and `variables` are the types of its names; `match` derives necessary
    conditions from them.

    `interpreter` returns what `run` returns, several times slower. `fragment` is what `run` was
    generated from; `conjunction` needs it. It is None where `run` is the interpreter (`fallback`
    says why), and where the expression will be no part of a conjunction.
    """

    text: str
    warnings: tuple[Problem, ...]
    fields: frozenset[str]
    type: FieldType | None
    is_nullable: bool
    root: Node = field(repr=False)
    variables: Mapping[str, FieldType | None] = field(repr=False)
    evaluate: Callable[[Mapping[str, Any]], Any] = field(repr=False)
    run: Callable[[Mapping[str, Any]], Any] = field(repr=False)
    interpreter: Interpreter = field(repr=False)
    fragment: Fragment | None = field(repr=False)
    fallback: str = ""

    @property
    def cel(self) -> str:
        """The tree as CEL text, with long bound lists shortened."""
        return unparse(self.root, SHOWN_ITEMS)


def compile_expression(
    text: str,
    variables: Mapping[str, FieldType],
    lists: Lists = NO_LISTS,
    zone: tzinfo = UTC,
    examples: Examples = NEUTRAL,
) -> Expression:
    """Compile CEL text against the variables' types.

    `lists` are the watchlists that `watchlist("…")` may name. `zone` is the site's time zone: where
    it is not UTC, a call that reads the clock in UTC gets a warning. `examples` are the names that
    messages show.

    ExpressionError with every fault: one of syntax or size, or all unknown names, fields and
    functions, wrong numbers of arguments, types that don't fit, and bad literal patterns.
    """
    root, problems = parse(text, examples), list[Problem]()
    is_named = any(name in text for name in lists.known)
    if FUNCTION in text or is_named:
        root, problems = bind(root, lists, examples)
    try:
        return compile_tree(root, text, Scope(variables, zone=zone, examples=examples), problems)
    except ExpressionError as error:
        if not is_named:
            raise
        raise ExpressionError(with_lists(error.problems, lists)) from None


def compile_tree(root: Node, text: str, scope: Scope, found: Sequence[Problem] = ()) -> Expression:
    """Check and compile a tree; ExpressionError with all faults, those in `found` included."""
    checked = check(root, scope)
    check_values(checked)
    if found:
        checked.problems = sorted((*checked.problems, *found), key=lambda each: each.offset)
    errors = errors_of(checked.problems)
    if errors:
        raise ExpressionError(errors)
    kind = checked.type_of(root)
    function = lower(checked, scope)
    return Expression(
        text=text,
        warnings=tuple(checked.problems),
        fields=frozenset(checked.paths.values()),
        type=kind,
        is_nullable=kind.nullable if kind is not None else _is_null(root),
        root=root,
        variables=scope.variables,
        evaluate=function.evaluate,
        run=function.run,
        interpreter=function.interpreter,
        fragment=function.fragment,
        fallback=function.fallback,
    )


def _is_null(root: Node) -> bool:
    return isinstance(root, Literal) and root.value is None


def conjunction(parts: Sequence[Expression]) -> Expression:
    """The parts joined by CEL's `&&`: where one is false the value is false, even if others fail.

    Without parts it is true.
    """
    if len(parts) == 1:
        return parts[0]
    if not parts:
        return compile_expression("true", {})
    function = join([part.fragment for part in parts], [part.interpreter for part in parts])
    return Expression(
        text=" && ".join(f"({part.text})" for part in parts),
        warnings=tuple(warning for part in parts for warning in part.warnings),
        fields=frozenset().union(*(part.fields for part in parts)),
        type=FieldType(Kind.BOOL),
        is_nullable=False,
        root=tree.chain(tree.AND, [part.root for part in parts]),
        variables=parts[0].variables,
        evaluate=function.evaluate,
        run=function.run,
        interpreter=function.interpreter,
        fragment=function.fragment,
        fallback=next((part.fallback for part in parts if part.fallback), function.fallback),
    )


def evaluate(
    expression: str, bindings: Mapping[str, Any] | None = None, container: str = ""
) -> Any:
    """The value of any CEL expression, without a schema, by the code that rules run on.

    Names are looked up in `bindings` (dots allowed), from `container` outwards. Timestamps are
    aware `datetime`, durations `timedelta`, in both directions; a uint is `UInt`, a type
    `CelType`. ExpressionError for text that is not CEL; EvaluationError where the evaluation fails,
    also for unknown names and functions.
    """
    try:
        values = _values(bindings or {})
        compiled = _compiled(expression, frozenset(values), container)
        return to_python(compiled.run(values))
    except RecursionError:
        # Expressions are bounded, the caller's values are not.
        raise failure(FailureKind.TOO_LARGE, "a value is nested too deep") from None


def _values(bindings: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return {name: from_python(value) for name, value in bindings.items()}
    except TypeError as error:
        raise failure(FailureKind.BAD_ARGUMENT, f"a binding can't be used: {error}") from None


@lru_cache(maxsize=128)
def _compiled(text: str, names: frozenset[str], container: str) -> Expression:
    scope = Scope(dict.fromkeys(names), container, is_strict=False)
    return compile_tree(parse(text), text, scope)
