"""What measuring one set of rules gave."""

from __future__ import annotations

from dataclasses import dataclass

from engine.bench.measured_set import SetKind


@dataclass(frozen=True, slots=True)
class Result:
    """One set's figures.

    `us_per_event` are the microseconds in which one event is matched against all rules, the median
    of `repetitions`; matches and errors an event are averages over `events` different ones.
    `compile_seconds` go from the rule files to a matcher that is ready, `compile_cpu_seconds` is
    the processor's share of them. `rss_mb` is how much the process's resident memory grew by that,
    `peak_rss_mb` the most that the whole process had; None where the system doesn't tell.
    """

    kind: SetKind
    rules: int
    us_per_event: float
    matches_per_event: float
    errors_per_event: float
    compile_seconds: float
    compile_cpu_seconds: float
    rss_mb: float | None
    peak_rss_mb: float | None
    events: int
    repetitions: int

    @property
    def events_per_second(self) -> float:
        """How many events one core matches in a second, if it does nothing else."""
        return 1e6 / self.us_per_event
