"""A checked tree as two Python functions: one for the value as CEL has it, one for Python's."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from engine.cel.budget import MAX_ROUNDS
from engine.cel.findings import Findings
from engine.cel.lowering.code import Code, UnlowerableError, general
from engine.cel.lowering.exact import Exact
from engine.cel.lowering.logic import all_of
from engine.cel.lowering.shapes import make_function
from engine.cel.lowering.translator import Translator
from engine.cel.lowering.writer import Writer
from engine.cel.scope import Scope
from engine.cel.tree import Node
from engine.cel.values import to_python

Evaluation: TypeAlias = Callable[[Mapping[str, Any]], Any]

_PLAIN: Final = frozenset({bool, str, int, float, type(None), bytes})


@dataclass(frozen=True, slots=True)
class Function:
    """What an expression runs as.

    `run` gives the value as CEL has it, `evaluate` as plain Python; both raise EvaluationError.
    `code` is what they were written from, None where the closures do everything; `fallback` says
    why they do.
    """

    run: Evaluation
    evaluate: Evaluation
    code: Code | None
    fallback: str = ""


#: Why closures, which count the rounds, run an expression.
_ROUNDS: Final = f"its macros may take more than {MAX_ROUNDS:,} rounds"


def lower(findings: Findings, scope: Scope) -> Function:
    """The functions of a checked tree without errors."""
    try:
        code = Translator(findings, scope).code(findings.root)
    except UnlowerableError as error:
        return _closures(Exact(findings.root, scope), str(error))
    return _function(code, Exact(findings.root, scope))


def join(codes: Sequence[Code | None], root: Node, scope: Scope) -> Function:
    """The functions of `root`, which joins by `&&` the trees that `codes` were made from."""
    known = [code for code in codes if code is not None]
    if len(known) < len(codes):
        return _closures(Exact(root, scope), "")
    return _function(all_of(known), Exact(root, scope))


def _closures(exact: Exact, reason: str) -> Function:
    return Function(exact, _converting(exact), None, reason)


def _function(code: Code, exact: Exact) -> Function:
    if code.rounds > MAX_ROUNDS:
        return _closures(exact, _ROUNDS)
    value = general(code)
    writer = Writer()
    body = writer.text(value)
    run = make_function(body, writer.constants, exact)
    return Function(run, run if value.kind in _PLAIN else _converting(run), code)


def _converting(run: Evaluation) -> Evaluation:
    def evaluate(bindings: Mapping[str, Any]) -> Any:
        value = run(bindings)
        return value if type(value) in _PLAIN else to_python(value)

    return evaluate
