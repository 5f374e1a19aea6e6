"""Connections to real mail servers, kept over a burst of mails."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from requests.adapters import HTTPAdapter

from channels.alert import SENT, Outcome, Reason, Status, Target
from channels.definitions.channel_entry import entry_targets
from channels.definitions.notification_block import notification_targets
from channels.wire.capture import Evidence, SmtpReply, capture
from channels.wire.mail_connections import (
    CONNECTIONS_PER_SERVER,
    IDLE_SECONDS,
    MAILS_PER_CONNECTION,
    MailConnections,
    MailServer,
    MailSession,
    tls_context,
)
from tests.conftest import SMTP_PASSWORD, SMTP_USERNAME
from tests.support.certificates import Certificates
from tests.support.patience import await_that
from tests.support.smtp_receiver import Login, SmtpReceiver, Stage
from tests.unit.channels.notification_blocks import EMAIL
from tests.unit.channels.samples import alert

pytestmark = [pytest.mark.waits, pytest.mark.usefixtures("trusted")]
BURST = 20
GUARD = "guard@example.org"
MESSAGE = "Subject: x\r\n\r\nx"


def targets(
    receiver: SmtpReceiver, *recipients: str, secret: str = SMTP_PASSWORD, **changes: Any
) -> list[Target]:
    """The targets of a block for these recipients."""
    block = {
        **EMAIL,
        "smtp_port": receiver.port,
        "password": "${PASSWORD}",
        "recipients": recipients or [GUARD],
        **changes,
    }
    return list(notification_targets("email", block, {"PASSWORD": secret}).checked())


def send(target: Target, number: int = 0) -> Outcome:
    return target.send(alert(), f"key-{number}")


@pytest.fixture
def guard(smtp_receiver: SmtpReceiver) -> Iterator[Target]:
    """A target at `smtp_receiver`."""
    (target,) = targets(smtp_receiver)
    with closing(target):
        yield target


def connections(receiver: SmtpReceiver) -> int:
    return len(receiver.connections.all())


def message_ids(receiver: SmtpReceiver) -> list[str]:
    return [str(mail.message["Message-ID"]).partition("@")[0] for mail in receiver.mails.all()]


@pytest.mark.parametrize(
    ("implicit", "relay", "changes"),
    [
        (False, False, {}),
        (True, False, {"tls": "ssl"}),
        (False, True, {"tls": "none", "username": None, "password": None}),
        (False, True, {"username": None, "password": None}),
    ],
    ids=["STARTTLS", "SMTPS", "plain", "STARTTLS without a login"],
)
def test_a_burst_goes_over_one_connection_with_one_login(
    certificates: Certificates, implicit: bool, relay: bool, changes: dict[str, Any]
) -> None:
    tls = certificates.local_server()
    with SmtpReceiver(
        tls, SMTP_USERNAME, SMTP_PASSWORD, implicit=implicit, relay=relay
    ) as receiver:
        (target,) = targets(receiver, **changes)
        with closing(target):
            assert [send(target, number) for number in range(BURST)] == [SENT] * BURST
        assert message_ids(receiver) == [f"<key-{number}" for number in range(BURST)]
        assert connections(receiver) == 1
        assert len(receiver.logins.all()) == ("username" not in changes)


def test_all_recipients_of_a_channel_share_connections(smtp_receiver: SmtpReceiver) -> None:
    recipients = [f"guard{number}@example.org" for number in range(10)]
    sharing = targets(smtp_receiver, *recipients)
    with ThreadPoolExecutor(len(sharing)) as pool:
        for _ in range(3):
            assert list(pool.map(send, sharing)) == [SENT] * 10
    for target in sharing:
        target.close()
    got = [mail.recipients for mail in smtp_receiver.mails.all()]
    assert sorted(got) == sorted(3 * [(each,) for each in recipients])
    assert connections(smtp_receiver) <= CONNECTIONS_PER_SERVER


def test_two_threads_never_share_a_connection(smtp_receiver: SmtpReceiver) -> None:
    kept = MailConnections()
    server = server_of(smtp_receiver)
    in_use: set[int] = set()
    lock = threading.Lock()

    def use(_: int) -> bool:
        connection = kept.take(server, 15.0)
        with lock:
            is_mine = id(connection) not in in_use
            in_use.add(id(connection))
        time.sleep(0.005)
        with lock:
            in_use.discard(id(connection))
        kept.give_back(server, connection, is_good=True)
        return is_mine

    with ThreadPoolExecutor(12) as pool:
        assert all(pool.map(use, range(120)))
    kept.close(server)
    assert connections(smtp_receiver) <= CONNECTIONS_PER_SERVER


def test_a_slow_mail_keeps_nobody_from_sending(smtp_receiver: SmtpReceiver) -> None:
    recipients = [f"guard{number}@example.org" for number in range(CONNECTIONS_PER_SERVER + 1)]
    sharing = targets(smtp_receiver, *recipients)
    smtp_receiver.hang()
    with ThreadPoolExecutor(len(sharing)) as pool:
        outcomes = pool.map(send, sharing)
        smtp_receiver.attempts.wait_for(len(sharing))
        smtp_receiver.release()
        assert list(outcomes) == [SENT] * len(sharing)
    for target in sharing:
        target.close()


@pytest.mark.parametrize("mails", [1, 3])
def test_a_server_that_closes_after_some_mails_costs_no_try(
    smtp_receiver: SmtpReceiver, guard: Target, mails: int
) -> None:
    smtp_receiver.limit(mails)
    assert [send(guard, number) for number in range(9)] == [SENT] * 9
    assert message_ids(smtp_receiver) == [f"<key-{number}" for number in range(9)]
    assert connections(smtp_receiver) == 9 // mails


@pytest.mark.parametrize("last_words", ["", "421 4.4.2 idle for too long"])
def test_a_server_that_closes_an_idle_connection_costs_no_try(
    smtp_receiver: SmtpReceiver, guard: Target, last_words: str
) -> None:
    assert send(guard, 1) == SENT
    smtp_receiver.cut(last_words)
    assert send(guard, 2) == SENT
    assert message_ids(smtp_receiver) == ["<key-1", "<key-2"]
    assert connections(smtp_receiver) == 2


def test_a_server_that_was_restarted_costs_no_try(
    smtp_receiver: SmtpReceiver, guard: Target
) -> None:
    assert send(guard, 1) == SENT
    smtp_receiver.down()
    smtp_receiver.up()
    assert send(guard, 2) == SENT
    assert message_ids(smtp_receiver) == ["<key-1", "<key-2"]


@pytest.mark.parametrize("reply", ["421 4.7.0 closing", "452 4.5.3 enough", "550 5.7.1 enough"])
def test_a_server_that_has_enough_of_a_connection_costs_no_try(
    smtp_receiver: SmtpReceiver, guard: Target, reply: str
) -> None:
    assert send(guard, 1) == SENT
    smtp_receiver.reply(Stage.MAIL, reply)
    assert send(guard, 2) == SENT
    assert message_ids(smtp_receiver) == ["<key-1", "<key-2"]
    assert connections(smtp_receiver) == 2


def test_a_421_to_the_recipient_costs_no_try(smtp_receiver: SmtpReceiver, guard: Target) -> None:
    assert send(guard, 1) == SENT
    smtp_receiver.reply(Stage.RCPT, "421 4.3.2 shutting down")
    assert send(guard, 2) == SENT
    assert message_ids(smtp_receiver) == ["<key-1", "<key-2"]


def test_a_refusal_on_a_new_connection_is_the_outcome(
    smtp_receiver: SmtpReceiver, guard: Target
) -> None:
    assert send(guard, 1) == SENT
    smtp_receiver.reply(Stage.MAIL, "421 4.7.0 closing", "451 4.7.0 not now")
    outcome = send(guard, 2)
    assert (outcome.status, outcome.reason) == (Status.UNAVAILABLE, Reason.SMTP_TEMPORARY)
    assert outcome.detail == "SMTP 451 to MAIL: 4.7.0 not now"
    assert connections(smtp_receiver) == 2


@pytest.mark.parametrize("stage", [Stage.RCPT, Stage.DATA])
def test_a_refused_mail_is_not_repeated(
    smtp_receiver: SmtpReceiver, guard: Target, stage: Stage
) -> None:
    assert send(guard, 1) == SENT
    smtp_receiver.reply(stage, "450 4.2.0 later")
    assert send(guard, 2).detail == f"SMTP 450 to {stage}: 4.2.0 later"
    assert connections(smtp_receiver) == 1
    assert send(guard, 3) == SENT


def test_a_mail_that_may_have_been_taken_is_not_repeated(
    smtp_receiver: SmtpReceiver, guard: Target
) -> None:
    assert send(guard, 1) == SENT
    smtp_receiver.hang()
    with ThreadPoolExecutor(1) as pool:
        outcome = pool.submit(send, guard, 2)
        smtp_receiver.attempts.wait_for(2)
        smtp_receiver.cut()
        assert outcome.result().status is Status.UNAVAILABLE
    smtp_receiver.release()
    assert len(smtp_receiver.attempts.all()) == 2


def test_a_connection_is_left_after_some_mails(smtp_receiver: SmtpReceiver, guard: Target) -> None:
    for number in range(MAILS_PER_CONNECTION + 1):
        assert send(guard, number) == SENT
    assert [each.mails for each in smtp_receiver.connections.all()] == [MAILS_PER_CONNECTION, 1]


def test_a_closed_target_keeps_no_connection(smtp_receiver: SmtpReceiver, guard: Target) -> None:
    assert send(guard) == SENT
    assert smtp_receiver.open_connections == 1
    guard.close()
    await_that(lambda: smtp_receiver.open_connections == 0, patience_seconds=IDLE_SECONDS / 2)


def test_a_target_that_is_closed_while_it_sends_keeps_no_connection(
    smtp_receiver: SmtpReceiver, guard: Target
) -> None:
    assert send(guard, 1) == SENT
    smtp_receiver.hang()
    with ThreadPoolExecutor(1) as pool:
        outcome = pool.submit(send, guard, 2)
        smtp_receiver.attempts.wait_for(2)
        guard.close()
        smtp_receiver.release()
        assert outcome.result() == SENT
    await_that(lambda: smtp_receiver.open_connections == 0, patience_seconds=IDLE_SECONDS / 2)


def test_a_changed_password_uses_no_old_login(smtp_receiver: SmtpReceiver, guard: Target) -> None:
    assert send(guard) == SENT
    (changed,) = targets(smtp_receiver, secret="new-" + SMTP_PASSWORD)
    with closing(changed):
        assert send(changed).reason is Reason.SMTP_AUTHENTICATION
        smtp_receiver.password = "new-" + SMTP_PASSWORD
        assert send(changed) == SENT
    assert [login.password for login in smtp_receiver.logins.all()] == [
        SMTP_PASSWORD,
        "new-" + SMTP_PASSWORD,
        "new-" + SMTP_PASSWORD,
    ]


def test_a_login_of_one_is_never_used_for_another(
    smtp_receiver: SmtpReceiver, guard: Target
) -> None:
    assert send(guard) == SENT
    (other,) = targets(smtp_receiver, username="other@example.org")
    with closing(other):
        assert send(other).reason is Reason.SMTP_AUTHENTICATION
    assert Login("other@example.org", SMTP_PASSWORD) in smtp_receiver.logins.all()


def test_an_unverified_connection_is_not_used_by_who_verifies(
    smtp_receiver: SmtpReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    login = ":".join(quote(text, "") for text in (SMTP_USERNAME, SMTP_PASSWORD))
    url = f"mailtos://{login}@localhost:{smtp_receiver.port}/?from={SMTP_USERNAME}&to={GUARD}"
    (careless,) = entry_targets("ops", {"url": url, "verify": False}, {}).checked()
    (careful,) = entry_targets("ops", url, {}).checked()
    with closing(careless), closing(careful):
        assert [send(careless) for _ in range(2)] == [SENT, SENT]
        assert connections(smtp_receiver) == 1
        assert send(careful).reason is Reason.TLS


def test_a_kept_connection_that_is_dead_leaves_time_for_a_new_one(
    smtp_receiver: SmtpReceiver,
) -> None:
    (target,) = targets(smtp_receiver, timeout=2.0)
    with closing(target):
        assert send(target, 1) == SENT
        smtp_receiver.mute()
        assert send(target, 2) == SENT
    assert message_ids(smtp_receiver) == ["<key-1", "<key-2"]


def test_the_deadline_counts_for_a_kept_connection(smtp_receiver: SmtpReceiver) -> None:
    (target,) = targets(smtp_receiver, timeout=1.0)
    with closing(target):
        assert send(target) == SENT
        smtp_receiver.mute(for_good=True)
        began_at = time.monotonic()
        outcome = send(target)
        assert (outcome.status, outcome.reason) == (Status.UNAVAILABLE, Reason.TIMEOUT)
        assert 1.0 <= time.monotonic() - began_at < 4.0


def server_of(receiver: SmtpReceiver) -> MailServer:
    return MailServer(
        receiver.host, receiver.port, "starttls", SMTP_USERNAME, SMTP_PASSWORD, is_verified=True
    )


def converse(receiver: SmtpReceiver, kept: MailConnections) -> list[Evidence]:
    """Send one mail; what it leaves as evidence."""
    session = MailSession(
        receiver.host,
        receiver.port,
        "starttls",
        SMTP_USERNAME,
        SMTP_PASSWORD,
        connections=kept,
    )
    with closing(HTTPAdapter()) as adapter, capture(adapter) as evidence, session:
        assert session.sendmail(SMTP_USERNAME, [GUARD], MESSAGE)
    return evidence


def verbs(evidence: list[Evidence]) -> list[str]:
    return [each.verb for each in evidence if isinstance(each, SmtpReply)]


def test_evidence_is_of_one_mail(smtp_receiver: SmtpReceiver) -> None:
    kept = MailConnections()
    opening = ["connect", "ehlo", "starttls", "ehlo", "auth"]
    mail = ["mail", "rcpt", "data", "data"]
    assert verbs(converse(smtp_receiver, kept)) == [*opening, *mail]
    assert verbs(converse(smtp_receiver, kept)) == mail
    smtp_receiver.reply(Stage.MAIL, "421 4.7.0 closing")
    assert verbs(converse(smtp_receiver, kept)) == [*opening, *mail]
    kept.close(server_of(smtp_receiver))


def test_an_idle_connection_is_closed_by_itself(smtp_receiver: SmtpReceiver) -> None:
    kept = MailConnections(idle_seconds=0.2)
    for _ in range(2):
        converse(smtp_receiver, kept)
        await_that(lambda: smtp_receiver.open_connections == 0)
    assert connections(smtp_receiver) == 2


def test_no_text_of_a_server_has_its_password(smtp_receiver: SmtpReceiver) -> None:
    assert SMTP_PASSWORD not in repr(server_of(smtp_receiver))


def test_the_context_is_made_once_until_the_authorities_change(
    certificates: Certificates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = tls_context(is_verified=True)
    assert tls_context(is_verified=True) is first
    assert tls_context(is_verified=False) is not first
    bundle = tmp_path / "bundle.pem"
    shutil.copy(certificates.bundle, bundle)
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
    second = tls_context(is_verified=True)
    assert second is not first
    os.utime(bundle, (1, 1))
    assert tls_context(is_verified=True) is not second
    bundle.unlink()
    assert tls_context(is_verified=True) is not second
