"""Watchlists as pieces: one probe of the list's own dictionary, then its periods if it has any."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from engine.cel.list_access import ROW_ROUNDS, TIME, row_type, rows_type
from engine.cel.lowering.code import Code, Form, constant, general, name, plain
from engine.cel.lowering.runtime import GiveUpError
from engine.watchlist import CHARACTERS, Watchlist, plate_of


def in_list(watchlist: Watchlist, key: Code, *, is_in_loop: bool = False) -> Code:
    """`key in watchlist(…)`."""
    probe = plain("({0} in {1})", _plate(key, is_in_loop), constant(watchlist.plates), kind=bool)
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


def _plate(key: Code, is_in_loop: bool) -> Code:
    """`plate_of(key)`, without the call where the producer has normalised.

    Not in a loop: there a very long text must not be gone through in every round.
    """
    if is_in_loop or key.share is None or key.kind is not str or key.is_nullable:
        return plain("{0}({1})", constant(plate_of), key, kind=str)
    template = "({1} if not {0}.lstrip({2}) else {3}({1}))"
    parts = (key, key, constant(CHARACTERS), constant(plate_of))
    return plain(template, *parts, kind=str, share=(plate_of, key.share))


def row_of(watchlist: Watchlist, key: Code) -> Code:
    """`watchlist(…)[key]`; gives up where the plate has no row in force."""

    def row(value: Any, time: Any) -> dict[str, Any]:
        found = watchlist.row(value, time)
        if found is None:
            raise GiveUpError
        return found

    share = (id(watchlist), key.share) if key.share is not None else None
    made = plain("{0}({1}, {2})", constant(row), general(key), _time(), can_fail=True, share=share)
    return replace(made, kind=dict, is_nullable=False, field=row_type(watchlist))


def rows_of(watchlist: Watchlist, key: Code) -> Code:
    """`watchlist(…).rows(key)`."""
    share = ("rows", id(watchlist), key.share) if key.share is not None else None
    ask = constant(watchlist.rows_of)
    made = plain("{0}({1}, {2})", ask, key, _time(), kind=list, share=share)
    cost = watchlist.most_rows * ROW_ROUNDS
    return replace(made, field=rows_type(watchlist), rounds=made.rounds + cost)


def _time() -> Code:
    return plain("b[{0}]", name(TIME), share=TIME)
