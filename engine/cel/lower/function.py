"""The functions that an expression runs as, made from its checked tree."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, TypeAlias, cast

from engine.cel.interpret.budget import MAX_ROUNDS
from engine.cel.interpret.plan import Interpreter
from engine.cel.lower.fragments import Fragment, SourceWriter, UnlowerableError, cel_value
from engine.cel.lower.operators import all_of
from engine.cel.lower.runtime import NAMES
from engine.cel.lower.translator import Translator
from engine.cel.types.findings import Findings
from engine.cel.types.scope import Scope
from engine.cel.values.values import to_python

#: Takes the bindings, returns the value or raises EvaluationError.
Evaluation: TypeAlias = Callable[[Any], Any]

_PLAIN: Final = frozenset({bool, str, int, float, type(None), bytes})
_ROUNDS: Final = f"its macros may take more than {MAX_ROUNDS:,} rounds"
_SOURCE: Final = """\
def make(interpret, {names}):
 def run(b):
  try:
   return {body}
  except FAILED:
   pass
  return interpret(b)
 return run
"""


@dataclass(frozen=True, slots=True)
class LoweredFunction:
    """What an expression runs as.

    `run` returns the value as CEL has it, `evaluate` as plain Python; both raise EvaluationError.
    `interpreter` returns the same as `run`, more slowly. `fragment` is what `run` was generated
    from; where it is None, `run` is the interpreter, and `fallback` says why.
    """

    run: Evaluation
    evaluate: Evaluation
    interpreter: Interpreter
    fragment: Fragment | None
    fallback: str = ""


def lower(findings: Findings, scope: Scope) -> LoweredFunction:
    """The functions of a checked tree without errors."""
    interpreter = Interpreter(findings)
    try:
        fragment = Translator(findings, scope).fragment(findings.root)
    except UnlowerableError as error:
        return _interpreted(interpreter, str(error))
    return _generated(fragment, interpreter)


def join(
    fragments: Sequence[Fragment | None], interpreters: Sequence[Interpreter]
) -> LoweredFunction:
    """The functions of several trees joined by `&&`, from the fragment and interpreter of each."""
    interpreter = Interpreter(tuple(interpreters))
    known = [fragment for fragment in fragments if fragment is not None]
    if len(known) < len(fragments):
        return _interpreted(interpreter, "")
    return _generated(all_of(known), interpreter)


def _interpreted(interpreter: Interpreter, reason: str) -> LoweredFunction:
    return LoweredFunction(interpreter, _converting(interpreter), interpreter, None, reason)


def _generated(fragment: Fragment, interpreter: Interpreter) -> LoweredFunction:
    if fragment.rounds > MAX_ROUNDS:
        return _interpreted(interpreter, _ROUNDS)
    value = cel_value(fragment)
    writer = SourceWriter()
    body = writer.text(value)
    run = make_function(body, writer.constants, interpreter)
    evaluate = run if value.kind in _PLAIN else _converting(run)
    return LoweredFunction(run, evaluate, interpreter, fragment)


def _converting(run: Evaluation) -> Evaluation:
    def evaluate(bindings: Any) -> Any:
        value = run(bindings)
        return value if type(value) in _PLAIN else to_python(value)

    return evaluate


def source_of(body: str, count: int) -> str:
    """The source of functions with this body and `count` constants `k0`, `k1` …"""
    return _SOURCE.format(names=", ".join(f"k{number}" for number in range(count)), body=body)


def make_function(body: str, constants: Sequence[Any], interpret: Evaluation) -> Evaluation:
    """The function of the bindings `b` with this body; where it gives up, it calls `interpret`."""
    return _factory(source_of(body, len(constants)))(interpret, *constants)


@lru_cache(maxsize=4_096)
def _factory(source: str) -> Callable[..., Evaluation]:
    made: dict[str, Any] = {}
    # The source consists of this package's templates alone: no part of it comes from a rule.
    exec(compile(source, "<rule>", "exec"), NAMES, made)  # noqa: S102
    return cast("Callable[..., Evaluation]", made["make"])
