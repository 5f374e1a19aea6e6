"""Logging: structlog, JSON in a container, readable on a terminal.

Lines are written by a thread with a bounded queue, so that nothing waits for whoever reads them.
What does not fit is lost, counted, and reported later. Lines that repeat are counted in one line a
minute.
"""

from __future__ import annotations

import atexit
import io
import logging
import os
import select
import sys
import threading
from collections.abc import Callable, Hashable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Any, Final, TextIO

import structlog

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


#: The end of the process waits so long for lines that are not written yet.
FLUSH_SECONDS: Final = 1.0


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


#: What may wait: some minutes of a busy engine, and a bounded piece of memory.
MOST_LINES: Final = 10_000
MOST_CHARACTERS: Final = 8_000_000

# Much, for each write costs the writing thread a turn, and many lines may come until the next one.
_WRITTEN_AT_ONCE: Final = 1_000_000
_LONGEST_PRINTED: Final = 65_536

_Entry = str | threading.Event


class LogWriter:
    """Takes whole lines from any thread, and from a signal's handler; none ever waits or fails.

    A stream in memory, which has no file descriptor, is written at once. `report` is called in the
    writing thread with the number of lines that were lost since the last time, as soon as a line
    can be written again; a line that it writes here goes out before all that waits.
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
        # A signal's handler may come in between, in the same thread.
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
            # A daemon: a write that never ends must not keep the process from ending. By file
            # descriptor, for at its end Python waits for the lock of a stream that is written to.
            self._thread = threading.Thread(target=self._run, name="log", daemon=True)
            self._thread.start()

    @property
    def lost(self) -> int:
        """How many lines could not be written so far."""
        return self._overflowed + self._failed

    def write(self, line: str) -> None:
        """Write a line, which comes without its end, as soon as the lines before it are."""
        if self._descriptor is None:
            self._write_at_once(line)
        elif threading.current_thread() is self._thread:
            self._put_out([line])
        else:
            self._take(line)

    def flush(self, timeout_seconds: float = FLUSH_SECONDS) -> bool:
        """Wait until all lines so far are written, at most so long; whether they are."""
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
            self._tell_lost()
            if reached is not None:
                reached.set()

    def _next(self) -> tuple[list[str], threading.Event | None]:
        """The lines that wait, as many as are written at once, up to one that waits for a flush."""
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

    def _tell_lost(self) -> None:
        lost = self.lost
        if lost > self._reported and not self._is_failing:
            new, self._reported = lost - self._reported, lost
            self._report(new)

    def _put_out(self, lines: list[str]) -> None:
        text = "".join(f"{line}\n" for line in lines)
        if self._is_cut:
            # The line before it has no end.
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
            # Another program made the terminal or the pipe that we share non-blocking.
            select.select((), (self._descriptor,), ())
            return 0


class LineStream(io.TextIOBase):
    """Stands in for standard output and error: what is printed there goes to `write`, by lines."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write
        self._lock = threading.RLock()
        self._begun = ""

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """What is written is text until it goes out."""
        return "utf-8"

    def writable(self) -> bool:
        """It is."""
        return True

    def write(self, text: str, /) -> int:
        """Write all lines that have ended; the rest waits for its end, or for the process's."""
        with self._lock:
            *lines, self._begun = (self._begun + text).split("\n")
            for line in lines:
                self._write(line)
            if len(self._begun) > _LONGEST_PRINTED:
                self.finish()
        return len(text)

    def finish(self) -> None:
        """Write what has no end."""
        with self._lock:
            rest, self._begun = self._begun, ""
            if rest:
                self._write(rest)


def _descriptor(stream: TextIO) -> int | None:
    try:
        return stream.fileno()
    except (OSError, ValueError, AttributeError):
        return None


REPLACEMENT: Final = "\ufffd"


def printable(text: str) -> str:
    """`text` without control and other invisible characters, which a terminal may obey.

    Line ends stay. A plate's text comes from outside and could move the cursor, or worse.
    """
    return "".join(
        each if each == "\n" or each.isprintable() or each in "\u200d\ufe0f" else REPLACEMENT
        for each in text
    )


REPEAT_SECONDS: Final = 60.0
# Reasons come from outside: beyond so many within a minute, each line is written.
REASONS_KEPT: Final = 1_000


@dataclass(slots=True)
class _Reason:
    write: Callable[..., object]
    facts: Mapping[str, Any]
    silent_until: float
    count: int = 0


class Repeats:
    """Writes lines that have a `count`; `timer` gives monotonic seconds. For one thread."""

    def __init__(self, timer: Callable[[], float]) -> None:
        self._timer = timer
        self._reasons: dict[Hashable, _Reason] = {}

    def write(
        self, reason: Hashable, write: Callable[..., object], facts: Mapping[str, Any], count: int
    ) -> None:
        """Call `write(count=…, **facts)` now, or with what comes within a minute for that reason.

        A line that was held back has the facts of the last one.
        """
        self.flush()
        known = self._reasons.get(reason)
        if known is not None:
            known.facts, known.count = facts, known.count + count
            return
        if len(self._reasons) < REASONS_KEPT:
            until = self._timer() + REPEAT_SECONDS
            self._reasons[reason] = _Reason(write, facts, until)
        write(count=count, **facts)

    def flush(self) -> None:
        """Write what was held back for a minute."""
        now = self._timer()
        for reason, known in [*self._reasons.items()]:
            if now < known.silent_until:
                # All wait equally long, so those behind it were begun later.
                break
            del self._reasons[reason]
            if known.count:
                known.write(count=known.count, **known.facts)
                known.count, known.silent_until = 0, now + REPEAT_SECONDS
                self._reasons[reason] = known
