"""The trace of one evaluation: the value of each part, or why it was not evaluated.

It stands on the interpreter, the reference of what rules run as: the value of the whole is the one
that `Expression.run` gives, and so is the error.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from engine.cel.expression import SHOWN_ITEMS, Expression
from engine.cel.interpret.budget import BUDGET, MAX_ROUNDS, Closure
from engine.cel.interpret.closures import conjunction
from engine.cel.interpret.plan import CheckedTree, Planner
from engine.cel.syntax import tree
from engine.cel.syntax.tree import (
    Bound,
    Call,
    Comprehension,
    Ident,
    Macro,
    Node,
    Select,
    arithmetic_chain,
    children,
    constant_of,
    unparse,
)
from engine.cel.types.findings import list_question
from engine.cel.types.scope import TIME, Constant, Local, dotted
from engine.cel.values.instants import format_duration, format_timestamp
from engine.cel.values.plates import nearest_listed, nearest_text
from engine.cel.values.values import MISSING, CelMap, CelType, Duration, Timestamp, to_timestamp
from engine.errors import EvaluationError

#: Longest text of a value.
MAX_VALUE_LENGTH: Final = 200


class Skipped(StrEnum):
    """Why a part was not evaluated."""

    FALSE_BEFORE = "false && …"
    TRUE_BEFORE = "true || …"
    OTHER_BRANCH = "the other branch of ? : was taken"
    FAILED_BEFORE = "a part before it failed"
    NEVER_READ = "its name was not read"
    NO_ITEMS = "there was no item"


@dataclass(frozen=True, slots=True, eq=False)
class Trace:
    """One part of an expression, and what became of it on one event.

    Either it has a `value` as CEL has it, or an `error`, or it was `skipped`. `words` are the
    author's own where it was a condition with an operator. `parts` are the parts that are no
    constants, in the order of the text. In a macro they are first the list and then the body for
    the items, each with the macro's variable and its value as `item`: the first ones and the last
    one that was evaluated. `hidden_items` were evaluated as well. `near` is, for a part that
    compares by likeness, the nearest plate with its likeness and edits, "" where there is none. The
    same `node` in two traces of one expression is the same part.
    """

    node: Node = field(repr=False)
    value: Any = MISSING
    error: EvaluationError | None = None
    skipped: Skipped | None = None
    words: str = ""
    item: tuple[str, Any] | None = None
    hidden_items: int = 0
    near: str = ""
    parts: tuple[Trace, ...] = ()

    @property
    def text(self) -> str:
        """The part as CEL text, with long lists shortened."""
        return unparse(self.node, SHOWN_ITEMS)

    @property
    def conditions(self) -> tuple[Trace, ...]:
        """The parts that must all hold; the whole where it is no chain of `&&`."""
        is_chain = isinstance(self.node, Call) and self.node.function == tree.AND
        return self.parts if is_chain and not self.words and self.parts else (self,)

    def walk(self) -> Iterator[Trace]:
        """It and all its parts, each before its own."""
        yield self
        for part in self.parts:
            yield from part.walk()


def trace(
    expression: Expression, bindings: Mapping[str, Any], shown_items: int = SHOWN_ITEMS
) -> Trace:
    """Evaluate the expression for these bindings (`Event.bindings`), and keep each part's value.

    Of the items of a macro `shown_items` are kept. It never raises an EvaluationError.
    """
    return _Tracer(expression, shown_items).trace(bindings)


def value_text(value: Any) -> str:
    """A value as CEL text for people; long ones are cut."""
    text = _text(value)
    return text if len(text) <= MAX_VALUE_LENGTH else f"{text[: MAX_VALUE_LENGTH - 1]}…"


def _text(value: Any) -> str:
    match value:
        case Timestamp():
            return f'timestamp("{format_timestamp(value)}")'
        case Duration():
            return f'duration("{format_duration(value)}")'
        case CelType():
            return value.name
        case list() | tuple():
            return f"[{_joined([_text(item) for item in value[:SHOWN_ITEMS]], len(value))}]"
        case dict() | CelMap():
            pairs = list(value.items())
            texts = [f"{_text(key)}: {_text(item)}" for key, item in pairs[:SHOWN_ITEMS]]
            return f"{{{_joined(texts, len(pairs))}}}"
    if hasattr(value, "tzinfo"):
        return _text(to_timestamp(value))
    return unparse(Bound(0, value))


def _joined(texts: Sequence[str], count: int) -> str:
    hidden = count - len(texts)
    return ", ".join([*texts, f"… {hidden:,} more"] if hidden else texts)


@dataclass(slots=True)
class _Evaluation:
    """One evaluation of a node; `rounds` are those of a macro that are kept, `count` all of them.

    `bound` is the evaluation of the value that a `cel.bind` names.
    """

    node: Node
    outer: _Evaluation | None
    item: tuple[str, Any] | None = None
    value: Any = MISSING
    error: EvaluationError | None = None
    inner: list[_Evaluation] = field(default_factory=list)
    rounds: list[list[_Evaluation]] = field(default_factory=list)
    count: int = 0
    bound: _Evaluation | None = None


class _Tracer:
    """Evaluates the trees of one expression once."""

    def __init__(self, expression: Expression, shown_items: int) -> None:
        self._expression: Final = expression
        self._trees: Final = expression.interpreter.trees
        self.shown_items: Final = max(shown_items, 1)
        self.open: _Evaluation = _Evaluation(expression.root, None)

    def trace(self, bindings: Mapping[str, Any]) -> Trace:
        """The trace of the whole."""
        whole = self.open
        closures = [_TracingPlanner(each, self).closure(each.root) for each in self._trees]
        run = closures[0] if len(closures) == 1 else conjunction(closures)
        try:
            whole.value = run({**bindings, BUDGET: MAX_ROUNDS})
        except EvaluationError as error:
            whole.error = error
        words = self._expression.words
        if len(self._trees) == 1:
            (found,) = whole.inner
            return replace(
                _Reader(self._trees[0], bindings).part(found.node, found), words=words[0]
            )
        return self._joined(whole, words, bindings)

    def _joined(
        self, whole: _Evaluation, words: Sequence[str], bindings: Mapping[str, Any]
    ) -> Trace:
        """The trace of trees that are joined by `&&`; the chains among them are merged."""
        waiting = list(whole.inner)
        parts: list[Trace] = []
        for each, author in zip(self._trees, words, strict=True):
            found = waiting.pop(0) if waiting and waiting[0].node is each.root else None
            reader = _Reader(each, bindings)
            made = reader.part(each.root, found, Skipped.FALSE_BEFORE)
            parts += [replace(made, words=author)] if author else self._spread(made, each, reader)
        return Trace(
            self._expression.root,
            whole.value,
            whole.error,
            parts=tuple(parts),
        )

    def _spread(self, made: Trace, of: CheckedTree, reader: _Reader) -> tuple[Trace, ...]:
        is_chain = isinstance(of.root, Call) and of.root.function == tree.AND
        if not is_chain or made.skipped is None:
            return made.conditions
        return tuple(reader.part(each, None, made.skipped) for each in children(of.root))


class _TracingPlanner(Planner):
    """Makes closures that keep what each evaluation of a node gave."""

    def __init__(self, checked: CheckedTree, tracer: _Tracer) -> None:
        super().__init__(checked)
        self._references: Final = checked.references
        self._tracer: Final = tracer
        #: The macros whose body begins with a node, and whose value a node is.
        self._firsts: Final[dict[int, Comprehension]] = {}
        self._bodies: Final[dict[int, Comprehension]] = {}
        self._values: Final[dict[int, Comprehension]] = {}

    def closure(self, node: Node) -> Closure:
        """The closure of a node."""
        if isinstance(node, Comprehension):
            self._note_body(node)
        return self._traced(node, super().closure(node))

    def unpaid(self, node: Node) -> Closure:
        """The closure of a node whose value costs nothing."""
        made = super().unpaid(node)
        is_made = constant_of(node) is MISSING and not isinstance(node, Ident | Select)
        return made if is_made else self._traced(node, made)

    def _note_body(self, node: Comprehension) -> None:
        if node.macro is Macro.BIND:
            self._values[id(node.range)] = node
            return
        body = [part for part in (node.condition, node.result) if part is not None]
        self._firsts[id(body[0])] = node
        self._bodies.update((id(part), node) for part in body[1:])

    def _traced(self, node: Node, run: Closure) -> Closure:
        tracer, key = self._tracer, id(node)
        macro = self._firsts.get(key)
        is_first = macro is not None
        macro = macro or self._bodies.get(key)
        slot = 0
        if macro is not None:
            reference = self._references[id(macro)]
            assert isinstance(reference, Local)
            slot = reference.slot
        of_name = self._values.get(key)

        def evaluate(bindings: dict[Any, Any]) -> Any:
            outer = tracer.open
            mine = _Evaluation(node, outer)
            if macro is not None and outer.node is macro:
                mine.item = macro.variable, bindings[slot]
                _add_to_round(outer, mine, tracer.shown_items, is_first=is_first)
            elif of_name is not None:
                _bind(outer, of_name, mine)
            else:
                outer.inner.append(mine)
            tracer.open = mine
            try:
                mine.value = run(bindings)
            except EvaluationError as error:
                mine.error = error
                raise
            finally:
                tracer.open = outer
            return mine.value

        return evaluate


def _add_to_round(macro: _Evaluation, mine: _Evaluation, kept: int, *, is_first: bool) -> None:
    """Add an evaluation of a macro's body; the last round takes the place of one too many."""
    if not is_first:
        macro.rounds[-1].append(mine)
        return
    macro.count += 1
    if len(macro.rounds) == kept:
        macro.rounds.pop()
    macro.rounds.append([mine])


def _bind(outer: _Evaluation | None, macro: Comprehension, mine: _Evaluation) -> None:
    """Keep the evaluation of a `cel.bind`'s value with the evaluation that it belongs to."""
    while outer is not None and outer.node is not macro:
        outer = outer.outer
    assert outer is not None
    outer.bound = mine


class _Reader:
    """Makes the traces of one tree's parts from their evaluations."""

    def __init__(self, checked: CheckedTree, bindings: Mapping[str, Any]) -> None:
        self._checked: Final = checked
        self._time: Final = bindings.get(TIME)

    def part(
        self,
        node: Node,
        found: _Evaluation | None,
        reason: Skipped = Skipped.FAILED_BEFORE,
    ) -> Trace:
        """The trace of a node; `reason` counts where it has no evaluation."""
        if found is None:
            return Trace(node, skipped=reason)
        parts, hidden = self._parts(node, found), 0
        if isinstance(node, Comprehension) and node.macro is not Macro.BIND:
            hidden = found.count - len(found.rounds)
        return Trace(
            node,
            found.value,
            found.error,
            item=found.item,
            hidden_items=hidden,
            near=self._near(node, found),
            parts=tuple(parts),
        )

    def _near(self, node: Node, found: _Evaluation) -> str:
        """The nearest plate of a part that compares by likeness."""
        if not isinstance(node, Call) or node.function not in tree.BY_LIKENESS:
            return ""
        values = {id(one.node): one.value for one in found.inner}
        text, *others = (values.get(id(arg), constant_of(arg)) for arg in node.args[1:])
        if type(text) is not str:
            return ""
        question = list_question(node)
        if question is not None:
            if not isinstance(self._time, datetime):
                return ""
            return nearest_listed(question.watchlist, text, self._time, question.threshold)
        one, other = (constant_of(arg) is not MISSING for arg in node.args[1:3])
        if one and not other and type(others[0]) is str:
            # The plate is written first, and the reading after it.
            text, others[0] = others[0], text
        plates = others[0] if type(others[0]) is list else [others[0]]
        if not all(type(plate) is str for plate in plates):
            return ""
        return nearest_text(text, plates, constant_of(node.args[0]))

    def _parts(self, node: Node, found: _Evaluation) -> Iterator[Trace]:
        match node:
            case Call(function=tree.AND):
                yield from self._inner(node, found, Skipped.FALSE_BEFORE)
            case Call(function=tree.OR):
                yield from self._inner(node, found, Skipped.TRUE_BEFORE)
            case Call(function=tree.TERNARY):
                is_known = bool(found.inner) and found.inner[0].error is None
                reason = Skipped.OTHER_BRANCH if is_known else Skipped.FAILED_BEFORE
                yield from self._inner(node, found, reason)
            case Comprehension(macro=Macro.BIND):
                if self._is_shown(node.range):
                    yield self.part(node.range, found.bound, Skipped.NEVER_READ)
                assert node.result is not None
                yield from self._inner(node, found, Skipped.FAILED_BEFORE, [node.result])
            case Comprehension():
                yield from self._inner(node, found, Skipped.FAILED_BEFORE, [node.range])
                yield from self._items(node, found)
            case _:
                yield from self._inner(node, found, Skipped.FAILED_BEFORE)

    def _inner(
        self,
        node: Node,
        found: _Evaluation,
        reason: Skipped,
        nodes: Sequence[Node] | None = None,
    ) -> Iterator[Trace]:
        """The traces of the direct parts, `nodes` where they are given."""
        waiting = list(found.inner)
        for each in self._direct(node) if nodes is None else nodes:
            mine = next((one for one in waiting if one.node is each), None)
            if mine is not None:
                waiting.remove(mine)
            is_read = mine is not None or found.error is not None
            if self._is_shown(each) and (is_read or reason is not Skipped.FAILED_BEFORE):
                yield self.part(each, mine, reason)

    def _direct(self, node: Node) -> list[Node]:
        """The parts that a node's closure evaluates itself."""
        if isinstance(node, Select):
            return [] if dotted(node.operand) is not None else [node.operand]
        if isinstance(node, Call):
            first, calls = arithmetic_chain(node)
            if calls:
                return [first, *(call.args[1] for call in calls)]
            function = self._checked.functions.get(id(node))
            if function is not None and "." in function.name:
                return list(node.args)  # the part before the dot belongs to the function's name
        return list(children(node))

    def _is_shown(self, node: Node) -> bool:
        """Whether a part may differ from event to event, and is no macro's variable."""
        reference = self._checked.references.get(id(node))
        is_name = isinstance(node, Ident) and isinstance(reference, Constant | Local)
        return constant_of(node) is MISSING and not is_name

    def _items(self, node: Comprehension, found: _Evaluation) -> Iterator[Trace]:
        body = [part for part in (node.condition, node.result) if part is not None]
        for each in found.rounds:
            for mine in each:
                yield self.part(mine.node, mine)
        if not found.rounds and self._is_shown(body[0]):
            has_failed = any(one.error is not None for one in found.inner)
            yield self.part(
                body[0], None, Skipped.FAILED_BEFORE if has_failed else Skipped.NO_ITEMS
            )
