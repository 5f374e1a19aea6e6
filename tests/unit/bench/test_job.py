from __future__ import annotations

from engine.bench.probe import Job
from engine.bench.rule_sets import SetKind


def test_a_job_passes_through_a_command_line() -> None:
    job = Job(SetKind.OWN, ("a rule's file.yaml", "b\udcff.yaml"), "s.avsc", "Europe/Berlin", 0.5)
    text = job.to_json()
    assert text.isascii()
    assert Job.from_json(text) == job
