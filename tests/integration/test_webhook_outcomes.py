"""Whatever a webhook answers, its alerts have the right end, and nobody else waits for it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.answers import HANG, RESET, Answer, Request
from tests.support.certificates import Certificates
from tests.support.kafka import Broker
from tests.support.webhook_scene import WebhookScene, gaps, key, message, open_scene

BASE_SECONDS = 0.2
TRIES = 4
# Each test has a kind of its own, since they share one engine.
KINDS = (
    "errors",
    "limited",
    "poison",
    "moved",
    "rotated",
    "refused",
    "hanging",
    "reset",
    "ambiguous",
    "away",
)


@pytest.fixture(scope="module")
def scene(
    broker: Broker, certificates: Certificates, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[WebhookScene]:
    """The engine of this module, with short waits between its tries."""
    folder = tmp_path_factory.mktemp("site")
    base = str(BASE_SECONDS)
    with open_scene(broker, certificates, folder, KINDS, RETRY_DELAY_BASE=base) as opened:
        yield opened


@pytest.mark.slow
def test_server_errors_are_tried_three_times_more_at_doubling_distance(
    scene: WebhookScene,
) -> None:
    hook = scene.hooks["errors"]
    hook.answer(Answer(500), Answer(503), Answer(502))
    scene.fire("errors", 1)
    tries = hook.wait_for(TRIES)
    for index, gap in enumerate(gaps(tries)):
        assert gap >= BASE_SECONDS * 2**index
    assert len({key(request) for request in tries}) == 1
    assert len({request.body for request in tries}) == 1
    assert scene.await_state("errors", "ERRORS1", "sent")["tries"] == TRIES


@pytest.mark.slow
def test_retry_after_is_obeyed(scene: WebhookScene) -> None:
    hook = scene.hooks["limited"]
    hook.answer(Answer(429, {"Retry-After": "2"}), Answer(503, {"Retry-After": "1"}))
    scene.fire("limited", 1)
    first, second = gaps(hook.wait_for(3))
    assert first >= 2
    assert second >= 1


@pytest.mark.slow
def test_a_message_that_always_fails_does_not_stop_the_others(scene: WebhookScene) -> None:
    hook = scene.hooks["poison"]

    def is_poison(request: Request) -> bool:
        return message(request) == "POISON0"

    hook.answer_when(is_poison, Answer(500))
    scene.fire("poison", *range(6))
    others = hook.requests.wait_for(5, where=lambda request: not is_poison(request))
    assert sorted(message(request) for request in others) == [f"POISON{n}" for n in range(1, 6)]
    dead = scene.await_state("poison", "POISON0", "dead")
    assert (dead["tries"], dead["reason"]) == (TRIES, "retries_exhausted")
    assert len([request for request in hook.requests.all() if is_poison(request)]) == TRIES
    assert not scene.is_held("poison")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "answer"),
    [
        ("moved", Answer(302, {"Location": "/elsewhere"})),
        ("rotated", Answer(401, {"WWW-Authenticate": "Bearer"})),
    ],
)
def test_a_misconfigured_webhook_is_held_at_once_and_keeps_its_deliveries(
    scene: WebhookScene, kind: str, answer: Answer
) -> None:
    hook = scene.hooks[kind]
    hook.answer_when(lambda _: True, answer)
    scene.fire(kind, 0)
    scene.await_held(kind)
    scene.fire(kind, 1, 2)
    # After a 401 two others are a second opinion; a redirect concerns all at once.
    assert len(hook.requests.all()) <= (3 if answer.status == 401 else 1)
    assert {entry["state"] for entry in scene.deliveries(kind).values()} == {"waiting"}
    hook.script.clear()
    hook.requests.clear()
    scene.redeliver(kind)
    delivered = [message(request) for request in hook.wait_for(3)]
    assert sorted(delivered) == [f"{kind.upper()}{number}" for number in range(3)]
    assert not scene.is_held(kind)


def test_a_refused_message_is_dead_at_once_and_the_next_one_goes(scene: WebhookScene) -> None:
    hook = scene.hooks["refused"]
    hook.answer(Answer(400, body=b"no such lane"))
    scene.fire("refused", 0)
    dead = scene.await_state("refused", "REFUSED0", "dead")
    assert (dead["tries"], dead["reason"]) == (1, "bad_request")
    scene.fire("refused", 1)
    assert [message(request) for request in hook.wait_for(2)] == ["REFUSED0", "REFUSED1"]
    assert not scene.is_held("refused")


@pytest.mark.slow
def test_a_webhook_that_hangs_is_tried_again_while_mail_goes_on(scene: WebhookScene) -> None:
    hook = scene.hooks["hanging"]
    hook.answer(HANG)
    scene.fire("hanging", 1)
    first, second = hook.wait_for(2)
    assert key(first) == key(second)
    assert scene.await_state("hanging", "HANGING1", "sent")["tries"] == 2


def test_a_connection_reset_before_the_request_is_tried_again(scene: WebhookScene) -> None:
    hook = scene.hooks["reset"]
    hook.reset_next(2)
    scene.fire("reset", 1)
    hook.wait_for(1)
    assert scene.await_state("reset", "RESET1", "sent")["tries"] == 3


def test_a_request_reset_unanswered_is_repeated_under_the_same_key(scene: WebhookScene) -> None:
    hook = scene.hooks["ambiguous"]
    hook.answer(RESET)
    scene.fire("ambiguous", 1)
    first, second = hook.wait_for(2)
    assert key(first) == key(second)
    assert scene.await_state("ambiguous", "AMBIGUOUS1", "sent")["tries"] == 2


@pytest.mark.slow
def test_a_webhook_that_is_away_is_held_and_loses_nothing(scene: WebhookScene) -> None:
    hook = scene.hooks["away"]
    hook.down()
    scene.fire("away", 0, 1, 2)
    scene.await_held("away")
    assert {entry["state"] for entry in scene.deliveries("away").values()} == {"waiting"}
    hook.up()
    scene.redeliver("away")
    delivered = [message(request) for request in hook.wait_for(3)]
    assert sorted(delivered) == ["AWAY0", "AWAY1", "AWAY2"]
