"""The check of `math.greatest` and `math.least`: each item of a list that is written out counts."""

from __future__ import annotations

from typing import Final

from engine.cel.findings import Findings
from engine.cel.functions import Function
from engine.cel.kinds import NUMBERS, with_article
from engine.cel.tree import ListNode, Node
from engine.schema import Kind

CHOICES: Final = frozenset({"math.greatest", "math.least"})


def check_choice(
    findings: Findings, function: Function, args: tuple[Node, ...], safe: frozenset[str]
) -> None:
    """Report items that are no numbers or may be null, and a list without any."""
    over = args[0]
    if function.name not in CHOICES or not isinstance(over, ListNode):
        return
    name = f"{function.name}()"
    if not over.items:
        findings.error(over, "no-overload", f"{name} of an empty list", "write numbers into it")
    for item in over.items:
        kind = findings.type_of(item)
        if kind is not None and kind.kind not in NUMBERS:
            what = "null" if kind.kind is Kind.NULL else with_article(kind)
            message = f"{name} takes numbers, and this is {what}"
            findings.error(item, "no-overload", message, "write a number, double(x) for instance")
        else:
            findings.warn_of_null(item, kind, safe, name)
