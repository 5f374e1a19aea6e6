"""The closures of an expression, planned when they are first needed: most never are."""

from __future__ import annotations

from typing import Any, Final

from engine.cel.budget import BUDGET, MAX_ROUNDS
from engine.cel.check import check
from engine.cel.logic import Closure
from engine.cel.plan import plan
from engine.cel.scope import Scope
from engine.cel.tree import Node


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
