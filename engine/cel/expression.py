"""Expressions: text or tree is parsed, checked against the variables, and compiled once.

Between check and compilation the constant parts are evaluated, and those that always fail are
reported. A failing part is an error if the whole expression always fails with it, else a warning: a
part of `&&`, `||`, `?` or a macro may not be evaluated, or its failure be absorbed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from enum import Enum, auto
from functools import lru_cache
from typing import Any, Final

from engine.cel.check.check import check
from engine.cel.check.contradictions import check_logic
from engine.cel.check.intervals import FUNCTION as DURING
from engine.cel.check.intervals import NO_INTERVALS, Intervals
from engine.cel.check.likeness import FUNCTIONS as BY_LIKENESS
from engine.cel.check.operators import is_division_by_zero
from engine.cel.check.watchlists import FUNCTION, NO_LISTS, Lists, bind, with_names
from engine.cel.interpret.budget import BUDGET, MAX_ROUNDS
from engine.cel.interpret.plan import Interpreter, plan
from engine.cel.lower import Fragment, join, lower
from engine.cel.syntax import tree
from engine.cel.syntax.examples import NEUTRAL, Examples
from engine.cel.syntax.parser import parse
from engine.cel.syntax.tree import (
    Bound,
    Call,
    Comprehension,
    Ident,
    Literal,
    Node,
    Select,
    children,
    unparse,
)
from engine.cel.types.findings import Findings, title
from engine.cel.types.scope import Constant, Scope
from engine.cel.values.values import FailureKind, failure, from_python, to_python
from engine.errors import EvaluationError, ExpressionError, Problem, errors_of
from engine.schema import FieldType, Kind

#: Values of a long bound list that the text for people shows.
SHOWN_ITEMS: Final = 5
#: The functions whose calls are bound before the check.
_BOUND: Final = (FUNCTION, DURING, *BY_LIKENESS)
_REMEDY: Final = "correct it, or remove it"
#: Longest chain of arithmetic that is searched for the operation that fails.
_MAX_STEPS: Final = 20


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

    `words` has, for each part of a conjunction, the field, operator and value that its author
    wrote; "" where that was CEL.
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
    words: tuple[str, ...] = ("",)

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
    intervals: Intervals = NO_INTERVALS,
) -> Expression:
    """Compile CEL text against the variables' types.

    `lists` are the watchlists that `watchlist("…")` may name, `intervals` the time intervals that
    `during("…")` may name. `zone` is the site's time zone: where
    it is not UTC, a call that reads the clock in UTC gets a warning. `examples` are the names that
    messages show.

    ExpressionError with every fault: one of syntax or size, or all unknown names, fields and
    functions, wrong numbers of arguments, types that don't fit, and bad literal patterns.
    """
    root, problems = parse(text, examples), list[Problem]()
    is_named = any(name in text for names in (lists, intervals) for name in names.known)
    if is_named or any(name in text for name in _BOUND):
        root, problems = bind(root, lists, examples, intervals)
    try:
        return compile_tree(root, text, Scope(variables, zone=zone, examples=examples), problems)
    except ExpressionError as error:
        if not is_named:
            raise
        raise ExpressionError(with_names(error.problems, lists, intervals)) from None


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
        words=tuple(words for part in parts for words in part.words),
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


def _is_null(root: Node) -> bool:
    return isinstance(root, Literal) and root.value is None


def _values(bindings: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return {name: from_python(value) for name, value in bindings.items()}
    except TypeError as error:
        raise failure(FailureKind.BAD_ARGUMENT, f"a binding can't be used: {error}") from None


@lru_cache(maxsize=128)
def _compiled(text: str, names: frozenset[str], container: str) -> Expression:
    scope = Scope(dict.fromkeys(names), container, is_strict=False)
    return compile_tree(parse(text), text, scope)


class _State(Enum):
    """What is known of a part at load: its value varies, is constant, or can't be computed."""

    VARIES = auto()
    CONSTANT = auto()
    FAILS = auto()


def _check_constants(findings: Findings) -> None:
    walk = _ConstantWalk(findings)
    state = walk.evaluated(findings.root)
    for node, what in walk.failures:
        if state is _State.FAILS:
            findings.error(node, "always-fails", what, _REMEDY)
        else:
            findings.warning(node, "always-fails", what, _REMEDY)


class _ConstantWalk:
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
                # What a watchlist or a time interval gives varies with the time of the event.
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
