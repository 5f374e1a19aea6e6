"""The job and the result of a measurement."""

from __future__ import annotations

import pytest

from engine.bench.measurement import Job
from engine.bench.rule_sets import SetKind
from tests.unit.bench.results import result


def test_events_a_second_follow_from_the_time_of_one() -> None:
    assert result(10, us_per_event=2.5).events_per_second == pytest.approx(400_000)


def test_a_job_passes_through_a_command_line() -> None:
    job = Job(SetKind.OWN, ("a rule's file.yaml", "b\udcff.yaml"), "s.avsc", "Europe/Berlin", 0.5)
    text = job.to_json()
    assert text.isascii()
    assert Job.from_json(text) == job
