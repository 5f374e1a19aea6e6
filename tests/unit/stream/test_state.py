"""Tests of what is known of the stream, and of its log."""

from __future__ import annotations

import pytest
import structlog

from engine.stream.state import STEADY_REPORTS, BrokerState, StreamState, StreamWatch

A, B = ("plates", 0), ("plates", 1)


def told(lines: list[structlog.typing.EventDict]) -> list[str]:
    return [line["event"] for line in lines]


def test_new_stream_connects_and_consumes_nothing() -> None:
    state = StreamWatch().state
    assert state.broker is BrokerState.CONNECTING
    assert not state.is_consuming
    assert state.detail == "broker connecting"


def test_member_of_the_group_consumes_even_without_partitions() -> None:
    watch = StreamWatch()
    watch.joined([])
    assert watch.state.is_consuming
    assert watch.state.detail == "broker reachable; 0 partitions assigned"


def test_partitions_come_and_go() -> None:
    watch = StreamWatch()
    watch.joined([A])
    watch.joined([B])
    watch.handed_over([A])
    assert watch.state.partitions == {B}
    assert watch.state.detail == "broker reachable; 1 partitions assigned"
    watch.dropped_out([B])
    assert not watch.state.is_consuming
    assert watch.state.detail == "broker reachable; not in the consumer group yet"


def test_broker_is_away_only_after_several_reports_without_one() -> None:
    watch = StreamWatch()
    watch.reached()
    for _ in range(STEADY_REPORTS - 1):
        watch.reported(False, "refused")
    assert watch.state.detail == "broker reachable; not in the consumer group yet"
    watch.reported(False, "refused")
    assert watch.state.detail == "broker away; refused"


def test_report_in_between_starts_the_count_anew() -> None:
    watch = StreamWatch()
    for _ in range(STEADY_REPORTS):
        watch.reported(False, "refused")
        watch.reported(True, "")
    assert watch.state.broker is BrokerState.REACHABLE


def test_the_first_report_of_a_broker_is_enough_at_the_start() -> None:
    watch = StreamWatch()
    watch.reported(False, "refused")
    watch.reported(True, "")
    assert watch.state.broker is BrokerState.REACHABLE


def test_a_report_from_before_an_outage_is_no_end_of_it() -> None:
    watch = StreamWatch()
    with structlog.testing.capture_logs() as lines:
        watch.joined([])
        # librdkafka says that all brokers are down, and its next report still counts the connection
        # to the group's coordinator.
        watch.gone("all brokers down")
        watch.reported(True, "")
        for _ in range(2 * STEADY_REPORTS):
            watch.reported(False, "refused")
        watch.reported(True, "")
        watch.reported(False, "refused")
        for _ in range(STEADY_REPORTS):
            assert watch.state.broker is BrokerState.AWAY
            watch.reported(True, "")
        assert watch.state.broker is BrokerState.REACHABLE
    assert told(lines) == ["broker.reached", "broker.away", "broker.back"]


def test_a_report_that_is_in_doubt_does_not_count_after_a_rebalance() -> None:
    watch = StreamWatch()
    watch.reached()
    watch.reported(False, "refused")
    watch.joined([A])
    watch.reported(False, "refused")
    assert watch.state.broker is BrokerState.REACHABLE


def test_each_change_is_logged_once() -> None:
    watch = StreamWatch()
    with structlog.testing.capture_logs() as lines:
        for _ in range(3):
            watch.missed("plates")
        for _ in range(3):
            watch.gone("refused")
        for _ in range(3):
            watch.reached()
        watch.joined([A])
        for _ in range(3):
            watch.refused("plates", "denied")
    assert told(lines) == [
        "topic.missing",
        "broker.away",
        "broker.back",
        "topic.found",
        "partitions.assigned",
        "stream.refused",
    ]


def test_listener_is_told_changes_only() -> None:
    states: list[StreamState] = []
    watch = StreamWatch(states.append)
    watch.paused(False)
    watch.paused(True)
    watch.paused(True)
    assert [state.is_paused for state in states] == [True]


@pytest.mark.parametrize(
    ("denied", "assigned", "problem"),
    [("plates", "plates", ""), ("", "plates", ""), ("other", "plates", "denied")],
    ids=["the topic", "the group", "another topic"],
)
def test_denial_ends_with_the_assignment_of_what_was_denied(
    denied: str, assigned: str, problem: str
) -> None:
    watch = StreamWatch()
    watch.refused(denied, "denied")
    assert "denied" in watch.state.detail
    watch.joined([(assigned, 0)])
    assert watch.state.problem == problem


def test_why_the_broker_is_away_is_forgotten_when_it_is_back() -> None:
    watch = StreamWatch()
    watch.gone("Connection refused")
    watch.reached()
    assert watch.state.problem == ""


def test_detail_names_pause_and_missing_topics() -> None:
    watch = StreamWatch()
    watch.joined([A])
    watch.missed("b")
    watch.missed("a")
    watch.paused(True)
    assert (
        watch.state.detail
        == "broker reachable; 1 partitions assigned; paused; no such topic yet: a, b"
    )


@pytest.mark.parametrize("denied", ["plates", ""])
def test_a_member_that_is_denied_something_is_not_consuming_until_it_is_permitted(
    denied: str,
) -> None:
    watch = StreamWatch()
    watch.joined([("gates", 0)])
    watch.refused(denied, "denied")
    assert not watch.state.is_consuming
    watch.permitted("gates")
    assert not watch.state.is_consuming
    watch.permitted(denied)
    assert watch.state.is_consuming
