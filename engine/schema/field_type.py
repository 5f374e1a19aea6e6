"""The types of an event's fields, and the values that their schema promises.

By its types a partial event is completed. A schema may also give properties that Avro does not
know: `minimum` and `maximum` of numbers, `characters` of texts. Nothing makes a writer keep them:
an event that breaks them is evaluated all the same, and the caller only counts and logs it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from difflib import get_close_matches
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

from engine.errors import EventError, SchemaError

NO_FIELDS: Final[Mapping[str, FieldType]] = MappingProxyType({})
_LONG_RANGE: Final = range(-(2**63), 2**63)

_NAMES: Final[Mapping[type, str]] = {
    str: "a string",
    bool: "a boolean",
    int: "a whole number",
    float: "a number",
    bytes: "bytes",
    list: "a list",
    dict: "a record",
}

#: The range of Avro's 32-bit int.
_INT_MIN: Final = -(2**31)
_INT_MAX: Final = 2**31 - 1
_TEXT_TYPES: Final = frozenset({"string"})
_NUMBER_TYPES: Final = frozenset({"int", "long", "float", "double"})
#: Up to here a double is any whole number exactly.
_EXACT: Final = 2**53
_Test = Callable[[Any], bool]


class Kind(StrEnum):
    """The kind of a value: INT covers Avro's int and long, DOUBLE float and double, STRING enums.

    No field has the last four kinds; only expressions do.
    """

    STRING = "string"
    INT = "int"
    DOUBLE = "double"
    BOOL = "bool"
    BYTES = "bytes"
    RECORD = "record"
    LIST = "list"
    MAP = "map"
    TIMESTAMP = "timestamp"
    NULL = "null"
    UINT = "uint"
    DURATION = "duration"
    TYPE = "type"


_WANTED: Final[Mapping[Kind, str]] = {
    Kind.STRING: "a string",
    Kind.INT: "a whole number",
    Kind.DOUBLE: "a number",
    Kind.BOOL: "a boolean",
    Kind.BYTES: "bytes",
    Kind.RECORD: "a record",
    Kind.LIST: "a list",
    Kind.MAP: "a map with text keys",
    Kind.TIMESTAMP: "a timestamp",
}


_NUMBER_KINDS: Final = frozenset({Kind.INT, Kind.DOUBLE})


@dataclass(frozen=True, slots=True)
class FieldType:
    """The type of a field or expression.

    `fields` are those of a record, `element` is the type of a list's items or a map's values, `key`
    that of a map's keys, None where it is unknown. `doc` is the schema's description. `zero` is the
    value of a field that a partial event leaves out: its Avro default, or else an empty string, 0,
    0.0, false, or a record of such values. `domain` are the values that the schema promises. Types
    that differ only in `zero` or `domain` are equal.
    """

    kind: Kind
    nullable: bool = False
    fields: Mapping[str, FieldType] = field(default_factory=lambda: NO_FIELDS)
    element: FieldType | None = None
    doc: str = ""
    zero: Any = field(default=None, compare=False, repr=False)
    key: FieldType | None = None
    domain: Domain | None = field(default=None, compare=False)


def complete(field_type: FieldType, value: Any, path: str = "") -> Any:
    """A copy of `value` with the missing fields of its records filled in.

    `path` is its dotted name, for messages. EventError names a field that is unknown or of the
    wrong type.
    """
    if value is None:
        if field_type.nullable:
            return None
        raise EventError(f"`{path or 'the event'}` can't be null")
    match field_type.kind:
        case Kind.RECORD:
            return _complete_record(field_type, value, path)
        case Kind.LIST | Kind.MAP:
            return _complete_container(field_type, value, path)
        case _:
            return _scalar(field_type.kind, value, path)


def is_instant(text: str) -> bool:
    """Whether the text is an ISO 8601 timestamp with a zone."""
    try:
        _timestamp(text, "")
    except EventError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class Domain:
    """The values that a field may have: a range of numbers, or texts of some form.

    `minimum` and `maximum` are inclusive; None is no limit. `words` are all possible texts, as of
    an enum. `characters` are the characters of the texts, as within the brackets of a regular
    expression: `A-Z0-9`. With `is_lower` the texts are in lower case. `outside` finds a character
    that no text has; None where all characters may occur. `note` explains the domain in messages.
    """

    minimum: float | None = None
    maximum: float | None = None
    characters: str = ""
    words: tuple[str, ...] = ()
    is_lower: bool = False
    note: str = ""
    outside: re.Pattern[str] | None = field(default=None, repr=False, compare=False)

    @property
    def is_of_texts(self) -> bool:
        """Whether it is a domain of texts."""
        return self.outside is not None or self.is_lower or bool(self.words)

    def has_part(self, text: str) -> bool:
        """Whether a value may contain this text, by its characters."""
        if self.outside is not None and self.outside.search(text) is not None:
            return False
        return not self.is_lower or text == text.lower()

    def has(self, text: str) -> bool:
        """Whether a value may be this text."""
        return text in self.words if self.words else self.has_part(text)


#: The domain of an int whose schema has no limits.
INT_DOMAIN: Final = Domain(_INT_MIN, _INT_MAX)


def of_characters(characters: str, *, is_lower: bool = False) -> Domain:
    """The domain of texts of these characters; ValueError where they are no set such as `A-Z`."""
    return Domain(characters=characters, is_lower=is_lower, outside=_outside(characters))


def without(characters: str, note: str) -> Domain:
    """The domain of texts without these characters; `note` explains it."""
    return Domain(note=note, outside=re.compile(f"[{_escaped(characters)}]"))


def domain_of(avro: Mapping[str, Any], entry: Mapping[str, Any], path: str) -> Domain | None:
    """The domain that the properties of a type (`avro`) and of its field (`entry`) give, or None.

    A property of the field overrides the type's. SchemaError for a wrong property; `path` names the
    field in it.
    """
    given = {**_properties(avro), **_properties(entry)}
    kind = avro["type"]
    if kind == "enum":
        return Domain(words=tuple(avro["symbols"]))
    if not given:
        return INT_DOMAIN if kind == "int" else None
    for name in given:
        if kind not in (_TEXT_TYPES if name == "characters" else _NUMBER_TYPES):
            raise SchemaError(f"`{path}`: `{name}` means nothing for the type {kind}")
    if "characters" in given:
        return _text_domain(given["characters"], path)
    limits = [_limit_of(given, name, path) for name in ("minimum", "maximum")]
    low, high = limits
    if low is not None and high is not None and low > high:
        raise SchemaError(f"`{path}`: its `minimum` is above its `maximum`")
    if kind == "int":
        low, high = _INT_MIN if low is None else low, _INT_MAX if high is None else high
    return Domain(low, high)


@dataclass(frozen=True, slots=True)
class BrokenPromise:
    """A value outside its field's domain; in a list or a map the path `field` ends in `[]`."""

    field: str
    value: Any
    promise: str


class Promises:
    """The promises of an event's fields; `fields` are the dotted paths of fields with a promise.

    `broken_by` runs for every event, so its test is compiled once.
    """

    def __init__(self, fields: Mapping[str, FieldType]) -> None:
        self._fields = fields
        self.fields: tuple[str, ...] = tuple(_promised(fields, ""))
        self._is_kept = _TestWriter().test_of(fields)

    def broken_by(self, values: Mapping[str, Any]) -> tuple[BrokenPromise, ...]:
        """The first broken value of each field; the values must fit the types."""
        if self._is_kept(values):
            return ()
        found: dict[str, BrokenPromise] = {}
        for broken in _broken_fields(self._fields, values, ""):
            found.setdefault(broken.field, broken)
        return tuple(found.values())


_CONTAINERS: Final = (dict, list)


def _complete_record(field_type: FieldType, value: Any, path: str) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise _wrong(path or "the event", field_type.kind, value)
    for name in value:
        if name not in field_type.fields:
            raise _unknown(name, path, field_type.fields)
    return {
        name: complete(inner, value[name], f"{path}.{name}" if path else name)
        if name in value
        else _copied(inner.zero)
        if isinstance(inner.zero, _CONTAINERS)
        else inner.zero
        for name, inner in field_type.fields.items()
    }


def _copied(value: Any) -> Any:
    """A copy of an event's value. `deepcopy` would take ten times as long."""
    if isinstance(value, dict):
        return {
            name: _copied(item) if isinstance(item, _CONTAINERS) else item
            for name, item in value.items()
        }
    return [_copied(item) for item in value] if isinstance(value, list) else value


def _complete_container(field_type: FieldType, value: Any, path: str) -> Any:
    element = field_type.element
    assert element is not None
    if field_type.kind is Kind.MAP:
        if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
            raise _wrong(path, field_type.kind, value)
        return {key: complete(element, item, f"{path}.{key}") for key, item in value.items()}
    if not isinstance(value, list | tuple):
        raise _wrong(path, field_type.kind, value)
    return [complete(element, item, f"{path}[{i}]") for i, item in enumerate(value)]


def _scalar(kind: Kind, value: Any, path: str) -> Any:
    match kind, value:
        case (Kind.BOOL, bool()) | (Kind.BYTES, bytes()):
            return value
        case (Kind.STRING, str()):
            return _text(value, path)
        case (Kind.INT, int()) if not isinstance(value, bool):
            if value not in _LONG_RANGE:
                raise EventError(f"`{path}` is beyond 64 bits")
            return value
        case (Kind.DOUBLE, float()):
            return value
        case (Kind.DOUBLE, int()) if not isinstance(value, bool):
            return _double(value, path)
        case (Kind.BYTES, str()):
            return _latin_bytes(value, path)
        case (Kind.TIMESTAMP, datetime() | str()):
            return _timestamp(value, path)
        case _:
            raise _wrong(path, kind, value)


def _text(value: str, path: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise EventError(f"`{path}` holds half a surrogate pair") from error
    return value


def _double(value: int, path: str) -> float:
    try:
        return float(value)
    except OverflowError as error:
        raise EventError(f"`{path}` is beyond the range of a double") from error


def _latin_bytes(value: str, path: str) -> bytes:
    """Bytes from Avro's JSON encoding, which writes one character for each byte."""
    try:
        return value.encode("latin-1")
    except UnicodeEncodeError as error:
        raise EventError(f"`{path}` holds characters that are not bytes") from error


def _timestamp(value: datetime | str, path: str) -> datetime:
    try:
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(value)
        if moment.tzinfo is not None:
            return moment.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise EventError(f"`{path}` is not an ISO 8601 timestamp") from error
    raise EventError(f"`{path}` is a timestamp without a zone")


def _wrong(path: str, kind: Kind, value: Any) -> EventError:
    given = _NAMES.get(type(value), f"a {type(value).__name__}")
    return EventError(f"`{path}` must be {_WANTED[kind]}, not {given}")


def _unknown(name: Any, path: str, known: Mapping[str, FieldType]) -> EventError:
    dotted = f"{path}.{name}" if path else str(name)
    near = get_close_matches(str(name), known, n=1)
    if near:
        suggestion = f"{path}.{near[0]}" if path else near[0]
        return EventError(f"unknown field `{dotted}`, did you mean `{suggestion}`?")
    return EventError(f"unknown field `{dotted}`, known are {', '.join(known)}")


def _outside(characters: str) -> re.Pattern[str]:
    """The pattern of a character that is none of these."""
    return re.compile(f"[^{_escaped(characters)}]") if characters else re.compile("(?s).")


def _escaped(characters: str) -> str:
    """The characters escaped for a pattern's brackets; a `-` between two characters is a range."""
    first, *others = re.split(r"(?<=[^-])-(?=[^-])", characters)
    for left, right in zip([first, *others], others, strict=False):
        if left[-1:] > right[:1]:
            raise ValueError(f"the range {left[-1:]}-{right[:1]} runs backwards")
    return "-".join(map(re.escape, (first, *others)))


def _properties(avro: Mapping[str, Any]) -> dict[str, Any]:
    return {name: avro[name] for name in ("minimum", "maximum", "characters") if name in avro}


def _text_domain(given: Any, path: str) -> Domain:
    try:
        if not isinstance(given, str) or not given:
            raise ValueError("not a text")
        return of_characters(given)
    except ValueError as error:
        what = f"its `characters` are no set of characters such as A-Z0-9: {error}"
        raise SchemaError(f"`{path}`: {what}") from error


def _limit_of(given: Mapping[str, Any], name: str, path: str) -> float | None:
    value = given.get(name)
    if name not in given or (isinstance(value, int | float) and not isinstance(value, bool)):
        return value
    raise SchemaError(f"`{path}`: its `{name}` is not a number")


def _checked_domain(field_type: FieldType) -> Domain | None:
    """The domain to check; None where decoding checks it already, as for enums and plain ints."""
    domain = field_type.domain
    if domain is None or domain is INT_DOMAIN or domain.words:
        return None
    return domain if field_type.kind in _NUMBER_KINDS or field_type.kind is Kind.STRING else None


def _promised(fields: Mapping[str, FieldType], path: str) -> Iterable[str]:
    for name, field_type in fields.items():
        yield from _promised_by(field_type, f"{path}{name}")


def _promised_by(field_type: FieldType, path: str) -> Iterable[str]:
    if field_type.kind is Kind.RECORD:
        yield from _promised(field_type.fields, f"{path}.")
    elif field_type.element is not None:
        yield from _promised_by(field_type.element, f"{path}[]")
    elif _checked_domain(field_type) is not None:
        yield path


class _TestWriter:
    """Writes the test of whole events as one Python expression, twice as fast as closures."""

    def __init__(self) -> None:
        self._names: dict[str, Any] = {}
        self._count = 0

    def test_of(self, fields: Mapping[str, FieldType]) -> _Test:
        """The function that says whether an event keeps all promises."""
        source = f"lambda event: {self._record(fields, 'event') or True}"
        # The only parts from the schema are names of fields, as Python literals.
        test: _Test = eval(source, self._names)  # noqa: S307
        return test

    def _record(self, fields: Mapping[str, FieldType], record: str) -> str:
        tests = (
            self._value(field_type, f"{record}[{name!r}]") for name, field_type in fields.items()
        )
        return " and ".join(filter(None, tests))

    def _value(self, field_type: FieldType, value: str) -> str:
        """The test of the value of the expression `value`; "" if there is nothing to test."""
        name = self._new_name() if field_type.nullable else value
        test = self._present(field_type, name)
        if not test or not field_type.nullable:
            return test
        return f"(({name} := {value}) is None or {test})"

    def _present(self, field_type: FieldType, value: str) -> str:
        if field_type.kind is Kind.RECORD:
            tests = self._record(field_type.fields, value)
            return f"({tests})" if tests else ""
        if field_type.element is not None:
            item = self._new_name()
            test = self._value(field_type.element, item)
            items = f"{value}.values()" if field_type.kind is Kind.MAP else value
            return f"all({test} for {item} in {items})" if test else ""
        domain = _checked_domain(field_type)
        if domain is None:
            return ""
        if domain.outside is not None:
            return f"{self._name(domain.outside.search)}({value}) is None"
        # NaN is in no range.
        low = "" if domain.minimum is None else f"{self._limit(field_type, domain.minimum)} <= "
        high = "" if domain.maximum is None else f" <= {self._limit(field_type, domain.maximum)}"
        return f"{low}{value}{high}"

    def _limit(self, field_type: FieldType, limit: float) -> str:
        # A double is compared faster with a double.
        is_exact = field_type.kind is Kind.DOUBLE and abs(limit) <= _EXACT
        return self._name(float(limit) if is_exact else limit)

    def _name(self, value: Any) -> str:
        name = self._new_name()
        self._names[name] = value
        return name

    def _new_name(self) -> str:
        self._count += 1
        return f"v{self._count}"


def _keeps(value: Any, domain: Domain) -> bool:
    if isinstance(value, str):
        return domain.outside is None or domain.outside.search(value) is None
    low = -math.inf if domain.minimum is None else domain.minimum
    return bool(low <= value <= (math.inf if domain.maximum is None else domain.maximum))


def _broken_fields(
    fields: Mapping[str, FieldType], values: Mapping[str, Any], path: str
) -> Iterable[BrokenPromise]:
    for name, field_type in fields.items():
        yield from _broken(field_type, values[name], f"{path}{name}")


def _broken(field_type: FieldType, value: Any, path: str) -> Iterable[BrokenPromise]:
    if value is None:
        return
    if field_type.kind is Kind.RECORD:
        yield from _broken_fields(field_type.fields, value, f"{path}.")
    elif field_type.element is not None:
        for item in value.values() if field_type.kind is Kind.MAP else value:
            yield from _broken(field_type.element, item, f"{path}[]")
    elif (domain := _checked_domain(field_type)) is not None and not _keeps(value, domain):
        yield BrokenPromise(path, value, _promise_text(domain))


def _promise_text(domain: Domain) -> str:
    if domain.characters:
        return f"characters {domain.characters}"
    if domain.minimum is None:
        return f"at most {domain.maximum}"
    if domain.maximum is None or domain.maximum == INT_DOMAIN.maximum:
        return f"at least {domain.minimum}"
    return f"{domain.minimum} to {domain.maximum}"
