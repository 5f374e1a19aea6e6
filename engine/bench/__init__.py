"""Measures on this machine what rules cost: the time of an event, of compiling, and the memory.

It measures matching alone: no Kafka, no store, no delivery. Read `measurement.py` first.
"""

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
