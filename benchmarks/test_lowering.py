"""Rules that no index helps: each is evaluated on every event, so what counts is one evaluation.

The same expressions as generated functions, as closures, and by celpy's interpreter, which all hold
on the same events. Then what a single expression takes, and what making 10,000 of them takes.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from itertools import cycle
from typing import Any

import pytest
from celpy.adapter import json_to_cel

from benchmarks.machine import resident_megabytes
from benchmarks.measure import Measurement
from benchmarks.readings import events
from benchmarks.reference import celpy_programs
from engine.cel import Expression, compile_expression
from engine.errors import EvaluationError
from tests.support.avro import plate_schema

SECTION = "5 lowering"
GROUP = "1,000 rules that no index helps, an event"
RULES = 1_000
EVENTS = 500
CELPY_EVENTS = 3
SHAPES = (
    "size(plate.text) * {n} + latency_ms == {n}0003",
    "plate.confidence * 2.0 + 0.{n} > 3.0",
    "plate.text.contains(plate.normalized_text) && latency_ms * {n} > 100",
    "plate.normalized_text != camera_id && size(camera_id) > {n}",
    "vehicle.make != null && size(vehicle.make) > {n} && plate.region == vehicle.color",
    "!(plate.confidence >= 0.1 || latency_ms + {n} > 0)",
)
SINGLE = {
    "a range and a prefix": "plate.confidence > 0.8 && plate.normalized_text.startsWith('AB')",
    "a list": "plate.normalized_text in ['ABC1234', 'XYZ9876', 'KLM5555']",
    "a guarded text": "vehicle.make != null && vehicle.make.lower() == 'ford'",
    "an absent record": "extras.direction == 'in' && extras.quality_score > 0.5",
    "hours of the night": "time.getHours('Asia/Tokyo') >= 22 || time.getHours('Asia/Tokyo') < 6",
    "a pattern": "plate.normalized_text.matches('^A.*[0-4]12$')",
    "a macro": "['AB', 'CD'].exists(part, plate.text.startsWith(part))",
    "an unguarded null": "extras.direction.startsWith('in')",
}


def texts(count: int) -> list[str]:
    chance = random.Random(5)
    return [SHAPES[i % len(SHAPES)].format(n=chance.randrange(10, 10_000)) for i in range(count)]


def compiled(count: int) -> list[Expression]:
    variables = plate_schema().variables
    return [compile_expression(text, variables) for text in texts(count)]


def held(conditions: list[Callable[[Any], Any]], bindings: dict[str, Any]) -> list[int]:
    return [number for number, holds in enumerate(conditions) if holds(bindings) is True]


def test_celpy_interpreter(measure: Measurement) -> None:
    programs = celpy_programs(texts(RULES))
    lowered = [each.evaluate for each in compiled(RULES)]
    traffic = events(CELPY_EVENTS)

    def match(values: Any) -> list[int]:
        activation = {name: json_to_cel(value) for name, value in values.items()}
        return [number for number, each in enumerate(programs) if each.evaluate(activation)]

    assert [match(each.values) for each in traffic] == [
        held(lowered, each.bindings) for each in traffic
    ]
    turns = cycle(event.values for event in traffic)
    seconds = measure.calls(GROUP, lambda: match(next(turns)))
    measure.tell(SECTION, f"{RULES:,} rules, celpy's interpreter", seconds * 1e6, "µs an event")


@pytest.mark.parametrize("way", ["closures", "functions"])
def test_engine(measure: Measurement, way: str) -> None:
    rules = compiled(RULES)
    conditions = [each.evaluate if way == "functions" else each.interpreter for each in rules]
    turns = cycle([event.bindings for event in events(EVENTS)])
    seconds = measure.calls(GROUP, lambda: held(conditions, next(turns)))
    measure.tell(SECTION, f"{RULES:,} rules, {way}", seconds * 1e6, "µs an event")


@pytest.mark.parametrize("way", ["closures", "functions"])
@pytest.mark.parametrize("what", SINGLE)
def test_single(measure: Measurement, what: str, way: str) -> None:
    expression = compile_expression(SINGLE[what], plate_schema().variables)
    run = expression.evaluate if way == "functions" else expression.interpreter
    traffic = [event.bindings for event in events(100)]

    def hundred() -> None:
        for bindings in traffic:
            try:
                run(bindings)
            except EvaluationError:
                continue

    seconds = measure.calls(f"100 evaluations: {what}", hundred)
    measure.tell(SECTION, f"{what}, {way}", seconds * 1e7, "ns")


def test_compile(measure: Measurement) -> None:
    before = resident_megabytes()
    started = time.process_time()
    kept = compiled(10_000)
    seconds = time.process_time() - started
    measure.rounds("1,000 expressions, compile", lambda: compiled(RULES), 2)
    measure.tell(SECTION, f"{len(kept):,} expressions, compile", seconds, "s of processor time")
    measure.tell(SECTION, f"{len(kept):,} expressions, kept", resident_megabytes() - before, "MB")
