"""A site's own schema of dead letters."""

from __future__ import annotations

import json
from pathlib import Path

PLAIN = Path(__file__).parents[2] / "schemas" / "dlq_message.avsc"


def schema_without(symbol: str, folder: Path) -> None:
    """Write one to the folder that knows no such type of error."""
    schema = json.loads(PLAIN.read_text(encoding="utf-8"))
    (field,) = (each for each in schema["fields"] if each["name"] == "error_type")
    field["type"]["symbols"].remove(symbol)
    (folder / PLAIN.name).write_text(json.dumps(schema), encoding="utf-8")
