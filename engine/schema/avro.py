"""Avro: logical types, types that are unsafe to read, 32-bit floats, and the writer of records."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from io import BytesIO
from struct import Struct
from typing import Any, Final, TypeAlias

from fastavro import schemaless_writer
from fastavro.schema import SchemaParseException, parse_schema
from fastavro.validation import ValidationError, validate

from engine.errors import SchemaError

#: The key to which `prepared_for_fastavro` moves logical types.
LOGICAL: Final = "x-logical-type"
MAX_DEPTH: Final = 64
NamedTypes = Mapping[str, Any]
"""The named types of a parsed schema, by full name."""
TimeUnit: TypeAlias = int | Fraction
"""Microseconds in one unit of a timestamp."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST: Final = datetime.max.replace(tzinfo=UTC)
_EARLIEST: Final = datetime.min.replace(tzinfo=UTC)
_TIMESTAMP_UNITS: Final[Mapping[str, TimeUnit]] = {
    "timestamp-millis": 1000,
    "timestamp-micros": 1,
    "timestamp-nanos": Fraction(1, 1000),
}
_LOCAL_UNITS: Final[Mapping[str, TimeUnit]] = {
    f"local-{name}": unit for name, unit in _TIMESTAMP_UNITS.items()
}

_FLOAT32: Final = Struct("<f")
_pack: Final = _FLOAT32.pack
_ulp: Final = math.ulp
_isfinite: Final = math.isfinite
# Half the distance between 32-bit floats, in units of the distance between 64-bit ones.
_HALF_ULP_FACTOR: Final = 2.0**28
_SMALLEST_NORMAL: Final = 2.0**-126
# So many significant digits always distinguish two 32-bit floats.
_MAX_DIGITS: Final = 9
# Up to so many significant digits survive the conversion to a normal 32-bit float and back.
_SAFE_DIGITS: Final = 6

# The exceptions of fastavro for a value that does not fit its schema.
_MISFITS: Final = (
    *(ValueError, TypeError, AttributeError, LookupError, ArithmeticError),
    struct.error,
)


def prepared_for_fastavro(schema: Any, *, with_defaults: bool, depth: int = 0) -> Any:
    """A copy of a schema's JSON without the parts that fastavro would act on wrongly.

    fastavro makes a UUID of a string if the *writer's* schema says so; to prevent that, logical
    types move to the key `LOGICAL`. It also refuses defaults of the wrong type, which mean nothing
    in a writer's schema: without `with_defaults` they are left out. ValueError for a schema that is
    nested more than `MAX_DEPTH` deep.
    """
    if depth > MAX_DEPTH:
        raise ValueError(f"nested deeper than {MAX_DEPTH}")
    if isinstance(schema, list):
        return [
            prepared_for_fastavro(item, with_defaults=with_defaults, depth=depth + 1)
            for item in schema
        ]
    if not isinstance(schema, dict):
        return schema
    return {
        LOGICAL if key == "logicalType" else key: prepared_for_fastavro(
            item, with_defaults=with_defaults, depth=depth + 1
        )
        for key, item in schema.items()
        if with_defaults or key != "default"
    }


def full_schema(schema: Any, named: NamedTypes) -> Any:
    """A schema in its full form: a mapping with a `type` that is a name, or a list for a union."""
    while isinstance(schema, dict) and not isinstance(schema["type"], str):
        schema = schema["type"]
    if isinstance(schema, str):
        return named.get(schema, {"type": schema})
    return schema


def timestamp_unit(schema: Any) -> TimeUnit | None:
    """Microseconds in one unit of an Avro timestamp type; None for every other type."""
    return _unit(schema, _TIMESTAMP_UNITS)


def local_timestamp_unit(schema: Any) -> TimeUnit | None:
    """Microseconds in one unit of an Avro local timestamp type; None for every other type."""
    return _unit(schema, _LOCAL_UNITS)


def timestamp(value: int, unit: TimeUnit) -> datetime:
    """The instant `value` units after the epoch, rounded down to microseconds.

    OverflowError where it is beyond what a datetime holds.
    """
    return _EPOCH + timedelta(microseconds=math.floor(value * unit))


def bounded_timestamp(value: int, unit: TimeUnit) -> datetime:
    """As `timestamp`, but with the last or first datetime in place of an OverflowError.

    It is used for the event's own instant: an absurd one is replaced by the Kafka timestamp later,
    and the event is not lost.
    """
    try:
        return timestamp(value, unit)
    except OverflowError:
        return _LATEST if value > 0 else _EARLIEST


def local_text(moment: datetime) -> str:
    """A local timestamp as ISO 8601 text without a zone; `moment` has the local time as UTC."""
    return moment.replace(tzinfo=None).isoformat()


def instant_text(moment: datetime) -> str:
    """An instant as ISO 8601 text in UTC, with as many digits of the second as are needed."""
    text = moment.astimezone(UTC).isoformat()[: -len("+00:00")]
    return f"{text.rstrip('0') if '.' in text else text}Z"


def units_since_epoch(moment: datetime, unit: TimeUnit) -> int:
    """The number of units from the epoch to `moment`, the inverse of `timestamp`."""
    return math.floor((moment - _EPOCH) // timedelta(microseconds=1) / Fraction(unit))


def type_text(schema: Any, named: NamedTypes) -> str:
    """The name of a type, for people: `long (timestamp-millis)`, `null or record a.Plate`."""
    schema = full_schema(schema, named)
    if isinstance(schema, list):
        return " or ".join(type_text(branch, named) for branch in schema)
    name = f"{schema['type']} {schema['name']}" if "name" in schema else str(schema["type"])
    return f"{name} ({schema[LOGICAL]})" if LOGICAL in schema else name


def unsafe_reason(schema: Any, named: NamedTypes) -> str:
    """Why values of this writer's schema can't be read safely; "" if they can.

    fastavro crashes the process on deep values of a recursive type, and a few bytes can claim any
    number of list items that take no bytes.
    """
    reason, _ = _SafetyCheck(named).of(schema)
    return reason


def shortest(value: float) -> float:
    """The double with the shortest decimal that reads back to `value`, a 32-bit float.

    Infinities, NaN and signed zeros stay as they are. It runs for every event, so the usual case,
    a probability, takes arithmetic only; every product below is exact.
    """
    if 0.1 <= value < 1.0:
        half = _ulp(value) * _HALF_ULP_FACTOR
        short = round(value * 1e6) / 1e6
        if -half < short - value < half:
            return short
        short = round(value * 1e7) / 1e7
        if -half < short - value < half:
            return short
        short = round(value * 1e8) / 1e8
        if -half < short - value < half:
            return short
        return round(value * 1e9) / 1e9
    return _shortest(value)


class RecordWriter:
    """Writes records of one schema, given as JSON; SchemaError where it is no Avro schema."""

    def __init__(self, text: str) -> None:
        try:
            self._schema = parse_schema(json.loads(text))
        except (SchemaParseException, ValueError, TypeError, LookupError, AttributeError) as error:
            raise SchemaError(f"not an Avro schema: {error!r}") from error

    def write(self, record: Mapping[str, Any]) -> bytes:
        """The record's body; SchemaError, without values of the record, where it does not fit."""
        body = BytesIO()
        try:
            schemaless_writer(body, self._schema, record)
        except _MISFITS as error:
            where = self._misfit(record) or type(error).__name__
            raise SchemaError(f"a record does not fit its schema: {where}") from None
        return body.getvalue()

    def _misfit(self, record: Mapping[str, Any]) -> str:
        """The first field whose value does not fit; "" where it is unknown."""
        try:
            validate(record, self._schema, raise_errors=True)
        except ValidationError as error:
            return next((each.field for each in error.errors if each.field), "")
        except _MISFITS:
            return ""
        return ""


def _unit(schema: Any, units: Mapping[str, TimeUnit]) -> TimeUnit | None:
    if not isinstance(schema, dict) or schema.get("type") != "long":
        return None
    return units.get(schema.get(LOGICAL, ""))


class _SafetyCheck:
    def __init__(self, named: NamedTypes) -> None:
        self._named = named
        self._open: set[str] = set()
        self._known: dict[str, tuple[str, bool]] = {}

    def of(self, schema: Any) -> tuple[str, bool]:
        """The reason why the type is unsafe, and whether a value takes at least one byte."""
        schema = full_schema(schema, self._named)
        if isinstance(schema, list):
            found = [self.of(branch)[0] for branch in schema]
            return next(filter(None, found), ""), True
        match schema["type"]:
            case "record" | "error":
                return self._record(schema)
            case "array":
                reason, takes_bytes = self.of(schema["items"])
                if not reason and not takes_bytes:
                    reason = "it has lists of items that take no bytes"
                return reason, True
            case "map":
                return self.of(schema["values"])[0], True
            case "fixed":
                return "", schema["size"] > 0
            case kind:
                return "", kind != "null"

    def _record(self, schema: Mapping[str, Any]) -> tuple[str, bool]:
        name = schema["name"]
        if name in self._open:
            return f"the record {name} holds itself", True
        if name not in self._known:
            self._open.add(name)
            found = [self.of(entry["type"]) for entry in schema["fields"]]
            self._open.discard(name)
            reason = next((reason for reason, _ in found if reason), "")
            self._known[name] = (reason, any(takes_bytes for _, takes_bytes in found))
        return self._known[name]


def _shortest(value: float) -> float:
    if not _isfinite(value) or value == 0.0:
        return value
    packed = _pack(value)
    # Below the normal range fewer digits are safe, so shorter decimals may do.
    is_normal = abs(value) >= _SMALLEST_NORMAL
    for digits in range(_SAFE_DIGITS if is_normal else 1, _MAX_DIGITS):
        short = float(f"{value:.{digits}g}")
        if _pack(short) == packed:
            return short
        longer = _away_from_zero(value, digits)
        if longer is not None and _pack(longer) == packed:
            return longer
    return float(f"{value:.{_MAX_DIGITS}g}")


def _away_from_zero(value: float, digits: int) -> float | None:
    """The next decimal of so many digits away from zero, where it may read back to `value`.

    Only powers of two have neighbours at unequal distances: the nearest decimal, towards zero, may
    not read back, while the one further away on the other side does.
    """
    mantissa, _ = math.frexp(value)
    if abs(mantissa) != 0.5:
        return None
    text = f"{value:.{digits - 1}e}"
    number, exponent = text.split("e")
    if abs(float(text)) > abs(value):
        return None
    scaled = int(number.replace(".", ""))
    scaled += 1 if scaled > 0 else -1
    return float(f"{scaled}e{int(exponent) - digits + 1}")
