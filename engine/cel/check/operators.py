"""The check of operators: which types their operands may have, and the types of the results.

Comparisons that can never be true, or never false, are warned of: by the types of the operands
here, by their possible values in `domains.py`. `safe` are the names of guarded parts
(`types/findings.py`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from engine.cel.check import domains
from engine.cel.check.remedies import remedy_of_chain, remedy_of_types, remedy_to_condition
from engine.cel.syntax import tree
from engine.cel.syntax.tree import Call, ListNode, Literal, Node, constant_of, unparse
from engine.cel.types.findings import Findings, part_name, title
from engine.cel.types.kinds import (
    BOOL,
    CONTAINERS,
    KEYS,
    KINDS,
    NUMBERS,
    SCALARS,
    can_be_equal,
    can_order,
    join,
    list_of,
    not_null,
    results_of,
    type_name,
    with_article,
)
from engine.cel.values.values import UInt
from engine.schema import FieldType, Kind

_DIVISIONS: Final = frozenset({"_/_", "_%_"})
_DOTTED_NAME: Final = re.compile(r"[a-z_]+(?:\.[a-z_]+)+")
_VARIABLE: Final = re.compile(r"\$\{\w+\}")
_DENIED: Final = "an operand of '!'"
_Kinds = list[FieldType | None]


def want_bool(
    findings: Findings, node: Node, kind: FieldType | None, safe: frozenset[str], what: str
) -> None:
    """Report a node that can't be true or false as an error, one that may be null as a warning.

    `what` names its place in messages.
    """
    if kind is None:
        return
    if kind.kind is not Kind.BOOL:
        message = f"{what} must be true or false, not {with_article(kind)}"
        remedy = remedy_to_condition(kind)
        if what == _DENIED and not kind.nullable:
            remedy = "put brackets around what is denied: !(…), or write !="
        findings.error(node, "not-bool", message, remedy)
        return
    if kind.nullable and part_name(node) not in safe:
        message = f"{title(node)} may be null, which is neither true nor false"
        remedy = f"write {part_name(node) or '(…)'} == true"
        findings.warning(node, "may-be-null", message, remedy)


def arithmetic_type(
    findings: Findings,
    step: Call,
    left: FieldType | None,
    right: FieldType | None,
    safe: frozenset[str],
) -> FieldType | None:
    """The type of one `+ - * / %` with operands of these types; reports what can't work."""
    sign = step.function.strip("_")
    if _has_null(findings, step, [left, right], safe):
        return None
    results = results_of(step.function, left, right)
    if not results:
        what = f"'{sign}' can't be applied to {_pair(left, right)}"
        findings.error(
            step, "no-overload", what, remedy_of_types(step.args, [left, right], step.function)
        )
        return None
    if len(results) > 1:
        return None
    (kind,) = results
    if kind is not Kind.LIST:
        return SCALARS[kind]
    if left is None or right is None:
        return list_of(None)
    joined = join(not_null(left), not_null(right))
    return joined if joined is not None else list_of(None)


def operator_type(
    findings: Findings, node: Call, kinds: _Kinds, safe: frozenset[str]
) -> FieldType | None:
    """The type of a comparison, `in`, an index or a negation with operands of these types.

    Reports what can't work, and what never holds.
    """
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
            findings.warn_of_null(node.args[1], kinds[1], safe, "looking into it by 'in'")
            _check_membership(findings, node, kinds)
        case _:
            _check_ordering(findings, node, kinds, safe)
    return BOOL


def _element_type(findings: Findings, node: Call, kinds: _Kinds) -> FieldType | None:
    over, index = kinds
    if over is None:
        return None
    if over.kind not in CONTAINERS:
        what = f"'[ ]' takes an element of a list or a map, not of {with_article(over)}"
        is_record = over.kind is Kind.RECORD
        remedy = "write record.field" if is_record else "text.charAt(0) is a character"
        findings.error(node, "no-overload", what, remedy)
        return None
    if index is None:
        return over.element
    if over.kind is Kind.LIST and index.kind not in NUMBERS:
        what = f"the index of a list is a whole number, not {with_article(index)}"
        findings.error(node, "no-overload", what, "count from 0")
    elif over.kind is Kind.MAP and not _may_be_key(index, over.key):
        keys = over.key.kind if over.key is not None else "text or number"
        what = f"the keys of this map are of type {keys}, not {type_name(index)}"
        findings.error(node, "no-overload", what, "write a key as the map has them")
    return over.element


def _may_be_key(index: FieldType, key: FieldType | None) -> bool:
    if key is not None and key.kind not in KEYS:
        return True  # That is reported where the map is written.
    is_key = index.kind in KEYS or index.kind is Kind.DOUBLE
    return is_key and (key is None or can_be_equal(index, key))


def _negated_type(findings: Findings, node: Call, kind: FieldType | None) -> FieldType | None:
    if kind is None:
        return None
    if kind.kind in (Kind.INT, Kind.DOUBLE):
        return SCALARS[kind.kind]
    remedies = {Kind.UINT: "convert it: int(x)", Kind.BOOL: "write !x"}
    what = f"'-' can't be applied to {kind.kind}"
    remedy = remedies.get(kind.kind, "it takes an int or a double")
    findings.error(node, "no-overload", what, remedy)
    return None


def _check_membership(findings: Findings, node: Call, kinds: _Kinds) -> None:
    item, over = kinds
    if over is None:
        return
    if over.kind not in CONTAINERS:
        what = f"'in' looks into a list or a map, not {with_article(over)}"
        remedy = "write x in [a, b]"
        if over.kind is Kind.STRING:
            is_literal = isinstance(node.args[1], Literal)
            listed = f"write in [{unparse(node.args[1])}]"
            remedy = listed if is_literal else "write text.contains(part)"
        findings.error(node, "no-overload", what, remedy)
        return
    element = over.element if over.kind is Kind.LIST else over.key
    if item is not None and element is not None and not can_be_equal(item, element):
        where = f"a list of {type_name(element)}"
        if over.kind is Kind.MAP:
            where = f"the keys of a map from {type_name(element)}"
        what = f"{with_article(item)} is never in {where}"
        findings.warning(node, "never-equal", what, remedy_of_types(node.args, [item, element]))
        return
    if isinstance(node.args[1], ListNode) and not node.args[1].items:
        findings.warning(node, "never-true", "nothing is in an empty list", "write values into it")
    _check_mixed(findings, node, item)
    domains.check_membership(findings, node, item)


def _check_mixed(findings: Findings, node: Call, item: FieldType | None) -> None:
    """Warn of values in a list of several types that can't equal an item of this type."""
    values = constant_of(node.args[1]) if isinstance(node.args[1], ListNode) else None
    if item is None or type(values) is not list:
        return
    kinds = {type(value) for value in values}
    if len(kinds) < 2:
        return
    scalars = [value for value in values if value is not None and type(value) not in (list, dict)]
    odd = [value for value in scalars if not can_be_equal(item, SCALARS[KINDS[type(value)]])]
    if odd:
        what = f"{title(node.args[0])} is {with_article(item)}, never {domains.shown_values(odd)}"
        literals = [Literal(node.offset, value) for value in odd]
        kind = SCALARS[KINDS[type(odd[0])]]
        remedy = remedy_of_types([node.args[0], literals[0]], [item, kind], tree.EQUALS)
        findings.warning(node, "never-equal", what, remedy)


def _has_null(findings: Findings, node: Call, kinds: _Kinds, safe: frozenset[str]) -> bool:
    """Report operands that are or may be null; returns whether one is."""
    sign = node.function.strip("_")
    is_null = False
    for arg, kind in zip(node.args, kinds, strict=True):
        if kind is not None and kind.kind is Kind.NULL:
            is_null = True
            remedy = "null can only be compared by == and !="
            findings.error(arg, "no-overload", f"'{sign}' can't be applied to null", remedy)
        else:
            findings.warn_of_null(arg, kind, safe, f"'{sign}'")
    return is_null


def _check_equality(findings: Findings, node: Call, kinds: _Kinds) -> None:
    # The types without regard to guards: a second comparison with null is no mistake.
    left, right = (findings.type_of(arg) for arg in node.args)
    if left is None or right is None:
        return
    if can_be_equal(left, right):
        warn_of_constants(findings, node, node.args)
        _check_variable(findings, node)
        _check_fraction(findings, node, (left, right))
        _check_elements(findings, node, (left, right))
        domains.check_equality(findings, node, kinds)
        return
    if Kind.NULL in (left.kind, right.kind):
        _check_null(findings, node, kinds)
        return
    what = f"{left.kind} and {right.kind} are never equal"
    findings.warning(node, "never-equal", what, remedy_of_types(node.args, kinds, node.function))


def warn_of_constants(findings: Findings, node: Call, args: Sequence[Node]) -> None:
    """Warn of a comparison of two constants: one is most likely a field's name in quotes."""
    if not all(isinstance(arg, Literal) for arg in args):
        return
    texts = [arg.value for arg in args if isinstance(arg, Literal)]
    scope = findings.scope
    names = [
        text
        for text in texts
        if type(text) is str and (scope.has_path(text) or _DOTTED_NAME.fullmatch(text))
    ]
    remedy = f"a field's name has no quotes: {names[0]}" if names else "write true or false"
    what = "two constants are compared, whatever the event is"
    findings.warning(node, "constant", what, remedy)


def _check_variable(findings: Findings, node: Call) -> None:
    """Warn of `${VAR}` in a text, which is not replaced in an expression.

    For trees of `conditions:`, whose offsets are 0, the rules package warns.
    """
    if not node.offset:
        return
    for arg in node.args:
        if isinstance(arg, Literal) and type(arg.value) is str and _VARIABLE.search(arg.value):
            what = f"{title(arg)} is compared as it stands"
            remedy = "variables of the environment are for channels only: write the value itself"
            findings.warning(arg, "odd-value", what, remedy)


def _check_fraction(findings: Findings, node: Call, kinds: Sequence[FieldType]) -> None:
    """Warn of an integer that is compared with a constant fraction."""
    for here, other in ((0, 1), (1, 0)):
        value = constant_of(node.args[other])
        is_whole = kinds[here].kind in (Kind.INT, Kind.UINT)
        if is_whole and type(value) is float and not value.is_integer():
            what = f"{title(node.args[here])} is a whole number, never {value}"
            findings.warning(node, "never-equal", what, "compare by < or >, or with a whole number")


def _check_elements(findings: Findings, node: Call, kinds: Sequence[FieldType]) -> None:
    """Warn of a list in brackets that is compared with a list of other elements."""
    one, two = (kind.element for kind in kinds)
    if one is None or two is None or can_be_equal(one, two):
        return
    if any(isinstance(arg, ListNode) and arg.items for arg in node.args):
        what = f"{type_name(kinds[0])} and {type_name(kinds[1])} are never equal"
        findings.warning(node, "never-equal", what, remedy_of_types((), (one, two), node.function))


def _check_null(findings: Findings, node: Call, kinds: _Kinds) -> None:
    """Warn of `== null` for a part that is never null; a needless `!= null` is no fault."""
    if node.function == tree.NOT_EQUALS:
        return
    place = 0 if kinds[1] is not None and kinds[1].kind is Kind.NULL else 1
    what = f"{title(node.args[place])} is never null"
    known = kinds[place]
    is_text = known is not None and known.kind is Kind.STRING
    remedy = 'an empty text is == ""' if is_text else "remove the comparison"
    findings.warning(node, "never-equal", what, remedy)


def _check_ordering(findings: Findings, node: Call, kinds: _Kinds, safe: frozenset[str]) -> None:
    if _has_null(findings, node, kinds, safe):
        return
    left, right = kinds
    if not can_order(left, right):
        sign = node.function.strip("_")
        first, second = (type_name(kind) for kind in kinds)
        if left is None or right is None or left.kind is right.kind:
            what = f"'{sign}' can't compare {first} with {second}"
            findings.error(node, "no-overload", what, "only == and != compare such values")
            return
        what = f"'{sign}' can't compare {left.kind} with {right.kind}"
        remedy = remedy_of_chain(node) or remedy_of_types(node.args, kinds, node.function)
        findings.error(node, "no-overload", what, remedy)
        return
    domains.check_ordering(findings, node, kinds)


def _pair(left: FieldType | None, right: FieldType | None) -> str:
    names = ("dyn" if kind is None else str(kind.kind) for kind in (left, right))
    return " and ".join(names)


def is_division_by_zero(node: Call) -> bool:
    """Whether a call is a division by a literal integer 0."""
    divisor = node.args[1]
    return (
        node.function in _DIVISIONS
        and isinstance(divisor, Literal)
        and type(divisor.value) in (int, UInt)
        and divisor.value == 0
    )
