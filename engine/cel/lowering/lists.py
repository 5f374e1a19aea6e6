"""Watchlists as pieces: one probe of the list's own dictionary, then its periods if it has any."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from engine.cel.list_access import TIME, row_type
from engine.cel.lowering.code import Code, Form, constant, general, name, plain
from engine.cel.lowering.runtime import GiveUpError
from engine.watchlist import Watchlist


def in_list(watchlist: Watchlist, key: Code) -> Code:
    """`key in watchlist(…)`."""
    probe = _probe(watchlist, key)
    if watchlist.validity is None:
        return probe
    is_on = plain("{0}({1}, {2})", constant(watchlist.is_on), key, _time(), kind=bool)
    parts = (probe, is_on)
    return Code(
        Form.ALL,
        parts=parts,
        kind=bool,
        can_fail=any(part.can_fail for part in parts),
        depth=1 + max(part.depth for part in parts),
        rounds=sum(part.rounds for part in parts),
    )


def _probe(watchlist: Watchlist, key: Code) -> Code:
    plates = constant(watchlist.plates)
    if key.kind is str:
        return plain("({0} in {1})", key, plates, kind=bool)
    return plain("contains({0}, {1})", general(key), plates, kind=bool)


def row_of(watchlist: Watchlist, key: Code) -> Code:
    """`watchlist(…)[key]`; gives up where the plate has no row in force."""

    def row(plate: Any, time: Any) -> dict[str, Any]:
        found = watchlist.row(plate, time)
        if found is None:
            raise GiveUpError
        return found

    share = (id(watchlist), key.share) if key.share is not None else None
    made = plain("{0}({1}, {2})", constant(row), general(key), _time(), can_fail=True, share=share)
    return replace(made, kind=dict, is_nullable=False, field=row_type(watchlist))


def _time() -> Code:
    return plain("b[{0}]", name(TIME), share=TIME)
