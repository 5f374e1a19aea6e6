"""Mails a second with STARTTLS and AUTH: connections that are kept, beside one for each mail.

The latter is Apprise's own session. A target sends one mail at a time, in a thread of its own.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from benchmarks.measure import Measurement
from benchmarks.receivers import SMTP_PASSWORD, SMTP_USERNAME, ReceiverProcess, Receivers
from benchmarks.stored_alerts import new_alerts
from channels.alert import SENT, Target
from channels.definitions.notification_block import notification_targets

SECTION = "8 mail"
ROUNDS = 3
MAILS = 60


@pytest.fixture(scope="module")
def receivers() -> Iterator[Receivers]:
    """The mail server, whose authority stands in a bundle as long as the public one."""
    with ReceiverProcess() as receivers, pytest.MonkeyPatch.context() as patch:
        for name, value in receivers.environment.items():
            patch.setenv(name, value)
        yield receivers


def mail_targets(receivers: Receivers, count: int) -> tuple[Target, ...]:
    block = {
        "enabled": True,
        "smtp_host": "localhost",
        "smtp_port": receivers.smtp_port,
        "username": SMTP_USERNAME,
        "password": SMTP_PASSWORD,
        "recipients": [f"guard{number}@example.com" for number in range(count)],
    }
    return notification_targets("email", block, {}).checked()


def send_all(targets: tuple[Target, ...]) -> None:
    """Send `MAILS`, spread over the targets, and close them."""
    (made,) = new_alerts(1, ())

    def send(target: Target) -> None:
        for number in range(MAILS // len(targets)):
            assert target.send(made.alert, f"key-{number}") == SENT
        target.close()

    with ThreadPoolExecutor(len(targets)) as pool:
        list(pool.map(send, targets))


@pytest.mark.parametrize("count", [1, 10])
def test_mails(
    measure: Measurement, receivers: Receivers, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    def timed() -> float:
        began_at = time.perf_counter()
        send_all(mail_targets(receivers, count))
        return time.perf_counter() - began_at

    with monkeypatch.context() as patch:
        session = importlib.import_module("apprise.plugins.email.smtp").AppriseSMTPController
        patch.setattr("apprise.plugins.email.base.AppriseSMTPController", session)
        each = min(timed() for _ in range(ROUNDS))
    group = f"{MAILS} mails to {count}"
    kept = measure.rounds(group, send_all, ROUNDS, lambda: (mail_targets(receivers, count),))
    measure.tell(SECTION, f"{group}, a connection for each", MAILS / each, "mails/s")
    measure.tell(SECTION, group, MAILS / kept, "mails/s")
    measure.tell(SECTION, f"{group}, how much faster", each / kept, "times")
