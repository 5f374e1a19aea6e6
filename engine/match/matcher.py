"""The matchers: one looks up which rules may hold, one evaluates every rule."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from engine.errors import EvaluationError
from engine.match.index import Index
from engine.match.keys import Keyring
from engine.match.necessary import needs_of
from engine.rules import Rule
from engine.schema.event import Event

OnError = Callable[[Rule, EvaluationError], None]


@dataclass(frozen=True, slots=True)
class Match:
    """A rule that held on an event."""

    rule: Rule

    @property
    def rule_id(self) -> str:
        """The id of the rule."""
        return self.rule.rule_id


class Matcher(Protocol):
    """Finds the rules that hold; `all_rules` is the oracle of any index in front."""

    def match(self, event: Event) -> list[Match]:
        """The rules that hold on `event`, in rule order."""

    def all_rules(self) -> tuple[Rule, ...]:
        """Every enabled rule, in order: what `match` would evaluate without an index."""


class LinearMatcher:
    """Evaluates every rule on every event."""

    def __init__(self, rules: Iterable[Rule], on_error: OnError | None = None) -> None:
        self._rules = tuple(rules)
        # `run`, not `evaluate`: a truth value needs no conversion.
        self._plan = tuple((rule, rule.condition.run) for rule in self._rules)
        self._on_error = on_error

    def all_rules(self) -> tuple[Rule, ...]:
        """Every enabled rule, in order."""
        return self._rules

    def match(self, event: Event) -> list[Match]:
        """The rules that hold on `event`, in rule order."""
        bindings = event.bindings
        return [
            Match(rule)
            for rule, evaluate in self._plan
            if evaluate_rule(rule, evaluate, bindings, self._on_error)
        ]


def evaluate_rule(
    rule: Rule,
    evaluate: Callable[[Mapping[str, Any]], Any],
    bindings: Mapping[str, Any],
    on_error: OnError | None,
) -> bool:
    """Whether the rule holds; an evaluation error is told, and counts as not."""
    try:
        held = evaluate(bindings)
        if held is True:
            return True
        if held is not False:
            raise EvaluationError(
                "not_bool", f"the condition gave {type(held).__name__}, not true or false"
            )
    except EvaluationError as error:
        if on_error is not None:
            on_error(rule, error)
    return False


class IndexedMatcher:
    """Gives the matches and the errors that evaluating every rule would give."""

    def __init__(self, rules: Iterable[Rule], on_error: OnError | None = None) -> None:
        self._rules = tuple(rules)
        keyring = Keyring()
        self._index = Index([needs_of(rule.condition, keyring) for rule in self._rules])
        # `run`, not `evaluate`: a truth value needs no conversion.
        self._plan = tuple((rule, rule.condition.run) for rule in self._rules)
        self._on_error = on_error

    def all_rules(self) -> tuple[Rule, ...]:
        """Every enabled rule, in order."""
        return self._rules

    def match(self, event: Event) -> list[Match]:
        """The rules that hold on `event`, in rule order."""
        bindings = event.bindings
        found: list[Match] = []
        for position in self._index.candidates(bindings):
            rule, evaluate = self._plan[position]
            if evaluate_rule(rule, evaluate, bindings, self._on_error):
                found.append(Match(rule))
        return found

    def describe(self) -> Iterator[str]:
        """The index for people, one line after the other."""
        root = list(self._index.root())
        verb = "is" if len(root) == 1 else "are"
        always = f"{len(root):,} {verb} evaluated on every event"
        yield f"{len(self._rules):,} rules, of which {always}"
        yield from self._index.describe()
        if root:
            yield "on every event"
        for position, reason in root:
            yield f"    {self._rules[position].rule_id}: {reason}"
