"""Writers' schemas whose values can't be read safely."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.avro import Named, full_schema


def danger_of(schema: Any, named: Named) -> str:
    """Why values of this writer's schema can't be read safely; empty if they can.

    fastavro crashes the process on deep values of a recursive type, and a few bytes can claim any
    number of list items that take no bytes.
    """
    danger, _ = _Danger(named).of(schema)
    return danger


class _Danger:
    def __init__(self, named: Named) -> None:
        self._named = named
        self._open: set[str] = set()
        self._known: dict[str, tuple[str, bool]] = {}

    def of(self, schema: Any) -> tuple[str, bool]:
        """The danger, and whether a value takes at least one byte."""
        schema = full_schema(schema, self._named)
        if isinstance(schema, list):
            found = [self.of(branch)[0] for branch in schema]
            return next(filter(None, found), ""), True
        match schema["type"]:
            case "record" | "error":
                return self._record(schema)
            case "array":
                danger, takes_bytes = self.of(schema["items"])
                if not danger and not takes_bytes:
                    danger = "it has lists of items that take no bytes"
                return danger, True
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
            danger = next((danger for danger, _ in found if danger), "")
            self._known[name] = (danger, any(takes_bytes for _, takes_bytes in found))
        return self._known[name]
