"""Tests of the offsets that wait for the broker's confirmation."""

from __future__ import annotations

from engine.stream.offsets import ANSWER_SECONDS, RETRY_SECONDS, Offsets

A, B = ("plates", 0), ("plates", 1)


class Timer:
    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def test_what_is_settled_is_sent_and_done_when_confirmed() -> None:
    offsets = Offsets(Timer())
    offsets.settle(A, 5)
    sent = offsets.take()
    settled = [offsets.is_settled]
    offsets.confirm(sent)
    settled.append(offsets.is_settled)
    assert (sent, settled, offsets.take()) == ({A: 5}, [False, True], {})


def test_offset_never_goes_back() -> None:
    offsets = Offsets(Timer())
    offsets.settle(A, 5)
    offsets.settle(A, 3)
    assert offsets.take() == {A: 5}


def test_one_commit_is_under_way_at_a_time_and_the_rest_goes_with_the_next() -> None:
    offsets = Offsets(Timer())
    offsets.settle(A, 5)
    sent = offsets.take()
    offsets.settle(A, 9)
    offsets.settle(B, 1)
    assert offsets.take() == {}
    offsets.confirm(sent)
    assert offsets.take() == {A: 9, B: 1}


def test_failed_commit_stays_due_and_is_sent_again_a_little_later() -> None:
    timer = Timer()
    offsets = Offsets(timer)
    offsets.settle(A, 5)
    offsets.take()
    offsets.fail()
    assert offsets.take() == {}
    timer.seconds += RETRY_SECONDS
    assert offsets.take() == {A: 5}


def test_commit_that_is_never_answered_holds_up_no_other_for_ever() -> None:
    timer = Timer()
    offsets = Offsets(timer)
    offsets.settle(A, 5)
    offsets.take()
    timer.seconds += ANSWER_SECONDS
    assert offsets.take() == {A: 5}


def test_partition_that_is_handed_over_is_sent_even_beside_a_commit_under_way() -> None:
    offsets = Offsets(Timer())
    offsets.settle(A, 5)
    offsets.settle(B, 6)
    offsets.take()
    assert offsets.take_of([A]) == {A: 5}


def test_nothing_is_sent_for_a_handed_over_partition_that_owes_nothing() -> None:
    offsets = Offsets(Timer())
    assert offsets.take_of([A]) == {}
    assert offsets.is_settled


def test_forgotten_partition_owes_nothing() -> None:
    offsets = Offsets(Timer())
    offsets.settle(A, 5)
    offsets.settle(B, 6)
    offsets.forget([A])
    assert offsets.take() == {B: 6}
