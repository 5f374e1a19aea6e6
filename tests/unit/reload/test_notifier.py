from __future__ import annotations

import os
import resource
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog

from engine.reload.file_state import WatchedFiles, identities
from engine.reload.notifier import Notifier

pytestmark = pytest.mark.waits

# Far more than a wake takes, far less than the notifier's own longest wait.
PATIENCE_SECONDS = 20.0
LONGEST_SECONDS = 60.0


class Sleeper:
    """A thread that waits for the notifier again and again, and counts its wakes."""

    def __init__(self, files: WatchedFiles) -> None:
        self.files = files
        self.wakes = threading.Semaphore(0)
        self.is_called = False
        self.notifier = Notifier(lambda: self.is_called, LONGEST_SECONDS)
        self.thread = threading.Thread(target=self._run)
        self.thread.start()
        # The first wait returns at once: the places are new.
        self.await_wake()

    def _run(self) -> None:
        while not self.is_called:
            self.notifier.wait(self.files.places())
            self.wakes.release()
        self.notifier.close()

    def await_wake(self) -> None:
        assert self.wakes.acquire(timeout=PATIENCE_SECONDS)

    def stop(self) -> None:
        self.is_called = True
        self.thread.join()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "rules"
    folder.mkdir()
    (folder / "a.yaml").write_text("rules: []")
    return folder


@pytest.fixture
def sleeper(folder: Path) -> Iterator[Sleeper]:
    sleeper = Sleeper(WatchedFiles(folder))
    yield sleeper
    sleeper.stop()


def edit(folder: Path) -> None:
    with (folder / "a.yaml").open("a") as file:
        file.write("\n")


def rename(folder: Path) -> None:
    (folder / "a.new").write_text("rules: []")
    (folder / "a.new").rename(folder / "a.yaml")


def add(folder: Path) -> None:
    (folder / "b.yaml").write_text("rules: []")


def remove(folder: Path) -> None:
    (folder / "a.yaml").unlink()


def make_again(folder: Path) -> None:
    folder.rename(folder.with_name("former"))
    folder.mkdir()


@pytest.mark.parametrize("change", [edit, rename, add, remove, make_again])
def test_a_change_wakes_at_once(
    sleeper: Sleeper, folder: Path, change: Callable[[Path], None]
) -> None:
    change(folder)
    sleeper.await_wake()


def test_what_was_made_again_is_watched_again(sleeper: Sleeper, folder: Path) -> None:
    make_again(folder)
    sleeper.await_wake()
    # However many wakes that took: a later change in the new folder is another one.
    while sleeper.wakes.acquire(timeout=1.0):
        pass
    add(folder)
    sleeper.await_wake()


@pytest.fixture
def mounted(folder: Path) -> Iterator[Path]:
    """The file outside that is mounted as the rule file `a.yaml`."""
    outside = folder.parent / "outside.yaml"
    outside.write_text("rules: []")
    inside = folder / "a.yaml"
    mount = ["mount", "--bind", str(outside), str(inside)]
    try:
        is_mounted = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        is_mounted = False
    if not is_mounted:
        pytest.skip("this user may not mount")
    yield outside
    subprocess.run(["umount", "--lazy", str(inside)], check=True)


def test_an_edit_outside_of_a_file_that_is_mounted_by_itself_wakes_at_once(
    mounted: Path, request: pytest.FixtureRequest
) -> None:
    sleeper: Sleeper = request.getfixturevalue("sleeper")
    mounted.write_text("rules: [ ]")
    sleeper.await_wake()


def test_a_mounted_file_that_is_replaced_outside_is_cut_off(mounted: Path, folder: Path) -> None:
    files = WatchedFiles(folder)
    assert files.look().cut_off == ()
    draft = mounted.with_suffix(".new")
    draft.write_text("rules: [ ]")
    draft.rename(mounted)
    assert files.look().cut_off == (folder / "a.yaml",)


def test_a_call_wakes_at_once(sleeper: Sleeper) -> None:
    sleeper.is_called = True
    sleeper.await_wake()


def test_what_happens_after_a_call_is_still_noticed(folder: Path) -> None:
    is_called = False
    notifier, places = Notifier(lambda: is_called, LONGEST_SECONDS), WatchedFiles(folder).places()
    notifier.wait(places)
    is_called = True
    assert not notifier.wait(places)
    edit(folder)
    is_called = False
    assert notifier.wait(places)
    notifier.close()


def test_a_change_in_one_of_many_places_wakes_at_once(tmp_path: Path) -> None:
    folders = [tmp_path / f"site{number}" for number in range(300)]
    for folder in folders:
        folder.mkdir()
    notifier = Notifier(lambda: False, LONGEST_SECONDS)
    places = identities(folders)
    notifier.wait(places)
    (folders[-1] / "a.yaml").write_text("rules: []")
    assert notifier.wait(places)
    notifier.close()


def test_without_news_it_wakes_after_a_while(folder: Path) -> None:
    notifier = Notifier(lambda: False, 0.2)
    places = WatchedFiles(folder).places()
    notifier.wait(places)
    started = time.monotonic()
    notifier.wait(places)
    assert time.monotonic() - started >= 0.1
    notifier.close()


@pytest.fixture
def no_file_to_be_had() -> Iterator[Callable[[], None]]:
    """No file can be opened, nor anything watched, until what this gives is called."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = os.dup(0)
    os.close(free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free, hard))

    def relent() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    yield relent
    relent()


def test_where_nothing_can_be_watched_it_wakes_after_a_while_and_says_so_once(
    folder: Path, request: pytest.FixtureRequest
) -> None:
    notifier, places = Notifier(lambda: False, 0.2), WatchedFiles(folder).places()
    relent: Callable[[], None] = request.getfixturevalue("no_file_to_be_had")
    with structlog.testing.capture_logs() as logs:
        for _ in range(3):
            notifier.wait(places)
    relent()
    assert [line["event"] for line in logs] == ["rules.not_notified"]
    notifier.wait(places)
    notifier.close()


def test_a_place_that_has_just_gone_is_no_trouble(tmp_path: Path) -> None:
    notifier = Notifier(lambda: True, LONGEST_SECONDS)
    with structlog.testing.capture_logs() as logs:
        for _ in range(2):
            notifier.wait({tmp_path / "gone": (1, 1)})
    assert logs == []
