"""A machine of a cloud in namespaces of its own: its metadata service, and a name server.

`command(ENTRY, "NAME=ADDRESS,…", …)` is to be run; it makes the namespaces by `unshare -rmn`. There
169.254.169.254 and fd00:ec2::254 are this machine's, an HTTP server on their port 80 gives out a
secret, and the only name server knows these names: each question gets the next address. It sends
one alert three times to the entry of `channels:`, given as JSON. It prints the outcomes, and what
the servers were asked, as JSON.
"""

from __future__ import annotations

import json
import shutil
import socket
import socketserver
import struct
import subprocess
import sys
import tempfile
import threading
from collections import deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

from channels.alert import Alert, Priority
from channels.definitions.channel_entry import entry_targets

METADATA: Final = ("169.254.169.254", "fd00:ec2::254")
SECRET: Final = "credentials-of-the-machine"
_A, _AAAA = 1, 28
ALERT: Final = Alert(
    "a1", "r", "R", Priority.HIGH, "m", "2025-01-01T00:00:00Z", "2025-01-01T00:00:01Z"
)


def command(*arguments: str) -> tuple[str, ...]:
    """What runs `main` with these arguments in namespaces of its own."""
    # Libraries look once, when they are imported, whether there is IPv6.
    script = 'ip link set lo up && exec "$@"'
    here = (sys.executable, "-m", "tests.support.cloud", *arguments)
    return ("unshare", "-rmn", "sh", "-c", script, "sh", *here)


def can_unshare() -> bool:
    """Whether this user may make such namespaces here."""
    attempt = ("unshare", "-rmn", "ip", "link", "set", "lo", "up")
    if shutil.which("unshare") is None or shutil.which("ip") is None:
        return False
    return subprocess.run(attempt, capture_output=True, check=False).returncode == 0


class _Metadata(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.server.asked.append(self.path)  # type: ignore[attr-defined]
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = SECRET.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


class _Http(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, host: str, asked: list[str]) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.asked = asked
        super().__init__((host, 80), _Metadata)


class _Names(socketserver.ThreadingUDPServer):
    """Answers A and AAAA of the names; of others, that there is no such name."""

    def __init__(self, names: dict[str, deque[str]]) -> None:
        self.names = names
        self.asked: list[str] = []
        super().__init__(("127.0.0.1", 53), _Question)


class _Question(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        data, reply = self.request
        labels, at = [], 12
        while data[at]:
            labels.append(data[at + 1 : at + 1 + data[at]].decode())
            at += 1 + data[at]
        (kind,) = struct.unpack("!H", data[at + 1 : at + 3])
        name = ".".join(labels)
        server: _Names = self.server  # type: ignore[assignment]
        addresses, answer = server.names.get(name), b""
        if addresses and kind == (_AAAA if ":" in addresses[0] else _A):
            address = addresses.popleft() if len(addresses) > 1 else addresses[0]
            server.asked.append(address)
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            packed = socket.inet_pton(family, address)
            # No time to live: each connection asks anew.
            answer = b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, 0, len(packed)) + packed
        flags = 0x8180 if addresses else 0x8183
        head = data[:2] + struct.pack("!HHHHH", flags, 1, bool(answer), 0, 0)
        reply.sendto(head + data[12 : at + 5] + answer, self.client_address)


def _set_up(folder: Path) -> None:
    resolver = folder / "resolv.conf"
    resolver.write_text("nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
    for order in (
        ("ip", "address", "add", f"{METADATA[0]}/32", "dev", "lo"),
        ("ip", "-6", "address", "add", f"{METADATA[1]}/128", "dev", "lo", "nodad"),
        ("mount", "--bind", str(resolver), "/etc/resolv.conf"),
    ):
        subprocess.run(order, check=True)


def main(definition: str, *names: str) -> int:
    """Send, and print what came of it."""
    asked: list[str] = []
    known = {name: deque(each.split(",")) for name, _, each in (it.partition("=") for it in names)}
    with tempfile.TemporaryDirectory() as folder:
        _set_up(Path(folder))
        servers: list[socketserver.BaseServer] = [_Http(host, asked) for host in METADATA]
        servers += [_Http("127.0.0.1", asked), name_server := _Names(known)]
        for server in servers:
            threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        entry = json.loads(definition)
        (target,) = entry_targets("ops", entry, {}).checked()
        outcomes = []
        for _ in range(3):
            outcome = target.send(ALERT, "key")
            outcomes.append([outcome.reason, outcome.detail])
            target.close()
        sys.stdout.write(
            json.dumps({"outcomes": outcomes, "asked": asked, "names": name_server.asked})
        )
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
