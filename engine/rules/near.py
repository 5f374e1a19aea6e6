"""Near matches: a rule holds since a plate is like another one, and not since it is that plate.

A rule's condition is compiled a second time, with each part that compares by likeness asked for
the same plate instead. Where that condition does not hold on an event, the match is near, and the
plate that was meant is the nearest one of its parts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple, cast

from engine.cel import Expression
from engine.cel.expression import compile_tree
from engine.cel.syntax import tree
from engine.cel.syntax.tree import (
    Bound,
    Call,
    Comprehension,
    Ident,
    ListNode,
    Literal,
    Macro,
    Node,
    changed,
    constant_of,
    nodes_of,
    unparse,
)
from engine.cel.types.kinds import BOOL
from engine.cel.types.scope import Scope
from engine.cel.values.values import MISSING
from engine.errors import EvaluationError
from engine.watchlist.costs import PlateCosts
from engine.watchlist.likeness import likeness
from engine.watchlist.plates import plate_of

_OF_LISTS: Final = frozenset({tree.SIMILAR_LISTED, tree.CLOSEST})
_SAME: Final = Literal(0, 1.0)
_DIFFERENT: Final = Literal(0, 0.0)
#: No field of an event has such a name.
_ASKED_NEARLY: Final = "@near{}"


class NearPlate(NamedTuple):
    """The plate that a reading is only like, normalised, and the likeness, over 0 and under 1."""

    plate: str
    likeness: float


@dataclass(frozen=True, slots=True, eq=False)
class _Term:
    """What a part of a condition asks by likeness.

    `plates` gives the rows that are nearest, or, with `costs`, lists of a text and the plates that
    it is compared with. `switch` is the name by which the condition asks it nearly.
    """

    plates: Expression
    costs: PlateCosts | None
    switch: str

    def nearest(self, bindings: Mapping[str, Any]) -> NearPlate | None:
        """The plate that is nearest, and not the same; None for none, or where it fails."""
        try:
            found = list(self._plates(self.plates.run(bindings)))
        except EvaluationError:
            # It was not evaluated, or its failure absorbed, where the condition held.
            return None
        near = [each for each in found if 0 < each.likeness < 1]
        return max(near, key=lambda each: each.likeness, default=None)

    def _plates(self, value: Any) -> Iterator[NearPlate]:
        if isinstance(value, Mapping):
            yield NearPlate(value["plate"], value["likeness"])
        elif isinstance(value, Sequence) and value and isinstance(value[0], str):
            text, *plates = value
            for plate in plates:
                assert self.costs is not None
                yield NearPlate(plate_of(plate) or plate, likeness(text, plate, self.costs))
        elif isinstance(value, Sequence):
            for each in value:
                yield from self._plates(each)


class NearMatches:
    """Tells near matches of one condition from exact ones; any thread may ask.

    The second condition is compiled when it is asked first: of ten thousand rules few ever alert.
    """

    def __init__(self, condition: Expression) -> None:
        self._condition: Final = condition
        self._second: _Second | None = None

    def of(self, bindings: Mapping[str, Any]) -> NearPlate | None:
        """The plate that was meant, on an event on which the condition holds.

        None where the condition holds for the very plates as well, and where no plate can be told.
        """
        if self._second is None:
            self._second = _second_of(self._condition)
        return self._second.near(bindings)


def near_matches(condition: Expression) -> NearMatches | None:
    """What tells near matches of a checked condition; None where it asks nothing by likeness."""
    is_asked = any(_is_term(node) for node in nodes_of(condition.root))
    return NearMatches(condition) if is_asked else None


@dataclass(frozen=True, slots=True, eq=False)
class _Second:
    """The second condition, and the terms of it whose switches are among its variables."""

    condition: Expression
    terms: tuple[_Term, ...]

    def near(self, bindings: Mapping[str, Any]) -> NearPlate | None:
        """As `NearMatches.of`."""
        values = {**bindings, **dict.fromkeys((each.switch for each in self.terms), False)}
        if self._holds(values):
            return None
        found = [(each.switch, near) for each in self.terms if (near := each.nearest(values))]
        if len(found) > 1:
            # Of `a || b` both may be near, and one of them alone be the reason.
            reasons = [pair for pair in found if self._holds({**values, pair[0]: True})]
            found = reasons or found
        return max((near for _, near in found), key=lambda near: near.likeness, default=None)

    def _holds(self, values: Mapping[str, Any]) -> bool:
        try:
            return self.condition.run(values) is True
        except EvaluationError:
            # `||` had absorbed it, by a part that does not hold for the very plate.
            return False


def _second_of(condition: Expression) -> _Second:
    builder = _Builder(condition)
    return _Second(builder.condition(), tuple(builder.terms.values()))


def _is_term(node: Node) -> bool:
    return isinstance(node, Call) and node.function in tree.BY_LIKENESS


def _copy(node: Node) -> Node:
    """A tree of the same, all of whose nodes are new.

    What is found of a node goes by the node, so none may be in two places: a variable, for one, is
    another in each macro.
    """
    made = changed(node, _copy)
    return replace(node) if made is node else made


class _Builder:
    """Makes the second condition; `terms` are those that it has met, by what they ask."""

    def __init__(self, condition: Expression) -> None:
        self.terms: Final[dict[str, _Term]] = {}
        self._condition: Final = condition
        #: The macros around the node at hand, the innermost last.
        self._macros: tuple[Comprehension, ...] = ()

    def condition(self) -> Expression:
        """The condition, with each term asked for the same plate unless its switch is on."""
        root = self._node(self._condition.root)
        switches = {each.switch: BOOL for each in self.terms.values()}
        return self._compiled(root, self._condition.text, switches)

    def _compiled(self, root: Node, text: str, switches: Mapping[str, Any]) -> Expression:
        scope = Scope({**self._condition.variables, **switches})
        # The fragment is needed to join expressions only.
        return replace(compile_tree(root, text, scope), fragment=None)

    def _node(self, node: Node) -> Node:
        made = changed(node, lambda part: self._part(node, part))
        if _is_term(node):
            return self._term(cast("Call", node), cast("Call", made))
        return replace(node) if made is node else made

    def _part(self, node: Node, part: Node) -> Node:
        if not isinstance(node, Comprehension) or part is node.range:
            return self._node(part)
        # Only the others read the variable of the macro.
        outside = self._macros
        self._macros = (*outside, node)
        made = self._node(part)
        self._macros = outside
        return made

    def _term(self, node: Call, second: Call) -> Node:
        """A term: as the condition asks it where its switch is on, else `second`, asked exactly.

        With its switch on what its arguments ask is near, too: only so they give what was meant.
        """
        question = Call(0, tree.CLOSEST, node.args) if node.function in _OF_LISTS else node
        text = unparse(question)
        if text not in self.terms:
            asked, costs = (question, None) if node.function in _OF_LISTS else _compared(node)
            plates = self._compiled(self._around(asked), text, {})
            self.terms[text] = _Term(plates, costs, _ASKED_NEARLY.format(len(self.terms)))
        switch = Ident(node.offset, self.terms[text].switch)
        return Call(node.offset, tree.TERNARY, (switch, _copy(node), _exact(second)))

    def _around(self, node: Node) -> Node:
        """The node; a list of its values where it reads the variable of a macro around it."""
        for macro in reversed(self._macros):
            if not any(
                isinstance(each, Ident) and each.name == macro.variable for each in nodes_of(node)
            ):
                continue
            is_bind = macro.macro is Macro.BIND
            condition = None if is_bind or macro.condition is None else _copy(macro.condition)
            node = Comprehension(
                0,
                Macro.BIND if is_bind else Macro.MAP,
                _copy(macro.range),
                macro.variable,
                condition,
                node,
            )
        return node


def _compared(node: Call) -> tuple[Node, PlateCosts]:
    """A list of the text that a call compares and of the plates, and the costs."""
    costs, text, plates, *_ = node.args
    assert isinstance(costs, Bound)
    if constant_of(text) is not MISSING:
        text, plates = plates, text
    values = constant_of(plates)
    listed = [Literal(0, each) for each in values] if isinstance(values, list) else [plates]
    return ListNode(0, (text, *listed)), costs.value


def _exact(node: Call) -> Node:
    """The call, asked for the same plate; a likeness is 1 or 0 then."""
    if node.function in _OF_LISTS:
        of, text, _, time = node.args
        return replace(node, args=(of, text, _SAME, time))
    costs, one, other, *_ = node.args
    same = Call(node.offset, tree.SIMILAR, (costs, one, other, _SAME))
    if node.function == tree.SIMILAR:
        return same
    return Call(node.offset, tree.TERNARY, (same, _SAME, _DIFFERENT))
