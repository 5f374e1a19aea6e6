"""A set of rules to be measured: what it is, and the files that hold it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

PROCESS_MB: Final = 100.0
MB_A_RULE: Final = 0.013


class SetKind(StrEnum):
    """Where a set of rules comes from."""

    MIXED = "mixed"
    SITE = "site"
    OWN = "own"


@dataclass(frozen=True, slots=True)
class MeasuredSet:
    """`paths` are rule files or folders; `rules` says about how many rules they hold."""

    kind: SetKind
    rules: int
    paths: tuple[Path, ...]

    @property
    def needed_mb(self) -> float:
        """About the memory that its process needs, from above."""
        return PROCESS_MB + MB_A_RULE * self.rules
