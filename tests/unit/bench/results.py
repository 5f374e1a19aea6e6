"""A machine and results, as measurements give them."""

from __future__ import annotations

from engine.bench.machine import Machine
from engine.bench.measurement import Result
from engine.bench.rule_sets import SetKind

MACHINE = Machine(
    cpu="Cortex-A78AE",
    cores=6,
    architecture="aarch64",
    model="NVIDIA Jetson Orin Nano",
    power_mode="15W",
    memory_mb=8000,
    load=0.5,
    system="Linux 5.15",
    python="CPython 3.13.1",
    engine="0.1.0",
)


def result(
    rules: int, us_per_event: float = 2.0, kind: SetKind = SetKind.MIXED, errors: float = 0.0
) -> Result:
    """One set's figures."""
    return Result(
        kind=kind,
        rules=rules,
        us_per_event=us_per_event,
        matches_per_event=0.01,
        errors_per_event=errors,
        compile_seconds=0.5,
        compile_cpu_seconds=0.4,
        rss_mb=12.0,
        peak_rss_mb=80.0,
        events=5000,
        repetitions=25,
    )
