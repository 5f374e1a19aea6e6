"""The check of operators: may they take what stands at their sides, and what do they give."""

from __future__ import annotations

from dataclasses import replace

from engine.cel import tree
from engine.cel.findings import Findings
from engine.cel.kinds import BOOL, NUMBERS, can_be_equal, can_calculate, can_order
from engine.cel.tree import Call, Literal, Node
from engine.schema import FieldType, Kind

_CONVERT = "convert one of them, double(x) for instance"


def want_bool(findings: Findings, node: Node, kind: FieldType | None, what: str) -> None:
    """An error when the node can't be true or false."""
    if kind is not None and kind.kind is not Kind.BOOL:
        message = f"{what} must be true or false, not {kind.kind}"
        findings.error(node, "not-bool", message, "compare it with something")


def arithmetic_type(
    findings: Findings,
    step: Call,
    left: FieldType | None,
    right: FieldType | None,
    safe: frozenset[str],
) -> FieldType | None:
    """The type of one `+ - * / %`, its operands' types given."""
    sign = step.function.strip("_")
    for arg, kind in zip(step.args, (left, right), strict=True):
        findings.warn_of_null(arg, kind, safe, f"'{sign}'")
        _want_no_null(findings, arg, sign)
    if left is None or right is None:
        return None
    if not can_calculate(step.function, left, right):
        what = f"'{sign}' can't be applied to {left.kind} and {right.kind}"
        findings.error(step, "no-overload", what, _CONVERT)
        return None
    # Instants give a duration, for which the schema has no kind.
    return None if left.kind is Kind.TIMESTAMP else replace(left, nullable=False)


def operator_type(
    findings: Findings, node: Call, kinds: list[FieldType | None], safe: frozenset[str]
) -> FieldType | None:
    """The type of a comparison, `in`, an index or a negation, its operands' types given."""
    match node.function:
        case tree.EQUALS | tree.NOT_EQUALS:
            _check_equality(findings, node, kinds)
        case tree.INDEX:
            findings.warn_of_null(node.args[0], kinds[0], safe, "'[ ]'")
            return _element_type(findings, node, kinds)
        case tree.NEGATE:
            findings.warn_of_null(node.args[0], kinds[0], safe, "'-'")
            return _negated_type(findings, node, kinds[0])
        case tree.IN:
            _check_membership(findings, node, kinds)
        case _:
            _check_ordering(findings, node, kinds, safe)
    return BOOL


_CONTAINERS = frozenset({Kind.LIST, Kind.MAP})


def _element_type(
    findings: Findings, node: Call, kinds: list[FieldType | None]
) -> FieldType | None:
    over, index = kinds
    if over is None:
        return None
    if over.kind not in _CONTAINERS:
        what = f"'[ ]' takes an element of a list or a map, not of a {over.kind}"
        is_record = over.kind is Kind.RECORD
        remedy = "write record.field" if is_record else "text.charAt(0) is a character"
        findings.error(node, "no-overload", what, remedy)
        return None
    if over.kind is Kind.LIST and index is not None and index.kind not in NUMBERS:
        what = f"the index of a list is a whole number, not a {index.kind}"
        findings.error(node, "no-overload", what, "count from 0")
    return over.element


def _negated_type(findings: Findings, node: Call, kind: FieldType | None) -> FieldType | None:
    if kind is None:
        return None
    if kind.kind not in NUMBERS:
        findings.error(node, "no-overload", f"'-' can't be applied to {kind.kind}")
    return replace(kind, nullable=False)


def _check_membership(findings: Findings, node: Call, kinds: list[FieldType | None]) -> None:
    item, over = kinds
    if over is None:
        return
    if over.kind not in _CONTAINERS:
        what = f"'in' looks into a list or a map, not {over.kind}"
        is_text = over.kind is Kind.STRING
        remedy = "write text.contains(part)" if is_text else "write x in [a, b]"
        findings.error(node, "no-overload", what, remedy)
        return
    element = over.element if over.kind is Kind.LIST else None
    if item is not None and element is not None and not can_be_equal(item, element):
        what = f"a {item.kind} is never in a list of {element.kind}"
        findings.warning(node, "never-equal", what, _CONVERT)


def _want_no_null(findings: Findings, arg: Node, sign: str) -> None:
    if isinstance(arg, Literal) and arg.value is None:
        findings.error(arg, "no-overload", f"'{sign}' can't be applied to null")


def _check_equality(findings: Findings, node: Call, kinds: list[FieldType | None]) -> None:
    left, right = kinds
    if left is not None and right is not None and not can_be_equal(left, right):
        what = f"{left.kind} and {right.kind} are never equal"
        findings.warning(node, "never-equal", what, _CONVERT)


def _check_ordering(
    findings: Findings, node: Call, kinds: list[FieldType | None], safe: frozenset[str]
) -> None:
    sign = node.function.strip("_")
    for arg, kind in zip(node.args, kinds, strict=True):
        findings.warn_of_null(arg, kind, safe, f"'{sign}'")
        _want_no_null(findings, arg, sign)
    left, right = kinds
    if left is not None and right is not None and not can_order(left, right):
        what = f"'{sign}' can't compare {left.kind} with {right.kind}"
        findings.error(node, "no-overload", what, _CONVERT)
