"""The pages of the documentation, read once, and what several tests look up in them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from channels.alert import Alert, Priority
from tests.support.snippets import Page, Table, read_page

ROOT: Final = Path(__file__).resolve().parents[2]
PATHS: Final = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
PAGES: Final[Mapping[str, Page]] = MappingProxyType({path.name: read_page(path) for path in PATHS})
SNIPPETS: Final = tuple(snippet for page in PAGES.values() for snippet in page.snippets)
CHANNELS: Final = PAGES["channels.md"]
CONFIGURATION: Final = PAGES["configuration.md"]
OPERATIONS: Final = PAGES["operations.md"]
PLATES: Final = PAGES["plates.md"]
REPLICAS: Final = PAGES["replicas.md"]
RULES: Final = PAGES["rules.md"]
TESTING: Final = PAGES["testing.md"]
WATCHLISTS: Final = PAGES["watchlists.md"]


def table(page: Page, heading: str) -> Table:
    """The one table of a page with this heading."""
    (found,) = page.tables_of(heading)
    return found


def snippet_like(name: str) -> Any:
    """The JSON of the one snippet that shows this."""
    (found,) = [each for each in SNIPPETS if each.attributes.get("like") == name]
    return json.loads(found.text)


def shown_alert() -> Alert:
    """The alert that the webhook's JSON shows."""
    document = snippet_like("webhook")
    shown = dict(document["alert"])
    return Alert(
        alert_id=shown.pop("id"),
        captured_at=shown.pop("timestamp"),
        matched_plate=shown.pop("matched_plate") or "",
        priority=Priority(shown.pop("priority")),
        event=document["event"],
        **shown,
    )
