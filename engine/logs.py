"""The set-up of logging: structlog, JSON in a container, readable on a terminal.

A line that can't be written (its reader has gone, its disk is full) is lost, and nothing else: no
thread ends by what it wanted to say.
"""

from __future__ import annotations

import io
import logging
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TextIO

import structlog

_LEVELS = logging.getLevelNamesMapping()


def configure_logs(
    level: str,
    log_format: str,
    stream: TextIO | None = None,
    redact: Callable[[str], str] = lambda line: line,
) -> None:
    """Send log lines of `level` and above to `stream` (default stderr).

    `log_format` is `json`, `console`, or `auto`: console on a terminal, else JSON. `redact` takes
    known secrets out of a finished line, whoever wrote it.
    """
    # A process that was started without one has None.
    stream = stream or sys.stderr or io.StringIO()
    is_console = log_format == "console" or (log_format == "auto" and stream.isatty())
    # Never the local variables: they hold secrets and plates.
    renderer = (
        structlog.dev.ConsoleRenderer(
            colors=stream.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
        if is_console
        else structlog.processors.JSONRenderer(sort_keys=False)
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _keep if is_console else structlog.processors.format_exc_info,
            renderer,
            lambda logger, method, line: redact(str(line)),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level.upper()]),
        logger_factory=lambda *names: _LineWriter(stream),
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(level=logging.WARNING, handlers=[_LibraryHandler()], force=True)
    threading.excepthook = _tell_of_a_dead_thread


class _LineWriter:
    """Writes whole lines, one thread at a time; a stream that refuses them is no reason to end."""

    _lock = threading.Lock()

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def msg(self, line: str) -> None:
        # ValueError: the stream is closed.
        with self._lock, suppress(OSError, ValueError):
            self._stream.write(f"{line}\n")
            self._stream.flush()

    debug = info = warning = error = critical = msg


def _tell_of_a_dead_thread(ended: threading.ExceptHookArgs) -> None:
    """A thread must not end unnoticed, nor tell of it past the redaction."""
    error = ended.exc_value
    if error is not None and not isinstance(error, SystemExit):
        name = ended.thread.name if ended.thread is not None else ""
        structlog.get_logger(__name__).error("thread.died", thread=name, exc_info=error)


class _LibraryHandler(logging.Handler):
    """What libraries say through `logging`, in our form."""

    def emit(self, record: logging.LogRecord) -> None:
        # structlog knows the five levels only, libraries have some between.
        level = max(logging.DEBUG, min(record.levelno // 10 * 10, logging.CRITICAL))
        try:
            message = record.getMessage()
        except (TypeError, ValueError, KeyError):
            message = str(record.msg)
        structlog.get_logger(record.name).log(level, message)


def _keep(
    logger: object, method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    return event


def mask_plate(text: str) -> str:
    """A plate number as logs show it by default: its first two characters."""
    return f"{text[:2]}***" if text else ""
