"""The store: alerts, deliveries, held targets, silences, and dead letters that Kafka refused.

It keeps and gives; it never decides what is an alert, sent or given up. Read `store.py` first, then
`stream.py` and `deliveries.py`; `database.py` is what SQLite and PostgreSQL have in common.
"""

from __future__ import annotations

from engine.store.archive import Archive
from engine.store.database import Answer
from engine.store.dead_letters import DeadLetters
from engine.store.deliveries import Deliveries, Turn
from engine.store.erasure import Erased, Erasure, OpenDelivery, Trace
from engine.store.instances import Instances
from engine.store.model import (
    MAX_EVENT_BYTES,
    AlertFilter,
    Ask,
    Backlog,
    Batch,
    Claim,
    DeliveryState,
    Fallback,
    FreshAlert,
    GroupPlace,
    Hold,
    Instance,
    Joining,
    Mark,
    NewAlert,
    OpenMode,
    Past,
    Redelivery,
    Silence,
    SilenceState,
    StoredAlert,
    StoredDelivery,
    TargetState,
    Waiting,
    cut_event,
    key_id,
)
from engine.store.permanence import why_temporary
from engine.store.plate_text import PlateText
from engine.store.rule_sets import Missing, NotedFile, RuleFiles, RuleSets, RuleSetUse
from engine.store.silences import Silences
from engine.store.store import Store, open_store
from engine.store.stream import Stream

__all__ = [
    "MAX_EVENT_BYTES",
    "AlertFilter",
    "Answer",
    "Archive",
    "Ask",
    "Backlog",
    "Batch",
    "Claim",
    "DeadLetters",
    "Deliveries",
    "DeliveryState",
    "Erased",
    "Erasure",
    "Fallback",
    "FreshAlert",
    "GroupPlace",
    "Hold",
    "Instance",
    "Instances",
    "Joining",
    "Mark",
    "Missing",
    "NewAlert",
    "NotedFile",
    "OpenDelivery",
    "OpenMode",
    "Past",
    "PlateText",
    "Redelivery",
    "RuleFiles",
    "RuleSetUse",
    "RuleSets",
    "Silence",
    "SilenceState",
    "Silences",
    "Store",
    "StoredAlert",
    "StoredDelivery",
    "Stream",
    "TargetState",
    "Trace",
    "Turn",
    "Waiting",
    "cut_event",
    "key_id",
    "open_store",
    "why_temporary",
]
