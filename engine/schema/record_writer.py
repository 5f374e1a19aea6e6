"""Writes records as Avro bodies."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from io import BytesIO
from typing import Any, Final

from fastavro import schemaless_writer
from fastavro.schema import SchemaParseException, parse_schema
from fastavro.validation import ValidationError, validate

from engine.errors import SchemaError

# The exceptions of fastavro for a value that does not fit its schema.
_MISFITS: Final = (
    *(ValueError, TypeError, AttributeError, LookupError, ArithmeticError),
    struct.error,
)


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
