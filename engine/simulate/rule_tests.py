"""Runs the tests of rules in the pipeline, each with nothing before it, and strictly."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final

from channels.alert import Alert
from channels.render import Style, message_text, render
from engine.clock import local_text
from engine.errors import EvaluationError
from engine.match import LinearMatcher
from engine.pipeline.active_rules import ActiveRules, prepare, template_bindings
from engine.pipeline.outcome import RuleOutcome, Verdict
from engine.pipeline.pipeline import NO_RULES
from engine.rules import Expect, Expectation, ExpectedAlert, Rule, RuleSet, RuleTest, SetTest
from engine.rules.rule_test import GivenSilence
from engine.schema import EventSchema
from engine.schema.event import EPOCH
from engine.simulate.given_events import GivenEvents, timestamp_ms
from engine.simulate.simulation import MAX_ALERT_AGE_SECONDS, Simulation
from engine.store import Silence
from engine.watchlist import PlateCosts, standard_costs

#: What a message has in place of a placeholder that failed.
_FAILED: Final = "?"
#: Before and after every event.
_EARLIEST_US: Final = -(1 << 62)
_LATEST_US: Final = 1 << 62
#: What a test over several rules expects of those that it does not name.
_NO_ALERT: Final = "no alert"
#: Stands for an empty `matched_plate`.
_EXACT: Final = "an exact match"


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not as a test expects it: on its event of this number, from 1, by a rule.

    `rule_id` is empty where the event as a whole failed. `what` is the key of the alert that
    differs, or what has failed; it is empty where the verdict differs. `expected` and `got` are
    empty where something failed.
    """

    event: int
    rule_id: str
    what: str = ""
    expected: str = ""
    got: str = ""

    def __str__(self) -> str:
        if not self.expected:
            return self.what
        if not self.what:
            return f"expected {self.expected}, got {self.got}"
        expected, got = (json.dumps(text, ensure_ascii=False) for text in (self.expected, self.got))
        return f"{self.what}: expected {expected}, got {got}"


@dataclass(frozen=True, slots=True)
class RuleTestResult:
    """The result of one test. `rule_id` is empty for a test over several rules.

    A test that names disabled rules is not run: `disabled` has their ids.
    """

    rule_id: str
    test: RuleTest | SetTest
    differences: tuple[Difference, ...] = ()
    disabled: tuple[str, ...] = ()

    @property
    def is_passed(self) -> bool:
        """Did the rules do what the test expects?"""
        return not self.differences and not self.disabled

    @property
    def problems(self) -> tuple[str, ...]:
        """Each difference on one line, with the event and the rule where there are several."""
        return tuple(f"{self.where(each)}{each}" for each in self.differences)

    @property
    def problem(self) -> str:
        """Why it failed; empty if it passed."""
        return "; ".join(self.problems)

    def where(self, difference: Difference) -> str:
        """The event and the rule of a difference as a prefix, where the test has several."""
        event = f"event {difference.event}: " if len(self.test.events) > 1 else ""
        if self.rule_id or not difference.rule_id:
            return event
        return f"{event}{difference.rule_id}: "


class _Bench:
    """A simulation without a memory, and what it is given."""

    def __init__(
        self,
        schema: EventSchema,
        zone: tzinfo,
        max_alert_age_seconds: float,
        costs: PlateCosts | None,
    ) -> None:
        self.zone: Final = zone
        # Silences go by the costs of the rules that a simulation begins with.
        self._no_rules: Final = prepare(replace(NO_RULES, costs=costs or standard_costs()))
        self._events: Final = GivenEvents(schema, zone)
        self._max_alert_age_seconds: Final = max_alert_age_seconds
        self._simulation: Final = self._new_simulation(())

    def use(self, rules: ActiveRules) -> None:
        """Test these rules from now on."""
        self._simulation.use(rules)

    def outcomes(
        self, test: RuleTest | SetTest
    ) -> tuple[list[dict[str, RuleOutcome]], list[Difference]]:
        """What became of each rule on each event, by rule id, and the events that failed.

        All events are one batch, which sees its own alerts, and nothing else.
        """
        records = [
            self._events.record(
                event.values, timestamp_ms(event.received_at) if event.received_at else 0
            )
            for event in test.events
        ]
        first, simulation = records[0].offset, self._simulation
        if test.silences:
            simulation = self._new_simulation(test.silences)
            simulation.use(self._simulation.rules)
        result = simulation.process(records)
        found: list[dict[str, RuleOutcome]] = [{} for _ in records]
        for outcome in result.outcomes:
            found[outcome.event.offset - first][outcome.rule.rule_id] = outcome
        failed = [
            Difference(letter.record.offset - first + 1, "", f"the event failed: {letter.message}")
            for letter in result.dead_letters
        ]
        return found, failed

    def _new_simulation(self, silences: Iterable[GivenSilence]) -> Simulation:
        return Simulation(
            self._no_rules,
            self._events,
            max_alert_age_seconds=self._max_alert_age_seconds,
            remembers=False,
            silences=[_silence(each, number) for number, each in enumerate(silences, 1)],
        )


def _silence(given: GivenSilence, number: int) -> Silence:
    """A test's silence as the store has them; its id is its number in the test."""
    return Silence(
        silence_id=str(number),
        rule_id=given.rule_id,
        plate=given.plate,
        camera_id=given.camera_id,
        condition=given.condition,
        starts_us=_EARLIEST_US if given.starts is None else _microseconds(given.starts),
        ends_us=_LATEST_US if given.ends is None else _microseconds(given.ends),
    )


def _microseconds(moment: datetime) -> int:
    return (moment - EPOCH) // timedelta(microseconds=1)


def run_tests(
    rules: Iterable[Rule],
    schema: EventSchema,
    zone: tzinfo = UTC,
    *,
    max_alert_age_seconds: float = MAX_ALERT_AGE_SECONDS,
    costs: PlateCosts | None = None,
) -> list[RuleTestResult]:
    """Every test of every rule, in order, each rule alone; naive times are read in `zone`.

    An evaluation that fails is a failed test unless `error` is expected, and so is a message or a
    `dedup_key` that fails. Silences of tests go by `costs`, the package's unless given.
    """
    bench = _Bench(schema, zone, max_alert_age_seconds, costs)
    return [
        RuleTestResult(rule.rule_id, test, tuple(differences))
        for rule in rules
        for test, differences in _of_rule(rule, bench)
    ]


def run_set_tests(
    rule_set: RuleSet,
    tests: Sequence[SetTest],
    schema: EventSchema,
    zone: tzinfo = UTC,
    *,
    max_alert_age_seconds: float = MAX_ALERT_AGE_SECONDS,
) -> list[RuleTestResult]:
    """Every test over several rules, in order, with all rules in force; strictly as `run_tests`."""
    if not tests:
        return []
    bench = _Bench(schema, zone, max_alert_age_seconds, rule_set.costs)
    bench.use(prepare(rule_set))
    return [
        RuleTestResult("", test, disabled=tuple(sorted(disabled)))
        if (disabled := test.rule_ids.intersection(rule_set.disabled))
        else RuleTestResult("", test, tuple(_of_set(test, bench)))
        for test in tests
    ]


def _of_rule(rule: Rule, bench: _Bench) -> Iterator[tuple[RuleTest, list[Difference]]]:
    if not rule.tests:
        return
    # One rule needs no index, which takes longer to build than its tests to run.
    bench.use(ActiveRules(NO_RULES, LinearMatcher((rule,)), {rule.rule_id: ()}))
    for test in rule.tests:
        outcomes, differences = bench.outcomes(test)
        failed = {each.event for each in differences}
        pairs = zip(test.expectations, outcomes, strict=True)
        for number, (expected, of_event) in enumerate(pairs, 1):
            if number not in failed:
                differences += _differences(number, rule.rule_id, expected, of_event, bench.zone)
        yield test, differences


def _of_set(test: SetTest, bench: _Bench) -> Iterator[Difference]:
    outcomes, failed = bench.outcomes(test)
    yield from failed
    numbers = {each.event for each in failed}
    pairs = zip(test.expectations, outcomes, strict=True)
    for number, (expected, of_event) in enumerate(pairs, 1):
        if number in numbers:
            continue
        for rule_id, each in expected.items():
            yield from _differences(number, rule_id, each, of_event, bench.zone)
        for rule_id, outcome in of_event.items():
            if rule_id not in expected and outcome.verdict in (Verdict.ALERT, Verdict.ERROR):
                yield Difference(number, rule_id, "", _NO_ALERT, _shown(outcome, bench.zone))


def _differences(
    number: int,
    rule_id: str,
    expected: Expectation,
    outcomes: Mapping[str, RuleOutcome],
    zone: tzinfo,
) -> Iterator[Difference]:
    """What differs from the expectation of one rule on the event of this number."""
    outcome = outcomes.get(rule_id)
    verdict = Verdict.FALSE if outcome is None else outcome.verdict
    wanted = Expect.ALERT if isinstance(expected, ExpectedAlert) else expected
    if not _is_as_expected(wanted, verdict):
        yield Difference(number, rule_id, "", wanted, _shown(outcome, zone))
    elif outcome is not None and wanted.is_match:
        for what in _failures(outcome):
            yield Difference(number, rule_id, what)
        if isinstance(expected, ExpectedAlert) and outcome.alert is not None:
            for key, want, got in _texts(expected, outcome.alert.alert, zone):
                yield Difference(number, rule_id, key, want, got)


def _is_as_expected(expected: Expect, verdict: Verdict) -> bool:
    match expected:
        case Expect.MATCH:
            return Expect(verdict).is_match
        case Expect.NO_MATCH:
            return verdict is not Verdict.ERROR and not Expect(verdict).is_match
        case _:
            return expected is Expect(verdict)


def _shown(outcome: RuleOutcome | None, zone: tzinfo) -> str:
    """The verdict with its evidence; times are shown in `zone`."""
    if outcome is None:
        return str(Verdict.FALSE)
    evidence = outcome.interval
    if outcome.silenced_by:
        evidence = f"by silence {outcome.silenced_by}"
    if outcome.error is not None:
        evidence = str(outcome.error)
    elif outcome.suppressed_by_us is not None:
        moment = EPOCH + timedelta(microseconds=outcome.suppressed_by_us)
        evidence = f"by the alert of {local_text(moment, zone)}"
    return f"{outcome.verdict} ({evidence})" if evidence else str(outcome.verdict)


def _failures(outcome: RuleOutcome) -> Iterator[str]:
    """The placeholders of its alert and the cooldown keys that fail."""
    rule, event = outcome.rule, outcome.event
    if outcome.alert is not None and _FAILED in outcome.alert.alert.message:
        bindings = template_bindings(rule, event, outcome.alert.alert.suppressed_count)
        for text, error in rule.template.failures(bindings):
            yield f"{{{text}}} of the message failed: {error}"
    for key in rule.rate_limit.keys if rule.rate_limit is not None else ():
        try:
            key.evaluate(event.bindings)
        except EvaluationError as error:
            yield f"the dedup_key {key.text} failed: {error}"


def _texts(expected: ExpectedAlert, alert: Alert, zone: tzinfo) -> Iterator[tuple[str, str, str]]:
    """What differs of the alert: the key, what was expected, and what it is."""
    made = datetime.fromisoformat(alert.created_at)
    if expected.suppressed_count not in (None, alert.suppressed_count):
        yield "suppressed_count", str(expected.suppressed_count), str(alert.suppressed_count)
    if expected.matched_plate not in (None, alert.matched_plate):
        yield "matched_plate", expected.matched_plate or _EXACT, alert.matched_plate or _EXACT
    for key, text, got in (
        ("message", expected.message, message_text(alert)),
        ("subject", expected.subject, render(alert, Style.EMAIL, made, zone).title),
        ("sms", expected.sms, render(alert, Style.SMS, made, zone).body),
    ):
        if text is not None and text.strip() != got:
            yield key, text.strip(), got
