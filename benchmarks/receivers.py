"""The far ends of all channels in a process of their own, so that they take no time from ours.

`python -m benchmarks.receivers` starts them, writes one line of JSON that says where they are, and
ends with its standard input. The authority that signed their certificates stands at the end of a
bundle as long as the public one, for a client that parses it pays for its length.
"""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Final

import certifi

from tests.support.answers import HANG
from tests.support.certificates import Certificates
from tests.support.http_receiver import HttpReceiver
from tests.support.services import Services
from tests.support.smtp_receiver import SmtpReceiver

ROOT: Final = Path(__file__).parents[1]
SMTP_USERNAME: Final = "alerts@example.com"
SMTP_PASSWORD: Final = "secret"
_END_SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True)
class Receivers:
    """Where they listen, and the environment that leads to Slack's and Twilio's stand-ins."""

    http_url: str
    https_url: str
    hanging_url: str
    smtp_port: int
    environment: Mapping[str, str]


class ReceiverProcess:
    """A context manager that gives the receivers and ends their process."""

    def __enter__(self) -> Receivers:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.receivers"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
            text=True,
        )
        assert self._process.stdout is not None
        return Receivers(**json.loads(self._process.stdout.readline()))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.communicate(timeout=_END_SECONDS)


def main() -> None:
    """Serve until standard input ends."""
    # aiosmtpd tells of its own deprecations, once a login.
    logging.getLogger("mail.log").setLevel(logging.ERROR)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        certificates = Certificates(folder)
        authority = certificates.bundle.read_text()
        certificates.bundle.write_text(Path(certifi.where()).read_text() + authority)
        tls = certificates.local_server()
        http = stack.enter_context(HttpReceiver())
        https = stack.enter_context(HttpReceiver(tls))
        hanging = stack.enter_context(HttpReceiver(respond=lambda request: HANG))
        mail = stack.enter_context(SmtpReceiver(tls, SMTP_USERNAME, SMTP_PASSWORD))
        services = stack.enter_context(Services(certificates))
        receivers = Receivers(
            f"{http.url}/alerts",
            f"{https.url}/alerts",
            f"{hanging.url}/alerts",
            mail.port,
            dict(services.environment),
        )
        print(json.dumps(asdict(receivers)), flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
