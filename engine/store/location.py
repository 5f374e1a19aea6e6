"""Where a store lives: `STATE_URL` read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from engine.errors import StoreError

_REMEDY = "use sqlite:///relative/file.db or sqlite:////absolute/file.db"


@dataclass(frozen=True, slots=True)
class Location:
    """A SQLite file, and how many pages of 4 KiB it may grow to (0: as many as there are)."""

    path: Path
    max_page_count: int = 0


def parse_state_url(url: str) -> Location:
    """The location that `url` names; StoreError says what is wrong with it, without its secrets.

    `sqlite:///a.db` is relative to the working directory, `sqlite:////a.db` absolute;
    `?max_page_count=N` sets a quota.
    """
    scheme = url.partition(":")[0].lower()
    if scheme.partition("+")[0] in {"postgresql", "postgres"}:
        raise StoreError(f"PostgreSQL is not supported yet as STATE_URL, {_REMEDY}")
    if scheme != "sqlite":
        raise StoreError(f"STATE_URL does not name a store, {_REMEDY}")
    parts = urlsplit(url)
    if parts.netloc or not url.startswith(f"{parts.scheme}:///") or parts.fragment:
        raise StoreError(f"STATE_URL {url!r} has the wrong number of slashes, {_REMEDY}")
    path = parts.path.removeprefix("/")
    if not path or path.endswith("/") or ":memory:" in path or "\0" in path:
        raise StoreError(f"STATE_URL {url!r} names no file, {_REMEDY}")
    # Resolved, so that one file has one lock, whatever it is called.
    return Location(Path(path).resolve(), _max_page_count(parts.query))


def _max_page_count(query: str) -> int:
    options = dict(parse_qsl(query, keep_blank_values=True))
    text = options.pop("max_page_count", "0")
    if options:
        raise StoreError(f"STATE_URL has an unknown option {min(options)!r}, use max_page_count")
    if not text.isascii() or not text.isdigit():
        raise StoreError(f"STATE_URL's max_page_count is {text!r}, use a number of 4 KiB pages")
    return int(text)
