"""What a target does not take goes to its fallback too, once, and says for whom that stands in."""

from __future__ import annotations

from channels.alert import SENT, Alert, Bundle, Outcome, Terms
from channels.targets.identity import MisconfiguredTarget, stand_in_id
from engine.store import DeliveryState
from tests.unit.delivery.scripted_target import BAD_TLS, DOWN, REFUSED, ScriptedTarget
from tests.unit.delivery.stage import Stage

MAIL, PHONE, HOOK = "mail:ann", "phone:1", "hook:a"
FALLING = Terms(fallback="phone", fallback_after_seconds=60.0)


class Reading(ScriptedTarget):
    """It keeps the notes of what it gets."""

    def __init__(self, name: str, stage: Stage) -> None:
        super().__init__(name, monotonic=stage.clock.monotonic)
        self.notes: list[str] = []
        stage.targets[name] = self

    def send(self, alert: Alert, idempotency_key: str) -> Outcome:
        self.notes.append(alert.note)
        return super().send(alert, idempotency_key)

    def send_several(self, bundle: Bundle, idempotency_key: str) -> Outcome:
        self.notes += [alert.note for alert in bundle.alerts]
        return super().send_several(bundle, idempotency_key)


def falling(stage: Stage, name: str = MAIL, terms: Terms = FALLING) -> ScriptedTarget:
    target = stage.target(name)
    target.terms = terms
    return target


def redeliver(stage: Stage, *alert_ids: str) -> None:
    stage.store.archive.redeliver(alert_ids, "mail")
    stage.dispatchers[0].wake(())
    stage.settle()


def test_what_waits_for_a_held_target_falls_back_once(stage: Stage) -> None:
    mail, phone = falling(stage), Reading(PHONE, stage)
    mail.script = lambda alert_id: BAD_TLS
    stage.start()
    ids = stage.add_all(3, MAIL)
    stage.pass_to(55.0)
    assert phone.calls == []
    stage.pass_to(65.0)
    assert phone.alert_ids == ids
    assert set(phone.notes) == {"for ann of channel mail, which is held: tls"}
    # One that comes while it is held falls back at once, and nothing does so twice.
    late = stage.add(MAIL)
    stage.pass_to(100.0)
    assert phone.alert_ids == [*ids, late]
    mail.script = lambda alert_id: SENT
    stage.pass_to(200.0)
    assert phone.alert_ids == [*ids, late]
    taken = mail.alert_ids[-4:]
    assert sorted(taken) == sorted([*ids, late])
    assert stage.states(MAIL) == dict.fromkeys([*ids, late], DeliveryState.SENT)
    assert stage.delivery(late, PHONE).note == "for ann of channel mail, which is held: tls"


def test_a_target_that_is_well_again_in_time_keeps_its_alerts(stage: Stage) -> None:
    mail, phone = falling(stage), Reading(PHONE, stage)
    mail.script = lambda alert_id: BAD_TLS
    stage.start()
    ids = stage.add_all(3, MAIL)
    stage.pass_to(20.0)
    mail.script = lambda alert_id: SENT
    stage.pass_to(200.0)
    assert phone.calls == []
    assert stage.states(MAIL) == dict.fromkeys(ids, DeliveryState.SENT)


def test_a_dead_delivery_falls_back_at_once_and_a_redelivery_does_not(stage: Stage) -> None:
    mail, phone = falling(stage), Reading(PHONE, stage)
    mail.script = lambda alert_id: REFUSED
    stage.start()
    alert_id = stage.add(MAIL)
    assert phone.alert_ids == [alert_id]
    assert phone.notes == ["for ann of channel mail, which refused it: bad_request"]
    redeliver(stage, alert_id)
    assert mail.alert_ids == [alert_id, alert_id]
    assert phone.alert_ids == [alert_id]


def test_a_group_that_is_dead_falls_back_as_a_whole(stage: Stage) -> None:
    mail, phone = falling(stage), Reading(PHONE, stage)
    mail.terms = Terms(digest_above=2, fallback="phone")
    mail.script = lambda alert_id: REFUSED
    stage.start()
    ids = stage.add_all(4, MAIL)
    assert [call.alert_ids for call in mail.calls] == [tuple(ids)]
    assert sorted(phone.alert_ids) == ids


def test_members_of_a_message_fall_back_with_their_lead(stage: Stage) -> None:
    mail, phone = falling(stage), Reading(PHONE, stage)
    mail.terms = Terms(digest_above=2, fallback="phone", fallback_after_seconds=60.0)
    mail.script = lambda alert_id: DOWN
    stage.start()
    ids = stage.add_all(4, MAIL)
    stage.pass_to(110.0)
    assert sorted(phone.alert_ids) == ids


def test_who_has_the_alert_already_gets_it_once(stage: Stage) -> None:
    mail, phone = falling(stage), Reading(PHONE, stage)
    mail.script = lambda alert_id: REFUSED
    stage.start()
    alert_id = stage.add(MAIL, PHONE)
    assert phone.alert_ids == [alert_id]
    assert phone.notes == [""]


def test_a_fallback_falls_back_itself(stage: Stage) -> None:
    mail, phone, hook = falling(stage), Reading(PHONE, stage), Reading(HOOK, stage)
    phone.terms = Terms(fallback="hook", fallback_after_seconds=60.0)
    mail.script = lambda alert_id: REFUSED
    phone.script = lambda alert_id: BAD_TLS
    stage.start()
    alert_id = stage.add(MAIL)
    stage.pass_to(70.0)
    assert hook.alert_ids == [alert_id]
    assert hook.notes == ["for 1 of channel phone, which is held: tls"]


def test_a_channel_with_faults_falls_back(stage: Stage) -> None:
    phone, stand_in = Reading(PHONE, stage), stand_in_id("mail")
    stage.targets[stand_in] = MisconfiguredTarget("mail", "no password", FALLING)
    stage.start()
    alert_id = stage.add(stand_in)
    stage.pass_to(70.0)
    assert phone.alert_ids == [alert_id]
    assert phone.notes == ["for channel mail, which is held: misconfigured"]


def test_replicas_let_it_fall_back_once(stage: Stage) -> None:
    mail, phone = falling(stage), Reading(PHONE, stage)
    mail.script = lambda alert_id: BAD_TLS
    stage.start()
    stage.start_another()
    ids = stage.add_all(3, MAIL)
    stage.pass_to(80.0)
    assert phone.alert_ids == ids
