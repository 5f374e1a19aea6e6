"""What the process of a measurement is told to do, and what it tells of its progress."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from enum import StrEnum

from engine.bench.measured_set import SetKind


class Stage(StrEnum):
    """What the process is about; the words are for people."""

    COMPILE = "compiling"
    MATCH = "matching"


@dataclass(frozen=True, slots=True)
class Job:
    """What to measure: rule files, the event schema's file, the zone of naive times, how long."""

    kind: SetKind
    paths: tuple[str, ...]
    schema: str
    zone: str
    seconds: float

    def to_json(self) -> str:
        """The job as one argument of a command line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Job:
        """The job of `to_json`'s text."""
        given = json.loads(text)
        kind, paths = SetKind(given.pop("kind")), tuple(given.pop("paths"))
        return cls(kind=kind, paths=paths, **given)
