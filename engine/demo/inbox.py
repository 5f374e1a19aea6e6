"""Receives alerts by SMTP and webhook, and shows them on a web page: `python -m engine.demo.inbox`.

It stands for the recipients in the compose stack. It keeps the last alerts in memory only, and
needs aiosmtpd, of the extra `demo`.
"""

from __future__ import annotations

import argparse
import html
import json
import sys
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from engine.errors import MissingExtraError, extra

if TYPE_CHECKING:
    from engine.demo.receivers import Arrival

KEPT: Final = 1_000
SHOWN: Final = 200
EVERYWHERE: Final = "0.0.0.0"  # noqa: S104 - reached from other containers
_PAGE: Final = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta http-equiv="refresh" content="5">
<title>{count} alerts</title>
<style>
body {{ font: 15px/1.4 system-ui, sans-serif; margin: 2rem; color: #1d2733 }}
table {{ border-collapse: collapse; width: 100% }}
td, th {{ text-align: left; vertical-align: top; padding: .4rem .8rem }}
td, th {{ border-bottom: 1px solid #dde3ea }}
td {{ white-space: pre-wrap }} td:first-child {{ white-space: nowrap }}
pre {{ margin: .4rem 0; font-size: 12px; white-space: pre-wrap }}
.high {{ color: #b3261e; font-weight: 600 }} .medium {{ color: #a15c00 }}
</style>
<h1>{count} alerts</h1>
<p>By webhook and by e-mail, newest first; the page renews itself.
<a href="/alerts.json">JSON</a></p>
<table><tr><th>arrived<th>channel<th>priority<th>alert</tr>
{rows}
</table></html>
"""


@dataclass(frozen=True, slots=True)
class InboxEntry:
    """An arrival and its time, ISO 8601 in UTC."""

    arrived_at: str
    arrival: Arrival


class Inbox:
    """The last alerts that arrived, and the pages that show them."""

    def __init__(self) -> None:
        self._entries: deque[InboxEntry] = deque(maxlen=KEPT)
        self._count = 0
        self._lock = threading.Lock()

    def take(self, arrival: Arrival) -> None:
        """Keep an alert that arrived now; any thread may call it."""
        stamp = datetime.now(UTC).isoformat(timespec="milliseconds")
        with self._lock:
            self._entries.append(InboxEntry(stamp, arrival))
            self._count += 1

    def page(self, path: str) -> tuple[str, bytes] | None:
        """Content type and body of `/`, `/alerts.json` and `/healthz`; None for other paths."""
        with self._lock:
            entries, count = list(self._entries), self._count
        match path.partition("?")[0]:
            case "/":
                rows = "\n".join(_row(entry) for entry in reversed(entries[-SHOWN:]))
                text = _PAGE.format(count=count, rows=rows)
                return "text/html; charset=utf-8", text.encode()
            case "/alerts.json":
                answer = [
                    {"arrived_at": entry.arrived_at, **asdict(entry.arrival)} for entry in entries
                ]
                return "application/json", json.dumps(answer, ensure_ascii=False).encode()
            case "/healthz":
                return "text/plain", b"alive\n"
            case _:
                return None


def _row(entry: InboxEntry) -> str:
    arrival = entry.arrival
    channel, priority = html.escape(arrival.channel), html.escape(arrival.priority)
    text, body = html.escape(arrival.text.strip()), html.escape(arrival.body)
    return (
        f"<tr><td>{entry.arrived_at}<td>{channel}<td class='{priority}'>{priority}"
        f"<td>{text}<details><summary>all of it</summary><pre>{body}</pre></details></tr>"
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until the process is ended; without aiosmtpd say so, and exit with status 2."""
    parser = argparse.ArgumentParser(prog="python -m engine.demo.inbox", description=__doc__)
    parser.add_argument("--http-port", type=int, default=8025, help="page and webhooks")
    parser.add_argument("--smtp-port", type=int, default=1025, help="plain SMTP")
    ports = parser.parse_args(arguments)
    try:
        with extra("demo", "aiosmtpd", "the inbox"):
            from engine.demo.receivers import Receivers
    except MissingExtraError as error:
        sys.stderr.write(f"engine.demo.inbox: {error}\n")
        sys.exit(2)
    inbox = Inbox()
    with Receivers(
        inbox.take,
        inbox.page,
        host=EVERYWHERE,
        http_port=ports.http_port,
        smtp_port=ports.smtp_port,
    ):
        threading.Event().wait()


if __name__ == "__main__":
    main()
