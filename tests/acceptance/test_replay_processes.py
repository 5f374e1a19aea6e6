"""`alert-engine replay kafka` in several processes: what it finds, and how it ends."""

from __future__ import annotations

import array
import fcntl
import json
import os
import random
import signal
import subprocess
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest

from engine.demo.servers import RegistryServer
from engine.simulate import prefilter
from engine.simulate.prefilter import MOST_WORKERS
from tests.support.engine_process import COMMAND
from tests.support.kafka import Broker
from tests.support.patience import PATIENCE_SECONDS, await_that
from tests.support.processes import end, signal_group, spawn
from tests.support.sightings import sighting
from tests.support.site import Site
from tests.support.stream import Publisher

#: How many processes there are beside the one that reads.
WORKERS: Final = (
    min(MOST_WORKERS, len(os.sched_getaffinity(0)), prefilter._allowed_cores())
    if sys.platform == "linux"
    else 0
)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(WORKERS < 2, reason="one processor, one process"),
]

EVENTS: Final = 12_000
GARBAGE: Final = 7
RULES: Final = """\
rules:
  - id: stolen
    when: plate.normalized_text in ["A11", "B22", "C33"]
    notify: []
    rate_limit: {cooldown_seconds: 300, dedup_key: plate.normalized_text}
    message_template: "{plate.normalized_text} at {camera_id}, {suppressed_count} before"
  - {id: unsure, when: 1 / latency_ms > 5, notify: [], rate_limit: {enabled: false}}
  - {id: never, when: latency_ms > 5000, notify: []}
"""


def readings() -> list[dict[str, Any]]:
    """So many, a second apart; few match, and on a few of them a rule fails."""
    chance = random.Random(5)
    start = datetime.now(UTC) - timedelta(seconds=EVENTS)
    return [
        sighting(
            f"{chance.choice('ABC')}{chance.randrange(100):02}",
            start + timedelta(seconds=number),
            # The partition goes by it.
            camera=f"cam-{chance.randrange(4)}",
            latency_ms=0 if chance.random() < 0.01 else 40,
        )
        for number in range(EVENTS)
    ]


@pytest.fixture(scope="module")
def site(broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A topic with all readings and some garbage; no engine reads it."""
    with RegistryServer() as registry:
        made = Site(tmp_path_factory.mktemp("site"), broker, registry.url, RULES, {})
        made.publish(readings())
        publisher = Publisher(broker.bootstrap_servers)
        publisher.publish(made.topic, *[b"garbage"] * GARBAGE)
        yield made


@contextmanager
def replaying(site: Site, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """The command in a process group of its own."""
    process = spawn(
        [str(COMMAND), "replay", "kafka", "--alerts", "--format", "json", *arguments],
        {**site.environment, "PATH": os.environ["PATH"]},
        site.folder,
        subprocess.PIPE,
        subprocess.PIPE,
    )
    try:
        yield process
    finally:
        end(process)
        for pipe in (process.stdout, process.stderr):
            assert pipe is not None
            pipe.close()


def children(pid: int) -> list[int]:
    """The processes that this one has started; none once it is gone."""
    try:
        return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def workers_of(process: subprocess.Popen[bytes]) -> list[int]:
    """The processes of a replay, once all are there."""
    await_that(lambda: len(children(process.pid)) == WORKERS, step_seconds=0.001)
    return children(process.pid)


def is_gone(pid: int) -> bool:
    """Whether the process has ended, whether or not somebody has asked for its status."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True


def has_work(pid: int) -> bool:
    """Whether there is something in a pipe that the process reads."""
    for each in Path(f"/proc/{pid}/fd").iterdir():
        if not each.readlink().name.startswith("pipe:"):
            continue
        try:
            pipe = os.open(each, os.O_RDONLY | os.O_NONBLOCK)
        except OSError:
            continue
        size = array.array("i", [0])
        fcntl.ioctl(pipe, termios.FIONREAD, size)
        os.close(pipe)
        if size[0]:
            return True
    return False


def finished(process: subprocess.Popen[bytes]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=PATIENCE_SECONDS)
    return process.returncode, out.decode(), err.decode()


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--plate", "A11"),
        ("--since", "2h", "--until", "1h"),
        ("--against", "other.yaml"),
    ],
)
def test_several_processes_find_what_one_does(site: Site, arguments: tuple[str, ...]) -> None:
    if "--since" in arguments and not site.broker.is_real:
        pytest.skip("needs a real Kafka")
    (site.folder / "other.yaml").write_text(RULES.replace("300", "60"))
    # The process of the tests has threads, so it stays one.
    status, alone, err = site.command("replay", "kafka", "--alerts", "--format", "json", *arguments)
    assert (status, err) == (0, "")
    with replaying(site, *arguments) as process:
        workers_of(process)
        status, together, err = finished(process)
    assert (status, err) == (0, "")
    assert together.strip() == alone.strip()
    found = json.loads(alone)
    if not arguments:
        assert found["events"] == EVENTS
        assert found["unreadable"] == GARBAGE
        assert found["rules"]["unsure"]["errors"] > 0
        assert found["rules"]["stolen"]["suppressed"] > 0
    assert "--since" in arguments or found["alerts"]


def test_a_process_that_is_killed_is_an_error(site: Site) -> None:
    with replaying(site) as process:
        first, *others = workers_of(process)
        os.kill(first, signal.SIGKILL)
        status, out, err = finished(process)
        assert (status, out) == (2, "")
        assert err == (
            "alert-engine: a process of the replay was killed (signal 9), which is what happens"
            " when memory runs out: give it more, or replay less at a time with --since and"
            " --until\n"
        )
        await_that(lambda: all(map(is_gone, others)))


def test_ctrl_c_shows_what_is_known_so_far_and_leaves_nobody(site: Site) -> None:
    with replaying(site) as process:
        workers = workers_of(process)
        for each in workers:
            os.kill(each, signal.SIGSTOP)
        # By then the first batch is known, and no other will be.
        await_that(lambda: has_work(workers[0]))
        # As a terminal does it.
        signal_group(process, signal.SIGINT)
        for each in workers:
            os.kill(each, signal.SIGCONT)
        status, out, err = finished(process)
        assert (status, err) == (130, "")
        assert 0 < json.loads(out)["events"] < EVENTS
        assert all(map(is_gone, workers))


def test_a_replay_that_is_killed_leaves_nobody(site: Site) -> None:
    with replaying(site) as process:
        workers = workers_of(process)
        os.kill(process.pid, signal.SIGKILL)
        await_that(lambda: all(map(is_gone, workers)))
