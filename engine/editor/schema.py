"""Makes `schemas/rules.schema.json` from the table of keys by which rule files are read.

An editor that knows JSON Schema completes and explains keys by it. It accepts every file that the
engine loads; what it can't know, such as names, types of fields and expressions, `check` and
`alert-engine lsp` report.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from channels.definitions.keys import Key, KeyGroup, ValueKind
from engine.rules.keys import FILE, TEST_FILE
from engine.schema import TIME_VARIABLE, EventSchema, FieldType, Kind

RULES_FILE_NAME: Final = "rules.schema.json"
TESTS_FILE_NAME: Final = "tests.schema.json"
#: What editors look for in the first lines of a file, before the schema's address.
MODELINE: Final = "yaml-language-server: $schema="

#: What an event of a test may say of its times.
EVENT_TIMES: Final = {
    "at": "When the event was captured: a date and time, or a step such as `+2m` after the one "
    "before.",
    "received_at": "When Kafka got the event: a date and time, or a step after its own time.",
}
_Schema = dict[str, Any]
_DRAFT: Final = "http://json-schema.org/draft-07/schema#"
#: For a text YAML's numbers and words count as they are written.
_TEXT: Final = ["string", "number", "boolean"]
_FLAG_WORDS: Final = ["yes", "Yes", "YES", "no", "No", "NO", "on", "On", "ON", "off", "Off", "OFF"]
#: `31_622_400`, which is a text in YAML 1.2.
_GROUPED_DIGITS: Final = {"type": "string", "pattern": "^[-+]?[1-9][0-9]*(_[0-9]+)+$"}
#: Kinds whose values are more than one text.
_OF_SEVERAL: Final = frozenset(
    {ValueKind.TEXTS, ValueKind.TEXT_MAP, ValueKind.ONE_OR_MORE, ValueKind.GROUP}
)
_SECTIONS: Final = frozenset({ValueKind.GROUPS, ValueKind.NAMED, ValueKind.NAMES})


def rules_schema(schema: EventSchema) -> dict[str, Any]:
    """The JSON schema of rule files; `schema` gives the fields that it suggests."""
    what = "A rule file: rules, channels, watchlists and time intervals."
    return _of_file(FILE, "Rules of the Alert Engine", what, schema)


def tests_schema(schema: EventSchema) -> dict[str, Any]:
    """The JSON schema of files of tests, `*.test.yaml`, likewise."""
    what = "A file of tests over several rules."
    return _of_file(TEST_FILE, "Tests of rules of the Alert Engine", what, schema)


def schema_texts(schema: EventSchema) -> dict[str, str]:
    """The contents of the files by their names."""
    schemas = {RULES_FILE_NAME: rules_schema(schema), TESTS_FILE_NAME: tests_schema(schema)}
    return {
        name: json.dumps(each, ensure_ascii=False, indent=2) + "\n"
        for name, each in schemas.items()
    }


def write_schemas(folder: Path) -> None:
    """Write the files into `folder`, by the event schema there."""
    for name, text in schema_texts(EventSchema.load(folder / "plate_event.avsc")).items():
        (folder / name).write_text(text, encoding="utf-8")


def definition_name(group: KeyGroup) -> str:
    """The name of a group's definition: `time_interval`."""
    return "_".join(re.findall(r"\w+", group.title.removeprefix("an ").removeprefix("a ")))


def _of_file(group: KeyGroup, title: str, what: str, schema: EventSchema) -> _Schema:
    writer = _SchemaWriter(schema)
    root = writer.group(group)
    about = {"$schema": _DRAFT, "title": title, "description": what}
    return {**about, **root, "definitions": writer.definitions}


def paths_of(fields: Mapping[str, FieldType], prefix: str = "") -> Iterator[tuple[str, FieldType]]:
    """Every dotted path of fields with its type, records before their fields."""
    for name, kind in fields.items():
        yield f"{prefix}{name}", kind
        if kind.kind is Kind.RECORD:
            yield from paths_of(kind.fields, f"{prefix}{name}.")


class _SchemaWriter:
    """Writes the schema of each group of keys once, as one of the `definitions`."""

    def __init__(self, schema: EventSchema) -> None:
        self.definitions: dict[str, _Schema] = {}
        self._fields = {
            name: kind for name, kind in schema.variables.items() if name != TIME_VARIABLE
        }
        self._paths = [
            path for path, kind in paths_of(schema.variables) if kind.kind is not Kind.RECORD
        ]

    def group(self, group: KeyGroup) -> _Schema:
        """The schema of a mapping with these keys."""
        found: _Schema = {
            "type": "object",
            "properties": {key.name: self._key(key, group) for key in group.keys},
            "additionalProperties": False,
        }
        required = [key.name for key in group.keys if key.is_required]
        if required:
            found["required"] = required
        return found

    def _reference(self, group: KeyGroup) -> _Schema:
        """A reference to the definition of a group, in all forms that it may have."""
        name = definition_name(group)
        if name not in self.definitions:
            self.definitions[name] = {}  # so that a group within itself ends
            mapping = self.group(group)
            forms = [mapping]
            if group.may_be_text:
                forms.append({"type": _TEXT})
            one = {"anyOf": forms} if len(forms) > 1 else mapping
            if group.may_be_list:
                one = {"anyOf": [*forms, {"type": "array", "items": {"anyOf": forms}}]}
            self.definitions[name] = one
        return {"$ref": f"#/definitions/{name}"}

    def _key(self, key: Key, owner: KeyGroup) -> _Schema:
        value = self._value(key)
        forms = [value]
        if owner.is_definition and key.kind not in _SECTIONS:
            # `${VAR}`, an empty value, and a password of digits are all right there.
            forms = [*_without_type(value), {"type": [*_TEXT, "null"]}]
            if key.kind in _OF_SEVERAL:
                forms = [value, {"type": [*_TEXT, "null"]}]
        elif key.kind in _SECTIONS or key.name == "description":
            forms = [value, {"type": "null"}]
        described = forms[0] if len(forms) == 1 else {"anyOf": forms}
        if "$ref" in described:
            described = {"allOf": [described]}
        about: _Schema = {"description": key.meaning, **described}
        if key.example is not None:
            about["examples"] = [key.example]
        return about

    def _value(self, key: Key) -> _Schema:
        makers: Mapping[ValueKind, Callable[[Key], _Schema]] = {
            ValueKind.FLAG: lambda _: {"anyOf": [{"type": "boolean"}, {"enum": _FLAG_WORDS}]},
            ValueKind.NUMBER: lambda _: {"anyOf": [{"type": "number"}, _GROUPED_DIGITS]},
            ValueKind.WHOLE_NUMBER: lambda _: {"anyOf": [{"type": "integer"}, _GROUPED_DIGITS]},
            ValueKind.CHOICE: lambda key: _choices(key),
            ValueKind.TEXTS: lambda _: _one_or_list(),
            ValueKind.TEXT_MAP: lambda _: {
                "type": "object",
                "additionalProperties": {"type": _TEXT},
            },
            ValueKind.VALUE: lambda _: {
                "type": [*_TEXT, "null", "array"],
                "items": {"type": [*_TEXT, "null"]},
            },
            # Suggests the fields of the usual event, and allows those of a site's own.
            ValueKind.FIELD: lambda _: {"anyOf": [{"enum": self._paths}, {"type": "string"}]},
            ValueKind.ONE_OR_MORE: lambda _: _one_or_list(),
            ValueKind.NAMES: lambda _: {"type": "array", "items": {"type": _TEXT}},
            ValueKind.EVENT: lambda _: self._event(),
            ValueKind.EVENTS: lambda _: {"type": "array", "items": self._event()},
            ValueKind.EXPECTATION: lambda key: _each(self._expectation(key)),
            ValueKind.EXPECTED_RULES: lambda key: _each(self._expected_rules(key)),
            ValueKind.GROUP: lambda key: self._reference(_group_of(key)),
            ValueKind.GROUPS: lambda key: {
                "type": "array",
                "items": self._reference(_group_of(key)),
            },
            ValueKind.NAMED: lambda key: {
                "type": "object",
                "additionalProperties": self._reference(_group_of(key)),
            },
        }
        maker = makers.get(key.kind)
        return {"type": _TEXT} if maker is None else maker(key)

    def _event(self) -> _Schema:
        """An event of a test: fields with their descriptions, for a site may have others."""
        suggested = _suggested(self._fields)
        times = {name: {"description": about} for name, about in EVENT_TIMES.items()}
        return {"type": "object", "properties": {**times, **suggested["properties"]}}

    def _expectation(self, key: Key) -> _Schema:
        return {"anyOf": [_choices(key), self._reference(_group_of(key))]}

    def _expected_rules(self, key: Key) -> _Schema:
        by_id = {"type": "object", "additionalProperties": self._expectation(key)}
        return {"anyOf": [{"type": "array", "items": {"type": "string"}}, by_id]}


def _each(expected: _Schema) -> _Schema:
    """What is expected of one event, or a list of that for several."""
    return {"anyOf": [expected, {"type": "array", "items": expected}]}


def _group_of(key: Key) -> KeyGroup:
    assert key.group is not None, key.name
    return key.group


def _without_type(value: _Schema) -> list[_Schema]:
    """The forms beside a text that are worth naming: choices, for an editor suggests them."""
    return [value] if "enum" in value else []


def _choices(key: Key) -> _Schema:
    # Without quotes `false` is no text in YAML.
    return {"enum": [*key.choices, *([False] if "false" in key.choices else [])]}


def _one_or_list() -> _Schema:
    return {"anyOf": [{"type": _TEXT}, {"type": "array", "items": {"type": _TEXT}}]}


def _suggested(fields: Mapping[str, FieldType]) -> _Schema:
    """Fields of an event with their descriptions; any value is allowed, for sites have others."""
    return {
        "properties": {
            name: {"description": kind.doc or name, **_suggested(kind.fields)}
            if kind.kind is Kind.RECORD
            else {"description": kind.doc or name}
            for name, kind in fields.items()
        }
    }
