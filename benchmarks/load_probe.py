"""Loads a rule file in a fresh process and tells what that took.

`python -m benchmarks.load_probe FILE` writes one line of JSON. Memory is resident, in MB: what the
process has before the load and after it, and its peak.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict, dataclass
from datetime import UTC
from pathlib import Path

from benchmarks.machine import resident_megabytes
from engine.bench.measurement import compile_rules
from engine.schema import EventSchema
from engine.watchlist import standard_costs

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True)
class Loaded:
    """What one load took; `cpu_seconds` is what it would take on an idle machine."""

    rules: int
    seconds: float
    cpu_seconds: float
    before_megabytes: float
    after_megabytes: float
    peak_megabytes: float

    @property
    def growth_megabytes(self) -> float:
        """What the rules keep."""
        return self.after_megabytes - self.before_megabytes


def probe(path: Path) -> Loaded:
    """Load the file in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.load_probe", str(path)]
    output = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return Loaded(**json.loads(output))


def load(path: Path) -> Loaded:
    """Load the file here."""
    schema = EventSchema.load(ROOT / "schemas" / "plate_event.avsc")
    before = resident_megabytes()
    made = compile_rules([path], schema, UTC, standard_costs())
    growth, peak = made.rss_mb or 0.0, made.peak_rss_mb or 0.0
    rules = len(made.rule_set.rules)
    return Loaded(rules, made.seconds, made.cpu_seconds, before, before + growth, peak)


if __name__ == "__main__":
    print(json.dumps(asdict(load(Path(sys.argv[1])))))
