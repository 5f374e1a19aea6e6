"""What librdkafka logs, as lines of our log: by itself it writes to standard error, and waits."""

from __future__ import annotations

import logging

import structlog

log = structlog.get_logger(__name__)


class ClientLog:
    """The `logger` of a Kafka client, which calls it in `poll`, never from a thread of its own."""

    def log(self, level: int, text: str, *arguments: object) -> None:
        """Log a line of librdkafka, whose level is of `logging`.

        What its `debug` option asks for is shown without `LOG_LEVEL=debug` too: it is off by
        default.
        """
        event = text % arguments if arguments else text
        log.log(min(max(level, logging.INFO), logging.CRITICAL), event)
