"""Reads records as a member of a consumer group, and commits what its caller has settled.

Offsets are committed in the background and confirmed later, so that no broker, away or hanging, can
hold the caller up; what was not confirmed is sent again with the next commit, and what never is
will be delivered again. All calls, and so all callbacks, are in one thread; `state` may be read by
any.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from typing import Final

import confluent_kafka
import structlog
from confluent_kafka import KafkaError, KafkaException, Message, TopicPartition

from engine.errors import StreamError
from engine.settings import Settings
from engine.stream.message import read_message
from engine.stream.offsets import Gaps, Offsets
from engine.stream.options import consumer_options, redact, refused_options
from engine.stream.record import Partition, Record
from engine.stream.state import BrokerState, Statistics, StreamState, StreamWatch, names

log = structlog.get_logger(__name__)

CLOSE_SECONDS: Final = 4.0
# Of these, so long for the last offsets.
SETTLE_SECONDS: Final = 2.0
# So long the broker is asked where partitions end that the group has no offset of.
BEGIN_SECONDS: Final = 5.0
_CLOSING_POLL_SECONDS: Final = 0.05
# So long the broker is asked what it has of a partition, and asked again so much later.
FIRST_OFFSET_SECONDS: Final = 3.0
ASK_AGAIN_SECONDS: Final = 1.0
_ABSENT: Final = (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC)
_DENIED: Final = (
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
)
# What AUTO_OFFSET_RESET means for a partition that the group has no offset of.
_LOGICAL: Final = {
    "earliest": confluent_kafka.OFFSET_BEGINNING,
    "latest": confluent_kafka.OFFSET_END,
}
# Another member has the partition, or will have: its records are delivered again.
_REBALANCED: Final = (
    KafkaError.REBALANCE_IN_PROGRESS,
    KafkaError.ILLEGAL_GENERATION,
    KafkaError.UNKNOWN_MEMBER_ID,
)


class Consumer:
    """A member of the group that `settings` name, subscribed to all their topics.

    It connects in the background, and waits for brokers and topics that are not there yet.
    `on_state` is told each new state, within `poll` and `keep_alive`. `timer` gives the monotonic
    seconds of `Record.read_at`. Raises SettingsError for options that librdkafka does not take.
    """

    def __init__(
        self,
        settings: Settings,
        on_state: Callable[[StreamState], None] | None = None,
        *,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._timer = timer
        self._watch = StreamWatch(on_state)
        self._offsets = Offsets(timer)
        self._held: list[Record] = []
        self._taken: set[Partition] = set()
        self._on_hold: frozenset[Partition] = frozenset()
        self._halted: frozenset[Partition] = frozenset()
        self._lag: Mapping[Partition, int] = {}
        self._trouble = ""
        self._fatal = ""
        self._told: set[int] = set()
        self._gaps = Gaps()
        # Partitions that librdkafka does not read, for want of an offset that the broker has, and
        # the offset that it has not: None where the group has none at all.
        self._adrift: dict[Partition, int | None] = {}
        self._ask_at: dict[Partition, float] = {}
        self._begin_at = _LOGICAL[settings.auto_offset_reset]
        self._is_closed = False
        options = consumer_options(settings) | {
            "error_cb": self._on_error,
            "stats_cb": self._on_statistics,
            "on_commit": self._on_commit,
        }
        try:
            self._client = confluent_kafka.Consumer(options)
        except KafkaException as error:
            raise refused_options(error, settings) from None
        self._client.subscribe(
            list(settings.kafka_topics),
            on_assign=self._on_assign,
            on_revoke=self._on_revoke,
            on_lost=self._on_lost,
        )

    @property
    def state(self) -> StreamState:
        """What is known of the stream just now."""
        return self._watch.state

    def poll(self, max_records: int, timeout_seconds: float) -> list[Record]:
        """The records that are there, at most `max_records`, of assigned partitions only.

        Waits `timeout_seconds` for the first one and not at all for more. Raises StreamError when
        the broker has shut this client out for good.
        """
        self._taken.clear()
        if self._held:
            records, self._held = self._held[:max_records], self._held[max_records:]
            return records
        return self._receive(max_records, timeout_seconds)

    def keep_alive(self, timeout_seconds: float) -> frozenset[Partition]:
        """Remain a member while a batch can't be settled: call it, paused, until it can.

        Waits `timeout_seconds`, and returns the partitions that were taken away meanwhile: their
        records are to be dropped, the group delivers them again. Raises StreamError as `poll`.
        """
        self._held += self._receive(1, timeout_seconds)
        taken = frozenset(self._taken)
        self._taken.clear()
        if taken:
            self._held = [each for each in self._held if each.topic_partition not in taken]
        return taken

    def commit(self, records: Iterable[Record]) -> None:
        """These records are settled: after a restart, reading goes on behind them.

        Returns at once. Records of partitions that were taken away are passed over.
        """
        assigned = self.state.partitions
        for record in records:
            if record.topic_partition in assigned:
                self._offsets.settle(record.topic_partition, record.offset + 1)
        self._send(self._offsets.take())

    def pause(self) -> None:
        """Stop reading, on later assignments too, until `resume`; nothing that waits is lost."""
        if not self.state.is_paused:
            self._watch.paused(True)
            self._client.pause(self._client.assignment())

    def resume(self) -> None:
        """Go on reading behind the last record that was returned."""
        if self.state.is_paused:
            self._watch.paused(False)
            assigned = self._client.assignment()
            self._client.resume([each for each in assigned if not self._is_halted(each)])

    @property
    def held(self) -> frozenset[Partition]:
        """The partitions that `hold` names; one that was taken away is none of them any more."""
        return self._on_hold

    def hold(self, partitions: Set[Partition], *, reads_on: bool = False) -> None:
        """The caller holds records of these partitions back, and of no others any more.

        Nothing more of them is read unless `reads_on`; nothing that waits is lost.
        """
        self._on_hold = frozenset(partitions & self.state.partitions)
        wanted = frozenset() if reads_on else self._on_hold
        fresh, freed = wanted - self._halted, self._halted - wanted
        self._halted = wanted
        if self.state.is_paused or not fresh | freed:
            return
        self._client.pause([TopicPartition(*each) for each in fresh])
        self._client.resume([TopicPartition(*each) for each in freed])

    def lag(self) -> Mapping[Partition, int]:
        """Records behind the committed offset, a few seconds old; it stands still while paused."""
        assigned = self.state.partitions
        return {partition: lag for partition, lag in self._lag.items() if partition in assigned}

    @property
    def gaps(self) -> Gaps:
        """What the broker no longer had when it was to be read."""
        return self._gaps

    def close(self, timeout_seconds: float = CLOSE_SECONDS) -> None:
        """Commit what is settled and leave the group, within `timeout_seconds`.

        A broker that hangs would keep librdkafka waiting for minutes: it is left behind then, and
        the group finds out by the session's timeout.
        """
        if self._is_closed:
            return
        self._is_closed = True
        deadline = time.monotonic() + timeout_seconds
        if self.state.broker is BrokerState.REACHABLE and not self._fatal:
            self._settle(min(SETTLE_SECONDS, timeout_seconds / 2))
        leaving = threading.Thread(target=self._leave, name="leave-group", daemon=True)
        leaving.start()
        leaving.join(max(0.0, deadline - time.monotonic()))
        if leaving.is_alive():
            log.warning("group.not_left", remedy="its partitions move at the session's timeout")

    def _settle(self, timeout_seconds: float) -> None:
        self.pause()
        deadline = time.monotonic() + timeout_seconds
        while not self._offsets.is_settled and time.monotonic() < deadline and not self._fatal:
            # Records that still come are not committed.
            self._client.poll(_CLOSING_POLL_SECONDS)
            self._send(self._offsets.take())

    def _leave(self) -> None:
        try:
            self._client.close()
        except (KafkaException, RuntimeError) as error:
            log.warning("group.not_left", error=redact(str(error), self._settings))

    def _receive(self, max_records: int, timeout_seconds: float) -> list[Record]:
        self._send(self._offsets.take())
        self._find_places()
        first = self._await_message(timeout_seconds)
        messages: Sequence[Message] = () if first is None else (first,)
        if first is not None and max_records > 1:
            messages = [first, *self._client.consume(max_records - 1, 0)]
        read_at = self._timer()
        records = []
        for message in messages:
            error = message.error()
            if error is None:
                records.append(read_message(message, read_at))
                self._offsets.receive(records[-1].topic_partition, records[-1].offset + 1)
                self._watch.permitted(records[-1].topic)
            elif _is_end(error):
                self._on_end(message)
            elif _lacks_offset(error):
                self._on_no_offset(message)
            else:
                self._on_message_error(error, message.topic() or "")
        if self._fatal:
            raise StreamError(self._fatal)
        if self._taken:
            # The first may be of a partition that was taken while more were fetched.
            assigned = self.state.partitions
            records = [each for each in records if each.topic_partition in assigned]
        return records

    def _await_message(self, timeout_seconds: float) -> Message | None:
        """The first message but ends of partitions and those adrift, waited for at most so long."""
        deadline = time.monotonic() + timeout_seconds
        first = self._client.poll(timeout_seconds)
        while first is not None:
            if _is_end(first.error()):
                self._on_end(first)
            elif _lacks_offset(first.error()):
                self._on_no_offset(first)
                # All of them together: they come one by one.
                first = self._client.poll(0.0)
                if first is not None:
                    continue
                self._find_places()
            else:
                break
            first = self._client.poll(max(0.0, deadline - time.monotonic()))
        return first

    def _on_end(self, message: Message) -> None:
        """All that a partition has was received."""
        topic, number, offset = message.topic(), message.partition(), message.offset()
        if topic is None or number is None or offset is None:
            return
        if (topic, number) in self.state.partitions:
            self._offsets.reach_end((topic, number), offset)

    def _is_halted(self, partition: TopicPartition) -> bool:
        return (partition.topic, partition.partition) in self._halted

    def _on_no_offset(self, message: Message) -> None:
        """The broker lacks the offset of a partition, or the group has none; it is not read now."""
        topic, number = message.topic(), message.partition()
        if topic is not None and number is not None:
            self._adrift[topic, number] = message.offset()

    def _find_places(self) -> None:
        """Read partitions that are adrift where there is something to read; for some seconds."""
        if not self._adrift:
            return
        assigned, now = self.state.partitions, self._timer()
        self._adrift = {each: at for each, at in self._adrift.items() if each in assigned}
        due = [each for each in self._adrift if now >= self._ask_at.get(each, 0.0)]
        new = [each for each in due if self._adrift[each] is None]
        if new:
            log.info(
                "partitions.new", partitions=names(new), reset=self._settings.auto_offset_reset
            )
        for partition in due:
            self._ask_at[partition] = now + ASK_AGAIN_SECONDS
            try:
                self._find_place(partition, self._adrift[partition])
            except KafkaException as error:
                # The broker went away meanwhile: the others would wait as long.
                self._tell_once(error.args[0], "stream.error")
                return
            del self._adrift[partition]
            if self._timer() > now + FIRST_OFFSET_SECONDS:
                return

    def _find_place(self, partition: Partition, offset: int | None) -> None:
        if offset is None:
            self._read_from(partition, self._begin_at)
        else:
            self._skip_gap(partition, offset)

    def _skip_gap(self, partition: Partition, offset: int) -> None:
        first, end = self._client.get_watermark_offsets(
            TopicPartition(*partition), timeout=FIRST_OFFSET_SECONDS, cached=False
        )
        # Never at the end, whatever AUTO_OFFSET_RESET says: what is there was not read yet.
        self._read_from(partition, first)
        self._gaps.note(partition, offset, first, end)
        # Committed at once, or the same gap would be found at the next start.
        self._offsets.forget([partition])
        self._offsets.settle(partition, first)

    def _read_from(self, partition: Partition, offset: int) -> None:
        place = [TopicPartition(*partition, offset)]
        # A partition that is adrift can't be sought in.
        self._client.incremental_unassign(place)
        self._client.incremental_assign(place)
        if self.state.is_paused or partition in self._halted:
            self._client.pause(place)
        else:
            self._client.resume(place)

    def _send(self, offsets: Mapping[Partition, int]) -> None:
        if not offsets:
            return
        try:
            self._client.commit(
                offsets=[TopicPartition(*each, offset) for each, offset in offsets.items()],
                asynchronous=True,
            )
        except KafkaException as error:
            self._on_commit(error.args[0], [])

    def _on_commit(self, error: KafkaError | None, partitions: list[TopicPartition]) -> None:
        failed = error or next((each.error for each in partitions if each.error), None)
        if failed is not None:
            self._offsets.fail()
            if failed.code() in _DENIED:
                self._watch.refused("", redact(failed.str(), self._settings))
            elif failed.code() not in _REBALANCED:
                self._tell_once(failed, "offsets.not_committed")
            return
        self._told.clear()
        self._watch.permitted("")
        self._offsets.confirm({(each.topic, each.partition): each.offset for each in partitions})

    def _on_assign(
        self, client: confluent_kafka.Consumer, partitions: list[TopicPartition]
    ) -> None:
        begins_at_end = self._begin_at == confluent_kafka.OFFSET_END
        begun = self._begin_at_end(client, partitions) if begins_at_end else {}
        client.incremental_assign(
            [
                TopicPartition(each.topic, each.partition, begun[place])
                if (place := (each.topic, each.partition)) in begun
                else each
                for each in partitions
            ]
        )
        # Whether a partition comes back paused, as it went, depends on how it went.
        if self.state.is_paused:
            client.pause(partitions)
        else:
            client.resume(partitions)
        self._gaps.expect(_partitions(partitions))
        self._watch.joined(_partitions(partitions))
        for place, offset in begun.items():
            self._offsets.settle(place, offset)
        self._send(self._offsets.take())

    def _begin_at_end(
        self, client: confluent_kafka.Consumer, partitions: list[TopicPartition]
    ) -> dict[Partition, int]:
        """The ends of the partitions of which the group has no offset.

        They are committed at once: after a restart, or when membership was lost, reading goes on
        there and not at the end of that time. A broker that does not answer soon is left alone;
        reading begins at the end all the same then, and is committed with the first record.
        """
        deadline = time.monotonic() + BEGIN_SECONDS
        ends: dict[Partition, int] = {}
        try:
            for each in client.committed(partitions, timeout=BEGIN_SECONDS):
                if each.error is None and each.offset < 0:
                    left = max(0.1, deadline - time.monotonic())
                    _, end = client.get_watermark_offsets(each, timeout=left, cached=False)
                    ends[each.topic, each.partition] = end
        except KafkaException as error:
            self._tell_once(error.args[0], "offsets.not_committed")
        return ends

    def _on_revoke(
        self, client: confluent_kafka.Consumer, partitions: list[TopicPartition]
    ) -> None:
        # The commit goes out before the group is told that the partitions are free.
        taken = _partitions(partitions)
        if not self._is_closed:
            self._send(self._offsets.take_of(taken))
        self._offsets.forget(taken)
        self._taken |= taken
        self._on_hold -= taken
        self._halted -= taken
        self._watch.handed_over(taken)

    def _on_lost(self, client: confluent_kafka.Consumer, partitions: list[TopicPartition]) -> None:
        taken = _partitions(partitions)
        self._offsets.forget(taken)
        self._taken |= taken
        self._on_hold -= taken
        self._halted -= taken
        self._watch.dropped_out(taken)

    def _on_statistics(self, text: str) -> None:
        statistics = Statistics.read(text)
        self._lag = statistics.lag
        self._watch.reported(statistics.is_up, self._trouble or "no connection to any broker")

    def _on_error(self, error: KafkaError) -> None:
        reason = redact(error.str(), self._settings)
        if error.fatal():
            self._fatal = reason
        elif error.code() == KafkaError._ALL_BROKERS_DOWN:
            self._watch.gone(self._trouble or reason)
        else:
            # About 20 a second while a broker is away; the state tells the latest.
            self._trouble = reason

    def _on_message_error(self, error: KafkaError, topic: str) -> None:
        reason = redact(error.str(), self._settings)
        if error.fatal() or error.code() == KafkaError._FATAL:
            self._fatal = reason
        elif error.code() in _ABSENT:
            self._watch.missed(topic)
        elif error.code() in _DENIED:
            self._watch.refused(topic, reason)
        else:
            self._tell_once(error, "stream.error")

    def _tell_once(self, error: KafkaError, event: str) -> None:
        if error.code() not in self._told:
            self._told.add(error.code())
            log.warning(event, kafka=error.name(), reason=redact(error.str(), self._settings))


def _is_end(error: KafkaError | None) -> bool:
    return error is not None and error.code() == KafkaError._PARTITION_EOF


def _lacks_offset(error: KafkaError | None) -> bool:
    return error is not None and error.code() == KafkaError._AUTO_OFFSET_RESET


def _partitions(partitions: Iterable[TopicPartition]) -> set[Partition]:
    return {(each.topic, each.partition) for each in partitions}
