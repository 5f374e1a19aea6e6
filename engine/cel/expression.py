"""A compiled expression: parsed, checked against the variables, planned into closures once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from engine.cel import logic, tree
from engine.cel.check import check
from engine.cel.grammar import parse
from engine.cel.logic import Closure
from engine.cel.loops import BUDGET, MAX_ROUNDS
from engine.cel.plan import plan
from engine.cel.scope import Scope
from engine.cel.tree import Literal, Node
from engine.cel.unparse import unparse
from engine.cel.values import to_python
from engine.errors import ExpressionError, Problem, Severity
from engine.schema import FieldType, Kind

#: How many values of a long bound list the text for people shows.
SHOWN_ITEMS: Final = 5
_PLAIN: Final = frozenset({bool, str, int, float, type(None), bytes})


@dataclass(frozen=True, slots=True, eq=False)
class Expression:
    """One expression, ready to be evaluated any number of times, by any thread.

    `text` is as the author wrote it, `cel` the tree as CEL text with long bound lists shortened.
    `fields` are the dotted paths that it reads. `type` is the result's type where it is known.
    `root` is the tree and `variables` what its names mean, for those who look for necessary
    conditions in it.
    """

    text: str
    cel: str
    warnings: tuple[Problem, ...]
    fields: frozenset[str]
    type: FieldType | None
    is_nullable: bool
    root: Node = field(repr=False)
    variables: Mapping[str, FieldType | None] = field(repr=False)
    _closure: Closure = field(repr=False)
    _has_macros: bool = field(repr=False)

    def evaluate(self, bindings: Mapping[str, Any]) -> Any:
        """The value for these bindings (`Event.bindings`), as a plain Python value.

        EvaluationError with its stable `error_type` when CEL's evaluation fails.
        """
        value = self.run(bindings)
        return value if type(value) in _PLAIN else to_python(value)

    def run(self, bindings: Mapping[str, Any]) -> Any:
        """`evaluate` with the value as CEL has it: timestamps and durations to the nanosecond."""
        if self._has_macros:
            return self._closure({**bindings, BUDGET: MAX_ROUNDS})
        return self._closure(bindings)  # type: ignore[arg-type]  # nothing is written to it


def compile_expression(text: str, variables: Mapping[str, FieldType]) -> Expression:
    """Compile CEL text against the variables' types.

    ExpressionError with every fault: one of syntax or size, or all unknown names, fields and
    functions, wrong numbers of arguments, types that can't fit, and bad literal patterns.
    """
    return compile_tree(parse(text), text, Scope(variables))


def compile_tree(root: Node, text: str, scope: Scope) -> Expression:
    """Check a tree and plan it; ExpressionError with every fault."""
    checked = check(root, scope)
    errors = [problem for problem in checked.problems if problem.severity is Severity.ERROR]
    if errors:
        raise ExpressionError(tuple(errors))
    kind = checked.type_of(root)
    return Expression(
        text=text,
        cel=unparse(root, SHOWN_ITEMS),
        warnings=tuple(checked.problems),
        fields=frozenset(checked.paths.values()),
        type=kind,
        is_nullable=kind.nullable if kind is not None else _is_null(root),
        root=root,
        variables=scope.variables,
        _closure=plan(checked),
        _has_macros=checked.slots > 0,
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
    return Expression(
        text=" && ".join(f"({part.text})" for part in parts),
        cel=unparse(root, SHOWN_ITEMS),
        warnings=tuple(warning for part in parts for warning in part.warnings),
        fields=frozenset().union(*(part.fields for part in parts)),
        type=FieldType(Kind.BOOL),
        is_nullable=False,
        root=root,
        variables=parts[0].variables,
        # Parts are evaluated one after the other, so their macros' slots can't meet.
        _closure=logic.conjunction([part._closure for part in parts]),
        _has_macros=any(part._has_macros for part in parts),
    )
