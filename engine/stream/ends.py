"""Asks the broker where the topics end, and how far the group has read them.

It has a connection of its own, and is no member of the group: any thread may ask, and what the
group has committed counts, whichever engine has read it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

import confluent_kafka
from confluent_kafka import KafkaError, KafkaException, TopicPartition

from engine.errors import StreamError
from engine.settings import Settings
from engine.stream.options import consumer_options, redact
from engine.stream.record import Partition

#: How long one question may take.
ANSWER_SECONDS: Final = 5.0
# In place of a timestamp it asks for the offset behind the last record that can be read.
_LATEST: Final = -1
_ABSENT: Final = (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC)


class StreamEnds:
    """The ends of the partitions of the topics that `settings` name; `close` ends the connection.

    Each question takes `ANSWER_SECONDS` at most. StreamError where the broker does not answer for
    one of the partitions, or where there is none.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._client = confluent_kafka.Consumer(
            consumer_options(settings) | {"statistics.interval.ms": 0, "error_cb": _ignore}
        )

    def ends(self) -> Mapping[Partition, int]:
        """The offset behind the last record of every partition, by the partition."""
        try:
            # For what logs on by a token.
            self._client.poll(0.0)
            asked = [
                TopicPartition(topic, number, _LATEST)
                for topic in self._settings.kafka_topics
                for number in self._partitions(topic)
            ]
            if not asked:
                raise StreamError("none of the topics is there")
            found = self._client.offsets_for_times(asked, timeout=ANSWER_SECONDS)
        except KafkaException as error:
            raise self._failure(error.args[0]) from None
        for each in found:
            if each.error is not None or each.offset < 0:
                raise self._failure(each.error)
        return {(each.topic, each.partition): each.offset for each in found}

    def committed(self, partitions: Collection[Partition]) -> Mapping[Partition, int]:
        """The offset that the group has committed, by the partition; 0 where it has none."""
        asked = [TopicPartition(*each) for each in partitions]
        try:
            found = self._client.committed(asked, timeout=ANSWER_SECONDS)
        except KafkaException as error:
            raise self._failure(error.args[0]) from None
        for each in found:
            if each.error is not None:
                raise self._failure(each.error)
        return {(each.topic, each.partition): max(0, each.offset) for each in found}

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def _partitions(self, topic: str) -> Collection[int]:
        found = self._client.list_topics(topic, timeout=ANSWER_SECONDS).topics[topic]
        if found.error is not None:
            if found.error.code() in _ABSENT:
                return ()
            raise KafkaException(found.error)
        for each in found.partitions.values():
            if each.error is not None and each.leader < 0:
                raise KafkaException(each.error)
        return tuple(found.partitions)

    def _failure(self, error: KafkaError | None) -> StreamError:
        reason = "no answer" if error is None else redact(error.str(), self._settings)
        return StreamError(f"the ends of the topics are not known: {reason}")


def _ignore(error: KafkaError) -> None:
    """The questions themselves tell of errors."""
