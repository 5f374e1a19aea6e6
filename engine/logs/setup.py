"""Sets up structlog: its level, its form, and what Python and other libraries write.

A process calls `configure_logs` once. Until then structlog writes to standard output.
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

from engine.logs.writer import FLUSH_SECONDS, LineStream, LogWriter

_LEVELS = logging.getLevelNamesMapping()
_writer: LogWriter | None = None


def configure_logs(
    level: str,
    log_format: str,
    stream: TextIO | None = None,
    redact: Callable[[str], str] = lambda line: line,
) -> None:
    """Send log lines of `level` and above to `stream` (default stderr).

    `log_format` is `json`, `console`, or `auto`: console on a terminal, else JSON. `redact` takes
    known secrets out of every finished line, of libraries too. At its end the process waits up to
    `FLUSH_SECONDS` for lines that are not written yet.
    """
    global _writer
    # None in a process that was started without standard error: nobody reads its log.
    stream = stream or sys.stderr or open(os.devnull, "w")  # noqa: SIM115, PTH123
    writer = _writer = LogWriter(stream, _report_lost_lines)
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
            _keep_exception if is_console else structlog.processors.format_exc_info,
            renderer,
            lambda logger, method, line: redact(str(line)),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level.upper()]),
        logger_factory=lambda *names: _LineLogger(writer.write),
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(level=logging.WARNING, handlers=[_LibraryHandler()], force=True)
    threading.excepthook = _log_dead_thread


def take_over_output(redact: Callable[[str], str] = lambda line: line) -> None:
    """Write standard output and error through the log's thread, until the process ends.

    Tracebacks and warnings become log lines. What any library prints is written as it is, but
    without known secrets, which `redact` takes out. So a reader that stalls blocks no thread. Does
    nothing before `configure_logs`.
    """
    writer = _writer
    if writer is None:
        return
    printed = LineStream(lambda line: writer.write(redact(line)))
    sys.stdout = sys.stderr = printed
    # The function that is registered last runs first, so this one runs before the flush.
    atexit.register(printed.finish)
    sys.excepthook = _log_crash
    sys.unraisablehook = _log_unraisable
    logging.captureWarnings(True)


def flush_logs(timeout_seconds: float = FLUSH_SECONDS) -> None:
    """Wait until all lines so far are written, at most `timeout_seconds`."""
    if _writer is not None:
        _writer.flush(timeout_seconds)


def lost_lines() -> int:
    """The number of lines that could not be written since `configure_logs`."""
    return _writer.lost if _writer is not None else 0


class _LineLogger:
    """The logger that structlog writes finished lines to."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self.msg = write
        self.debug = self.info = self.warning = self.error = self.critical = write


def _keep_exception(
    logger: object, method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """The console renderer formats exceptions itself."""
    return event


class _LibraryHandler(logging.Handler):
    """Writes what libraries log with `logging` by structlog."""

    def emit(self, record: logging.LogRecord) -> None:
        # structlog knows five levels only, and libraries define others between them.
        level = max(logging.DEBUG, min(record.levelno // 10 * 10, logging.CRITICAL))
        try:
            message = record.getMessage()
        except (TypeError, ValueError, KeyError):
            message = str(record.msg)
        structlog.get_logger(record.name).log(level, message)


def _report_lost_lines(lost: int) -> None:
    structlog.get_logger(__name__).warning(
        "log.lines_lost", lines=lost, remedy="look at what reads standard error, or at its disk"
    )


def _log_crash(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    structlog.get_logger(__name__).critical("engine.crashed", exc_info=(kind, error, trace))


def _log_unraisable(ended: sys.UnraisableHookArgs) -> None:
    """Log an error that Python can't raise, such as one of a `__del__`."""
    error = ended.exc_value
    structlog.get_logger(__name__).error(
        "error.ignored", where=repr(ended.object), exc_info=error if error is not None else False
    )


def _log_dead_thread(ended: threading.ExceptHookArgs) -> None:
    """Log the error that ended a thread: Python would write it to standard error, unredacted."""
    error = ended.exc_value
    if error is not None and not isinstance(error, SystemExit):
        name = ended.thread.name if ended.thread is not None else ""
        structlog.get_logger(__name__).error("thread.died", thread=name, exc_info=error)
