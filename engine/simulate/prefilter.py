"""Takes out of batches, in several processes, the events on which no rule holds or fails.

Nearly all events of a topic are such. They leave nothing behind but that they were there, so each
process can find them by itself; what is left goes through the pipeline, in its order. Whatever a
process can't judge is left too, so nothing of the pipeline is done here.
"""

from __future__ import annotations

import fcntl
import multiprocessing
import os
import signal
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import tzinfo
from itertools import cycle, islice
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from operator import attrgetter
from pathlib import Path
from typing import Any, Final, Self

from engine.errors import RegistryUnavailableError, WorkerLostError
from engine.pipeline.active_rules import ActiveRules
from engine.schema import EventSchema
from engine.schema.event import Event
from engine.simulate.replay import Chosen
from engine.simulate.report import NOTHING_SEEN, Seen
from engine.simulate.sources import EventSource
from engine.stream.decoder import Decoder
from engine.stream.record import Record, SchemaName
from engine.stream.registry import WriterSchema

#: How many records a batch for a process has at most: some fit into a pipe together.
BATCH_RECORDS: Final = 1_000
#: More processes would wait for the one that reads.
MOST_WORKERS: Final = 4
#: How many batches a process has at a time: one at work, one in its pipe.
_AHEAD: Final = 2
_END_SECONDS: Final = 5.0
#: What Linux allows everybody. Some hundred bytes a record are usual.
_PIPE_BYTES: Final = 1 << 20
#: The threads of this process, each a folder.
_THREADS: Final = Path("/proc/self/task")
#: A container's limit: microseconds of processor time, or "max", in so many of real time.
_QUOTA: Final = Path("/sys/fs/cgroup/cpu.max")

Writers = Mapping[SchemaName, WriterSchema]
"""Writer schemas by id or GUID."""

_NO_WRITERS: Final[Writers] = {}
_fields_of: Final[Callable[[Record], tuple[Any, ...]]] = attrgetter(*Record.__dataclass_fields__)


@dataclass(frozen=True, slots=True)
class Filtered:
    """A batch, of which the events on which nothing holds or fails may have been taken out.

    `records` are those that are left, in their order; `passed` are the events taken out, as far as
    they count.
    """

    records: Sequence[Record]
    passed: Seen


class Prefilter:
    """Tells the records on which no rule of any of these sets holds or fails; it has no state.

    `zone` is that of times without one, `chosen` says which events count.
    """

    def __init__(
        self, schema: EventSchema, zone: tzinfo, rules: Sequence[ActiveRules], chosen: Chosen
    ) -> None:
        self._schema = schema
        self._zone = zone
        self._matches = [each.match for each in rules]
        self._chosen = chosen
        self.learn(_NO_WRITERS)

    def learn(self, writers: Writers) -> None:
        """Decode by these writer schemas and no others."""
        self._decode = Decoder(self._schema, _ProvenWriters(writers), self._zone).decode

    def filter(self, records: Sequence[Record]) -> tuple[list[int], Seen]:
        """The positions of the records that are left, and the other ones' events that count."""
        left: list[int] = []
        moments = []
        is_all, counts = self._chosen.is_all, self._chosen.counts
        for position, record in enumerate(records):
            try:
                event = self._decode(record)
                is_left = self._concerns_rules(event)
            except Exception:  # noqa: BLE001 - the pipeline says what is wrong with the record
                is_left = True
            if is_left:
                left.append(position)
            elif is_all or counts(event):
                moments.append(event.time)
        return left, Seen(len(moments), min(moments), max(moments)) if moments else NOTHING_SEEN

    def _concerns_rules(self, event: Event) -> bool:
        for match in self._matches:
            found = match(event)
            if found.matches or found.errors:
                return True
        return False


class Workers:
    """Up to `count` processes that filter batches; a context manager that ends them.

    They are copies of this process, made at once, with the rules that it has in memory: no other
    thread may run in it then, and no Kafka client be there, which has threads. There are fewer
    where the system allows no more. With none of them batches stay as they are.
    """

    def __init__(self, count: int, prefilter: Prefilter) -> None:
        self._stack = ExitStack()
        self._workers: list[_Worker] = []
        with self._stack:
            for _ in range(count):
                try:
                    worker = _Worker(prefilter, self._workers)
                except OSError:
                    break
                self._stack.callback(worker.end)
                self._workers.append(worker)
            self._stack = self._stack.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        # All pipes first, so that they end at the same time.
        for each in self._workers:
            each.close()
        self._stack.close()

    def filtered(self, source: EventSource) -> Iterator[Filtered]:
        """The source's batches in their order, filtered, as long as the caller decodes them.

        The first one stays as it is: by it the source learns a writer schema. Raises as the source
        does, and WorkerLostError where a process has ended.
        """
        if not self._workers:
            yield from (Filtered(batch, NOTHING_SEEN) for batch in source.batches())
            return
        waiting: deque[tuple[_Worker, list[Record]]] = deque()
        turns = cycle(self._workers)
        batches = source.batches(BATCH_RECORDS)
        for batch in islice(batches, 1):
            yield Filtered(batch, NOTHING_SEEN)
        for batch in batches:
            if len(waiting) >= _AHEAD * len(self._workers):
                yield _answered(*waiting.popleft())
            worker = next(turns)
            worker.give(batch, source.writers)
            waiting.append((worker, batch))
        while waiting:
            yield _answered(*waiting.popleft())


def worker_count() -> int:
    """How many processes are of use: 0 where there is one processor, or this one can't be copied.

    Only on Linux it is known how many processors this process may use, and whether it has threads.
    """
    if sys.platform != "linux" or not _is_alone():
        return 0
    cores = min(len(os.sched_getaffinity(0)), _allowed_cores())
    return min(cores, MOST_WORKERS) if cores > 1 else 0


def _is_alone() -> bool:
    """Whether no thread runs but this one, and such as end for a copy, which numpy's do.

    Threads of Python are counted. Those of librdkafka have names of their own.
    """
    try:
        names = {each.joinpath("comm").read_text(encoding="utf-8") for each in _THREADS.iterdir()}
    except OSError:
        # One of them has just ended, or nobody may know.
        return False
    return len(names) == len(sys._current_frames()) == 1


def _allowed_cores() -> int:
    """How many processors' worth of time a container may have, rounded down."""
    try:
        quota, period = _QUOTA.read_text(encoding="ascii").split()
        return int(quota) // int(period)
    except (OSError, ValueError):
        # There is no such limit, or none that is known: "max", or control groups of version 1.
        return MOST_WORKERS


class _ProvenWriters:
    """The writer schemas that are given; the registry is for others to ask."""

    def __init__(self, writers: Writers) -> None:
        self._writers = writers

    def writer_schema(self, name: SchemaName) -> WriterSchema:
        """The schema; RegistryUnavailableError where it is not among them."""
        try:
            return self._writers[name]
        except KeyError:
            raise RegistryUnavailableError from None

    def ask_again(self, name: SchemaName, seconds: float) -> WriterSchema:
        """Always RegistryUnavailableError."""
        raise RegistryUnavailableError


class _Worker:
    """One process, with its two pipes."""

    def __init__(self, prefilter: Prefilter, others: Sequence[_Worker]) -> None:
        inbox, self._jobs = multiprocessing.Pipe(duplex=False)
        self._answers, outbox = multiprocessing.Pipe(duplex=False)
        if sys.platform == "linux":
            # So that a batch fits in while another one is at work; without, the reader waits.
            with suppress(OSError):
                fcntl.fcntl(inbox.fileno(), fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        # What the copy has of our ends: while one is open, a pipe does not end.
        ours = [each for other in (*others, self) for each in (other._jobs, other._answers)]
        self._process: BaseProcess = multiprocessing.get_context("fork").Process(
            target=_run, args=(prefilter, inbox, outbox, ours), daemon=True
        )
        self._known = _NO_WRITERS
        # Ctrl-C reaches all processes of a terminal: this one decides.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            self._process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        inbox.close()
        outbox.close()

    def give(self, batch: Sequence[Record], writers: Writers) -> None:
        """Give it a batch to filter, and the writer schemas if there are others than before."""
        news = None if writers == self._known else writers
        try:
            self._jobs.send((news, list(map(_fields_of, batch))))
        except OSError as error:
            raise self._lost() from error
        self._known = writers

    def take(self) -> tuple[list[int], Seen]:
        """What it found in the first batch that it was given and that was not taken yet."""
        try:
            found: tuple[list[int], Seen] = self._answers.recv()
        except (EOFError, OSError) as error:
            raise self._lost() from error
        return found

    def close(self) -> None:
        """Let it end."""
        self._jobs.close()
        self._answers.close()

    def end(self) -> None:
        """Return when it has ended."""
        self.close()
        self._process.join(_END_SECONDS)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()

    def _lost(self) -> WorkerLostError:
        self._process.join(_END_SECONDS)
        status = self._process.exitcode or 0
        if status < 0:
            return WorkerLostError(
                f"a process of the replay was killed (signal {-status}), which is what happens when"
                " memory runs out: give it more, or replay less at a time with --since and --until"
            )
        return WorkerLostError("a process of the replay failed, see above")


def _answered(worker: _Worker, batch: Sequence[Record]) -> Filtered:
    left, passed = worker.take()
    return Filtered([batch[position] for position in left], passed)


def _run(
    prefilter: Prefilter, inbox: Connection, outbox: Connection, ours: Iterable[Connection]
) -> None:
    """Filter batches until there are no more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    for each in ours:
        each.close()
    # The other process may be gone, whatever the reason: so is what is to be done.
    with suppress(EOFError, OSError):
        while True:
            news, batch = inbox.recv()
            if news is not None:
                prefilter.learn(news)
            outbox.send(prefilter.filter([Record(*each) for each in batch]))
