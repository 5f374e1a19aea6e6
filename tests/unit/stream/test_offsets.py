"""Tests of the offsets that wait for the broker's confirmation."""

from __future__ import annotations

from engine.stream.offsets import ANSWER_SECONDS, RETRY_SECONDS, Offsets

A, B = ("plates", 0), ("plates", 1)


class Timer:
    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def test_what_is_processed_is_committed_and_done_when_confirmed() -> None:
    offsets = Offsets(Timer())
    offsets.advance(A, 5)
    sent = offsets.next_commit()
    confirmed = [offsets.is_confirmed]
    offsets.confirm(sent)
    confirmed.append(offsets.is_confirmed)
    assert (sent, confirmed, offsets.next_commit()) == ({A: 5}, [False, True], {})


def test_offset_never_goes_back() -> None:
    offsets = Offsets(Timer())
    offsets.advance(A, 5)
    offsets.advance(A, 3)
    assert offsets.next_commit() == {A: 5}


def test_one_commit_is_in_flight_at_a_time_and_the_rest_goes_with_the_next() -> None:
    offsets = Offsets(Timer())
    offsets.advance(A, 5)
    sent = offsets.next_commit()
    offsets.advance(A, 9)
    offsets.advance(B, 1)
    assert offsets.next_commit() == {}
    offsets.confirm(sent)
    assert offsets.next_commit() == {A: 9, B: 1}


def test_failed_commit_stays_due_and_is_sent_again_a_little_later() -> None:
    timer = Timer()
    offsets = Offsets(timer)
    offsets.advance(A, 5)
    offsets.next_commit()
    offsets.fail()
    assert offsets.next_commit() == {}
    timer.seconds += RETRY_SECONDS
    assert offsets.next_commit() == {A: 5}


def test_commit_that_is_never_answered_holds_up_no_other_for_ever() -> None:
    timer = Timer()
    offsets = Offsets(timer)
    offsets.advance(A, 5)
    offsets.next_commit()
    timer.seconds += ANSWER_SECONDS
    assert offsets.next_commit() == {A: 5}


def test_revoked_partition_is_committed_even_beside_a_commit_in_flight() -> None:
    offsets = Offsets(Timer())
    offsets.advance(A, 5)
    offsets.advance(B, 6)
    offsets.next_commit()
    assert offsets.commit_of([A]) == {A: 5}


def test_nothing_is_committed_for_a_revoked_partition_with_nothing_new() -> None:
    offsets = Offsets(Timer())
    assert offsets.commit_of([A]) == {}
    assert offsets.is_confirmed


def test_nothing_is_committed_for_a_forgotten_partition() -> None:
    offsets = Offsets(Timer())
    offsets.advance(A, 5)
    offsets.advance(B, 6)
    offsets.forget([A])
    assert offsets.next_commit() == {B: 6}
