from __future__ import annotations

import json
from typing import Any

import pytest

from engine.errors import SchemaError
from engine.schema import RecordWriter

SCHEMA = json.dumps(
    {
        "type": "record",
        "name": "R",
        "fields": [
            {"name": "kind", "type": {"type": "enum", "name": "K", "symbols": ["A", "B"]}},
            {"name": "text", "type": "string"},
        ],
    }
)


def test_a_record_is_written_as_avro() -> None:
    assert RecordWriter(SCHEMA).write({"kind": "B", "text": "hi"}) == b"\x02\x04hi"


@pytest.mark.parametrize(
    ("record", "where"),
    [
        ({"kind": "ABC123", "text": ""}, "R.kind"),
        ({"kind": "A", "text": 4711}, "R.text"),
        ({"kind": "A"}, "R.text"),
        ({"kind": "A", "text": "ABC123 \ud800"}, "UnicodeEncodeError"),
    ],
)
def test_what_does_not_fit_is_told_by_its_field_and_never_quoted(
    record: dict[str, Any], where: str
) -> None:
    with pytest.raises(SchemaError) as caught:
        RecordWriter(SCHEMA).write(record)
    assert str(caught.value) == f"a record does not fit its schema: {where}"


@pytest.mark.parametrize("text", ["{", '{"type": "nothing"}', "[]]", '{"type": "record"}'])
def test_a_schema_that_is_none_is_an_error(text: str) -> None:
    with pytest.raises(SchemaError, match="not an Avro schema"):
        RecordWriter(text)
