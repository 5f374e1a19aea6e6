"""A silence keeps matches from being sent, by the time of their events, and touches no other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from engine.errors import SilenceError, StoreUnavailableError
from engine.metrics import Metrics
from engine.pipeline.cooldown import Cooldown
from engine.pipeline.event_log import EventLog
from engine.pipeline.outcome import RuleOutcome, Verdict
from engine.pipeline.pipeline import Pipeline, prepare
from engine.pipeline.silences import (
    REFRESH_SECONDS,
    SilencesInForce,
    StoredSilences,
    compile_silence,
)
from engine.schema.event import make_event
from engine.simulate import GivenEvents, Simulation
from engine.store import Silence, Store, open_store
from engine.store.database import Connection
from tests.support.avro import plate_schema
from tests.unit.manual_time import ManualTime
from tests.unit.plate import NOON, plate_event
from tests.unit.rules.rule_text import load
