"""The check of `"…".format([…])` where the text and the list are written out."""

from __future__ import annotations

from typing import Final

from engine.cel.findings import Findings
from engine.cel.functions import Function
from engine.cel.kinds import NUMBERS, with_article
from engine.cel.text_format import clauses
from engine.cel.tree import ListNode, Literal, Node
from engine.errors import EvaluationError
from engine.schema import Kind

_WHOLE: Final = frozenset({Kind.INT, Kind.UINT})
#: What the clauses take; `%s` takes anything.
_TAKES: Final = {
    **dict.fromkeys("dfe", NUMBERS),
    **dict.fromkeys("xX", _WHOLE | {Kind.STRING, Kind.BYTES}),
    "b": _WHOLE | {Kind.BOOL},
    "o": _WHOLE,
}
_WORDS: Final = {
    **dict.fromkeys("dfe", "a number"),
    **dict.fromkeys("xX", "a whole number, a text or bytes"),
    "b": "a whole number or a bool",
    "o": "a whole number",
}
_CLAUSES: Final = "write %s, %d, %f, %e, %b, %o, %x or %X, and %% for a percent sign"


def check_format(
    findings: Findings, function: Function, args: tuple[Node, ...], safe: frozenset[str]
) -> None:
    """Report clauses that there are not, values that don't fit theirs, and too few or too many."""
    template, values = args[0], args[-1]
    if function.name != "format" or not isinstance(template, Literal):
        return
    try:
        verbs = clauses(template.value)
    except EvaluationError as error:
        findings.error(template, "bad-constant", str(error), _CLAUSES)
        return
    if not isinstance(values, ListNode):
        return
    if len(values.items) < len(verbs):
        what = f"the text has {len(verbs)} clauses, but the list {len(values.items)} values"
        findings.error(values, "bad-constant", what, "give each clause a value")
    for item in values.items[len(verbs) :]:
        what = "no clause of the text shows this value"
        findings.warning(item, "unused-value", what, "remove it, or write another %s")
    for verb, item in zip(verbs, values.items, strict=False):
        _check_value(findings, verb, item, safe)


def _check_value(findings: Findings, verb: str, item: Node, safe: frozenset[str]) -> None:
    taken = _TAKES.get(verb)
    kind = findings.type_of(item)
    if taken is None or kind is None:
        return
    if kind.kind in taken:
        findings.warn_of_null(item, kind, safe, f"'%{verb}'")
        return
    what = "null" if kind.kind is Kind.NULL else with_article(kind)
    message = f"%{verb} takes {_WORDS[verb]}, and this is {what}"
    findings.error(item, "no-overload", message, "write %s, which shows any value")
