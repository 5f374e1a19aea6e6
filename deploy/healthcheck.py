"""The image's HEALTHCHECK: `/healthz` answers 200. Nothing but the standard library, no proxy."""

from __future__ import annotations

import os
import sys
from http.client import HTTPConnection, HTTPException

TIMEOUT_SECONDS = 4.0
MOST_BYTES = 1_000
DEFAULT_PORT = "8003"
EVERYWHERE = ("", "0.0.0.0", "::")  # noqa: S104 - compared with, not listened on


def main() -> int:
    """0 when the engine is alive, else 1 with the reason on standard output."""
    host = os.environ.get("METRICS_HOST", "")
    port = int(os.environ.get("METRICS_PORT") or DEFAULT_PORT)
    connection = HTTPConnection(
        "127.0.0.1" if host in EVERYWHERE else host, port, timeout=TIMEOUT_SECONDS
    )
    try:
        connection.request("GET", "/healthz")
        answer = connection.getresponse()
        status, body = answer.status, answer.read(MOST_BYTES).decode(errors="replace").strip()
    except (OSError, HTTPException) as error:
        print(f"/healthz on port {port}: {error}")
        return 1
    finally:
        connection.close()
    print(f"/healthz on port {port}: {status} {body}")
    return 0 if status == 200 else 1


if __name__ == "__main__":
    sys.exit(main())
