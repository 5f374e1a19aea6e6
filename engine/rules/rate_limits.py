"""Reads how often a rule may alert: its own `rate_limit`, the file's, or 300 s by plate."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Final

from engine.cel import Expression
from engine.cel.condition import is_met_by_empty, value_if_empty
from engine.cel.syntax import tree
from engine.cel.syntax.tree import Call, Literal, Node, Select
from engine.cel.types.findings import guarded_when_true, part_name
from engine.errors import Place
from engine.rules.expressions import Compiler
from engine.rules.faults import FaultCode, Faults, shown
from engine.rules.keys import RATE_LIMIT
from engine.rules.nodes import (
    FLAGS,
    MappingNode,
    ScalarNode,
    SequenceNode,
    YamlNode,
    as_flag,
    as_mapping,
    as_text,
    check_keys,
    kind_of,
    number_of,
)
from engine.schema import (
    CAMERA_ID,
    CAPTURED_AT,
    EVENT_ID,
    NORMALIZED_PLATE,
    TIME_VARIABLE,
    TRACK_ID,
    Kind,
)

DEFAULT_COOLDOWN_SECONDS: Final = 300.0
DEFAULT_KEY: Final = NORMALIZED_PLATE
MAX_COOLDOWN_SECONDS: Final = 366 * 86_400.0
#: Fields that differ in nearly all events.
_UNIQUE: Final = frozenset({EVENT_ID, CAPTURED_AT, TIME_VARIABLE})
#: Words for "no key" in other programs.
_NO_KEY: Final = frozenset({"none", "off", "no", "never"})
_SPAN: Final = re.compile(
    r"([0-9]{1,6}) ?(s|secs?|seconds?|m|mins?|minutes?|h|hours?|d|days?)", re.I
)
#: Spans of several units, as in Go and in ISO 8601, and on a clock.
_PARTS: Final = re.compile(
    r"(?:PT)?(?:([0-9]{1,6})h)?(?:([0-9]{1,6})m(?:in)?)?(?:([0-9]{1,6})s)?", re.I
)
_CLOCK: Final = re.compile(r"([0-9]{1,3}):([0-9]{2}):([0-9]{2})")
#: A number of alerts per unit: `5/minute`.
_RATE: Final = re.compile(
    r"([0-9]{1,6}) ?(?:/|per) ?(s|sec|seconds?|m|min|minutes?|h|hours?|d|days?)", re.I
)
_UNITS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


@dataclass(frozen=True, slots=True)
class RateLimit:
    """At most one alert per value of `keys` within `cooldown_seconds` (finite, at least 0)."""

    cooldown_seconds: float
    keys: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class UncompiledLimit:
    """A rate limit whose keys are not compiled yet; without keys the default key applies."""

    is_enabled: bool = True
    cooldown_seconds: float = DEFAULT_COOLDOWN_SECONDS
    keys: tuple[ScalarNode, ...] = ()


def read_limits(node: YamlNode, fallback: UncompiledLimit, faults: Faults) -> UncompiledLimit:
    """Reads a `rate_limit` block; what it leaves out is taken from `fallback`."""
    remedy = _as_block(node) if isinstance(node, ScalarNode) else ""
    mapping = as_mapping(node, "`rate_limit`", faults, remedy)
    if mapping is None:
        return fallback
    check_keys(mapping, RATE_LIMIT.names, RATE_LIMIT.title, faults)
    limits = replace(fallback, is_enabled=True)
    if "enabled" in mapping.values:
        flag = as_flag(mapping.values["enabled"], "`enabled`", faults)
        limits = replace(limits, is_enabled=flag is not False)
    if "cooldown_seconds" in mapping.values:
        seconds = _seconds(mapping.values["cooldown_seconds"], faults)
        limits = limits if seconds is None else replace(limits, cooldown_seconds=seconds)
    if "dedup_key" in mapping.values:
        limits = replace(limits, keys=_keys(mapping.values["dedup_key"], faults))
    return limits


def _seconds(node: YamlNode, faults: Faults) -> float | None:
    value = number_of(node.text) if isinstance(node, ScalarNode) and node.plain else None
    if value is not None and 0 <= value <= MAX_COOLDOWN_SECONDS:
        return float(value)
    given = f"`{shown(node.text)}`" if isinstance(node, ScalarNode) else kind_of(node)
    faults.error(
        node.place,
        FaultCode.BAD_VALUE,
        f"`cooldown_seconds` can't be {given}",
        _seconds_remedy(node),
    )
    return None


def _seconds_remedy(node: YamlNode) -> str:
    if isinstance(node, ScalarNode):
        if number_of(node.text) is not None and not node.plain:
            return f"write {node.text} without quotes"
        seconds = _in_seconds(node)
        if seconds and number_of(node.text) is None:
            return f"write it in seconds: {seconds}"
    return f"write a number of seconds from 0 to {MAX_COOLDOWN_SECONDS:.0f} (366 days)"


def _as_block(node: ScalarNode) -> str:
    """The remedy for a `rate_limit` that is one value; "" for a general one."""
    if FLAGS.get(node.text) is False or node.text.lower() == "none":
        return "write {enabled: false}"
    seconds = _in_seconds(node)
    rate = _RATE.fullmatch(node.text.strip())
    if rate is not None:
        seconds = str(_UNITS[rate[2][0].lower()] // max(1, int(rate[1])))
    return f"write {{cooldown_seconds: {seconds}}}" if seconds else ""


def _in_seconds(node: ScalarNode) -> str:
    """A number, or a span such as `5m`, in seconds; "" where it is neither."""
    text = node.text.strip()
    span = _SPAN.fullmatch(text)
    if span is not None:
        return str(int(span[1]) * _UNITS[span[2][0].lower()])
    parts = _PARTS.fullmatch(text) or _CLOCK.fullmatch(text)
    if parts is not None and any(parts.groups()):
        hours, minutes, seconds = (int(part or 0) for part in parts.groups())
        return str(hours * 3_600 + minutes * 60 + seconds)
    return text if number_of(text) is not None else ""


def _keys(node: YamlNode, faults: Faults) -> tuple[ScalarNode, ...]:
    items = node.items if isinstance(node, SequenceNode) else [node]
    if not items:
        faults.error(
            node.place,
            FaultCode.BAD_VALUE,
            "`dedup_key` is an empty list",
            "name at least one field, or write `enabled: false` to let all alerts through",
        )
    found = [as_text(item, "`dedup_key`", faults) for item in items]
    return tuple(scalar for scalar in found if scalar is not None)


def rate_limit(
    limits: UncompiledLimit,
    rule: MappingNode,
    compiler: Compiler,
    faults: Faults,
    condition: Expression | None,
) -> RateLimit | None:
    """The rate limit with its keys compiled; None where it is disabled.

    `condition` is the rule's, None where it has faults.
    """
    compiled = [_key(scalar, compiler, faults) for scalar in limits.keys]
    if not limits.is_enabled:
        return None
    place = limits.keys[0].place if limits.keys else rule.place
    keys = tuple(key for key in compiled if key is not None)
    if not limits.keys:
        keys = _compiled(DEFAULT_KEY, place, compiler)
    if (
        len(keys) == 1
        and keys[0].text.strip() == TRACK_ID
        and CAMERA_ID in compiler.schema.variables
    ):
        # Trackers restart at 0, and every camera has its own.
        keys += _compiled(CAMERA_ID, place, compiler)
    if keys:
        _warn_of_absence(keys, condition, place, faults)
    return RateLimit(limits.cooldown_seconds, keys)


def _warn_of_absence(
    keys: tuple[Expression, ...], condition: Expression | None, place: Place, faults: Faults
) -> None:
    """Warns where all keys may be absent at once: null by their types, or empty texts.

    Only a condition that reads the text and holds where it is empty is worth a warning: one that
    does not read it is about something else.
    """
    null = [key for key in keys if key.is_nullable and not _is_guarded(key, condition)]
    if len(null) == len(keys):
        names = ", ".join(key.text for key in keys)
        faults.warning(
            place,
            FaultCode.NULLABLE_KEY,
            "`dedup_key` may be null, and then camera and track take its place",
            f"add a field that is always there: [{names}, {CAMERA_ID}]",
        )
        return
    fields = [_empty_field(key, condition) for key in keys if key not in null]
    if all(fields):
        faults.warning(
            place,
            FaultCode.EMPTY_KEY,
            f"the condition holds where `{fields[0]}` is empty, as of an unread plate, and then "
            "camera and track take the place of `dedup_key`",
            f'add `{fields[0]} != ""` to `when`, or write dedup_key: [{CAMERA_ID}, {TRACK_ID}]',
        )


def _is_guarded(key: Expression, condition: Expression | None) -> bool:
    """Whether the condition rules out that the key, or a field that it reads, is null."""
    present = guarded_when_true(condition.root) if condition is not None else frozenset()
    root = key.root
    if isinstance(root, Select) and root.field == "plate" and _is_closest(root.operand):
        # The row that is closest has its plate always.
        root = root.operand
    return part_name(root) in present or bool(key.fields and key.fields <= present)


def _is_closest(node: Node) -> bool:
    return isinstance(node, Call) and node.function == tree.CLOSEST


def _empty_field(key: Expression, condition: Expression | None) -> str:
    """The field whose empty text makes the key empty and still meets the condition; "" for none.

    Camera and track don't count: they replace an empty key anyway.
    """
    if condition is None or len(key.fields) != 1:
        return ""
    (path,) = key.fields
    # This also saves time: the evaluations below are needed for few rules.
    if path in (CAMERA_ID, TRACK_ID) or path not in condition.fields:
        return ""
    value = value_if_empty(key, path)
    is_empty = isinstance(value, str) and not value.strip()
    return path if is_empty and is_met_by_empty(condition, path) else ""


def _key(scalar: ScalarNode, compiler: Compiler, faults: Faults) -> Expression | None:
    """One compiled key; None and a fault where it can't be one."""
    if scalar.text.strip().lower() in _NO_KEY:
        faults.error(
            scalar.place,
            FaultCode.BAD_VALUE,
            f"`dedup_key` can't be `{shown(scalar.text)}`",
            "write `enabled: false` to let all alerts through, or leave it out for one a plate",
        )
        return None
    key = compiler.key(scalar)
    kind = key.type if key is not None else None
    if kind is None:
        return key
    if kind.kind is Kind.TYPE:
        what = "`dedup_key` is a type, which is the same for all events"
        faults.error(
            scalar.place_at(0), FaultCode.WRONG_TYPE, what, "name a field, such as camera_id"
        )
        return None
    constant = key.root if key is not None else None
    if isinstance(constant, Literal):
        _warn_of_constant(constant.value, scalar, compiler, faults)
    if kind.kind is Kind.RECORD:
        names = ", ".join(f"{scalar.text.strip()}.{name}" for name in kind.fields)
        what = "`dedup_key` is a record: only events that agree in all its fields are held back"
        faults.warning(
            scalar.place_at(0), FaultCode.ODD_KEY, what, f"name those that matter: {names}"
        )
    if scalar.text.strip() in _UNIQUE:
        what = f"every event has another `{scalar.text.strip()}`, so no alert holds back another"
        remedy = "name what tells one thing from another, such as plate.normalized_text"
        faults.warning(scalar.place_at(0), FaultCode.ODD_KEY, what, remedy)
    return key


def _warn_of_constant(
    value: object, scalar: ScalarNode, compiler: Compiler, faults: Faults
) -> None:
    """Warns of true, false, and a field's name in quotes; any other text may be intended."""
    what = "`dedup_key` is the same for all events"
    if isinstance(value, bool):
        remedy = "write `enabled: false` to let all alerts through"
        remedy = "name a field, such as camera_id" if value else remedy
        faults.warning(scalar.place_at(0), FaultCode.ODD_KEY, what, remedy)
    elif isinstance(value, str) and compiler.schema.field(value) is not None:
        remedy = f"a field's name has no quotes within: {value}"
        faults.warning(scalar.place_at(0), FaultCode.ODD_KEY, what, remedy)


def _compiled(text: str, place: Place, compiler: Compiler) -> tuple[Expression, ...]:
    key = compiler.default_expression(text, place)
    return () if key is None else (key,)
