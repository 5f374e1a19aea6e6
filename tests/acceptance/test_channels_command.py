"""`alert-engine channels`: which targets there are and how they stand, and a drill through them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from engine.store import DeliveryState, OpenMode, open_store
from tests.support.answers import Answer
from tests.support.certificates import Certificates
from tests.support.command import Finished, alert_engine, alert_engine_process
from tests.support.gate import open_gate
from tests.support.http_receiver import HttpReceiver
from tests.support.kafka import Broker
from tests.support.patience import await_that
from tests.support.services import SLACK, TWILIO, Services
from tests.support.smtp_receiver import SmtpReceiver, Stage
from tests.support.stored import deliveries, finish, hold, save
from tests.unit.store.samples import Samples

NOTHING: Mapping[str, str] = {}
TOKEN = "f00dfaceb00cdeadbeef42"
SLACK_URL = f"https://{SLACK}/services/T12345678/B12345678/abcdEFGH1234ijkl5678MNOP"
SID, AUTH = "AC" + "0123456789abcdef" * 2, "fedcba9876543210" * 2


def write(folder: Path, *channels: str) -> None:
    """Rules with these channels; their condition is wrong, which is nothing to a channel."""
    lines = "".join(f"  {each}\n" for each in channels)
    rule = 'rules:\n  - {id: any, when: "nonsense(", notify: []}\n'
    (folder / "rules.yaml").write_text(f"channels:\n{lines}{rule}")


def channels(folder: Path, *arguments: str, variables: Mapping[str, str] = NOTHING) -> Finished:
    return alert_engine(
        folder, "channels", *arguments, "--rules", "rules.yaml", variables=variables
    )


def drill(folder: Path, name: str, *options: str, **variables: str) -> Finished:
    return channels(folder, "test", name, *options, variables=variables)


def told(done: Finished) -> list[str]:
    """The lines of a drill, with the seconds that it took as N."""
    assert done.stderr == ""
    return [re.sub(r"\d+\.\d\d s\b", "N s", line) for line in done.stdout.splitlines()]


def label(hook: HttpReceiver) -> str:
    return f"hook:127.0.0.1:{hook.port}"


def mail_url(server: SmtpReceiver, *recipients: str, password: str = "${PASSWORD}") -> str:
    where = f"alerts%40example.com:{password}@localhost:{server.port}"
    return f"mailtos://{where}/?from=alerts@example.com&to={','.join(recipients)}"


# What is sent, and what is answered


def test_a_webhook_gets_a_drill_and_its_answer_is_shown(
    tmp_path: Path, http_receiver: HttpReceiver
) -> None:
    write(tmp_path, f"hook: {http_receiver.url}/alerts")
    http_receiver.answer(Answer(202, body=b'{"ticket":\n "T-17"}'))
    done = drill(tmp_path, "hook")
    answer = 'HTTP 202: {"ticket": "T-17"}'
    assert told(done) == [f"{label(http_receiver)}: sent in N s: {answer}"]
    assert done.status == 0
    (request,) = http_receiver.requests.all()
    received = request.json()
    alert, event = received["alert"], received["event"]
    assert alert["is_test"] is True
    assert alert["message"] == (
        "[TEST] Drill of the channel hook: no car was seen, nothing is to be done."
    )
    assert (alert["rule_id"], alert["rule_name"]) == ("channel_test", "[TEST] Drill")
    assert request.headers["idempotency-key"].startswith(alert["id"])
    # A receiver finds every field that it looks for in an event.
    assert event["plate"]["normalized_text"] == event["camera_id"] == "TEST0000"
    assert {"vehicle", "images", "node", "latency_ms"} <= event.keys()
    assert [path.name for path in tmp_path.iterdir()] == ["rules.yaml"]


def test_a_refusal_is_shown_without_secrets_and_is_no_success(
    tmp_path: Path, http_receiver: HttpReceiver
) -> None:
    write(tmp_path, f'hook: "{http_receiver.url}/alerts?key=${{KEY}}"')
    http_receiver.answer(Answer(422, body=f"no rule for TEST0000, key {TOKEN}".encode()))
    done = drill(tmp_path, "hook", KEY=TOKEN)
    refusal = "HTTP 422: no rule for [plate], key ***"
    assert told(done) == [f"{label(http_receiver)}: refused (unprocessable) after N s: {refusal}"]
    assert done.status == 1
    http_receiver.answer(Answer(200, body=f"taken with {TOKEN} \x1b[31m".encode()))
    assert told(drill(tmp_path, "hook", KEY=TOKEN)) == [
        f"{label(http_receiver)}: sent in N s: HTTP 200: taken with *** \ufffd[31m"
    ]


def test_a_drill_for_tools(tmp_path: Path, http_receiver: HttpReceiver) -> None:
    write(tmp_path, f"hook: [{http_receiver.url}/a, {http_receiver.url}/b]")
    http_receiver.answer(Answer(200, body=b"ok"), Answer(401, body=b"no"))
    done = drill(tmp_path, "hook", "--format", "json")
    found = json.loads(done.stdout)
    assert (done.status, found["is_good"], found["channel"]) == (1, False, "hook")
    assert all(each.pop("seconds") < 60 for each in found["targets"])
    common = {"target_id": None, "label": label(http_receiver), "state": "unknown"}
    assert found["targets"] == [
        {**common, "status": "sent", "reason": "ok", "answer": "HTTP 200: ok"},
        {**common, "status": "misconfigured", "reason": "unauthorized", "answer": "HTTP 401: no"},
    ]
    alerts = [each.json()["alert"]["id"] for each in http_receiver.requests.all()]
    assert alerts == [found["alert_id"]] * 2
    keys = {each.headers["idempotency-key"] for each in http_receiver.requests.all()}
    assert len(keys) == 2


@pytest.mark.slow
def test_a_mail_is_taken_or_refused_word_for_word(
    tmp_path: Path, smtp_receiver: SmtpReceiver, certificates: Certificates
) -> None:
    write(tmp_path, f"guards: {mail_url(smtp_receiver, 'a@example.com', 'b@example.com')}")
    known = {"PASSWORD": smtp_receiver.password, **certificates.environment}
    smtp_receiver.reply_to("b@example.com", "550 5.1.1 no such guard here")
    done = drill(tmp_path, "guards", **known)
    assert done.status == 1
    assert told(done) == [
        "guards:a@example.com: sent in N s: SMTP 250 to DATA: 2.0.0 taken",
        "guards:b@example.com: refused (unknown_recipient) after N s: "
        "SMTP 550 to RCPT: 5.1.1 no such guard here",
    ]
    (mail,) = smtp_receiver.wait_for(1)
    subject = str(mail.message["Subject"])
    assert subject.startswith("[MEDIUM] [TEST] Drill of the channel guards: no car was seen")
    body = mail.message.get_body(("plain",))
    assert body is not None
    assert "[TEST] Drill" in body.get_content()

    smtp_receiver.reply_to("b@example.com", None)
    done = drill(tmp_path, "guards", "--target", "guards:b@example.com", **known)
    assert (done.status, len(told(done))) == (0, 1)
    assert smtp_receiver.wait_for(2)[1].recipients == ("b@example.com",)

    done = drill(tmp_path, "guards", **{**known, "PASSWORD": "not the password"})
    assert done.status == 1
    assert all("misconfigured (smtp_authentication) after N s: SMTP 535" in x for x in told(done))
    assert "not the password" not in done.output

    smtp_receiver.reply(Stage.DATA, "451 4.7.1 greylisted, come back later")
    (first, _) = told(drill(tmp_path, "guards", **known))
    assert first.endswith(
        "unavailable (smtp_temporary) after N s: "
        "SMTP 451 to DATA: 4.7.1 greylisted, come back later"
    )


@pytest.mark.slow
def test_the_installed_command_says_nothing_else(
    tmp_path: Path, smtp_receiver: SmtpReceiver, services: Services
) -> None:
    write(tmp_path, f"both: ['{mail_url(smtp_receiver, 'a@example.com')}', '${{SLACK}}']")
    services.answer_when(lambda request: True, Answer(404, body=b"no_service"))
    smtp_receiver.reply(Stage.MAIL, "550 5.7.1 not from you")
    known = {"PASSWORD": smtp_receiver.password, "SLACK": SLACK_URL, **services.environment}
    arguments = ("channels", "test", "both", "--rules", "rules.yaml")
    done = alert_engine_process(tmp_path, *arguments, variables=known)
    assert told(done) == [
        "both:a@example.com: misconfigured (forbidden) after N s: "
        "SMTP 550 to MAIL: 5.7.1 not from you",
        "both:slack: misconfigured (unauthorized) after N s: HTTP 404: no_service",
    ]
    assert done.status == 1


@pytest.mark.slow
def test_slack_and_twilio_answer(tmp_path: Path, services: Services) -> None:
    write(
        tmp_path,
        "room: ${SLACK}",
        "phones: twilio://${SID}:${AUTH}@+15550001111/+15550002222",
    )
    known = {"SLACK": SLACK_URL, "SID": SID, "AUTH": AUTH, **services.environment}
    (line,) = told(drill(tmp_path, "room", **known))
    assert re.fullmatch(r"room:slack\S*: sent in N s: HTTP 200: ok", line)
    assert "[TEST] Drill" in json.dumps(services.wait_for_service(SLACK, 1)[0].json())
    done = drill(tmp_path, "phones", **known)
    (line,) = told(done)
    assert done.status == 0
    assert line.startswith("phones:+15550002222: sent in N s: ")
    assert "HTTP 201: {" in line
    assert '"status": "queued"' in line
    (request,) = services.wait_for_service(TWILIO, 1)
    (text,) = request.form()["Body"]
    assert text.startswith("[TEST] Drill of the channel phones")

    services.answer_when(lambda request: request.host == SLACK, Answer(404, body=b"no_service"))
    services.answer_when(
        lambda request: request.host == TWILIO,
        Answer.json(401, {"code": 20003, "message": f"Authenticate {AUTH}"}),
    )
    done = drill(tmp_path, "room", **known)
    assert done.status == 1
    assert told(done)[0].endswith("(unauthorized) after N s: HTTP 404: no_service")
    done = drill(tmp_path, "phones", **known)
    assert done.status == 1
    assert '(unauthorized) after N s: HTTP 401: {"code": 20003' in told(done)[0]
    assert AUTH not in done.output


@pytest.mark.slow
def test_a_name_that_is_none_and_a_certificate_that_nobody_knows(
    tmp_path: Path, https_receiver: HttpReceiver, smtp_receiver: SmtpReceiver
) -> None:
    write(
        tmp_path,
        "nowhere: https://no-such-host.invalid/alerts",
        f"hook: {https_receiver.url}/alerts",
        f"guards: {mail_url(smtp_receiver, 'a@example.com', password='pw')}",
        f"down: http://localhost:{_refusing_port()}/alerts",
    )
    expected = {
        "nowhere": "misconfigured (name_resolution) after N s: the host's name can't be resolved",
        "hook": "misconfigured (tls) after N s: TLS: the certificate is not valid: ",
        "guards": "misconfigured (tls) after N s: TLS: the certificate is not valid: ",
        "down": "unavailable (connection) after N s: no connection: Connection refused",
    }
    for name, words in expected.items():
        done = drill(tmp_path, name)
        assert done.status == 1
        assert words in told(done)[0]
    assert https_receiver.requests.all() == []
    assert smtp_receiver.mails.all() == []


def _refusing_port() -> int:
    with HttpReceiver() as receiver:
        return receiver.port


# Names


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["hoook"], "there is no channel 'hoook', did you mean `hook`?"),
        (["hook", "--target", "hook:x"], "has no target 'hook:x', there are: hook:127.0.0.1:9"),
        (["email"], "the channel email is disabled"),
    ],
)
def test_what_is_not_there_is_told(tmp_path: Path, arguments: list[str], words: str) -> None:
    write(tmp_path, "hook: http://127.0.0.1:9/alerts")
    with (tmp_path / "rules.yaml").open("a") as file:
        file.write(
            "notifications:\n  email: {enabled: false, smtp_host: h, recipients: [a@example.com]}\n"
        )
    done = channels(tmp_path, "test", *arguments)
    assert done.status == 2
    assert words in done.stderr


def test_a_faulty_channel_is_listed_and_fails_its_drill(tmp_path: Path) -> None:
    write(tmp_path, 'broken: "https://example.org/${NOT_SET}"', "good: http://127.0.0.1:9/a")
    done = channels(tmp_path, "list", "--format", "json")
    broken, good = json.loads(done.stdout)
    assert (done.status, broken["state"], good["state"]) == (0, "misconfigured", "unknown")
    assert "NOT_SET is unset" in broken["detail"]
    assert "holds and what waits are not shown: there is no store" in done.stderr
    done = drill(tmp_path, "broken")
    assert (done.status, "NOT_SET is unset" in done.stdout) == (1, True)


# Beside the store, and beside the engine


def held_scene(folder: Path, url: str, hook: HttpReceiver) -> dict[str, Any]:
    """A store in which the one target of `hook` is held, and what `channels list` says of it."""
    write(folder, f"hook: {hook.url}/alerts", "spare: http://127.0.0.1:9/spare")
    with open_store(url):
        pass
    known = {"STATE_URL": url}
    (found, _) = json.loads(channels(folder, "list", "--format", "json", variables=known).stdout)
    assert re.fullmatch(rf"{label(hook)}:[0-9a-f]{{10}}", found["target_id"])
    assert (found["state"], found["waiting"]) == ("open", 0)
    with open_store(url) as store:
        samples = Samples()
        save(store, [samples.new(found["target_id"], "gone:gone.example.com") for _ in range(2)])
        finish(store, "gone:gone.example.com", DeliveryState.SENT, limit=1)
        hold(store, found["target_id"], "unauthorized", "HTTP 401: who are you?")
    listed = json.loads(channels(folder, "list", "--format", "json", variables=known).stdout)
    assert [(each["channel"], each["state"], each["waiting"]) for each in listed] == [
        ("gone:gone.example.com", "gone", 1),
        ("hook", "held", 2),
        ("spare", "open", 0),
    ]
    held: dict[str, Any] = listed[1]
    assert (held["reason"], held["detail"]) == ("unauthorized", "HTTP 401: who are you?")
    return held


def test_a_drill_leaves_holds_and_what_waits_alone(
    tmp_path: Path, http_receiver: HttpReceiver
) -> None:
    check_held(tmp_path, f"sqlite:///{tmp_path / 'alerts.db'}", http_receiver)


@pytest.mark.slow
def test_a_drill_leaves_holds_in_postgresql_alone(
    tmp_path: Path, database: str, http_receiver: HttpReceiver
) -> None:
    check_held(tmp_path, database, http_receiver)


def check_held(folder: Path, url: str, hook: HttpReceiver) -> None:
    held = held_scene(folder, url, hook)
    target_id = held["target_id"]
    with open_store(url, OpenMode.TOOL) as store:
        before = store.archive.rows()
        done = drill(folder, "hook", "--target", target_id, STATE_URL=url)
        assert told(done) == [
            f"{target_id}: sent in N s: HTTP 200: ok",
            "  it is held for unauthorized; "
            "`alert-engine alerts redeliver --channel hook` sends what waits",
        ]
        assert done.status == 0
        assert store.archive.rows() == before
        assert len(deliveries(store, target_id)) == 2
        assert [each.target_id for each in store.deliveries.held()] == [target_id]
    assert len(hook.requests.all()) == 1
    shown = channels(folder, "list", variables={"STATE_URL": url}).stdout
    (line,) = [each for each in shown.splitlines() if each.startswith("hook ")]
    assert line.split()[:3] == ["hook", target_id, "held"]
    assert line.rstrip().endswith("2        unauthorized  HTTP 401: who are you?")


@pytest.mark.slow
def test_beside_a_running_engine(broker: Broker, tmp_path: Path) -> None:
    with open_gate(broker, tmp_path) as gate:
        gate.hook.answer_when(lambda request: not _is_drill(request.json()), Answer(401))
        with gate.site.start() as engine:
            engine.wait_ready()
            gate.see(2)
            gate.site.await_holds("hook", 1)

            def listed() -> Any:
                return json.loads(gate.site.command("channels", "list", "--format", "json")[1])[0]

            await_that(lambda: listed()["waiting"] == 2, listed)
            assert (listed()["state"], listed()["reason"]) == ("held", "unauthorized")
            status, out, err = gate.site.command("channels", "test", "hook")
            assert (status, err) == (0, "")
            assert "it is held for unauthorized" in out
            assert sum(_is_drill(each.json()) for each in gate.hook.requests.all()) == 1
            assert (listed()["state"], listed()["waiting"]) == ("held", 2)
            assert len(gate.site.alerts()) == 2
            assert engine.stop() == 0


def _is_drill(received: Any) -> bool:
    return bool(received["alert"].get("is_test", False))
