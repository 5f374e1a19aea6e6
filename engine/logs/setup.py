"""Sets up structlog, and writes its lines from a thread, so that a slow reader blocks nobody.

A process calls `configure_logs` once; until then structlog writes to standard output. What Python
and other libraries write becomes log lines too. A line that does not fit into the writer's queue,
or can't be written, is lost, counted, and reported later.
"""

from __future__ import annotations

import atexit
import io
import logging
import os
import select
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Final, TextIO

import structlog

#: How long the process waits at its end for lines that are not written yet.
FLUSH_SECONDS: Final = 1.0
#: The bounds of the queue: some minutes of a busy engine.
MOST_LINES: Final = 10_000
MOST_CHARACTERS: Final = 8_000_000
_LEVELS: Final = logging.getLevelNamesMapping()
# Characters. Large, for other threads put many lines into the queue while one write lasts.
_WRITTEN_AT_ONCE: Final = 1_000_000
# Characters of a printed line that has no end yet.
_LONGEST_PRINTED: Final = 65_536
_Entry = str | threading.Event

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


class LogWriter:
    """Writes lines of any thread and signal handler to a stream; `write` never blocks or fails.

    A stream without a file descriptor, such as one in memory, is written at once. As soon as a line
    can be written again after a loss, the writing thread calls `report` with the number of lines
    lost since its last call. A line that `report` writes goes out before those in the queue.
    """

    def __init__(
        self,
        stream: TextIO,
        report: Callable[[int], None] = lambda lost: None,
        *,
        most_lines: int = MOST_LINES,
        most_characters: int = MOST_CHARACTERS,
    ) -> None:
        self._stream = stream
        self._encoding = stream.encoding or "utf-8"
        self._report = report
        self._most_lines = most_lines
        self._most_characters = most_characters
        # Reentrant: a signal's handler may write a line while the same thread does.
        self._lock = threading.RLock()
        self._queue: SimpleQueue[_Entry] = SimpleQueue()
        self._taken = 0
        self._done = 0
        self._overflowed = 0
        self._failed = 0
        self._reported = 0
        self._is_cut = False
        self._is_failing = False
        self._descriptor = _descriptor(stream)
        self._thread: threading.Thread | None = None
        if self._descriptor is not None:
            # A daemon, so that a write that hangs does not keep the process from ending. It writes
            # to the descriptor: at exit Python waits for the lock of a stream that is in use.
            self._thread = threading.Thread(target=self._run, name="log", daemon=True)
            self._thread.start()

    @property
    def lost(self) -> int:
        """The number of lines that could not be written so far."""
        return self._overflowed + self._failed

    def write(self, line: str) -> None:
        """Put a line, without its line end, into the queue; it is lost where there is no room."""
        if self._descriptor is None:
            self._write_at_once(line)
        elif threading.current_thread() is self._thread:
            self._put_out([line])
        else:
            self._take(line)

    def flush(self, timeout_seconds: float = FLUSH_SECONDS) -> bool:
        """Wait until all lines so far are written; False if that takes longer than the time-out."""
        if self._descriptor is None:
            return True
        reached = threading.Event()
        self._queue.put(reached)
        return reached.wait(timeout_seconds)

    def _write_at_once(self, line: str) -> None:
        # ValueError: the stream is closed.
        with self._lock, suppress(OSError, ValueError):
            self._stream.write(f"{line}\n")
            self._stream.flush()

    def _take(self, line: str) -> None:
        with self._lock:
            waiting = self._taken - self._done
            is_too_much = waiting and waiting + len(line) > self._most_characters
            if is_too_much or self._queue.qsize() >= self._most_lines:
                self._overflowed += 1
                return
            self._taken += len(line)
            self._queue.put(line)

    def _run(self) -> None:
        while True:
            lines, reached = self._next()
            if lines:
                self._put_out(lines)
                self._done += sum(map(len, lines))
            self._report_lost()
            if reached is not None:
                reached.set()

    def _next(self) -> tuple[list[str], threading.Event | None]:
        """The lines for the next write, and the event of the flush behind them, if there is one."""
        lines: list[str] = []
        size = 0
        entry = self._queue.get()
        while True:
            if not isinstance(entry, str):
                return lines, entry
            lines.append(entry)
            size += len(entry)
            if size >= _WRITTEN_AT_ONCE:
                return lines, None
            try:
                entry = self._queue.get_nowait()
            except Empty:
                return lines, None

    def _report_lost(self) -> None:
        lost = self.lost
        if lost > self._reported and not self._is_failing:
            new, self._reported = lost - self._reported, lost
            self._report(new)

    def _put_out(self, lines: list[str]) -> None:
        text = "".join(f"{line}\n" for line in lines)
        if self._is_cut:
            # The write before this one ended within a line.
            text = f"\n{text}"
        left = memoryview(text.encode(self._encoding, "backslashreplace"))
        whole = len(left)
        try:
            while left:
                left = left[self._write_some(left) :]
        except OSError:
            self._failed += len(lines)
            self._is_failing = True
            self._is_cut = self._is_cut or 0 < len(left) < whole
        else:
            self._is_failing = self._is_cut = False

    def _write_some(self, data: memoryview) -> int:
        assert self._descriptor is not None
        try:
            return os.write(self._descriptor, data)
        except BlockingIOError:
            # Another program made the shared terminal or pipe non-blocking.
            select.select((), (self._descriptor,), ())
            return 0


class LineStream(io.TextIOBase):
    """A text stream in place of standard output; it calls `write` with each whole line."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write
        self._lock = threading.RLock()
        self._begun = ""

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """UTF-8: the stream takes any text."""
        return "utf-8"

    def writable(self) -> bool:
        """True."""
        return True

    def write(self, text: str, /) -> int:
        """Write all lines that have ended; the rest is kept until its end, or `finish`."""
        with self._lock:
            *lines, self._begun = (self._begun + text).split("\n")
            for line in lines:
                self._write(line)
            if len(self._begun) > _LONGEST_PRINTED:
                self.finish()
        return len(text)

    def finish(self) -> None:
        """Write the begun line."""
        with self._lock:
            rest, self._begun = self._begun, ""
            if rest:
                self._write(rest)


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


def _descriptor(stream: TextIO) -> int | None:
    try:
        return stream.fileno()
    except (OSError, ValueError, AttributeError):
        return None
