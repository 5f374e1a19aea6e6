"""The matchers: one looks up which rules may hold, one evaluates every rule."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Protocol, TypeAlias

from engine.errors import EvaluationError
from engine.match.index import Index
from engine.match.keys import Keyring
from engine.match.necessary import needs_of
from engine.rules import Rule
from engine.schema.event import Event


@dataclass(frozen=True, slots=True)
class Match:
    """A rule that held on an event."""

    rule: Rule

    @property
    def rule_id(self) -> str:
        """The id of the rule."""
        return self.rule.rule_id


class RuleError(NamedTuple):
    """A rule whose evaluation failed on an event: it does not match."""

    rule: Rule
    error: EvaluationError


class MatchResult(NamedTuple):
    """The rules that held on an event, and those that failed, both in rule order."""

    matches: Sequence[Match]
    errors: Sequence[RuleError]


class Matcher(Protocol):
    """Finds the rules that hold on an event."""

    def match(self, event: Event) -> MatchResult:
        """Evaluate the rules on `event`."""

    def all_rules(self) -> tuple[Rule, ...]:
        """Every enabled rule, in order: what `match` would evaluate without an index."""


# Most events match no rule: they share one result.
_NO_MATCH: Final = MatchResult((), ())
#: A rule's match, made once, and its condition. The condition's `run` and not its `evaluate`:
#: a truth value needs no conversion.
_Plan: TypeAlias = tuple[Match, Callable[[Mapping[str, Any]], Any]]


class LinearMatcher:
    """Evaluates every rule on every event: the reference for the index."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self._rules = tuple(rules)
        self._plans = _plans(self._rules)

    def all_rules(self) -> tuple[Rule, ...]:
        """Every enabled rule, in order."""
        return self._rules

    def match(self, event: Event) -> MatchResult:
        """Evaluate all rules on `event`."""
        return _evaluate(self._plans, event.bindings)


class IndexedMatcher:
    """Gives the matches and the errors that evaluating every rule would give."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self._rules = tuple(rules)
        keyring = Keyring()
        self._index = Index([needs_of(rule.condition, keyring) for rule in self._rules])
        self._plan_at = _plans(self._rules).__getitem__

    def all_rules(self) -> tuple[Rule, ...]:
        """Every enabled rule, in order."""
        return self._rules

    def match(self, event: Event) -> MatchResult:
        """Evaluate on `event` the rules that may hold or fail."""
        bindings = event.bindings
        candidates = self._index.candidates(bindings)
        if not candidates:
            return _NO_MATCH
        return _evaluate(map(self._plan_at, candidates), bindings)

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


def _plans(rules: Iterable[Rule]) -> tuple[_Plan, ...]:
    return tuple((Match(rule), rule.condition.run) for rule in rules)


def _evaluate(plans: Iterable[_Plan], bindings: Mapping[str, Any]) -> MatchResult:
    matches: list[Match] = []
    errors: list[RuleError] | None = None
    for match, run in plans:
        try:
            held = run(bindings)
            if held is True:
                matches.append(match)
            elif held is not False:
                raise EvaluationError(
                    "not_bool", f"the condition gave {type(held).__name__}, not true or false"
                )
        except EvaluationError as error:
            if errors is None:
                errors = []
            errors.append(RuleError(match.rule, error))
    if errors is None:
        return MatchResult(matches, ()) if matches else _NO_MATCH
    return MatchResult(matches, errors)
