"""Typed reading of a table's keys: what has the wrong type, or an unknown name, is a fault."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from engine.rules.findings import Code, Findings, named, shown, suggestion
from engine.rules.node import Listing, Node, Scalar, Table

_INTEGER: Final = re.compile(r"[-+]?(?:0|[1-9][0-9]*(?:_[0-9]+)*)")
_DECIMAL: Final = re.compile(
    r"[-+]?(?:[0-9]+\.[0-9]*(?:[eE][-+]?[0-9]+)?|\.[0-9]+(?:[eE][-+]?[0-9]+)?|[0-9]+[eE][-+]?[0-9]+)"
)
_LONGEST_NUMBER: Final = 60
_LARGEST_INTEGER: Final = 2**63 - 1
FLAGS: Final = {
    **dict.fromkeys(("true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON"), True),
    **dict.fromkeys(("false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF"), False),
}


CUT: Final = "a `#` begins a comment: put quotes around the value, or a blank behind the `#`"
#: Where keys belong that are often written a level too high or too deep.
_PLACES: Final = {
    **dict.fromkeys(("cooldown_seconds", "dedup_key"), "under `rate_limit:`"),
    **dict.fromkeys(("field", "operator", "value"), "to an item of a list under `conditions:`"),
    **dict.fromkeys(
        ("id", "when", "conditions", "notify", "priority", "message_template"),
        "to a rule under `rules:`, indented as its `id` is",
    ),
    **dict.fromkeys(("event", "expect"), "to an item of a list under `tests:`"),
    **dict.fromkeys(
        ("rules", "channels", "notifications", "watchlists"), "to the file, unindented"
    ),
}


def kind_of(node: Node) -> str:
    """What a node is, in words."""
    if isinstance(node, Table):
        return "a mapping"
    if isinstance(node, Listing):
        return "a list"
    return "empty" if node.is_null else "a text"


def check_keys(table: Table, known: Sequence[str], where: str, findings: Findings) -> None:
    """Every key of `table` that is not `known` is a fault; `where` names the table."""
    for name, key in table.keys.items():
        if name not in known:
            findings.error(
                key.place,
                Code.UNKNOWN_KEY,
                f"unknown key{named(name)} in {where}",
                _elsewhere(name, known)
                or suggestion(name, known, f"the keys are {', '.join(known)}"),
            )


def _elsewhere(name: str, known: Sequence[str]) -> str:
    """Where a key belongs that is known, but not here."""
    first, dot, rest = name.partition(".")
    if dot and first in known:
        return f"write {first}: {{{shown(rest)}: …}}"
    place = _PLACES.get(name, "")
    return f"it belongs {place}" if place else ""


def as_table(node: Node, name: str, findings: Findings, remedy: str = "") -> Table | None:
    """A mapping, or None and a fault; `remedy` says what to write for another value."""
    if isinstance(node, Table):
        return node
    findings.error(
        node.place,
        Code.WRONG_TYPE,
        f"{name} must be a mapping, but it is {kind_of(node)}",
        remedy or "write `key: value` lines below it, indented",
    )
    return None


def as_listing(node: Node, name: str, findings: Findings, remedy: str = "") -> Listing | None:
    """A list, or None and a fault; `remedy` says what to write for another value."""
    if isinstance(node, Listing):
        return node
    findings.error(
        node.place,
        Code.WRONG_TYPE,
        f"{name} must be a list, but it is {kind_of(node)}",
        remedy or as_items(node),
    )
    return None


def as_items(node: Node) -> str:
    """The remedy for what is no list: a text of one line is its only item."""
    if isinstance(node, Scalar) and not node.is_null and "\n" not in node.text.strip():
        return f"write [{shown(node.text)}]"
    return "write one item a line, each after `- `"


def as_text(node: Node, name: str, findings: Findings, remedy: str = "") -> Scalar | None:
    """A text with something in it, or None and a fault; `remedy` is for a list or a mapping."""
    if not isinstance(node, Scalar):
        if not remedy:
            remedy = "write one text" if isinstance(node, Listing) else "put quotes around it"
        findings.error(
            node.place, Code.WRONG_TYPE, f"{name} must be a text, but it is {kind_of(node)}", remedy
        )
        return None
    if node.is_null or not node.text.strip():
        findings.error(
            node.place,
            Code.BAD_VALUE,
            f"{name} is empty",
            CUT if node.is_cut else "give it a value, or remove it",
        )
        return None
    return node


def as_flag(node: Node, name: str, findings: Findings) -> bool | None:
    """True or false, or None and a fault."""
    if isinstance(node, Scalar) and node.plain and node.text in FLAGS:
        return FLAGS[node.text]
    findings.error(
        node.place,
        Code.WRONG_TYPE,
        f"{name} must be true or false",
        "write true or false, without quotes",
    )
    return None


def number_of(text: str) -> int | float | None:
    """The finite number that a plain decimal notation stands for, or None.

    `0123` and `0x10`, whose value depends on the YAML version, are none; an integer has 64 bits.
    """
    if len(text) > _LONGEST_NUMBER:
        return None
    if _INTEGER.fullmatch(text):
        whole = int(text)
        return whole if abs(whole) <= _LARGEST_INTEGER else None
    if _DECIMAL.fullmatch(text):
        decimal = float(text)
        return decimal if abs(decimal) != float("inf") else None
    return None
