from __future__ import annotations

import fcntl
import io
import json
import os
import select
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.logs.setup import LineStream, LogWriter
from tests.support.patience import PATIENCE_SECONDS

LINE = "x" * 99
LONG = 10_000


class Pipe:
    """A pipe of one page, which nobody reads until a test does."""

    def __init__(self) -> None:
        self.reading, self.writing = os.pipe()
        fcntl.fcntl(self.writing, fcntl.F_SETPIPE_SZ, 4096)
        self.stream = os.fdopen(self.writing, "w", closefd=False)
        self._read = b""
        self._open = {self.reading, self.writing}
        self._writers: list[LogWriter] = []

    def writer(self, *args: Any, **options: Any) -> LogWriter:
        """A log writer into the pipe."""
        self._writers.append(writer := LogWriter(self.stream, *args, **options))
        return writer

    def close(self, end: int) -> None:
        if end in self._open:
            self._open.discard(end)
            os.close(end)

    def end(self) -> None:
        """Close both ends, once nothing more will be written.

        A writing thread knows the pipe by its number only, which the next test's pipe may get.
        """
        # Without a reader, every write fails at once.
        self.close(self.reading)
        for writer in self._writers:
            assert writer.flush(PATIENCE_SECONDS)
        self.close(self.writing)

    def stall(self, writer: LogWriter) -> None:
        """Return when the writing thread waits for somebody to read the rest of a long line."""
        writer.write("." * LONG)
        assert os.read(self.reading, 1) == b"."

    def read(self, until: bytes, count: int = 1) -> bytes:
        """All that came, once this is in it so often."""
        while self._read.count(until) < count:
            assert select.select([self.reading], [], [], PATIENCE_SECONDS)[0], self._read
            more = os.read(self.reading, 65_536)
            assert more, self._read
            self._read += more
        return self._read


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    pipe = Pipe()
    yield pipe
    pipe.end()


def test_lines_arrive_whole_and_in_their_order(pipe: Pipe) -> None:
    writer = pipe.writer()
    for number in range(300):
        writer.write(f"line {number} ä")
    read = pipe.read("line 299 ä\n".encode())
    assert read.decode().splitlines() == [f"line {number} ä" for number in range(300)]
    assert writer.flush(PATIENCE_SECONDS)
    assert writer.lost == 0


def test_a_reader_that_stalls_holds_up_nobody_and_what_was_lost_is_said_once(pipe: Pipe) -> None:
    reports: list[int] = []

    def report(lost: int) -> None:
        reports.append(lost)
        writer.write(f"{lost} lines were not written")

    writer = pipe.writer(report, most_lines=100)
    pipe.stall(writer)
    for _ in range(1_000):
        writer.write(LINE)
    assert not writer.flush(0.01)
    assert writer.lost == 900
    pipe.read(b"900 lines were not written\n")
    # The report goes out before what waits, and until that is taken there is room for no more.
    pipe.read(f"{LINE}\n".encode(), 100)
    writer.write("later")
    read = pipe.read(b"later\n")
    assert reports == [900]
    assert read.count(b"were not written") == 1
    assert read.count(LINE.encode()) == 100


def test_what_waits_is_bounded_by_size_too(pipe: Pipe) -> None:
    writer = pipe.writer(most_characters=LONG + 10_000)
    pipe.stall(writer)
    for _ in range(1_000):
        writer.write(LINE)
    assert writer.lost == 1_000 - 10_000 // len(LINE)


def test_a_line_longer_than_all_that_may_wait_is_written_all_the_same(pipe: Pipe) -> None:
    writer = pipe.writer(most_characters=10)
    writer.write(LINE)
    assert pipe.read(b"\n").decode() == f"{LINE}\n"


def test_a_reader_that_has_gone_costs_lines_and_nothing_else(pipe: Pipe) -> None:
    writer = pipe.writer()
    pipe.close(pipe.reading)
    writer.write(LINE)
    assert writer.flush(PATIENCE_SECONDS)
    assert writer.lost == 1


def test_a_stream_that_was_closed_costs_lines_and_nothing_else(pipe: Pipe) -> None:
    writer = pipe.writer()
    pipe.close(pipe.writing)
    writer.write(LINE)
    assert writer.flush(PATIENCE_SECONDS)
    assert writer.lost == 1


def test_a_disk_that_was_full_is_written_to_again_and_the_loss_is_told(tmp_path: Path) -> None:
    lost: list[int] = []
    with Path("/dev/full").open("w") as stream:
        writer = LogWriter(stream, lost.append)
        writer.write("one")
        writer.write("two")
        assert writer.flush(PATIENCE_SECONDS)
        assert (writer.lost, lost) == (2, [])
        with (tmp_path / "log").open("w") as room:
            os.dup2(room.fileno(), stream.fileno())
        writer.write("three")
        assert writer.flush(PATIENCE_SECONDS)
    assert (tmp_path / "log").read_text() == "three\n"
    assert (writer.lost, lost) == (2, [2])


def test_a_pipe_that_another_program_made_non_blocking_loses_nothing(pipe: Pipe) -> None:
    os.set_blocking(pipe.writing, False)
    writer = pipe.writer()
    for _ in range(200):
        writer.write(LINE)
    writer.write("end")
    assert pipe.read(b"end\n").decode().splitlines() == [LINE] * 200 + ["end"]
    assert writer.lost == 0


def test_a_stream_in_memory_has_each_line_at_once() -> None:
    stream = io.StringIO()
    writer = LogWriter(stream)
    writer.write("one")
    assert stream.getvalue() == "one\n"
    assert writer.flush(0.0)


def test_threads_that_log_at_once_lose_and_mix_nothing(pipe: Pipe) -> None:
    writer = pipe.writer()

    def work(name: str) -> None:
        for number in range(500):
            writer.write(f"{name} {number}")

    threads = [threading.Thread(target=work, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_SECONDS)
    writer.write("end")
    lines = pipe.read(b"end\n").decode().splitlines()[:-1]
    for name in "abc":
        assert [line for line in lines if line[0] == name] == [f"{name} {n}" for n in range(500)]


def test_what_is_printed_in_pieces_goes_out_by_lines() -> None:
    lines: list[str] = []
    stream = LineStream(lines.append)
    print("a", 1, file=stream)
    print("b", end="", file=stream)
    print("c\nd", end="", file=stream)
    assert lines == ["a 1", "bc"]
    stream.finish()
    stream.finish()
    assert lines == ["a 1", "bc", "d"]


def test_what_is_printed_without_an_end_is_bounded() -> None:
    lines: list[str] = []
    stream = LineStream(lines.append)
    for _ in range(2_000):
        print("." * 100, end="\r", file=stream)
    assert lines


@pytest.mark.slow
def test_a_burst_that_somebody_reads_loses_nothing() -> None:
    # Not a file: a disk that others use too may be away for longer than a burst.
    with Path("/dev/null").open("w") as stream:
        writer = LogWriter(stream)
        for number in range(50_000):
            writer.write(f"{number}: {LINE}")
            # A line takes as long to be made as to be written.
            json.dumps({"number": number, "line": LINE, "more": [LINE] * 5})
        assert writer.flush(PATIENCE_SECONDS)
        assert writer.lost == 0
