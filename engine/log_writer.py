"""Writes log lines from a thread of its own, so that nothing waits for whoever reads them.

A log driver that stalls, a pager that nobody scrolls, a terminal that is halted: a write to any of
them lasts until somebody reads. What is written meanwhile waits in a bounded queue; what does not
fit is lost, and counted.
"""

from __future__ import annotations

import io
import os
import select
import threading
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Final, TextIO

#: What may wait: some minutes of a busy engine, and a bounded piece of memory.
MOST_LINES: Final = 10_000
MOST_CHARACTERS: Final = 8_000_000
#: The end of the process waits so long for lines that are not written yet.
FLUSH_SECONDS: Final = 1.0
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
