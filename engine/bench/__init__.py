"""Measuring what rules cost on this machine: events, rule sets, processes to measure them in."""

from __future__ import annotations

from engine.bench.job import Stage
from engine.bench.machine import Machine, read_machine
from engine.bench.measured_set import MeasuredSet, SetKind
from engine.bench.memory import available_mb
from engine.bench.mixed_rules import FIELDS, SITE_PLATES, SITE_RULES
from engine.bench.probe import measure_set
from engine.bench.result import Result
from engine.bench.written_set import written_set

__all__ = [
    "FIELDS",
    "SITE_PLATES",
    "SITE_RULES",
    "Machine",
    "MeasuredSet",
    "Result",
    "SetKind",
    "Stage",
    "available_mb",
    "measure_set",
    "read_machine",
    "written_set",
]
