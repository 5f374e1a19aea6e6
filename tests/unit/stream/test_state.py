"""Tests of what is known of the stream, and of its log."""

from __future__ import annotations

import pytest
import structlog

from engine.stream.refusals import UNREACHABLE
from engine.stream.state import STEADY_REPORTS, BrokerState, StateTracker

A, B = ("plates", 0), ("plates", 1)


def told(lines: list[structlog.typing.EventDict]) -> list[str]:
    return [line["event"] for line in lines]


def test_new_stream_connects_and_consumes_nothing() -> None:
    state = StateTracker().state
    assert state.broker is BrokerState.CONNECTING
    assert not state.is_consuming
    assert state.detail == "broker connecting"


def test_member_of_the_group_consumes_even_without_partitions() -> None:
    tracker = StateTracker()
    tracker.joined([])
    assert tracker.state.is_consuming
    assert tracker.state.detail == "broker reachable; 0 partitions assigned"


def test_partitions_come_and_go() -> None:
    tracker = StateTracker()
    tracker.joined([A])
    tracker.joined([B])
    tracker.revoked([A])
    assert tracker.state.partitions == {B}
    assert tracker.state.detail == "broker reachable; 1 partitions assigned"
    tracker.lost([B])
    assert not tracker.state.is_consuming
    assert tracker.state.detail == "broker reachable; not in the consumer group yet"


def test_broker_is_away_only_after_several_reports_without_one() -> None:
    tracker = StateTracker()
    tracker.reached()
    for _ in range(STEADY_REPORTS - 1):
        tracker.reported(False, "refused")
    assert tracker.state.detail == "broker reachable; not in the consumer group yet"
    tracker.reported(False, "refused")
    assert tracker.state.detail == f"broker away; refused: {UNREACHABLE}"


def test_report_in_between_starts_the_count_anew() -> None:
    tracker = StateTracker()
    for _ in range(STEADY_REPORTS):
        tracker.reported(False, "refused")
        tracker.reported(True, "")
    assert tracker.state.broker is BrokerState.REACHABLE


def test_the_first_report_of_a_broker_is_enough_at_the_start() -> None:
    tracker = StateTracker()
    tracker.reported(False, "refused")
    tracker.reported(True, "")
    assert tracker.state.broker is BrokerState.REACHABLE


def test_a_report_from_before_an_outage_is_no_end_of_it() -> None:
    tracker = StateTracker()
    with structlog.testing.capture_logs() as lines:
        tracker.joined([])
        # librdkafka says that all brokers are down, and its next report still counts the connection
        # to the group's coordinator.
        tracker.away("all brokers down")
        tracker.reported(True, "")
        for _ in range(2 * STEADY_REPORTS):
            tracker.reported(False, "refused")
        tracker.reported(True, "")
        tracker.reported(False, "refused")
        for _ in range(STEADY_REPORTS):
            assert tracker.state.broker is BrokerState.AWAY
            tracker.reported(True, "")
        assert tracker.state.broker is BrokerState.REACHABLE
    assert told(lines) == ["broker.reached", "broker.away", "broker.back"]


def test_a_report_that_is_in_doubt_does_not_count_after_a_rebalance() -> None:
    tracker = StateTracker()
    tracker.reached()
    tracker.reported(False, "refused")
    tracker.joined([A])
    tracker.reported(False, "refused")
    assert tracker.state.broker is BrokerState.REACHABLE


def test_each_change_is_logged_once() -> None:
    tracker = StateTracker()
    with structlog.testing.capture_logs() as lines:
        for _ in range(3):
            tracker.topic_missing("plates")
        for _ in range(3):
            tracker.away("refused")
        for _ in range(3):
            tracker.reached()
        tracker.joined([A])
        for _ in range(3):
            tracker.refused("plates", "denied")
    assert told(lines) == [
        "topic.missing",
        "broker.away",
        "broker.back",
        "topic.found",
        "partitions.assigned",
        "stream.refused",
    ]


@pytest.mark.parametrize(
    ("denied", "assigned", "problem"),
    [("plates", "plates", ""), ("", "plates", ""), ("other", "plates", "denied")],
    ids=["the topic", "the group", "another topic"],
)
def test_denial_ends_with_the_assignment_of_what_was_denied(
    denied: str, assigned: str, problem: str
) -> None:
    tracker = StateTracker()
    tracker.refused(denied, "denied")
    assert "denied" in tracker.state.detail
    tracker.joined([(assigned, 0)])
    assert tracker.state.problem == problem


def test_why_the_broker_is_away_is_forgotten_when_it_is_back() -> None:
    tracker = StateTracker()
    tracker.away("Connection refused")
    tracker.reached()
    assert tracker.state.problem == ""


def test_detail_names_pause_and_missing_topics() -> None:
    tracker = StateTracker()
    tracker.joined([A])
    tracker.topic_missing("b")
    tracker.topic_missing("a")
    tracker.set_paused(True)
    assert (
        tracker.state.detail
        == "broker reachable; 1 partitions assigned; paused; no such topic yet: a, b"
    )


@pytest.mark.parametrize("denied", ["plates", ""])
def test_a_member_that_is_denied_something_is_not_consuming_until_it_is_permitted(
    denied: str,
) -> None:
    tracker = StateTracker()
    tracker.joined([("gates", 0)])
    tracker.refused(denied, "denied")
    assert not tracker.state.is_consuming
    tracker.permitted("gates")
    assert not tracker.state.is_consuming
    tracker.permitted(denied)
    assert tracker.state.is_consuming
