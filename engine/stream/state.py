"""What is known of the stream, for `/readyz`, the metrics and the log."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final

import structlog

from engine.stream.record import Partition

log = structlog.get_logger(__name__)

# So many reports in a row must agree that there is no broker, or one again: reconnecting takes a
# moment, and one report may still count a connection whose end was not noticed yet.
STEADY_REPORTS: Final = 2


class BrokerState(StrEnum):
    """Whether a broker answers."""

    CONNECTING = "connecting"
    REACHABLE = "reachable"
    AWAY = "away"


@dataclass(frozen=True, slots=True)
class StreamState:
    """One moment of the stream.

    `problem` is what the broker refuses us, "" when nothing. A member without partitions may have
    joined: there are more engines than partitions then.
    """

    broker: BrokerState = BrokerState.CONNECTING
    has_joined: bool = False
    partitions: frozenset[Partition] = frozenset()
    is_paused: bool = False
    missing_topics: frozenset[str] = frozenset()
    problem: str = ""

    @property
    def is_consuming(self) -> bool:
        """Whether records of every topic arrive as soon as there are any."""
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
            parts.append(self.problem)
        return "; ".join(parts)


class StreamWatch:
    """Keeps the state, tells `on_state` of each new one, and logs what changed."""

    def __init__(self, on_state: Callable[[StreamState], None] | None = None) -> None:
        self._on_state = on_state
        # Reports in a row that contradict what is known of the broker.
        self._contrary_reports = 0
        self._problem_topic = ""
        self.state = StreamState()

    def reached(self) -> None:
        """A broker answers."""
        self._contrary_reports = 0
        known = self.state.broker
        if known is BrokerState.REACHABLE:
            return
        log.info("broker.back" if known is BrokerState.AWAY else "broker.reached")
        problem = "" if known is BrokerState.AWAY else self.state.problem
        self._set(broker=BrokerState.REACHABLE, problem=problem)

    def gone(self, reason: str) -> None:
        """No broker answers."""
        self._contrary_reports = 0
        if self.state.broker is not BrokerState.AWAY:
            log.warning("broker.away", reason=reason)
            self._problem_topic = ""
            self._set(broker=BrokerState.AWAY, problem=reason)

    def reported(self, is_up: bool, reason: str) -> None:
        """The client's regular report finds a broker connected, or none; `reason` says why."""
        known = self.state.broker
        is_contrary = is_up if known is BrokerState.AWAY else not is_up
        self._contrary_reports = self._contrary_reports + 1 if is_contrary else 0
        is_steady = self._contrary_reports >= STEADY_REPORTS
        if is_up and (is_steady or known is BrokerState.CONNECTING):
            self.reached()
        elif not is_up and is_steady:
            self.gone(reason)

    def joined(self, partitions: Iterable[Partition]) -> None:
        """The group gave us these partitions, perhaps none."""
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
            problem="" if is_solved else self.state.problem,
        )

    def handed_over(self, partitions: Iterable[Partition]) -> None:
        """The group gives these partitions to other members."""
        old = frozenset(partitions)
        log.info("partitions.handed_over", partitions=names(old))
        self._set(partitions=self.state.partitions - old)

    def dropped_out(self, partitions: Iterable[Partition]) -> None:
        """The group did without us for too long, and took these partitions."""
        old = frozenset(partitions)
        log.warning("partitions.lost", partitions=names(old))
        self._set(has_joined=False, partitions=self.state.partitions - old)

    def paused(self, is_paused: bool) -> None:
        """Reading is halted, or goes on."""
        self._set(is_paused=is_paused)

    def missed(self, topic: str) -> None:
        """A topic that is subscribed to does not exist."""
        if topic not in self.state.missing_topics:
            log.warning("topic.missing", topic=topic, remedy="it is read as soon as it exists")
            self._set(missing_topics=self.state.missing_topics | {topic})

    def refused(self, topic: str, reason: str) -> None:
        """The broker denies us a topic, or the group ("")."""
        if reason != self.state.problem:
            log.error("stream.refused", reason=reason, remedy="it goes on once it is permitted")
            self._problem_topic = topic
            self._set(problem=reason)

    def permitted(self, topic: str) -> None:
        """A record of the topic arrived, or ("") the group took a commit."""
        if self.state.problem and topic == self._problem_topic and self.state.has_joined:
            log.info("stream.permitted")
            self._set(problem="")

    def _set(self, **changes: Any) -> None:
        state = replace(self.state, **changes)
        if state != self.state:
            self.state = state
            if self._on_state is not None:
                self._on_state(state)


def names(partitions: Iterable[Partition]) -> list[str]:
    """The partitions as a log line shows them, in their order."""
    return [f"{topic}/{number}" for topic, number in sorted(partitions)]


# Connected and past the handshake.
_UP: Final = ("UP", "UPDATE")


@dataclass(frozen=True, slots=True)
class Statistics:
    """One report. `lag` counts what can be read after the committed offset, where that is known."""

    is_up: bool
    lag: Mapping[Partition, int]

    @classmethod
    def read(cls, text: str) -> Statistics:
        """Read the JSON of librdkafka's `stats_cb` (its STATISTICS.md names the fields)."""
        report = json.loads(text)
        lag = {
            (topic["topic"], each["partition"]): behind
            for topic in report["topics"].values()
            for each in topic["partitions"].values()
            if each["partition"] >= 0 and (behind := _behind(each)) is not None
        }
        return cls(any(broker["state"] in _UP for broker in report["brokers"].values()), lag)


def _behind(partition: Mapping[str, Any]) -> int | None:
    # Negative offsets mean "not known" (-1001), so nothing was committed, or nothing was asked yet.
    # Behind the last stable offset lie transactions under way, which can't be read yet.
    end = max(partition.get("ls_offset", -1), -1)
    end = end if end >= 0 else partition["hi_offset"]
    committed = partition["committed_offset"]
    start = committed if committed >= 0 else partition["lo_offset"]
    if end == 0:
        return 0
    return max(0, end - start) if end > 0 and start >= 0 else None
