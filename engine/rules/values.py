"""Makes Python values of YAML nodes: operands, events of tests, and definitions of channels."""

from __future__ import annotations

import re
from typing import Any, Final

from engine.cel import Operator
from engine.cel.check.likeness import fault_of_threshold
from engine.cel.condition import BY_LIKENESS, OF_LISTS, OF_SEVERAL
from engine.cel.syntax.tree import Literal
from engine.rules.faults import FaultCode, Faults, shown
from engine.rules.nodes import (
    FLAGS,
    MappingNode,
    ScalarNode,
    SequenceNode,
    YamlNode,
    as_items,
    check_keys,
    kind_of,
    number_of,
)
from engine.schema import Domain, FieldType, Kind, is_instant

INVALID: Final = object()
_NUMERIC: Final = frozenset({Kind.INT, Kind.DOUBLE})
_COMPARABLE: Final = _NUMERIC | {Kind.STRING, Kind.BOOL}
_ORDERING: Final = frozenset({Operator.GREATER_THAN, Operator.LESS_THAN})
_TEXTUAL: Final = frozenset({Operator.CONTAINS, Operator.REGEX, Operator.SIMILAR_TO}) | OF_LISTS
_MILLISECONDS: Final = {
    "ms": 1,
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1_000),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), 60_000),
    **dict.fromkeys(("h", "hour", "hours"), 3_600_000),
}
_VARIABLE: Final = re.compile(r"\$\{\w+\}")
_WITH_UNIT: Final = re.compile(r"([0-9]+(?:[.,][0-9]+)?) ?(%|[A-Za-z]{0,12})")
_LIKE: Final = {
    Kind.STRING: 'a text, "" for an empty one',
    Kind.INT: "a whole number like 2000, without quotes",
    Kind.DOUBLE: "a number like 0.9, without quotes",
    Kind.BOOL: "true or false, without quotes",
    Kind.BYTES: "a text",
    Kind.TIMESTAMP: "it in ISO 8601 with its zone, like '2025-12-25T16:00:00Z'",
    Kind.RECORD: "`key: value` lines below it",
    Kind.LIST: "one item a line, each after `- `",
    Kind.MAP: "`key: value` lines below it",
}
_WANTED: Final = {
    Kind.STRING: "a text",
    Kind.INT: "a whole number",
    Kind.DOUBLE: "a number",
    Kind.BOOL: "true or false",
    Kind.BYTES: "a text",
    Kind.TIMESTAMP: "a time with a zone",
    Kind.RECORD: "a mapping",
    Kind.LIST: "a list",
    Kind.MAP: "a mapping",
}


def operand(
    node: YamlNode, operator: Operator, field: str, field_type: FieldType | None, faults: Faults
) -> object:
    """The value of a condition as a Python value, or INVALID and a fault.

    For a string field it is the scalar's own text, so that YAML can't change it. For a numeric
    field, and for greater_than and less_than, it is a number. `field_type` is None for an unknown
    field.
    """
    if isinstance(node, SequenceNode) and operator in OF_SEVERAL:
        return _list(node, operator, field, field_type, faults)
    if operator is not Operator.IN_LIST:
        if not isinstance(node, ScalarNode):
            faults.error(
                node.place,
                FaultCode.WRONG_TYPE,
                f"the value of {operator} must be one value, but it is {kind_of(node)}",
                "use in_list for several" if isinstance(node, SequenceNode) else "write one value",
            )
            return INVALID
        return _single(node, operator, field, field_type, faults)
    faults.error(
        node.place,
        FaultCode.WRONG_TYPE,
        f"the value of in_list must be a list, but it is {kind_of(node)}",
        _several(node, field),
    )
    return INVALID


def threshold_of(node: YamlNode, operator: Operator, *, is_of_list: bool, faults: Faults) -> object:
    """The threshold of a condition, as a number or with `%`; INVALID and a fault for others.

    `is_of_list` says that the value is a list of plates, or the name of one.
    """
    if operator not in BY_LIKENESS:
        what = f"`threshold` says nothing for {operator}"
        remedy = f"remove it, or use {' or '.join(sorted(BY_LIKENESS))}"
        faults.error(node.place, FaultCode.UNKNOWN_KEY, what, remedy)
        return INVALID
    text = node.text.strip() if isinstance(node, ScalarNode) else ""
    value = number_of(text.removesuffix("%").strip())
    if value is None:
        what = f"a threshold is a number, not {f'`{shown(text)}`' if text else kind_of(node)}"
        faults.error(node.place, FaultCode.WRONG_TYPE, what, "write one such as 0.9 or 95%")
        return INVALID
    if text.endswith("%"):
        value = value / 100
    problem = fault_of_threshold(Literal(0, value), is_of_list=is_of_list)
    if problem is None:
        return value
    faults.error(node.place, problem.code, problem.what, problem.remedy)
    return INVALID


def _several(node: YamlNode, field: str) -> str:
    """The remedy for a value of in_list that is no list."""
    if isinstance(node, ScalarNode) and node.text.lstrip().startswith("watchlist("):
        return f"write `{field} in {shown(node.text.strip())}` under `when`"
    return as_items(node)


def _list(
    node: SequenceNode,
    operator: Operator,
    field: str,
    field_type: FieldType | None,
    faults: Faults,
) -> list[object] | object:
    found: list[object] = []
    is_valid = True
    for item in node.items:
        if not isinstance(item, ScalarNode):
            faults.error(
                item.place,
                FaultCode.WRONG_TYPE,
                f"an item of the list must be one value, but it is {kind_of(item)}",
                "write the values one by one",
            )
            is_valid = False
            continue
        value = _single(item, operator, field, field_type, faults)
        is_valid = is_valid and value is not INVALID
        found.append(value)
    return found if is_valid else INVALID


def _single(
    node: ScalarNode, operator: Operator, field: str, field_type: FieldType | None, faults: Faults
) -> object:
    if node.is_null:
        return _null(node, operator, faults)
    if _VARIABLE.search(node.text) is not None:
        what = f"`{shown(node.text)}` is compared as it stands"
        remedy = "`${…}` is for channels only: write the value itself"
        faults.warning(node.place, FaultCode.AMBIGUOUS_VALUE, what, remedy)
    if field_type is None or field_type.kind not in _COMPARABLE or operator in _TEXTUAL:
        return node.text  # the check of the operator reports what is wrong with it
    if field_type.kind in _NUMERIC or operator in _ORDERING:
        return _number(node, operator, field, field_type, faults)
    if field_type.kind is Kind.BOOL:
        if node.text in FLAGS:
            return FLAGS[node.text]
        faults.error(
            node.place,
            FaultCode.WRONG_TYPE,
            f"`{field}` is true or false, but the value is `{shown(node.text)}`",
            "write true or false",
        )
        return INVALID
    return node.text


def _null(node: ScalarNode, operator: Operator, faults: Faults) -> object:
    if operator not in {Operator.EQUALS, Operator.IN_LIST}:
        faults.error(
            node.place,
            FaultCode.WRONG_TYPE,
            f"{operator} needs a value, but it is empty",
            "write one",
        )
        return INVALID
    if node.text in {"", "NULL", "Null"}:
        written = f"`{node.text}` without quotes" if node.text else "an empty value"
        faults.warning(
            node.place,
            FaultCode.AMBIGUOUS_VALUE,
            f"{written} means an absent field",
            f"write '{node.text}' in quotes for that text, or null for an absent field",
        )
    return None


def _number(
    node: ScalarNode, operator: Operator, field: str, field_type: FieldType, faults: Faults
) -> object:
    value = number_of(node.text)
    is_numeric_field = field_type.kind in _NUMERIC
    if value is None:
        what = f"`{field}` is a number" if is_numeric_field else f"{operator} takes a number"
        faults.error(
            node.place,
            FaultCode.WRONG_TYPE,
            f"{what}, but the value is `{shown(node.text)}`",
            _as_number(node.text, field, field_type.domain),
        )
        return INVALID
    if not node.plain and is_numeric_field:
        faults.warning(
            node.place,
            FaultCode.AMBIGUOUS_VALUE,
            f"`{field}` is a number, but the value '{shown(node.text)}' stands in quotes",
            "it is taken as that number; remove the quotes",
        )
    return value


def _as_number(text: str, field: str, domain: Domain | None) -> str:
    """The remedy for a text that should be a number, such as `80%` or `2 s`."""
    found = _WITH_UNIT.fullmatch(text.strip())
    general = "write a decimal number without quotes, like 0.8 or 15"
    if found is None:
        return general
    number = float(found[1].replace(",", "."))
    if found[2] == "%":
        is_share = domain is None or domain.maximum is None or domain.maximum <= 1
        return f"write {number / 100 if is_share else number:g}"
    if not found[2]:
        return f"write {number:g} with a point" if "," in found[1] else general
    if field.endswith("_ms") and found[2].lower() in _MILLISECONDS:
        return f"write it in milliseconds: {number * _MILLISECONDS[found[2].lower()]:g}"
    return "write the number without its unit"


def event_value(node: YamlNode, name: str, field_type: FieldType, faults: Faults) -> Any:
    """A value of a test's event as a Python value, or INVALID and a fault; `name` is its path."""
    if isinstance(node, ScalarNode):
        value = _event_scalar(node, name, field_type, faults)
        _warn_of_never(value, node, name, field_type.domain, faults)
        return value
    if isinstance(node, MappingNode) and field_type.kind is Kind.RECORD:
        return event_record(node, name, field_type, faults)
    element = field_type.element
    if element is not None and isinstance(node, MappingNode) and field_type.kind is Kind.MAP:
        return {
            key: event_value(value, f"{name}.{key}", element, faults)
            for key, value in node.values.items()
        }
    if element is not None and isinstance(node, SequenceNode) and field_type.kind is Kind.LIST:
        return [event_value(item, f"{name}[]", element, faults) for item in node.items]
    return _misfit(node, name, field_type, faults)


def _warn_of_never(
    value: object, node: ScalarNode, name: str, domain: Domain | None, faults: Faults
) -> None:
    """Warns of a value that no event has, by the limits of its schema."""
    if domain is None:
        return
    if isinstance(value, str):
        is_never, has = value != "" and not domain.has(value), "other texts"
        if domain.characters:
            has = f"the characters {domain.characters}"
        elif domain.words:
            has = ", ".join(domain.words)
    elif isinstance(value, (int, float)):
        low, high = domain.minimum, domain.maximum
        is_never = (low is not None and value < low) or (high is not None and value > high)
        has = " ".join(
            f"{word} {limit:.15g}"
            for word, limit in (("from", low), ("to", high))
            if limit is not None
        )
    else:
        return
    if is_never:
        faults.warning(
            node.place,
            FaultCode.NO_EFFECT,
            f"no event has the `{name}` {shown(node.text)}, by its schema",
            f"write what events have: {has}",
        )


def event_record(
    mapping: MappingNode, name: str, record: FieldType, faults: Faults
) -> dict[str, Any]:
    """A record of a test's event; `name` is its path, empty for the event itself."""
    where = f"the record `{name}`" if name else "the event"
    check_keys(mapping, tuple(record.fields), where, faults)
    return {
        key: event_value(value, f"{name}.{key}" if name else key, record.fields[key], faults)
        for key, value in mapping.values.items()
        if key in record.fields
    }


def _event_scalar(node: ScalarNode, name: str, field_type: FieldType, faults: Faults) -> Any:
    if node.is_null and field_type.nullable:
        return None
    kind, text = field_type.kind, node.text
    if kind is Kind.STRING and not node.is_null:
        return text
    if kind is Kind.BOOL and node.plain and text in FLAGS:
        return FLAGS[text]
    if kind is Kind.BYTES and not node.is_null:
        return text.encode()
    if kind is Kind.TIMESTAMP and is_instant(text):
        return text  # `EventSchema.complete` reads it
    number = number_of(text) if node.plain else None
    if kind is Kind.DOUBLE and number is not None:
        return float(number)
    if kind is Kind.INT and isinstance(number, int):
        return number
    return _misfit(node, name, field_type, faults)


def _fitting(node: YamlNode, field_type: FieldType) -> str:
    """The remedy for a value that does not fit its field."""
    like = _LIKE.get(field_type.kind, "")
    if isinstance(node, ScalarNode) and not node.plain and number_of(node.text) is not None:
        like = f"{node.text} without quotes" if field_type.kind in _NUMERIC else like
    elif field_type.kind is Kind.RECORD and field_type.fields:
        like = f"{{{next(iter(field_type.fields))}: …}}"
    remedy = f"write {like}" if like else "correct it"
    if field_type.nullable:
        return f"{remedy}, or null"
    return f"{remedy}, or leave it out" if node.is_null else remedy


def _misfit(node: YamlNode, name: str, field_type: FieldType, faults: Faults) -> object:
    given = kind_of(node)
    if isinstance(node, ScalarNode) and not node.is_null:
        given = f"`{shown(node.text)}`"
        if not node.plain:
            given = f"the text {given}"
    wanted = _WANTED.get(field_type.kind, str(field_type.kind))
    faults.error(
        node.place,
        FaultCode.WRONG_TYPE,
        f"`{name}` is {given}, but the event has {wanted} there",
        _fitting(node, field_type),
    )
    return INVALID


def plain_value(node: YamlNode) -> Any:
    """A channel's definition as a Python value: bool, int, None, list, dict, otherwise text.

    A scalar becomes an int only where the int is written the same way, so that the telephone
    number +15551234567 and the passwords 0123 and 1.50 stay as they are.
    """
    if isinstance(node, MappingNode):
        return {key: plain_value(value) for key, value in node.values.items()}
    if isinstance(node, SequenceNode):
        return [plain_value(item) for item in node.items]
    if node.is_null:
        return None
    if not node.plain:
        return node.text
    if node.text in FLAGS:
        return FLAGS[node.text]
    number = number_of(node.text)
    return number if isinstance(number, int) and str(number) == node.text else node.text
