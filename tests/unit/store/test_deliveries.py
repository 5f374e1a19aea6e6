"""The queue: what is claimed, in which order, by whom; what becomes of it and of its targets."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from channels.alert import Priority
from engine.store import (
    Answer,
    Backlog,
    Claim,
    DeliveryState,
    Hold,
    Mark,
    Store,
    StoredDelivery,
    TargetState,
    Turn,
)
from engine.store.deliveries import DELIVERIES_AT_ONCE
from tests.support.stored import OWNER, claim, deliveries, finish, hold, save, settle
from tests.unit.store.samples import Clock, Samples

SENT, DEAD, WAITING = DeliveryState.SENT, DeliveryState.DEAD, DeliveryState.WAITING
SECOND_US = 1_000_000


def alert_ids(claims: Sequence[Claim]) -> list[str]:
    return [each.alert.alert_id for each in claims]


def ids(store: Store, target_id: str = "mail/ann") -> list[int]:
    return [each.delivery_id for each in deliveries(store, target_id)]


def only(store: Store) -> StoredDelivery:
    (stored,) = store.archive.alerts(1)
    (delivery,) = stored.deliveries
    return delivery


def change(store: Store, target_id: str, **values: object) -> None:
    """Write other values of a target."""

    def work(turn: Turn) -> None:
        state = turn.targets([target_id])[target_id]
        turn.write_targets([replace(state, **values)])  # type: ignore[arg-type]

    store.deliveries.turn(work)


def state_of(store: Store, target_id: str) -> TargetState:
    return store.deliveries.turn(lambda turn: turn.targets([target_id])[target_id])


def due(store: Store) -> list[str]:
    return store.deliveries.turn(lambda turn: [each.target_id for each in turn.due_targets()()])


def wait_until(store: Store, claims: Sequence[Claim], next_try_us: int) -> None:
    """These failed, and are due again then."""
    marks = [
        Mark(each, WAITING, each.tries + 1, each.failures + 1, 1, next_try_us, "timeout", "10 s")
        for each in claims
    ]
    store.deliveries.turn(lambda turn: turn.mark(marks, OWNER))


def test_deliveries_are_claimed_by_priority_then_by_age(store: Store, samples: Samples) -> None:
    for priority in (Priority.LOW, Priority.HIGH, Priority.MEDIUM, Priority.HIGH):
        save(store, [samples.new("mail/ann", priority=priority)])
    assert alert_ids(claim(store, "mail/ann")) == [
        "alert-00002",
        "alert-00004",
        "alert-00003",
        "alert-00001",
    ]


def test_a_claim_holds_the_alert_as_it_was_stored(
    store: Store, samples: Samples, clock: Clock
) -> None:
    new = samples.new("mail/ann")
    save(store, [new])
    (found,) = claim(store, "mail/ann")
    assert found.alert == new.alert
    assert (found.channel, found.target_id) == ("mail", "mail/ann")
    assert (found.tries, found.reason, found.detail) == (0, "", "")
    assert found.waiting_since_us == clock.us
    assert not found.is_probe


def test_what_is_claimed_is_claimed_by_nobody_else(
    store: Store, tool: Store, samples: Samples
) -> None:
    save(store, [samples.new("mail/ann") for _ in range(5)])
    first = claim(store, "mail/ann", limit=2, owner="one")
    second = claim(tool, "mail/ann", owner="two")
    assert alert_ids(first) == ["alert-00001", "alert-00002"]
    assert alert_ids(second) == ["alert-00003", "alert-00004", "alert-00005"]
    assert due(store) == []
    counts = store.deliveries.turn(lambda turn: turn.claims_in_force())()
    assert counts == {"mail/ann": 5}


def test_a_claim_runs_out_and_another_takes_over(
    store: Store, tool: Store, samples: Samples, clock: Clock
) -> None:
    save(store, [samples.new("mail/ann")])
    (lost,) = claim(store, "mail/ann", owner=OWNER)
    clock.seconds += 61
    (taken,) = claim(tool, "mail/ann", owner="another")
    assert taken.delivery_id == lost.delivery_id
    assert taken.claim_no > lost.claim_no
    late = Mark(lost, DEAD, 1)
    assert store.deliveries.turn(lambda turn: turn.mark([late], OWNER)()) == frozenset()
    right = Mark(taken, SENT, 1)
    assert tool.deliveries.turn(lambda turn: turn.mark([right], "another")()) == {lost.delivery_id}
    assert only(store).state is SENT


def test_a_claim_that_is_renewed_does_not_run_out(
    store: Store, tool: Store, samples: Samples, clock: Clock
) -> None:
    save(store, [samples.new("mail/ann")])
    (kept,) = claim(store, "mail/ann")
    clock.seconds += 40
    assert store.deliveries.renew(OWNER, 60, [kept.delivery_id]) == 0
    clock.seconds += 40
    assert claim(tool, "mail/ann", owner="another") == []


def test_a_mark_that_is_written_again_is_known(store: Store, samples: Samples) -> None:
    """The answer to a commit can be lost: what was written is no lost claim."""
    save(store, [samples.new("mail/ann"), samples.new("mail/ann")])
    first, second = claim(store, "mail/ann")
    settle(store, [first], SENT)
    marks = [Mark(first, SENT, 1), Mark(second, SENT, 1)]
    written = store.deliveries.turn(lambda turn: turn.mark(marks, OWNER)())
    assert written == {first.delivery_id, second.delivery_id}
    assert {each.tries for each in deliveries(store, "mail/ann", SENT)} == {1}


def test_claims_that_their_owner_does_not_know_of_are_given_back(
    store: Store, tool: Store, samples: Samples
) -> None:
    save(store, [samples.new("mail/ann") for _ in range(3)])
    known, *_ = claim(store, "mail/ann")
    assert store.deliveries.renew(OWNER, 60, [known.delivery_id]) == 2
    assert len(claim(tool, "mail/ann", owner="another")) == 2
    assert store.deliveries.renew(OWNER, 60, []) == 1
    assert len(claim(tool, "mail/ann", owner="another")) == 1


def test_only_who_is_alone_takes_back_the_claims_of_others(
    store: Store, samples: Samples, url: str
) -> None:
    save(store, [samples.new("mail/ann")])
    claim(store, "mail/ann", owner="a process that is gone")
    assert store.deliveries.take_back_all() == (0 if url.startswith("postgresql") else 1)


def test_a_sent_delivery_waits_no_longer(store: Store, samples: Samples) -> None:
    save(store, [samples.new("mail/ann")])
    wait_until(store, claim(store, "mail/ann"), 0)
    finish(store, "mail/ann", SENT)
    assert ids(store) == []
    sent = only(store)
    assert (sent.state, sent.tries, sent.reason) == (SENT, 2, "")


def test_a_failed_delivery_is_due_when_it_is_to_be_tried_again(
    store: Store, samples: Samples, clock: Clock
) -> None:
    save(store, [samples.new("mail/ann")])
    next_try_us = clock.us + 5 * SECOND_US
    wait_until(store, claim(store, "mail/ann"), next_try_us)
    assert claim(store, "mail/ann") == []
    assert store.deliveries.turn(lambda turn: turn.next_due_us())() == next_try_us
    assert deliveries(store, "mail/ann")[0].next_try_us == next_try_us
    clock.seconds += 5
    (found,) = claim(store, "mail/ann")
    assert (found.tries, found.failures, found.failed_us) == (1, 1, 1)
    assert (found.reason, found.detail) == ("timeout", "10 s")


def test_only_what_failed_may_be_asked_for(store: Store, samples: Samples) -> None:
    save(store, [samples.new("mail/ann"), samples.new("mail/ann")])
    wait_until(store, claim(store, "mail/ann", limit=1), 0)

    def work(turn: Turn) -> list[int]:
        (state,) = turn.due_targets()()
        return turn.claim(state, 9, OWNER, 60.0, only_failed=True)()

    assert len(store.deliveries.turn(work)) == 1


def test_fresh_ones_of_high_priority_go_before_a_backlog(store: Store, samples: Samples) -> None:
    save(store, [samples.new("mail/ann", priority=Priority.HIGH) for _ in range(3)])
    change_after = max(ids(store))
    store.deliveries.register({"mail/ann": ("mail", 1)})
    change(store, "mail/ann", backlog_id=change_after)
    save(store, [samples.new("mail/ann", priority=each) for each in (Priority.LOW, Priority.HIGH)])
    assert alert_ids(claim(store, "mail/ann", limit=3)) == [
        "alert-00005",
        "alert-00001",
        "alert-00002",
    ]
    assert alert_ids(claim(store, "mail/ann", limit=3)) == ["alert-00003", "alert-00004"]


def test_a_held_target_gives_one_delivery_after_the_other_to_probe_with(
    store: Store, samples: Samples, clock: Clock
) -> None:
    save(store, [samples.new("mail/ann") for _ in range(3)])
    hold(store, "mail/ann")
    assert due(store) == []
    assert store.deliveries.turn(lambda turn: turn.next_due_us())() == clock.us + 30 * SECOND_US
    clock.seconds += 30
    probed = []
    for _ in range(4):
        (probe,) = claim(store, "mail/ann")
        assert probe.is_probe
        probed.append(probe.alert.alert_id[-1])
        wait_until(store, [probe], clock.us)
    assert probed == ["1", "2", "3", "1"]


def test_nothing_is_due_before_the_target_wants_it(
    store: Store, samples: Samples, clock: Clock
) -> None:
    save(store, [samples.new("mail/ann")])
    store.deliveries.register({"mail/ann": ("mail", 1)})
    change(store, "mail/ann", not_before_us=clock.us + SECOND_US)
    assert due(store) == []
    assert store.deliveries.turn(lambda turn: turn.next_due_us())() == clock.us + SECOND_US
    clock.seconds += 1
    assert due(store) == ["mail/ann"]


def test_a_state_comes_back_as_it_was_written(store: Store) -> None:
    store.deliveries.register({"mail/ann": ("mail", 4)})
    state = TargetState(
        "mail/ann", "mail", 4, 5, "timeout", "a", 2, 7, 1, 9, True, 10, 11, 12, 13, (3, 4), 14
    )
    store.deliveries.turn(lambda turn: turn.write_targets([state]))
    assert state_of(store, "mail/ann") == state


def test_targets_are_registered_once_and_forgotten_when_nothing_waits(
    store: Store, samples: Samples
) -> None:
    store.deliveries.register({"mail/ann": ("mail", 1), "sms/bob": ("sms", 1)})
    hold(store, "mail/ann")
    store.deliveries.register({"mail/ann": ("mail", 2)})
    assert store.deliveries.known().keys() == {"mail/ann", "sms/bob"}
    assert state_of(store, "mail/ann").concurrency == 2
    assert [each.target_id for each in store.deliveries.held()] == ["mail/ann"]
    save(store, [samples.new("mail/ann")])
    store.deliveries.forget(["mail/ann", "sms/bob"])
    assert store.deliveries.known().keys() == {"mail/ann"}


def test_a_hold_keeps_its_beginning_and_shows_the_latest_reason(
    store: Store, clock: Clock, samples: Samples
) -> None:
    save(store, [samples.new("mail/ann")])
    since_us = clock.us
    hold(store, "mail/ann", "timeout")
    clock.seconds += 10
    hold(store, "mail/ann", "unauthorized", "401\0\ud800")
    assert store.deliveries.held() == [
        Hold("mail/ann", "mail", "unauthorized", "401\ufffd?", since_us)
    ]
    assert only(store).reason == "unauthorized"


def test_a_held_target_that_is_woken_is_probed_at_once(store: Store, samples: Samples) -> None:
    save(store, [samples.new("mail/ann")])
    hold(store, "mail/ann")
    assert due(store) == []
    store.deliveries.wake(["mail/ann", "mail/bob"])
    assert due(store) == ["mail/ann"]
    assert state_of(store, "mail/ann").is_changed


def test_what_waits_for_its_next_try_is_no_probe_unless_something_has_changed(
    store: Store, samples: Samples, clock: Clock
) -> None:
    save(store, [samples.new("mail/ann")])
    wait_until(store, claim(store, "mail/ann"), clock.us + 30 * SECOND_US)
    change(store, "mail/ann", held_since_us=clock.us, probe_at_us=clock.us)
    assert due(store) == []
    save(store, [samples.new("mail/ann")])
    assert due(store) == ["mail/ann"]
    (probe,) = claim(store, "mail/ann")
    assert probe.failures == 0
    settle(store, [probe], SENT)
    assert due(store) == []
    store.deliveries.wake(["mail/ann"])
    (probe,) = claim(store, "mail/ann")
    assert probe.failures == 1


def test_whether_a_target_has_failed_deliveries_is_known(
    store: Store, samples: Samples, clock: Clock
) -> None:
    save(store, [samples.new("mail/ann"), samples.new("mail/ann")])
    assert not store.deliveries.turn(lambda turn: turn.has_failed("mail/ann"))
    wait_until(store, claim(store, "mail/ann", limit=1), clock.us + SECOND_US)
    assert store.deliveries.turn(lambda turn: turn.has_failed("mail/ann"))


def test_since_when_a_target_is_known_is_kept(store: Store, clock: Clock) -> None:
    since_us = clock.us
    store.deliveries.register({"mail/ann": ("mail", 1)})
    clock.seconds += 10
    store.deliveries.register({"mail/ann": ("mail", 2), "mail/bob": ("mail", 1)})
    assert store.deliveries.known() == {"mail/ann": since_us, "mail/bob": since_us + 10 * SECOND_US}


def test_a_hold_ends_the_retries_of_its_deliveries(
    store: Store, samples: Samples, clock: Clock
) -> None:
    save(store, [samples.new("mail/ann") for _ in range(2)])
    wait_until(store, claim(store, "mail/ann"), clock.us + 600 * SECOND_US)
    store.deliveries.turn(lambda turn: turn.reset_failures("mail/ann"))
    found = claim(store, "mail/ann")
    assert [(each.failures, each.tries) for each in found] == [(0, 1), (0, 1)]


def test_a_dead_delivery_can_wait_again(store: Store, samples: Samples) -> None:
    save(store, [samples.new("mail/ann") for _ in range(2)])
    finish(store, "mail/ann", DEAD, reason="bad_request")
    dead = [each.delivery_id for each in deliveries(store, "mail/ann", DEAD)]
    store.deliveries.turn(lambda turn: turn.reopen(dead[:1]))
    assert ids(store) == dead[:1]


def test_a_dead_delivery_says_why(store: Store, samples: Samples, clock: Clock) -> None:
    save(store, [samples.new("mail/ann")])
    clock.seconds += 5
    finish(store, "mail/ann", DEAD, reason="bad_request", detail="a\ud800b\0")
    dead = only(store)
    assert (dead.state, dead.tries, dead.reason) == (DEAD, 1, "bad_request")
    assert dead.detail == "a?b\ufffd"
    assert dead.changed_us == clock.us


def test_what_waits_is_given_up_in_portions(store: Store, samples: Samples) -> None:
    save(store, [samples.new("mail/ann", "mail/bob") for _ in range(2 * DELIVERIES_AT_ONCE + 1)])
    numbers = [store.deliveries.give_up("mail/ann", "channel_removed") for _ in range(4)]
    assert numbers == [DELIVERIES_AT_ONCE, DELIVERIES_AT_ONCE, 1, 0]
    assert store.deliveries.backlogs() == [Backlog("mail/bob", "mail", 2 * DELIVERIES_AT_ONCE + 1)]


def test_giving_up_spares_the_young_and_those_in_flight(
    store: Store, samples: Samples, clock: Clock
) -> None:
    save(store, [samples.new("mail/ann") for _ in range(3)])
    in_flight = ids(store)[0]
    clock.seconds += 60
    claim(store, "mail/ann", limit=1)
    save(store, [samples.new("mail/ann")])
    young = ids(store)[-1]
    number = store.deliveries.give_up("mail/ann", "hold_expired", waiting_before_us=clock.us)
    assert number == 2
    assert ids(store) == [in_flight, young]


@pytest.mark.parametrize("before_us", [-(1 << 60), 0])
def test_a_hold_longer_than_all_of_time_gives_nothing_up(
    store: Store, samples: Samples, before_us: int
) -> None:
    save(store, [samples.new("mail/ann")])
    given = store.deliveries.give_up("mail/ann", "hold_expired", waiting_before_us=before_us)
    assert given == 0
    assert len(ids(store)) == 1


def test_deliveries_are_handed_over_once_to_each_successor_with_their_age(
    store: Store, samples: Samples, clock: Clock
) -> None:
    save(store, [samples.new("mail/?", priority=Priority.HIGH), samples.new("mail/?", "mail/ann")])
    stored_us = clock.us
    clock.seconds += 60
    successors: dict[str, tuple[str, list[str]]] = {
        "mail/ann": ("mail", []),
        "mail/bob": ("post", []),
    }
    assert store.deliveries.hand_over("mail/?", successors) == 2
    assert store.deliveries.hand_over("mail/?", successors) == 0
    for successor, (channel, _) in successors.items():
        found = deliveries(store, successor)
        assert len(found) == 2
        assert {each.waiting_since_us for each in found} == {stored_us}
        if successor == "mail/bob":
            assert {each.channel for each in found} == {channel}
    assert {each.target_id for each in store.deliveries.backlogs()} == {"mail/ann", "mail/bob"}


def test_a_successor_that_had_the_alert_does_not_get_it_again(
    store: Store, samples: Samples
) -> None:
    save(store, [samples.new("mail/?", "mail/ann", "copy/ann", "mail/bob"), samples.new("mail/?")])
    for target in ("mail/ann", "copy/ann"):
        finish(store, target, SENT)
    finish(store, "mail/bob", DEAD)
    ann = ["mail/ann", "copy/ann", "mail/ann-2"]
    successors = {"mail/ann-2": ("mail", ann), "mail/bob": ("mail", [])}
    assert store.deliveries.hand_over("mail/?", successors) == 2
    assert [len(deliveries(store, each)) for each in successors] == [1, 1]


def test_what_is_being_sent_and_what_is_beyond_the_limit_is_not_handed_over(
    store: Store, samples: Samples
) -> None:
    save(store, [samples.new("mail/?") for _ in range(DELIVERIES_AT_ONCE + 2)])
    claim(store, "mail/?", limit=1)
    successors = {"mail/ann": ("mail", ["mail/ann"])}
    assert store.deliveries.hand_over("mail/?", successors) == DELIVERIES_AT_ONCE
    assert store.deliveries.backlogs() == [
        Backlog("mail/?", "mail", 2),
        Backlog("mail/ann", "mail", DELIVERIES_AT_ONCE),
    ]


def test_targets_are_renamed_with_their_deliveries_of_every_state(
    store: Store, samples: Samples
) -> None:
    save(store, [samples.new("slack/a", "slack/b"), samples.new("slack/a")])
    finish(store, "slack/a", SENT, limit=1)
    hold(store, "slack/b")
    store.deliveries.rename_targets({"slack/a": "slack/1f", "slack/b": "slack/2e", "x": "x"})
    assert not store.deliveries.has_former_ids()
    assert store.deliveries.known().keys() == {"slack/1f", "slack/2e"}
    assert [each.target_id for each in store.deliveries.held()] == ["slack/2e"]
    assert len(deliveries(store, "slack/1f")) == 1
    assert len(deliveries(store, "slack/1f", SENT)) == 1
    assert len(deliveries(store, "slack/2e")) == 1


def test_a_jump_of_the_clock_forward_makes_nothing_wait_longer(
    store: Store, samples: Samples, clock: Clock
) -> None:
    assert store.deliveries.keep_time(0) == 0
    save(store, [samples.new("mail/ann")])
    clock.seconds += 15
    assert store.deliveries.keep_time(15 * SECOND_US) == 0
    since_us = deliveries(store, "mail/ann")[0].waiting_since_us
    clock.seconds += 3_600 + 15
    assert store.deliveries.keep_time(30 * SECOND_US) == 3_600 * SECOND_US
    assert deliveries(store, "mail/ann")[0].waiting_since_us == since_us + 3_600 * SECOND_US
    assert store.deliveries.keep_time(30 * SECOND_US) == 0


def test_after_a_jump_back_what_was_due_soon_is_due_soon(
    store: Store, samples: Samples, clock: Clock
) -> None:
    store.deliveries.keep_time(0)
    save(store, [samples.new("mail/ann"), samples.new("mail/bob")])
    wait_until(store, claim(store, "mail/ann"), clock.us + 20 * SECOND_US)
    claim(store, "mail/bob")
    hold(store, "sms/bob")
    change(store, "sms/bob", not_before_us=clock.us + 20 * SECOND_US)
    clock.seconds -= 3_600
    assert store.deliveries.keep_time(0) == -3_600 * SECOND_US
    assert claim(store, "mail/ann") == []
    clock.seconds += 20
    assert len(claim(store, "mail/ann")) == 1
    clock.seconds += 41
    assert len(claim(store, "mail/bob", owner="another")) == 1
    target = state_of(store, "sms/bob")
    assert max(target.held_since_us, target.probe_at_us, target.not_before_us) < clock.us


def test_time_without_an_engine_is_no_waiting(
    store: Store, tool: Store, samples: Samples, clock: Clock
) -> None:
    store.deliveries.keep_time(0)
    save(store, [samples.new("mail/ann")])
    since_us = clock.us
    clock.seconds += 7_200
    assert tool.deliveries.keep_time(0) == 0
    assert deliveries(store, "mail/ann")[0].waiting_since_us == since_us + 7_200 * SECOND_US


def test_a_jump_is_seen_once_by_all_engines(
    store: Store, tool: Store, samples: Samples, clock: Clock
) -> None:
    for each in (store, tool):
        each.deliveries.keep_time(0)
    save(store, [samples.new("mail/ann")])
    since_us = clock.us
    clock.seconds += 3_600
    jumps = [each.deliveries.keep_time(SECOND_US) for each in (store, tool)]
    assert jumps == [3_599 * SECOND_US, 0]
    moved_us = deliveries(store, "mail/ann")[0].waiting_since_us
    assert moved_us == since_us + 3_599 * SECOND_US


def test_an_id_is_never_used_again(store: Store, samples: Samples, clock: Clock) -> None:
    save(store, [samples.new("mail/ann")])
    (first,) = ids(store)
    finish(store, "mail/ann", SENT)
    clock.seconds += 400 * 86_400
    assert store.archive.sweep(0, 0, clock.us) == 1
    save(store, [samples.new("mail/ann")])
    assert ids(store)[0] > first


def test_two_claimers_never_exceed_the_concurrency_of_a_target(
    store: Store, tool: Store, samples: Samples
) -> None:
    targets = {f"hook/{number}": ("hook", 2) for number in range(4)}
    store.deliveries.register(targets)
    save(store, [samples.new(*targets) for _ in range(25)])
    most: list[int] = []

    def work_as(one: Store, owner: str) -> int:
        done = 0

        def take(turn: Turn) -> Answer[list[Claim]]:
            asked, counted = turn.due_targets(), turn.claims_in_force()
            due, in_force = asked(), counted()
            for state in due:
                room = state.concurrency - in_force.get(state.target_id, 0)
                if room > 0:
                    turn.claim(state, room, owner, 60.0)
            after = turn.claims_in_force()()
            most.append(
                max((after[each.target_id] for each in due if each.target_id in after), default=0)
            )
            return turn.claims()

        while deliveries_left(one):
            claims = one.deliveries.turn(take)()
            marks = [Mark(each, SENT, 1) for each in claims]
            done += write(one, marks, owner)
        return done

    def write(one: Store, marks: Sequence[Mark], owner: str) -> int:
        return len(one.deliveries.turn(lambda turn: turn.mark(marks, owner)()))

    def deliveries_left(one: Store) -> bool:
        return bool(one.deliveries.backlogs())

    with ThreadPoolExecutor(2) as pool:
        both = [pool.submit(work_as, store, "one"), pool.submit(work_as, tool, "two")]
        assert sum(each.result() for each in both) == 100
    assert max(most) <= 2
