"""The tests' own servers do what they are told."""

from __future__ import annotations

import contextlib
import os
import signal
import smtplib
import socket
import sys
from email.message import EmailMessage
from pathlib import Path
from subprocess import PIPE
from typing import Any

import pytest
import requests
from confluent_kafka import Consumer, Producer

from tests.conftest import SMTP_PASSWORD, SMTP_USERNAME
from tests.support.answers import HANG, RESET, Answer
from tests.support.certificates import Certificates
from tests.support.engine_process import EngineProcess
from tests.support.http_receiver import HttpReceiver
from tests.support.kafka import Broker, RealKafka
from tests.support.offsets import await_consumed, unread
from tests.support.patience import PATIENCE_SECONDS
from tests.support.processes import end, spawn
from tests.support.services import SLACK, TWILIO, Services
from tests.support.smtp_receiver import Login, SmtpReceiver, Stage


def test_answers_come_in_their_order(http_receiver: HttpReceiver) -> None:
    http_receiver.answer(Answer(500), Answer(429, {"Retry-After": "7"}, b"slow down"))
    http_receiver.answer_when(lambda request: b"poison" in request.body, Answer(400), Answer(418))
    with requests.Session() as session:
        first = session.post(http_receiver.url, json={"n": 1})
        poisoned = [session.post(http_receiver.url, data=b"poison").status_code for _ in range(3)]
        second = session.put(http_receiver.url + "/x?y=1", data=b"2")
        third = session.get(http_receiver.url)
    assert first.status_code == 500
    assert poisoned == [400, 418, 418]
    assert (second.status_code, second.headers["Retry-After"], second.text) == (
        429,
        "7",
        "slow down",
    )
    assert (third.status_code, third.text) == (200, "ok")
    arrived = http_receiver.requests.all()
    assert arrived[0].json() == {"n": 1}
    assert (arrived[4].method, arrived[4].path, arrived[4].body) == ("PUT", "/x?y=1", b"2")
    assert [request.at for request in arrived] == sorted(request.at for request in arrived)


@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
def test_connections_are_cut_as_told(tls: bool, certificates: Certificates) -> None:
    verify = str(certificates.bundle)
    options: dict[str, Any] = {"verify": verify, "timeout": PATIENCE_SECONDS}
    with HttpReceiver(certificates.local_server() if tls else None) as receiver:
        receiver.reset_next()
        with pytest.raises(requests.ConnectionError):
            requests.post(receiver.url, b"1", **options)
        assert receiver.requests.all() == []
        receiver.answer(RESET)
        with pytest.raises(requests.ConnectionError):
            requests.post(receiver.url, b"2", **options)
        receiver.answer(HANG)
        with pytest.raises(requests.Timeout):
            requests.post(receiver.url, b"3", verify=verify, timeout=(PATIENCE_SECONDS, 0.2))
        receiver.wait_for(2)
        receiver.release()
        with requests.Session() as session:
            assert session.post(receiver.url, b"4", **options).text == "ok"
            receiver.down()
            with pytest.raises(requests.ConnectionError):
                session.post(receiver.url, b"5", **options)
            receiver.up()
            assert session.post(receiver.url, b"6", **options).text == "ok"
    assert [request.body for request in receiver.requests.all()] == [b"2", b"3", b"4", b"6"]


def test_a_silent_client_does_not_stop_the_others(
    https_receiver: HttpReceiver, certificates: Certificates
) -> None:
    with socket.create_connection(("127.0.0.1", https_receiver.port)):
        answer = requests.get(
            https_receiver.url, verify=str(certificates.bundle), timeout=PATIENCE_SECONDS
        )
    assert answer.text == "ok"


def test_waiting_tells_what_did_arrive(http_receiver: HttpReceiver) -> None:
    requests.post(http_receiver.url, b"the only one", timeout=PATIENCE_SECONDS)
    with pytest.raises(AssertionError, match=r"1 of 2 arrived.*the only one"):
        http_receiver.wait_for(2, 0.01)


def post_through(services: Services, url: str, **options: object) -> requests.Response:
    """A POST as a process with the services' environment would send it."""
    environment = services.environment
    with requests.Session() as session:
        session.trust_env = False
        return session.post(
            url,
            proxies={"https": environment["HTTPS_PROXY"], "http": environment["HTTP_PROXY"]},
            verify=environment["REQUESTS_CA_BUNDLE"],
            timeout=PATIENCE_SECONDS,
            **options,  # type: ignore[arg-type]
        )


def test_only_the_two_services_can_be_reached(services: Services) -> None:
    slack = post_through(services, f"https://{SLACK}/services/A/B/C", json={"text": "hello"})
    assert (slack.status_code, slack.text) == (200, "ok")
    twilio = post_through(
        services,
        f"https://{TWILIO}/2010-04-01/Accounts/AC1/Messages.json",
        data={"To": "+15550001", "From": "+15550002", "Body": "hello"},
        auth=("AC1", "token"),
    )
    assert (twilio.status_code, twilio.json()["to"]) == (201, "+15550001")
    with pytest.raises(requests.exceptions.ProxyError):
        post_through(services, "https://example.com/")
    assert post_through(services, "http://example.com/").status_code == 403
    assert [request.host for request in services.requests.all()] == [SLACK, TWILIO]
    assert [line.rpartition(" ")[0] for line in services.refused.all()] == [
        "CONNECT example.com:443",
        "POST http://example.com/",
    ]


def mail(recipient: str) -> EmailMessage:
    """A small mail."""
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = SMTP_USERNAME, recipient, "Grüße"
    message.set_content("line one\nline two\n")
    return message


def test_mail_is_taken_with_the_right_password_only(
    smtp_receiver: SmtpReceiver, certificates: Certificates
) -> None:
    with smtplib.SMTP("localhost", smtp_receiver.port) as client:
        with pytest.raises(smtplib.SMTPSenderRefused, match="STARTTLS"):
            client.send_message(mail("a@example.com"))
        client.starttls(context=certificates.client())
        with pytest.raises(smtplib.SMTPSenderRefused) as unknown:
            client.send_message(mail("a@example.com"))
        assert unknown.value.smtp_code == 530
        with pytest.raises(smtplib.SMTPAuthenticationError) as wrong:
            client.login(SMTP_USERNAME, "wrong")
        assert wrong.value.smtp_code == 535
        client.login(SMTP_USERNAME, SMTP_PASSWORD)
        client.send_message(mail("a@example.com"))
    (taken,) = smtp_receiver.wait_for(1)
    assert (taken.sender, taken.recipients) == (SMTP_USERNAME, ("a@example.com",))
    assert (taken.username, taken.encrypted) == (SMTP_USERNAME, True)
    assert taken.message["Subject"] == "Grüße"
    assert taken.message.get_content() == "line one\r\nline two\r\n"
    logins = smtp_receiver.logins.all()
    assert logins[-1] == Login(SMTP_USERNAME, SMTP_PASSWORD)
    assert {login.password for login in logins[:-1]} == {"wrong"}


def test_smtp_replies_are_scripted(certificates: Certificates) -> None:
    receiver = SmtpReceiver(certificates.local_server(), "me", "secret", implicit=True)
    with receiver:
        receiver.reply(Stage.AUTH, "454 4.7.0 later")
        receiver.reply(Stage.RCPT, "450 4.2.1 busy")
        receiver.reply(Stage.DATA, "451 4.3.0 disk full")
        receiver.reply_to("nobody@example.com", "550 5.1.1 no such user")
        context = certificates.client()
        with smtplib.SMTP_SSL("localhost", receiver.port, context=context) as client:
            with pytest.raises(smtplib.SMTPAuthenticationError) as later:
                client.login("me", "secret")
            assert later.value.smtp_code == 454
            client.login("me", "secret")
            codes = []
            for recipient in ("a@b.c", "a@b.c", "nobody@example.com"):
                try:
                    client.send_message(mail(recipient))
                except smtplib.SMTPRecipientsRefused as refused:
                    codes.append(refused.recipients[recipient][0])
                except smtplib.SMTPDataError as refused:
                    codes.append(refused.smtp_code)
            assert codes == [450, 451, 550]
            client.send_message(mail("a@b.c"))
        receiver.down()
        with pytest.raises(OSError, match="refused"):
            smtplib.SMTP_SSL("localhost", receiver.port, context=context)
        receiver.up()
        with smtplib.SMTP_SSL("localhost", receiver.port, context=context) as client:
            assert client.noop()[0] == 250
    assert [taken.recipients for taken in receiver.mails.all()] == [("a@b.c",)]


def test_the_broker_makes_topics(broker: Broker) -> None:
    broker.create_topic("support-topic")
    broker.create_topic("support-topic")


@pytest.mark.slow
def test_a_real_kafka_keeps_its_data_over_a_kill(own_kafka: RealKafka) -> None:
    own_kafka.create_topic("kept", 3)
    own_kafka.kill()
    own_kafka.start()
    own_kafka.restart()
    own_kafka.create_topic("kept", 3)


def test_what_a_group_has_not_committed_is_counted(broker: Broker) -> None:
    broker.create_topic("counted", 2)
    servers = broker.bootstrap_servers
    producer = Producer({"bootstrap.servers": servers})
    for number in range(10):
        producer.produce("counted", b"x", str(number).encode())
    assert producer.flush(PATIENCE_SECONDS) == 0
    assert unread(servers, "counting", "counted") == 10
    options = {"bootstrap.servers": servers, "group.id": "counting", "enable.auto.commit": False}
    consumer = Consumer({**options, "auto.offset.reset": "earliest"})
    consumer.subscribe(["counted"])
    read = 0
    while read < 10:
        read += len(consumer.consume(10, 1.0))
    consumer.commit(asynchronous=False)
    consumer.close()
    await_consumed(servers, "counting", "counted")
    producer.produce("counted", b"x")
    assert producer.flush(PATIENCE_SECONDS) == 0
    with pytest.raises(AssertionError, match="1 records of counted"):
        await_consumed(servers, "counting", "counted", 0.1)


def test_a_command_is_run_watched_and_ended(tmp_path: Path) -> None:
    with EngineProcess({}, tmp_path, ("--help",)) as told:
        assert told.wait() == 0
        assert told.wait_for_line(r"usage: alert-engine").stream == "stdout"
        assert told.stderr == ""
    with EngineProcess({"SCHEMAS_PATH": "nowhere"}, tmp_path, ("run",)) as refused:
        assert refused.wait() != 0
        assert "nowhere" in refused.stderr


def test_a_process_ends_with_the_test_that_started_it(tmp_path: Path) -> None:
    script = "import time; print('up', flush=True); time.sleep(600)"
    process = spawn([sys.executable, "-c", script], {}, tmp_path, PIPE, PIPE)
    assert process.stdout is not None
    with process.stdout, contextlib.closing(process.stderr):  # type: ignore[type-var]
        assert process.stdout.readline() == b"up\n"
        assert os.getpgid(process.pid) == process.pid != os.getpgid(0)
        assert end(process, grace_seconds=PATIENCE_SECONDS) == -signal.SIGTERM
