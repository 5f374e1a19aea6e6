"""A compiled expression: parsed, checked against the variables, made a function once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from typing import Any, Final

from engine.cel.check.check import check
from engine.cel.check.watchlists import FUNCTION, NO_LISTS, Lists, bind, with_lists
from engine.cel.constants import check_values
from engine.cel.lower import Fragment, join, lower
from engine.cel.syntax import tree
from engine.cel.syntax.examples import NEUTRAL, Examples
from engine.cel.syntax.parser import parse
from engine.cel.syntax.tree import Literal, Node
from engine.cel.syntax.unparse import unparse
from engine.cel.types.scope import Scope
from engine.errors import ExpressionError, Problem, errors_of
from engine.schema import FieldType, Kind

#: How many values of a long bound list the text for people shows.
SHOWN_ITEMS: Final = 5


@dataclass(frozen=True, slots=True, eq=False)
class Expression:
    """One expression, ready to be evaluated any number of times, by any thread.

    `evaluate(bindings)` gives the value for these bindings (`Event.bindings`) as a plain Python
    value, `run(bindings)` as CEL has it: timestamps and durations to the nanosecond. Both raise
    EvaluationError with its stable `error_type` when CEL's evaluation fails.

    `text` is as the author wrote it, `cel` the tree as CEL text with long bound lists shortened.
    `fields` are the dotted paths that it reads. `type` is the result's type where it is known.
    `root` is the tree and `variables` what its names mean, for those who look for necessary
    conditions in it. `code` is what the functions were generated from, for a `conjunction`; None
    where closures run, several times slower, `fallback` says why, and where none is wanted later.
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
    code: Fragment | None = field(repr=False)
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
    """Compile CEL text against the variables' types; `lists` is what `watchlist("…")` may mean.

    `zone` is that of the site: of calls that read the clock in UTC, where it shows another time,
    is warned. `examples` are the names that messages show.

    ExpressionError with every fault: one of syntax or size, or all unknown names, fields and
    functions, wrong numbers of arguments, types that can't fit, and bad literal patterns.
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
    """Check a tree and plan it; ExpressionError with every fault, those already `found` too."""
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
        code=function.code,
        fallback=function.fallback,
    )


def _is_null(root: Node) -> bool:
    return isinstance(root, Literal) and root.value is None


def conjunction(parts: Sequence[Expression]) -> Expression:
    """All parts joined by CEL's `&&`: one that is false decides, whatever fails beside it."""
    if len(parts) == 1:
        return parts[0]
    if not parts:
        return compile_expression("true", {})
    root = tree.chain(tree.AND, [part.root for part in parts])
    scope = Scope(parts[0].variables)
    function = join([part.code for part in parts], root, scope)
    return Expression(
        text=" && ".join(f"({part.text})" for part in parts),
        warnings=tuple(warning for part in parts for warning in part.warnings),
        fields=frozenset().union(*(part.fields for part in parts)),
        type=FieldType(Kind.BOOL),
        is_nullable=False,
        root=root,
        variables=scope.variables,
        evaluate=function.evaluate,
        run=function.run,
        code=function.code,
        fallback=next((part.fallback for part in parts if part.fallback), function.fallback),
    )
