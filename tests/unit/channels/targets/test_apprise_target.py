"""An Apprise plugin as a target."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import pytest
from apprise import NotifyBase

from channels.alert import SENT, Outcome, Reason, Status, Target
from channels.definitions.apprise_url import service_recipients
from channels.plugins.plugin import make_plugin, plugin_class
from channels.plugins.url import read_url
from channels.render import Style
from channels.targets.apprise_target import AppriseTarget
from tests.support.answers import HANG, Answer
from tests.support.certificates import Certificates
from tests.support.http_receiver import HttpReceiver
from tests.unit.channels.samples import NOW, TEXT, alert, set_environment

Send = Callable[[], bool]


def clock() -> datetime:
    return NOW


@pytest.fixture
def target(
    https_receiver: HttpReceiver, certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> Iterator[AppriseTarget]:
    """Apprise's own JSON service."""
    set_environment(monkeypatch, certificates.environment)
    keywords = read_url(f"jsons://localhost:{https_receiver.port}/in")
    plugin = make_plugin(plugin_class("jsons"), keywords)
    target = AppriseTarget("ops", "ops:json", plugin, Style.CHAT, clock)
    yield target
    https_receiver.release()
    target.close()


def plugin_that(send: Callable[..., bool]) -> NotifyBase:
    """A plugin whose `send` is the given one."""

    class TestedPlugin(NotifyBase):  # type: ignore[no-untyped-call]
        service_name = "Tested"  # type: ignore[assignment]

        def send(self, *args: Any, **kwargs: Any) -> bool:
            return send(*args, **kwargs)

        def url(self, *args: Any, **kwargs: Any) -> str:
            return "tested://"

    return make_plugin(TestedPlugin, {"schema": "tested"})


def test_message_arrives(target: AppriseTarget, https_receiver: HttpReceiver) -> None:
    assert target.send(alert(), "k") == SENT
    document = https_receiver.wait_for(1)[0].json()
    assert document["title"] == "[HIGH] Watchlist Plate"
    assert document["message"].split("\n")[0] == TEXT
    assert document["type"] == "failure"


def test_answer_decides(target: AppriseTarget, https_receiver: HttpReceiver) -> None:
    https_receiver.answer(Answer(429, {"Retry-After": "7"}, b"slow"))
    assert target.send(alert(), "k") == Outcome(
        Status.UNAVAILABLE, Reason.RATE_LIMITED, "HTTP 429: slow", 7.0
    )


def test_redirect_is_not_followed(target: AppriseTarget, https_receiver: HttpReceiver) -> None:
    https_receiver.answer(Answer(302, {"Location": https_receiver.url}))
    assert target.send(alert(), "k").reason is Reason.REDIRECT
    assert len(https_receiver.requests.all()) == 1


def test_connection_is_used_again(target: AppriseTarget, https_receiver: HttpReceiver) -> None:
    assert target.send(alert(), "1") == SENT
    # A second connection would be reset as soon as it is made.
    https_receiver.reset_next()
    assert target.send(alert(), "2") == SENT


def test_one_send_at_a_time(target: AppriseTarget, https_receiver: HttpReceiver) -> None:
    https_receiver.answer(HANG)
    outcomes: list[Outcome] = []
    threads = [
        threading.Thread(target=lambda: outcomes.append(target.send(alert(), "k"))) for _ in "ab"
    ]
    threads[0].start()
    https_receiver.wait_for(1)
    threads[1].start()
    https_receiver.release()
    for thread in threads:
        thread.join()
    assert outcomes == [SENT, SENT]
    assert target.concurrency == 1


def test_exception_of_a_plugin_is_an_outcome() -> None:
    def explode(*args: Any, **kwargs: Any) -> bool:
        raise RuntimeError("with a s3cret")

    outcome = AppriseTarget("ops", "ops:x", plugin_that(explode), Style.CHAT).send(alert(), "k")
    assert outcome == Outcome(Status.UNAVAILABLE, Reason.UNKNOWN, "the service gave no reason")


def test_send_runs_in_the_callers_thread() -> None:
    threads: list[threading.Thread] = []

    def send(**kwargs: Any) -> bool:
        threads.append(threading.current_thread())
        return True

    assert AppriseTarget("ops", "ops:x", plugin_that(send), Style.CHAT).send(alert(), "k") == SENT
    assert threads == [threading.current_thread()]


def test_failure_that_nothing_explains_is_unavailable() -> None:
    plugin = plugin_that(lambda *args, **kwargs: False)
    outcome = AppriseTarget("ops", "ops:x", plugin, Style.CHAT).send(alert(), "k")
    assert (outcome.status, outcome.reason) == (Status.UNAVAILABLE, Reason.UNKNOWN)


def test_alert_that_cannot_be_rendered_is_an_outcome() -> None:
    target = AppriseTarget("ops", "ops:x", plugin_that(lambda **kwargs: True), Style.CHAT)
    outcome = target.send(alert(message=None), "k")
    assert outcome == Outcome(
        Status.UNAVAILABLE, Reason.UNKNOWN, "the send failed (AttributeError)"
    )


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("tgram://123456789:abcdefg_hijklmnop/1231", "&lt;b&gt;x&lt;/b&gt; :smile: \\n &amp; a*b*"),
        ("slack://T1A/B1B/c1CCCC", "&lt;b&gt;x&lt;/b&gt; :smile: \\n &amp; a*b*"),
        ("discord://4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js", r"<b>x</b> \:smile: \n & a*b*"),
    ],
)
def test_data_is_never_markup(monkeypatch: pytest.MonkeyPatch, url: str, shown: str) -> None:
    bodies: list[str] = []

    (recipient,) = service_recipients(url, ())

    def take(body: str, **kwargs: Any) -> bool:
        bodies.append(body)
        return True

    # The last step before the wire, which is the plugin's own.
    monkeypatch.setattr(recipient.plugin, "send", take)
    target = AppriseTarget("ops", "ops:x", recipient.plugin, recipient.style, clock)
    assert target.send(alert(message="<b>x</b> :smile: \\n & a*b*", event={}), "k") == SENT
    assert bodies[0].endswith(shown)


def test_mail_is_sent_without_a_pause() -> None:
    sent: list[str] = []

    def send(body: str, **kwargs: Any) -> bool:
        sent.append(body)
        return True

    plugin = plugin_that(send)
    assert type(plugin).request_rate_per_sec == 5.5
    target = AppriseTarget("ops", "ops:x", plugin, Style.EMAIL)
    for _ in range(30):
        assert target.send(alert(), "k") == SENT
    assert len(sent) == 30


def test_closed_target_does_not_pause() -> None:
    target = AppriseTarget("ops", "ops:x", plugin_that(lambda *args, **kwargs: True), Style.CHAT)
    target.close()
    for _ in range(30):
        assert target.send(alert(), "k") == SENT


def test_long_message_is_cut_and_not_split() -> None:
    bodies: list[str] = []

    def send(body: str, **kwargs: Any) -> bool:
        bodies.append(body)
        return True

    plugin = plugin_that(send)
    target = AppriseTarget("ops", "ops:x", plugin, Style.CHAT)
    assert target.send(alert(message="x" * 100_000), "k") == SENT
    assert [len(body) for body in bodies] == [plugin.body_maxlen]


def test_target_is_a_target_and_prints_its_id_only(target: AppriseTarget) -> None:
    as_target: Target = target
    assert repr(as_target) == "AppriseTarget('ops:json')"
    assert (as_target.channel, as_target.label) == ("ops", "ops:json")
    assert not as_target.knows_idempotency_key
