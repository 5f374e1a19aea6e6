"""Source text into functions: one compilation for each shape, whatever its constants are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, Final, TypeAlias, cast

from engine.cel.lowering.runtime import NAMES

Evaluation: TypeAlias = Callable[[Any], Any]

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


def make_function(body: str, constants: Sequence[Any], exact: Evaluation) -> Evaluation:
    """The function of the bindings `b`; where it gives up, `exact` has the last word."""
    return _factory(source_of(body, len(constants)))(exact, *constants)


@lru_cache(maxsize=4_096)
def _factory(source: str) -> Callable[..., Evaluation]:
    made: dict[str, Any] = {}
    # The text is made of this package's templates alone: no part of it comes from a rule.
    exec(compile(source, "<rule>", "exec"), NAMES, made)  # noqa: S102
    return cast("Callable[..., Evaluation]", made["make"])
