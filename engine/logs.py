"""The set-up of logging: structlog, JSON in a container, readable on a terminal.

A line that can't be written (its reader has gone or stalls, its disk is full) is lost, and nothing
else: no thread waits for the log, or ends by what it wanted to say. Lines are made where they are
logged, with the values of that moment, and written by a thread of their own.
"""

from __future__ import annotations

import atexit
import logging
import os
import sys
import threading
from collections.abc import Callable
from types import TracebackType
from typing import TextIO

import structlog

from engine.log_writer import FLUSH_SECONDS, LineStream, LogWriter

_writer: LogWriter | None = None
_LEVELS = logging.getLevelNamesMapping()


def configure_logs(
    level: str,
    log_format: str,
    stream: TextIO | None = None,
    redact: Callable[[str], str] = lambda line: line,
) -> None:
    """Send log lines of `level` and above to `stream` (default stderr).

    `log_format` is `json`, `console`, or `auto`: console on a terminal, else JSON. `redact` takes
    known secrets out of a finished line, whoever wrote it. The end of the process waits up to a
    second for lines that are not written yet.
    """
    global _writer
    # A process that was started without one has None, and nobody reads what it says.
    stream = stream or sys.stderr or open(os.devnull, "w")  # noqa: SIM115, PTH123
    writer = _writer = LogWriter(stream, _tell_of_lost_lines)
    atexit.register(writer.flush)
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
        logger_factory=lambda *names: _Lines(writer.write),
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(level=logging.WARNING, handlers=[_LibraryHandler()], force=True)
    threading.excepthook = _tell_of_a_dead_thread


def take_over_output(redact: Callable[[str], str] = lambda line: line) -> None:
    """Let all that Python writes to its standard streams go the way of the log, after it is set up.

    Tracebacks of what ends the process and warnings become log lines; what is printed, by whatever
    library, goes out as it is, but for known secrets. So nothing else can be held up by a reader
    that stalls. For good: the process is about to do nothing else.
    """
    writer = _writer
    if writer is None:
        return
    printed = LineStream(lambda line: writer.write(redact(line)))
    sys.stdout = sys.stderr = printed
    # What is registered last runs first: before the flush.
    atexit.register(printed.finish)
    sys.excepthook = _tell_of_a_crash
    sys.unraisablehook = _tell_of_the_unraisable
    logging.captureWarnings(True)


def flush_logs(timeout_seconds: float = FLUSH_SECONDS) -> None:
    """Wait until all lines so far are written, but no longer; for an end that skips all else."""
    if _writer is not None:
        _writer.flush(timeout_seconds)


def lost_lines() -> int:
    """How many lines could not be written since the log was set up."""
    return _writer.lost if _writer is not None else 0


class _Lines:
    """What structlog writes to."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self.msg = write
        self.debug = self.info = self.warning = self.error = self.critical = write


def _tell_of_lost_lines(lost: int) -> None:
    structlog.get_logger(__name__).warning(
        "log.lines_lost", lines=lost, remedy="look at what reads standard error, or at its disk"
    )


def _tell_of_a_crash(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    structlog.get_logger(__name__).critical("engine.crashed", exc_info=(kind, error, trace))


def _tell_of_the_unraisable(ended: sys.UnraisableHookArgs) -> None:
    """What fails where nobody can be told, such as while an object is removed."""
    error = ended.exc_value
    structlog.get_logger(__name__).error(
        "error.ignored", where=repr(ended.object), exc_info=error if error is not None else False
    )


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
