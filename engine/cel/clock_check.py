"""Calls such as `time.getHours()`, which without a zone are read in UTC, not at the site."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import Final

from engine.cel.findings import Findings
from engine.cel.tree import Call, Literal, Node
from engine.cel.unparse import unparse
from engine.local_time import is_utc
from engine.schema import FieldType, Kind

#: Parts that are the same on every clock that is off by whole hours, and on every clock at all.
_MINUTE: Final = "getMinutes"
_SAME_EVERYWHERE: Final = frozenset({"getSeconds", "getMilliseconds"})
_HOUR: Final = timedelta(hours=1)
_NONE: Final = timedelta()
_SEASONS: Final = (datetime(2025, 1, 1), datetime(2025, 7, 1))


def check_clock(findings: Findings, node: Call, args: tuple[Node, ...], kind: FieldType) -> None:
    """Warn of a part of a moment that is read in UTC, where the site's zone has another.

    `args` are the call's arguments, the moment first; `kind` is the first one's type: the parts
    of a duration have no zone.
    """
    if len(args) > 1 or kind.kind is not Kind.TIMESTAMP:
        return
    zone = findings.zone
    if not _may_differ(node.function, zone):
        return
    what = f"{node.function}() without a zone is read in UTC, not in EVENT_TIMEZONE"
    meant = replace(node, args=(Literal(node.offset, str(zone)),))
    findings.warning(node, "utc-clock", what, f"write {unparse(meant)}")


@lru_cache(maxsize=64)
def _may_differ(part: str, zone: tzinfo) -> bool:
    """Whether the part of a moment may be another in `zone` than in UTC."""
    if part in _SAME_EVERYWHERE or zone is UTC or is_utc(zone):
        return False
    if part == _MINUTE:
        return any((zone.utcoffset(day) or _NONE) % _HOUR for day in _SEASONS)
    return True
