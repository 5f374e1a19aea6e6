"""A typed tree as two Python functions: one for the value as CEL has it, one for Python's."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, TypeAlias, cast

from engine.cel.check.check import check
from engine.cel.interpret.budget import BUDGET, MAX_ROUNDS, Closure
from engine.cel.interpret.plan import plan
from engine.cel.lower.code import Fragment, UnlowerableError, Writer, general
from engine.cel.lower.operators import all_of
from engine.cel.lower.runtime import NAMES
from engine.cel.lower.translator import Translator
from engine.cel.syntax.tree import Node
from engine.cel.types.findings import Findings
from engine.cel.types.scope import Scope
from engine.cel.values.values import to_python

Evaluation: TypeAlias = Callable[[Mapping[str, Any]], Any]

_PLAIN: Final = frozenset({bool, str, int, float, type(None), bytes})


@dataclass(frozen=True, slots=True)
class LoweredFunction:
    """What an expression runs as.

    `run` gives the value as CEL has it, `evaluate` as plain Python; both raise EvaluationError.
    `code` is what they were written from, None where the closures do everything; `fallback` says
    why they do.
    """

    run: Evaluation
    evaluate: Evaluation
    code: Fragment | None
    fallback: str = ""


#: Why closures, which count the rounds, run an expression.
_ROUNDS: Final = f"its macros may take more than {MAX_ROUNDS:,} rounds"


def lower(findings: Findings, scope: Scope) -> LoweredFunction:
    """The functions of a checked tree without errors."""
    try:
        code = Translator(findings, scope).code(findings.root)
    except UnlowerableError as error:
        return _closures(Exact(findings.root, scope), str(error))
    return _function(code, Exact(findings.root, scope))


def join(codes: Sequence[Fragment | None], root: Node, scope: Scope) -> LoweredFunction:
    """The functions of `root`, which joins by `&&` the trees that `codes` were made from."""
    known = [code for code in codes if code is not None]
    if len(known) < len(codes):
        return _closures(Exact(root, scope), "")
    return _function(all_of(known), Exact(root, scope))


def _closures(exact: Exact, reason: str) -> LoweredFunction:
    return LoweredFunction(exact, _converting(exact), None, reason)


def _function(code: Fragment, exact: Exact) -> LoweredFunction:
    if code.rounds > MAX_ROUNDS:
        return _closures(exact, _ROUNDS)
    value = general(code)
    writer = Writer()
    body = writer.text(value)
    run = make_function(body, writer.constants, exact)
    return LoweredFunction(run, run if value.kind in _PLAIN else _converting(run), code)


def _converting(run: Evaluation) -> Evaluation:
    def evaluate(bindings: Mapping[str, Any]) -> Any:
        value = run(bindings)
        return value if type(value) in _PLAIN else to_python(value)

    return evaluate


class Exact:
    """Evaluates a checked tree by its closures, to the last error message."""

    __slots__ = ("_root", "_run", "_scope")

    def __init__(self, root: Node, scope: Scope) -> None:
        self._root: Final = root
        self._scope: Final = scope
        self._run: Closure | None = None

    def __call__(self, bindings: Any) -> Any:
        """The value for these bindings; EvaluationError."""
        run = self._run
        if run is None:
            run = self._run = plan(check(self._root, self._scope))
        return run({**bindings, BUDGET: MAX_ROUNDS})


CompiledEvaluation: TypeAlias = Callable[[Any], Any]

_SOURCE: Final = """\
def make(exact, {names}):
 def run(b):
  try:
   return {body}
  except FAILED:
   pass
  return exact(b)
 return run
"""


def source_of(body: str, count: int) -> str:
    """The text that defines functions of this body with so many constants `k0`, `k1` …"""
    return _SOURCE.format(names=", ".join(f"k{number}" for number in range(count)), body=body)


def make_function(
    body: str, constants: Sequence[Any], exact: CompiledEvaluation
) -> CompiledEvaluation:
    """The function of the bindings `b`; where it gives up, `exact` has the last word."""
    return _factory(source_of(body, len(constants)))(exact, *constants)


@lru_cache(maxsize=4_096)
def _factory(source: str) -> Callable[..., CompiledEvaluation]:
    made: dict[str, Any] = {}
    # The text is made of this package's templates alone: no part of it comes from a rule.
    exec(compile(source, "<rule>", "exec"), NAMES, made)  # noqa: S102
    return cast("Callable[..., CompiledEvaluation]", made["make"])
