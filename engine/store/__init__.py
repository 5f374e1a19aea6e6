"""The store: alerts, their deliveries, held targets and dead letters that their topic refused.

It keeps and gives; it never decides what is stored, sent or given up. Read `store.py` first, which
says what a store offers, then `model.py`.
"""

from __future__ import annotations

from engine.store.model import (
    AlertFilter,
    Backlog,
    Delivery,
    DeliveryState,
    FreshAlert,
    Hold,
    NewAlert,
    OpenMode,
    Redelivery,
    StoredAlert,
    StoredDelivery,
)
from engine.store.permanence import why_temporary
from engine.store.store import ArchiveStore, DeliveryStore, Store, StreamStore

__all__ = [
    "AlertFilter",
    "ArchiveStore",
    "Backlog",
    "Delivery",
    "DeliveryState",
    "DeliveryStore",
    "FreshAlert",
    "Hold",
    "NewAlert",
    "OpenMode",
    "Redelivery",
    "Store",
    "StoredAlert",
    "StoredDelivery",
    "StreamStore",
    "why_temporary",
]
