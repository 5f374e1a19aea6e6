"""Reads how a channel wants its alerts: the keys of `TERMS`, the same for every channel."""

from __future__ import annotations

from typing import Final

from channels.alert import Grouping, Terms
from channels.definitions.block import Block
from channels.definitions.keys import GROUPING

DEFAULT_WAIT_SECONDS: Final = 10.0
DEFAULT_HIGH_WAIT_SECONDS: Final = 1.0
MAX_WAIT_SECONDS: Final = 3600.0
#: Of channels that are read by people.
DEFAULT_DIGEST_ABOVE: Final = 20
MAX_DIGEST_ABOVE: Final = 1000


def read_terms(block: Block, *, is_webhook: bool = False) -> Terms:
    """The terms of a channel; faults are added to the block."""
    above = 0 if is_webhook else DEFAULT_DIGEST_ABOVE
    return Terms(
        grouping=_grouping(block),
        digest_above=block.integer_or_off("digest_above", above, 1, MAX_DIGEST_ABOVE),
    )


def _grouping(block: Block) -> Grouping | None:
    with block.nested("group", GROUPING.names) as group:
        if group is None:
            return None
        wait = group.number("wait_seconds", DEFAULT_WAIT_SECONDS, 0.0, MAX_WAIT_SECONDS)
        usual = min(wait, DEFAULT_HIGH_WAIT_SECONDS)
        high_wait = group.number("high_wait_seconds", usual, 0.0, MAX_WAIT_SECONDS)
        by = tuple(text for _, text in group.texts("by"))
        return Grouping(by, wait, high_wait)
