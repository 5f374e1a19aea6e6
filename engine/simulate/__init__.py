"""The pipeline, simulated: production's own code on the events' own clock, without Kafka.

It answers what rules do, would do and did; it never sends, and writes nothing outside of its own
temporary store. Read `simulation.py` first: the commands `test`, `replay`, `explain` and `why-not`
stand on it.
"""

from __future__ import annotations

from engine.simulate.given_events import GivenEvents
from engine.simulate.simulation import Simulation

__all__ = ["GivenEvents", "Simulation"]
