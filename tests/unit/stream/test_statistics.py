"""Tests of reading librdkafka's statistics."""

from __future__ import annotations

import json

import pytest

from engine.stream.state import Statistics

UNKNOWN = -1001


def report(states: list[str], partitions: list[dict[str, int]]) -> str:
    return json.dumps(
        {
            "brokers": {str(n): {"state": state} for n, state in enumerate(states)},
            "topics": {
                "plates": {
                    "topic": "plates",
                    "partitions": {str(each["partition"]): each for each in partitions},
                }
            },
        }
    )


def partition(number: int, lo: int, committed: int, hi: int) -> dict[str, int]:
    return {
        "partition": number,
        "lo_offset": lo,
        "committed_offset": committed,
        "hi_offset": hi,
    }


@pytest.mark.parametrize(
    ("states", "is_up"),
    [
        (["UP"], True),
        (["TRY_CONNECT", "UP"], True),
        (["UPDATE"], True),
        (["TRY_CONNECT", "INIT", "DOWN", "APIVERSION_QUERY", "AUTH_LEGACY"], False),
        ([], False),
    ],
)
def test_one_connected_broker_is_enough(states: list[str], is_up: bool) -> None:
    assert Statistics.read(report(states, [])).is_up is is_up


@pytest.mark.parametrize(
    ("lo", "committed", "hi", "lag"),
    [
        (0, 3, 10, 7),
        (0, 10, 10, 0),
        (4, UNKNOWN, 10, 6),
        (UNKNOWN, UNKNOWN, 0, 0),
        (0, 12, 10, 0),
        (UNKNOWN, UNKNOWN, 10, None),
        (UNKNOWN, 3, UNKNOWN, None),
    ],
    ids=["behind", "done", "never committed", "empty", "ahead", "start unknown", "end unknown"],
)
def test_lag_is_what_is_behind_the_committed_offset(
    lo: int, committed: int, hi: int, lag: int | None
) -> None:
    statistics = Statistics.read(report(["UP"], [partition(2, lo, committed, hi)]))
    assert statistics.lag == ({} if lag is None else {("plates", 2): lag})


def test_a_transaction_under_way_is_no_lag() -> None:
    stable = partition(2, 0, 3, 10) | {"ls_offset": 4}
    assert Statistics.read(report(["UP"], [stable])).lag == {("plates", 2): 1}
    unknown = partition(2, 0, 3, 10) | {"ls_offset": UNKNOWN}
    assert Statistics.read(report(["UP"], [unknown])).lag == {("plates", 2): 7}


def test_librdkafkas_own_partition_minus_one_is_none() -> None:
    assert Statistics.read(report(["UP"], [partition(-1, 0, 0, 5)])).lag == {}
