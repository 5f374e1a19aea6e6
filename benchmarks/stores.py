"""Empty stores to measure: SQLite, and a PostgreSQL that syncs its commits to the same disk."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class StoreKind(StrEnum):
    """Which store a measurement uses."""

    SQLITE = "SQLite"
    POSTGRESQL = "PostgreSQL"


@dataclass(frozen=True, slots=True)
class Stores:
    """Empty stores of one kind: each call of `new_url` makes one."""

    kind: StoreKind
    new_url: Callable[[], str]
