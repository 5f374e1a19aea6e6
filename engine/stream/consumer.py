"""Reads records as a member of a consumer group, and commits those that its caller has processed.

Offsets are committed in the background and confirmed later, so that a broker that is away or hangs
does not block the caller. What was not confirmed is sent again with the next commit; what is never
confirmed is delivered again. All methods, and so all callbacks, run in one thread; `state` may be
read by any thread.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping, Sequence, Set
from operator import methodcaller
from typing import Final

import confluent_kafka
import structlog
from confluent_kafka import (
    TIMESTAMP_NOT_AVAILABLE,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)

from engine.errors import StreamError
from engine.settings import Settings
from engine.stream.offsets import Gaps, Offsets, StartOffsets
from engine.stream.options import consumer_options, redact, refused_options
from engine.stream.record import Partition, Record
from engine.stream.state import BrokerState, StateTracker, Statistics, StreamState

log = structlog.get_logger(__name__)

CLOSE_SECONDS: Final = 4.0
# The share of them that the last commit may take.
LAST_COMMIT_SECONDS: Final = 2.0
_CLOSING_POLL_SECONDS: Final = 0.05
_ABSENT: Final = (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC)
_DENIED: Final = (
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
)
# The partition was given to another member, or will be: its records are delivered again.
_REBALANCED: Final = (
    KafkaError.REBALANCE_IN_PROGRESS,
    KafkaError.ILLEGAL_GENERATION,
    KafkaError.UNKNOWN_MEMBER_ID,
)
# For a header name that is not UTF-8, `message.headers()` sets an exception and returns a broken
# list all the same. A plain call no longer notices that once the interpreter has specialised it; a
# call from C always notices it, and raises SystemError.
_read_headers: Final = methodcaller("headers")


class Consumer:
    """A member of the group that `settings` name, subscribed to all their topics.

    It connects in the background, and waits for brokers and topics that are not there yet. Raises
    SettingsError for options that librdkafka does not take.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._tracker = StateTracker()
        self._offsets = Offsets(time.monotonic)
        self._gaps = Gaps()
        # Records that `keep_alive` received, for the next `poll`.
        self._received: list[Record] = []
        # Partitions that were revoked or lost since the last `poll` or `keep_alive`.
        self._revoked: set[Partition] = set()
        # The partitions of `hold`, and those of them that are paused.
        self._held: frozenset[Partition] = frozenset()
        self._paused: frozenset[Partition] = frozenset()
        self._lag: Mapping[Partition, int] = {}
        # The last error of a connection, and the error after which the client is of no use.
        self._connection_error = ""
        self._fatal_error = ""
        # Codes of errors that were logged since the last commit that was confirmed.
        self._logged: set[int] = set()
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
        self._starts = StartOffsets(
            self._client,
            settings.auto_offset_reset,
            self._offsets,
            self._gaps,
            is_paused=self._is_paused,
            on_error=self._log_once,
        )
        self._client.subscribe(
            list(settings.kafka_topics),
            on_assign=self._on_assign,
            on_revoke=self._on_revoke,
            on_lost=self._on_lost,
        )

    @property
    def state(self) -> StreamState:
        """What is known of the broker, the group and the topics now."""
        return self._tracker.state

    @property
    def gaps(self) -> Gaps:
        """Counts of records that the broker no longer had when they were to be read."""
        return self._gaps

    @property
    def held(self) -> frozenset[Partition]:
        """The partitions of the last `hold`, without those that were revoked since."""
        return self._held

    def lag(self) -> Mapping[Partition, int]:
        """Records behind the committed offset, by partition; a few seconds old.

        While the consumer is paused they stay as they were.
        """
        assigned = self.state.partitions
        return {partition: lag for partition, lag in self._lag.items() if partition in assigned}

    def poll(self, max_records: int, timeout_seconds: float) -> list[Record]:
        """Returns at most `max_records` records of the partitions that are assigned now.

        Waits `timeout_seconds` for the first record, and does not wait for more. Raises StreamError
        after a fatal error, such as a broker that has fenced this client.
        """
        self._revoked.clear()
        if self._received:
            records, self._received = self._received[:max_records], self._received[max_records:]
            return records
        return self._receive(max_records, timeout_seconds)

    def keep_alive(self, timeout_seconds: float) -> frozenset[Partition]:
        """Keep the membership while a batch can't be processed; to be called while paused.

        Waits `timeout_seconds`. Returns the partitions that were revoked meanwhile: the caller
        drops their records, the group delivers them again. Raises StreamError as `poll` does.
        """
        self._received += self._receive(1, timeout_seconds)
        revoked = frozenset(self._revoked)
        self._revoked.clear()
        if revoked:
            self._received = [
                each for each in self._received if each.topic_partition not in revoked
            ]
        return revoked

    def commit(self, records: Iterable[Record]) -> None:
        """These records are processed: after a restart, reading goes on behind them.

        Returns at once. Records of partitions that are not assigned any more are ignored.
        """
        assigned = self.state.partitions
        for record in records:
            if record.topic_partition in assigned:
                self._offsets.advance(record.topic_partition, record.offset + 1)
        self._commit(self._offsets.next_commit())

    def pause(self) -> None:
        """Stop reading, on later assignments too, until `resume`; no record is lost."""
        if not self.state.is_paused:
            self._tracker.set_paused(True)
            self._client.pause(self._client.assignment())

    def resume(self) -> None:
        """Go on reading behind the last record that was returned."""
        if self.state.is_paused:
            self._tracker.set_paused(False)
            assigned = self._client.assignment()
            self._client.resume([each for each in assigned if _place(each) not in self._paused])

    def hold(self, partitions: Set[Partition], *, reads_on: bool = False) -> None:
        """The caller keeps records of these partitions back, and of no others any more.

        Unless `reads_on`, the partitions are paused, so that no more of their records come.
        """
        self._held = frozenset(partitions & self.state.partitions)
        paused = frozenset() if reads_on else self._held
        added, removed = paused - self._paused, self._paused - paused
        self._paused = paused
        if self.state.is_paused or not added | removed:
            return
        self._client.pause([TopicPartition(*each) for each in added])
        self._client.resume([TopicPartition(*each) for each in removed])

    def close(self, timeout_seconds: float = CLOSE_SECONDS) -> None:
        """Commit what is processed and leave the group, within `timeout_seconds`.

        A broker that hangs would keep librdkafka waiting for minutes. It is not waited for then:
        the group notices by the session's timeout that the member is gone.
        """
        if self._is_closed:
            return
        self._is_closed = True
        deadline = time.monotonic() + timeout_seconds
        if self.state.broker is BrokerState.REACHABLE and not self._fatal_error:
            self._commit_all(min(LAST_COMMIT_SECONDS, timeout_seconds / 2))
        leaving = threading.Thread(target=self._leave, name="leave-group", daemon=True)
        leaving.start()
        leaving.join(max(0.0, deadline - time.monotonic()))
        if leaving.is_alive():
            log.warning("group.not_left", remedy="its partitions move at the session's timeout")

    def _commit_all(self, timeout_seconds: float) -> None:
        self.pause()
        deadline = time.monotonic() + timeout_seconds
        while (
            not self._offsets.is_confirmed and time.monotonic() < deadline and not self._fatal_error
        ):
            # A record that still comes is dropped: its offset is not committed.
            self._client.poll(_CLOSING_POLL_SECONDS)
            self._commit(self._offsets.next_commit())

    def _leave(self) -> None:
        try:
            self._client.close()
        except (KafkaException, RuntimeError) as error:
            log.warning("group.not_left", error=redact(str(error), self._settings))

    def _receive(self, max_records: int, timeout_seconds: float) -> list[Record]:
        self._commit(self._offsets.next_commit())
        self._starts.find(self.state.partitions)
        messages = self._fetch(max_records, timeout_seconds)
        read_at = time.monotonic()
        records = []
        for message in messages:
            error = message.error()
            if error is None:
                record = read_message(message, read_at)
                self._offsets.note_received(record.topic_partition, record.offset + 1)
                self._tracker.permitted(record.topic)
                records.append(record)
            elif _is_end(error):
                self._on_end(message)
            elif _lacks_offset(error):
                self._starts.note_missing(message)
            else:
                self._on_message_error(error, message.topic() or "")
        if self._fatal_error:
            raise StreamError(self._fatal_error)
        if self._revoked:
            # The first may be of a partition that was revoked while more were fetched.
            assigned = self.state.partitions
            records = [each for each in records if each.topic_partition in assigned]
        return records

    def _fetch(self, max_records: int, timeout_seconds: float) -> Sequence[Message]:
        first = self._await_message(timeout_seconds)
        if first is None:
            return ()
        if max_records == 1:
            return (first,)
        return [first, *self._client.consume(max_records - 1, 0)]

    def _await_message(self, timeout_seconds: float) -> Message | None:
        """The first record or error within the timeout.

        What says that a partition ends, or lacks an offset, is noted and does not end the wait.
        """
        deadline = time.monotonic() + timeout_seconds
        message = self._client.poll(timeout_seconds)
        while message is not None:
            if _is_end(message.error()):
                self._on_end(message)
            elif _lacks_offset(message.error()):
                self._starts.note_missing(message)
                # There is one such message for each partition: note all of them first.
                message = self._client.poll(0.0)
                if message is not None:
                    continue
                self._starts.find(self.state.partitions)
            else:
                break
            message = self._client.poll(max(0.0, deadline - time.monotonic()))
        return message

    def _on_end(self, message: Message) -> None:
        topic, number, offset = message.topic(), message.partition(), message.offset()
        if topic is None or number is None or offset is None:
            return
        if (topic, number) in self.state.partitions:
            self._offsets.note_end((topic, number), offset)

    def _on_message_error(self, error: KafkaError, topic: str) -> None:
        reason = redact(error.str(), self._settings)
        if error.fatal() or error.code() == KafkaError._FATAL:
            self._fatal_error = reason
        elif error.code() in _ABSENT:
            self._tracker.topic_missing(topic)
        elif error.code() in _DENIED:
            self._tracker.refused(topic, reason)
        else:
            self._log_once(error, "stream.error")

    def _is_paused(self, partition: Partition) -> bool:
        return self.state.is_paused or partition in self._paused

    def _commit(self, offsets: Mapping[Partition, int]) -> None:
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
                self._tracker.refused("", redact(failed.str(), self._settings))
            elif failed.code() not in _REBALANCED:
                self._log_once(failed, "offsets.not_committed")
            return
        self._logged.clear()
        self._tracker.permitted("")
        self._offsets.confirm({_place(each): each.offset for each in partitions})

    def _on_assign(
        self, client: confluent_kafka.Consumer, partitions: list[TopicPartition]
    ) -> None:
        places = {_place(each) for each in partitions}
        ends = self._starts.ends_to_begin_at(partitions)
        client.incremental_assign(
            [
                TopicPartition(*place, ends[place]) if (place := _place(each)) in ends else each
                for each in partitions
            ]
        )
        # Whether a partition comes back paused depends on how it was revoked.
        if self.state.is_paused:
            client.pause(partitions)
        else:
            client.resume(partitions)
        self._gaps.expect(places)
        self._tracker.joined(places)
        for place, offset in ends.items():
            self._offsets.advance(place, offset)
        self._commit(self._offsets.next_commit())

    def _on_revoke(
        self, client: confluent_kafka.Consumer, partitions: list[TopicPartition]
    ) -> None:
        places = {_place(each) for each in partitions}
        # The commit is sent before the group learns that the partitions are free.
        if not self._is_closed:
            self._commit(self._offsets.commit_of(places))
        self._forget(places)
        self._tracker.revoked(places)

    def _on_lost(self, client: confluent_kafka.Consumer, partitions: list[TopicPartition]) -> None:
        places = {_place(each) for each in partitions}
        self._forget(places)
        self._tracker.lost(places)

    def _forget(self, partitions: Set[Partition]) -> None:
        self._offsets.forget(partitions)
        self._revoked |= partitions
        self._held -= partitions
        self._paused -= partitions

    def _on_statistics(self, text: str) -> None:
        statistics = Statistics.read(text)
        self._lag = statistics.lag
        self._tracker.reported(
            statistics.is_up, self._connection_error or "no connection to any broker"
        )

    def _on_error(self, error: KafkaError) -> None:
        reason = redact(error.str(), self._settings)
        if error.fatal():
            self._fatal_error = reason
        elif error.code() == KafkaError._ALL_BROKERS_DOWN:
            # librdkafka has no reason where the broker closes the connection without a word.
            servers = self._settings.kafka_bootstrap_servers
            self._tracker.away(self._connection_error or f"{servers}: {reason}")
        else:
            # About 20 a second while a broker is away: the latest is shown with the state.
            self._connection_error = reason

    def _log_once(self, error: KafkaError, event: str) -> None:
        if error.code() not in self._logged:
            self._logged.add(error.code())
            log.warning(event, kafka=error.name(), reason=redact(error.str(), self._settings))


def read_message(message: Message, read_at: float) -> Record:
    """Returns the record of a message that is no error; `read_at` is in monotonic seconds.

    Where the name of a header is not UTF-8, the headers can't be read: the record has none then.
    """
    kind, timestamp_ms = message.timestamp()
    return Record(
        topic=message.topic() or "",
        partition=_number(message.partition()),
        offset=_number(message.offset()),
        timestamp_ms=0 if kind == TIMESTAMP_NOT_AVAILABLE else timestamp_ms,
        key=message.key(),
        value=message.value(),
        headers=_headers(message),
        read_at=read_at,
    )


def _is_end(error: KafkaError | None) -> bool:
    return error is not None and error.code() == KafkaError._PARTITION_EOF


def _lacks_offset(error: KafkaError | None) -> bool:
    return error is not None and error.code() == KafkaError._AUTO_OFFSET_RESET


def _place(partition: TopicPartition) -> Partition:
    return partition.topic, partition.partition


def _number(value: int | None) -> int:
    return -1 if value is None else value


def _headers(message: Message) -> tuple[tuple[str, bytes | None], ...]:
    try:
        headers = _read_headers(message)
    except SystemError:
        # The event needs no header: only a dead letter would lack them.
        log.warning(
            "record.headers_unreadable",
            topic=message.topic(),
            partition=message.partition(),
            offset=message.offset(),
        )
        return ()
    return tuple(headers) if headers else ()
