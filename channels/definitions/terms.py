"""Reads how a channel wants its alerts: the keys of `TERMS`, the same for every channel."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from channels.alert import Grouping, Terms
from channels.definitions.block import Block
from channels.definitions.keys import GROUPING, TERMS, names_of

DEFAULT_WAIT_SECONDS: Final = 10.0
DEFAULT_HIGH_WAIT_SECONDS: Final = 1.0
MAX_WAIT_SECONDS: Final = 3600.0
#: Of channels that are read by people.
DEFAULT_DIGEST_ABOVE: Final = 20
MAX_DIGEST_ABOVE: Final = 1000
DEFAULT_FALLBACK_SECONDS: Final = 300.0
MAX_FALLBACK_SECONDS: Final = 86_400.0
_RATE: Final = re.compile(r"(?P<count>[1-9][0-9]{0,3}) ?/ ?(?P<unit>[smh])")
_UNIT_SECONDS: Final = {"s": 1.0, "m": 60.0, "h": 3600.0}


def read_terms(block: Block, *, is_webhook: bool = False) -> Terms:
    """The terms of a channel; faults are added to the block."""
    above = 0 if is_webhook else DEFAULT_DIGEST_ABOVE
    return Terms(
        fallback=block.text("fallback", is_plain=True) or "",
        fallback_after_seconds=block.number(
            "fallback_after_seconds", DEFAULT_FALLBACK_SECONDS, 1.0, MAX_FALLBACK_SECONDS
        ),
        grouping=_grouping(block),
        interval_seconds=_interval(block),
        digest_above=block.integer_or_off("digest_above", above, 1, MAX_DIGEST_ABOVE),
    )


def fallback_of(definition: object, variables: Mapping[str, str]) -> Terms:
    """The terms of who stands in for a channel that can't be made; only its fallback is in them."""
    entries = definition if isinstance(definition, list) else [definition]
    for entry in entries:
        if isinstance(entry, Mapping):
            terms = read_terms(Block(entry, variables, names_of(TERMS)))
            if terms.fallback:
                return Terms(
                    fallback=terms.fallback, fallback_after_seconds=terms.fallback_after_seconds
                )
    return Terms()


def _interval(block: Block) -> float:
    """The seconds between two messages; 0 without a rate."""
    text = block.text("rate", is_plain=True)
    if text is None:
        return 0.0
    found = _RATE.fullmatch(text)
    if found is None:
        what = f"rate {text!r} is no number of messages a second, a minute or an hour"
        block.fault(what, "write it like 30/m, 1/s or 100/h", "rate")
        return 0.0
    return _UNIT_SECONDS[found["unit"]] / int(found["count"])


def _grouping(block: Block) -> Grouping | None:
    with block.nested("group", GROUPING.names) as group:
        if group is None:
            return None
        wait = group.number("wait_seconds", DEFAULT_WAIT_SECONDS, 0.0, MAX_WAIT_SECONDS)
        usual = min(wait, DEFAULT_HIGH_WAIT_SECONDS)
        high_wait = group.number("high_wait_seconds", usual, 0.0, MAX_WAIT_SECONDS)
        by = tuple(text for _, text in group.texts("by"))
        return Grouping(by, wait, high_wait)
