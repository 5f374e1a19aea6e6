"""A set of rules to be measured: what it is, and the files that hold it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


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
