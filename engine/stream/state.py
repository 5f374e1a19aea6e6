"""What is known of the broker, the group and the topics: for `/readyz`, the metrics, the log."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final

import structlog

from engine.stream.record import Partition
from engine.stream.refusals import UNREACHABLE, away_remedy, denied_remedy

log = structlog.get_logger(__name__)

# How many reports in a row must contradict the state before it changes: reconnecting takes a
# moment, and a report may still count a connection whose end was not noticed yet.
STEADY_REPORTS: Final = 2
# The states of a broker in librdkafka's statistics that mean: connected, and past the handshake.
_UP: Final = ("UP", "UPDATE")


class BrokerState(StrEnum):
    """Whether a broker answers."""

    CONNECTING = "connecting"
    REACHABLE = "reachable"
    AWAY = "away"


@dataclass(frozen=True, slots=True)
class StreamState:
    """The state of the stream at one moment.

    `problem` says what the broker refuses, or why it is away, and `remedy` what to do about it; ""
    where there is nothing to say. A member may have joined without partitions, where there are more
    engines than partitions.
    """

    broker: BrokerState = BrokerState.CONNECTING
    has_joined: bool = False
    partitions: frozenset[Partition] = frozenset()
    is_paused: bool = False
    missing_topics: frozenset[str] = frozenset()
    problem: str = ""
    remedy: str = ""

    @property
    def is_consuming(self) -> bool:
        """Whether records arrive as soon as there are any."""
        is_member = self.broker is BrokerState.REACHABLE and self.has_joined
        return is_member and not self.is_paused and not self.problem

    @property
    def detail(self) -> str:
        """The state in words."""
        parts = [f"broker {self.broker}"]
        if self.has_joined:
            parts.append(f"{len(self.partitions)} partitions assigned")
        elif self.broker is BrokerState.REACHABLE:
            parts.append("not in the consumer group yet")
        if self.is_paused:
            parts.append("paused")
        if self.missing_topics:
            parts.append(f"no such topic yet: {', '.join(sorted(self.missing_topics))}")
        if self.problem:
            parts.append(f"{self.problem}: {self.remedy}" if self.remedy else self.problem)
        return "; ".join(parts)


class StateTracker:
    """Keeps the state of the stream, and logs each change once."""

    def __init__(self) -> None:
        # How many reports in a row contradict the state of the broker.
        self._contrary_reports = 0
        # The topic that `problem` is about; "" where it is about the group.
        self._problem_topic = ""
        self.state = StreamState()

    def reached(self) -> None:
        """A broker answers."""
        self._contrary_reports = 0
        known = self.state.broker
        if known is BrokerState.REACHABLE:
            return
        log.info("broker.back" if known is BrokerState.AWAY else "broker.reached")
        if known is BrokerState.AWAY:
            self._solved()
        self._set(broker=BrokerState.REACHABLE)

    def away(self, reason: str) -> None:
        """No broker answers."""
        self._contrary_reports = 0
        remedy = away_remedy(reason)
        # The first reason may be no more than that it is away: what it is comes later.
        is_told = remedy in (UNREACHABLE, self.state.remedy)
        if self.state.broker is not BrokerState.AWAY or not is_told:
            log.warning("broker.away", reason=reason, remedy=remedy)
            self._problem_topic = ""
            self._set(broker=BrokerState.AWAY, problem=reason, remedy=remedy)

    def reported(self, is_up: bool, reason: str) -> None:
        """librdkafka's statistics show a broker connected (`is_up`), or none for this `reason`."""
        known = self.state.broker
        is_contrary = is_up if known is BrokerState.AWAY else not is_up
        self._contrary_reports = self._contrary_reports + 1 if is_contrary else 0
        is_steady = self._contrary_reports >= STEADY_REPORTS
        if is_up and (is_steady or known is BrokerState.CONNECTING):
            self.reached()
        elif not is_up and (is_steady or known is BrokerState.AWAY):
            self.away(reason)

    def joined(self, partitions: Iterable[Partition]) -> None:
        """The group has assigned these partitions to the consumer, perhaps none."""
        self.reached()
        new = frozenset(partitions)
        topics = {topic for topic, _ in new}
        for topic in sorted(topics & self.state.missing_topics):
            log.info("topic.found", topic=topic)
        if new:
            log.info("partitions.assigned", partitions=names(new))
        is_solved = self._problem_topic == "" or self._problem_topic in topics
        self._set(
            has_joined=True,
            partitions=self.state.partitions | new,
            missing_topics=self.state.missing_topics - topics,
        )
        if is_solved:
            self._solved()

    def revoked(self, partitions: Iterable[Partition]) -> None:
        """The group gives these partitions to other members."""
        old = frozenset(partitions)
        log.info("partitions.handed_over", partitions=names(old))
        self._set(partitions=self.state.partitions - old)

    def lost(self, partitions: Iterable[Partition]) -> None:
        """The membership has ended, as by the session's timeout, and with it these partitions."""
        old = frozenset(partitions)
        log.warning("partitions.lost", partitions=names(old))
        self._set(has_joined=False, partitions=self.state.partitions - old)

    def set_paused(self, is_paused: bool) -> None:
        """The consumer is paused, or has resumed."""
        self._set(is_paused=is_paused)

    def topic_missing(self, topic: str) -> None:
        """A topic of the subscription does not exist."""
        if topic not in self.state.missing_topics:
            log.warning("topic.missing", topic=topic, remedy="it is read as soon as it exists")
            self._set(missing_topics=self.state.missing_topics | {topic})

    def refused(self, topic: str, reason: str) -> None:
        """The broker denies access to a topic, or to the group ("")."""
        if reason != self.state.problem:
            remedy = denied_remedy(topic)
            log.error("stream.refused", reason=reason, remedy=remedy)
            self._problem_topic = topic
            self._set(problem=reason, remedy=remedy)

    def permitted(self, topic: str) -> None:
        """A record of the topic has arrived, or ("") a commit of the group was confirmed."""
        if self.state.problem and topic == self._problem_topic and self.state.has_joined:
            log.info("stream.permitted")
            self._solved()

    def _solved(self) -> None:
        self._set(problem="", remedy="")

    def _set(self, **changes: Any) -> None:
        self.state = replace(self.state, **changes)


@dataclass(frozen=True, slots=True)
class Statistics:
    """What a report of librdkafka says that matters here.

    `is_up` says whether a broker is connected. `lag` counts, for each partition where it is known,
    the records behind the committed offset that can be read.
    """

    is_up: bool
    lag: Mapping[Partition, int]

    @classmethod
    def read(cls, text: str) -> Statistics:
        """Read the JSON that librdkafka gives to `stats_cb`; STATISTICS.md has the fields."""
        report = json.loads(text)
        lag = {
            (topic["topic"], each["partition"]): behind
            for topic in report["topics"].values()
            for each in topic["partitions"].values()
            if each["partition"] >= 0 and (behind := _records_behind(each)) is not None
        }
        return cls(any(broker["state"] in _UP for broker in report["brokers"].values()), lag)


def _records_behind(partition: Mapping[str, Any]) -> int | None:
    # A negative offset (-1001) is not known: nothing was committed, or the broker not asked yet.
    # Behind the last stable offset lie open transactions, which can't be read yet.
    end = partition.get("ls_offset", -1)
    end = end if end >= 0 else partition["hi_offset"]
    committed = partition["committed_offset"]
    start = committed if committed >= 0 else partition["lo_offset"]
    if end == 0:
        return 0
    return max(0, end - start) if end > 0 and start >= 0 else None


def names(partitions: Iterable[Partition]) -> list[str]:
    """The partitions as a log line shows them, in their order."""
    return [f"{topic}/{number}" for topic, number in sorted(partitions)]
