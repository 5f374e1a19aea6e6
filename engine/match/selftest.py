"""Runs the tests that rules carry: each on its own event, strictly."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, tzinfo

from engine.errors import EvaluationError
from engine.rules import Expect, Rule, RuleTest
from engine.rules.rule import message_bindings
from engine.schema import EventSchema
from engine.schema.event import Event, make_event


@dataclass(frozen=True, slots=True)
class RuleTestResult:
    """The result of one test; `problem` says why it failed, and is empty if it passed."""

    rule: Rule
    test: RuleTest
    problem: str

    @property
    def is_passed(self) -> bool:
        """Did the rule do what the test expects?"""
        return not self.problem


def run_tests(
    rules: Iterable[Rule], schema: EventSchema, zone: tzinfo = UTC
) -> list[RuleTestResult]:
    """Every test of every rule, in order; a naive `captured_at` is read in `zone`.

    An evaluation that fails is a failed test, whatever it expects. Where a rule matches, so is a
    message or a `dedup_key` that fails.
    """
    return [
        RuleTestResult(rule, test, _problem(rule, test, schema, zone))
        for rule in rules
        for test in rule.tests
    ]


def _problem(rule: Rule, test: RuleTest, schema: EventSchema, zone: tzinfo) -> str:
    event = make_event(schema.complete(test.event), zone=zone)
    try:
        held = rule.condition.evaluate(event.bindings)
    except EvaluationError as error:
        return f"the evaluation failed: {error}"
    if not isinstance(held, bool):
        return f"the condition gave {type(held).__name__}, not true or false"
    if held == (test.expect is Expect.MATCH):
        return "; ".join(_failures(rule, event)) if held else ""
    return (
        "expected a match, but the rule does not match"
        if not held
        else ("expected no match, but the rule matches")
    )


def _failures(rule: Rule, event: Event) -> Iterator[str]:
    """The placeholders and cooldown keys that fail on an event that the rule matches."""
    for text, error in rule.template.failures(message_bindings(rule, event.bindings, 0)):
        yield f"{{{text}}} of the message failed: {error}"
    for key in rule.rate_limit.keys if rule.rate_limit is not None else ():
        try:
            key.evaluate(event.bindings)
        except EvaluationError as error:
            yield f"the dedup_key {key.text} failed: {error}"
