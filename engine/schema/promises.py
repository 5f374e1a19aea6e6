"""Checks the values of events against the limits that their schema promises.

Nothing makes a writer keep `minimum`, `maximum` and `characters`. An event that breaks them is
evaluated all the same; the caller only counts and logs it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from engine.schema.domain import INT_DOMAIN, Domain
from engine.schema.field_type import FieldType, Kind

_NUMBERS: Final = frozenset({Kind.INT, Kind.DOUBLE})
#: Up to here a double is any whole number exactly.
_EXACT: Final = 2**53
_Test = Callable[[Any], bool]


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


def _domain(field_type: FieldType) -> Domain | None:
    """The domain to check; None where decoding checks it already, as for enums and plain ints."""
    domain = field_type.domain
    if domain is None or domain is INT_DOMAIN or domain.words:
        return None
    return domain if field_type.kind in _NUMBERS or field_type.kind is Kind.STRING else None


def _promised(fields: Mapping[str, FieldType], path: str) -> Iterable[str]:
    for name, field_type in fields.items():
        yield from _promised_by(field_type, f"{path}{name}")


def _promised_by(field_type: FieldType, path: str) -> Iterable[str]:
    if field_type.kind is Kind.RECORD:
        yield from _promised(field_type.fields, f"{path}.")
    elif field_type.element is not None:
        yield from _promised_by(field_type.element, f"{path}[]")
    elif _domain(field_type) is not None:
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
        domain = _domain(field_type)
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
    elif (domain := _domain(field_type)) is not None and not _keeps(value, domain):
        yield BrokenPromise(path, value, _said(domain))


def _said(domain: Domain) -> str:
    if domain.characters:
        return f"characters {domain.characters}"
    if domain.minimum is None:
        return f"at most {domain.maximum}"
    if domain.maximum is None or domain.maximum == INT_DOMAIN.maximum:
        return f"at least {domain.minimum}"
    return f"{domain.minimum} to {domain.maximum}"
