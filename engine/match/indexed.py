"""The matcher that looks up which rules an event may concern, and evaluates only those."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from engine.event import Event
from engine.match.index import Index
from engine.match.keyring import Keyring
from engine.match.matcher import Match, OnError, evaluate_rule
from engine.match.necessary import needs_of
from engine.rules import Rule


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
