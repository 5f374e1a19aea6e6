"""Parts of an expression that are known at load: those that always fail, and conditions that
clash.

A stage of its own after the check and the interpreter, since it evaluates. A part is an error
where the whole expression must fail with it, else a warning: what stands behind `&&`, `||`, `?` or
in a macro may never be evaluated, or its failure be absorbed.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Final

from engine.cel.check.contradictions import check_logic
from engine.cel.check.operators import is_division_by_zero
from engine.cel.interpret.budget import BUDGET, MAX_ROUNDS
from engine.cel.interpret.plan import plan_part
from engine.cel.syntax import tree
from engine.cel.syntax.tree import (
    Bound,
    Call,
    Comprehension,
    Ident,
    Literal,
    Node,
    Select,
    children,
)
from engine.cel.types.findings import Findings, title
from engine.cel.types.scope import Constant
from engine.errors import EvaluationError

_REMEDY: Final = "correct it, or remove it"
#: Longest run of `+ - * / %` that is searched for the step that fails.
_MAX_STEPS: Final = 20


class _State(Enum):
    """What is known of a part's value."""

    VARIES = auto()
    CONSTANT = auto()
    FAILS = auto()


def check_values(findings: Findings) -> None:
    """Report what a checked tree without errors always gives: failures, and clashing conditions.

    The problems are among the findings, sorted by place. Trees of dynamic types are left alone.
    """
    if findings.has_constants and findings.scope.is_strict and not findings.has_errors:
        _check_constants(findings)
    if findings.has_logic and findings.scope.is_strict and not findings.has_errors:
        check_logic(findings)
    findings.problems.sort(key=lambda problem: problem.offset)


def _check_constants(findings: Findings) -> None:
    walk = _Walk(findings)
    state = walk.settled(findings.root)
    for node, what in walk.failures:
        if state is _State.FAILS:
            findings.error(node, "always-fails", what, _REMEDY)
        else:
            findings.warning(node, "always-fails", what, _REMEDY)


class _Walk:
    """One walk from the leaves to the root; constant parts are evaluated where they end."""

    def __init__(self, findings: Findings) -> None:
        self._findings: Final = findings
        self.failures: Final[list[tuple[Node, str]]] = []

    def settled(self, node: Node) -> _State:
        """The state of a part that is no part of a greater constant one."""
        state = self._state(node)
        if state is not _State.CONSTANT or isinstance(node, Literal | Bound | Ident):
            return state
        message = self._failure(node)
        if not message:
            return state
        self._tell(node, message)
        return _State.FAILS

    def _state(self, node: Node) -> _State:
        match node:
            case Bound() if not isinstance(node.value, tuple):
                return _State.VARIES  # a watchlist, with the time
            case Literal():
                return _State.CONSTANT
            case Bound():
                # A watchlist is asked at the event's time.
                return _State.CONSTANT if isinstance(node.value, tuple) else _State.VARIES
            case Ident():
                is_type = isinstance(self._findings.references.get(id(node)), Constant)
                return _State.CONSTANT if is_type else _State.VARIES
            case Comprehension():
                return self._macro(node)
            case Call() if node.function in (tree.AND, tree.OR) and node.target is None:
                return self._absorbing(list(node.args))
            case Call() if node.function == tree.TERNARY and node.target is None:
                return self._ternary(node)
        if id(node) in self._findings.references and isinstance(node, Select):
            return _State.VARIES
        return self._strict(node)

    def _strict(self, node: Node) -> _State:
        """A part that fails where any part of it fails."""
        parts = self._parts(node)
        states = [self._state(part) for part in parts]
        if _State.VARIES not in states and _State.FAILS not in states:
            return _State.CONSTANT
        states = [
            self.settled(part) if state is _State.CONSTANT else state
            for part, state in zip(parts, states, strict=True)
        ]
        if _State.FAILS in states:
            return _State.FAILS
        for step in tree.arithmetic_chain(node)[1]:
            if is_division_by_zero(step):
                self.failures.append((step, f"{title(step)} always fails: division by zero"))
                return _State.FAILS
        return _State.VARIES

    def _parts(self, node: Node) -> list[Node]:
        """The parts of a node; those of a run of `+ - * / %` all at once, for it may be long."""
        function = self._findings.functions.get(id(node))
        if function is not None and "." in function.name and isinstance(node, Call):
            return list(node.args)  # what stands before the dot is part of the function's name
        first, calls = tree.arithmetic_chain(node)
        return [first, *(step.args[1] for step in calls)] if calls else list(children(node))

    def _absorbing(self, parts: list[Node]) -> _State:
        """`&&` or `||`: fails for sure where all operands do."""
        states = {self.settled(part) for part in parts}
        if states == {_State.FAILS}:
            return _State.FAILS
        return _State.CONSTANT if states == {_State.CONSTANT} else _State.VARIES

    def _ternary(self, node: Call) -> _State:
        condition, first, second = node.args
        test = self.settled(condition)
        branches = {self.settled(first), self.settled(second)}
        if test is _State.FAILS or branches == {_State.FAILS}:
            return _State.FAILS
        return _State.CONSTANT if {test, *branches} == {_State.CONSTANT} else _State.VARIES

    def _macro(self, node: Comprehension) -> _State:
        for part in (node.condition, node.result):
            if part is not None:
                self.settled(part)
        return _State.FAILS if self.settled(node.range) is _State.FAILS else _State.VARIES

    def _failure(self, node: Node) -> str:
        """Why the part fails; empty if it does not."""
        try:
            plan_part(self._findings, node)({BUDGET: MAX_ROUNDS})
        except EvaluationError as error:
            return str(error)
        return ""

    def _tell(self, node: Node, message: str) -> None:
        """Tell of the smallest part in it that fails."""
        steps = len(tree.arithmetic_chain(node)[1])
        parts = list(children(node)) if steps <= _MAX_STEPS else []
        for part in parts:
            if not isinstance(part, Literal | Bound | Ident) and (inner := self._failure(part)):
                self._tell(part, inner)
                return
        self.failures.append((node, f"{title(node)} always fails: {message}"))
