"""Evaluates the constant parts of a checked tree at load, and reports those that always fail.

This is a stage after the check and the interpreter, which it calls. A failing part is an error if
the whole expression always fails with it, else a warning: a part of `&&`, `||`, `?` or a macro may
not be evaluated, or its failure be absorbed.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Final

from engine.cel.check.contradictions import check_logic
from engine.cel.check.operators import is_division_by_zero
from engine.cel.interpret.budget import BUDGET, MAX_ROUNDS
from engine.cel.interpret.plan import plan
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
#: Longest chain of arithmetic that is searched for the operation that fails.
_MAX_STEPS: Final = 20


class _State(Enum):
    """What is known of a part at load: its value varies, is constant, or can't be computed."""

    VARIES = auto()
    CONSTANT = auto()
    FAILS = auto()


def check_values(findings: Findings) -> None:
    """Report parts that always fail, and contradictions, in a checked tree without errors.

    The problems are added to the findings, sorted by place. Nothing is reported where the scope is
    not strict.
    """
    if findings.has_constants and findings.scope.is_strict and not findings.has_errors:
        _check_constants(findings)
    if findings.has_logic and findings.scope.is_strict and not findings.has_errors:
        check_logic(findings)
    findings.problems.sort(key=lambda problem: problem.offset)


def _check_constants(findings: Findings) -> None:
    walk = _Walk(findings)
    state = walk.evaluated(findings.root)
    for node, what in walk.failures:
        if state is _State.FAILS:
            findings.error(node, "always-fails", what, _REMEDY)
        else:
            findings.warning(node, "always-fails", what, _REMEDY)


class _Walk:
    """Walks a tree from the leaves to the root, and evaluates the largest constant parts."""

    def __init__(self, findings: Findings) -> None:
        self._findings: Final = findings
        self.failures: Final[list[tuple[Node, str]]] = []

    def evaluated(self, node: Node) -> _State:
        """The state of a part which, if constant, is evaluated: no larger part is constant."""
        state = self._state(node)
        if state is not _State.CONSTANT or isinstance(node, Literal | Bound | Ident):
            return state
        message = self._failure(node)
        if not message:
            return state
        self._note_failure(node, message)
        return _State.FAILS

    def _state(self, node: Node) -> _State:
        match node:
            case Literal():
                return _State.CONSTANT
            case Bound():
                # A watchlist varies with the time of the event.
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
        """The state of a part that fails where any of its parts fails."""
        parts = self._parts(node)
        states = [self._state(part) for part in parts]
        if _State.VARIES not in states and _State.FAILS not in states:
            return _State.CONSTANT
        states = [
            self.evaluated(part) if state is _State.CONSTANT else state
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
        """The children of a node; for a chain of arithmetic all its operands, it may be long."""
        function = self._findings.functions.get(id(node))
        if function is not None and "." in function.name and isinstance(node, Call):
            return list(node.args)  # the part before the dot belongs to the function's name
        first, calls = tree.arithmetic_chain(node)
        return [first, *(step.args[1] for step in calls)] if calls else list(children(node))

    def _absorbing(self, parts: list[Node]) -> _State:
        """The state of `&&` or `||`, which always fails only if all operands do."""
        states = {self.evaluated(part) for part in parts}
        if states == {_State.FAILS}:
            return _State.FAILS
        return _State.CONSTANT if states == {_State.CONSTANT} else _State.VARIES

    def _ternary(self, node: Call) -> _State:
        condition, first, second = node.args
        test = self.evaluated(condition)
        branches = {self.evaluated(first), self.evaluated(second)}
        if test is _State.FAILS or branches == {_State.FAILS}:
            return _State.FAILS
        return _State.CONSTANT if {test, *branches} == {_State.CONSTANT} else _State.VARIES

    def _macro(self, node: Comprehension) -> _State:
        for part in (node.condition, node.result):
            if part is not None:
                self.evaluated(part)
        return _State.FAILS if self.evaluated(node.range) is _State.FAILS else _State.VARIES

    def _failure(self, node: Node) -> str:
        """The message with which the part fails; "" if it does not."""
        try:
            plan(self._findings, node)({BUDGET: MAX_ROUNDS})
        except EvaluationError as error:
            return str(error)
        return ""

    def _note_failure(self, node: Node, message: str) -> None:
        """Note the smallest part in it that fails."""
        steps = len(tree.arithmetic_chain(node)[1])
        parts = list(children(node)) if steps <= _MAX_STEPS else []
        for part in parts:
            if not isinstance(part, Literal | Bound | Ident) and (inner := self._failure(part)):
                self._note_failure(part, inner)
                return
        self.failures.append((node, f"{title(node)} always fails: {message}"))
