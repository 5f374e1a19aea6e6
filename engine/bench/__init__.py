"""Measuring what rules cost on this machine: events, rule sets, processes to measure them in."""

from __future__ import annotations

from engine.bench.machine import Machine, available_mb, read_machine
from engine.bench.probe import MeasuringStage, Result, measure_set
from engine.bench.rule_sets import (
    FIELDS,
    SITE_PLATES,
    SITE_RULES,
    MeasuredSet,
    SetKind,
    written_set,
)

__all__ = [
    "FIELDS",
    "SITE_PLATES",
    "SITE_RULES",
    "Machine",
    "MeasuredSet",
    "MeasuringStage",
    "Result",
    "SetKind",
    "available_mb",
    "measure_set",
    "read_machine",
    "written_set",
]
