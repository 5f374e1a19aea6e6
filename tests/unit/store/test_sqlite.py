"""The file: made, locked, checked, and whole after whatever happens to the process."""

from __future__ import annotations

import shutil
import signal
import stat
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from engine.errors import StoreError, StoreInUseError, StoreUnavailableError
from engine.store import DeliveryState, OpenMode, Store
from tests.support.stored import deliveries, past, save
from tests.unit.store.samples import Samples, open_sample

BATCH: Final = 3

WRITER = """
import sys
from pathlib import Path
from engine.store import DeliveryState
from tests.support.stored import finish, save
from tests.unit.store.samples import Samples, open_sample

store = open_sample(Path(sys.argv[1]))
samples = Samples(made=int(sys.argv[2]))
while True:
    save(store, [samples.new("mail/ann", "sms/bob", key="k") for _ in range(3)])
    print(samples.made, flush=True)
    if sys.argv[3] == "marking":
        finish(store, "mail/ann", DeliveryState.SENT, limit=1)
        print("marked", flush=True)
"""


def start_writer(folder: Path, made: int = 0, mode: str = "saving") -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, str(folder), str(made), mode],
        stdout=subprocess.PIPE,
        text=True,
    )


def kill(process: subprocess.Popen[str]) -> list[str]:
    """The lines that it still wrote."""
    process.send_signal(signal.SIGKILL)
    rest, _ = process.communicate()
    return rest.split()


def read_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_folder_and_files_are_made_for_their_owner_only(tmp_path: Path) -> None:
    folder = tmp_path / "state" / "deep"
    with open_sample(folder) as store:
        store.archive.check_writable()
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    assert set(modes) == {"alerts.db", "alerts.db-wal", "alerts.db-shm", "alerts.db.lock"}
    assert set(modes.values()) == {0o600}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_what_is_stored_is_there_when_it_is_opened_again(tmp_path: Path, samples: Samples) -> None:
    new = samples.new("mail/ann", key="k")
    with open_sample(tmp_path) as store:
        save(store, [new])
    with open_sample(tmp_path) as store:
        assert past(store, [new.alert.alert_id]).stored == {new.alert.alert_id}
        (stored,) = store.archive.alerts(10)
        assert (stored.alert, len(stored.deliveries)) == (new.alert, 1)


def test_a_second_engine_is_refused_and_the_first_goes_on(
    tmp_path: Path, file_store: Store, samples: Samples
) -> None:
    with pytest.raises(StoreInUseError, match="another alert engine"):
        open_sample(tmp_path)
    save(file_store, [samples.new()])


def test_a_tool_works_beside_the_engine(
    tmp_path: Path, file_store: Store, samples: Samples
) -> None:
    save(file_store, [samples.new("mail/ann")])
    with open_sample(tmp_path, OpenMode.TOOL) as tool:
        assert len(tool.archive.alerts(10)) == 1
    save(file_store, [samples.new("mail/ann")])
    assert file_store.archive.rows()["alerts"] == 2


def test_a_tool_makes_nothing(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"there is no store .*start the engine"):
        open_sample(tmp_path / "none", OpenMode.TOOL)
    assert not (tmp_path / "none").exists()


def test_a_lock_is_free_again_after_an_unusable_start(tmp_path: Path) -> None:
    (tmp_path / "alerts.db").write_bytes(b"no database at all " * 100)
    for _ in range(2):
        with pytest.raises(StoreError, match=r"damaged.*restore a backup"):
            open_sample(tmp_path)


def test_damage_inside_the_file_is_found_at_the_start(tmp_path: Path, samples: Samples) -> None:
    with open_sample(tmp_path) as store:
        save(store, [samples.new("mail/ann") for _ in range(200)])
    path = tmp_path / "alerts.db"
    whole = bytearray(path.read_bytes())
    middle = len(whole) // 2 // 4096 * 4096
    whole[middle : middle + 4096] = b"\xa5" * 4096
    path.write_bytes(whole)
    with pytest.raises(StoreError, match=r"alerts\.db is damaged|it is damaged") as caught:
        open_sample(tmp_path)
    assert not isinstance(caught.value, StoreUnavailableError)


def test_a_file_that_was_made_but_not_filled_is_filled(tmp_path: Path) -> None:
    (tmp_path / "alerts.db").touch()
    with open_sample(tmp_path) as store:
        assert store.archive.rows()["alerts"] == 0


def test_a_folder_that_can_not_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")
    with pytest.raises(StoreUnavailableError, match="make its folder exist and be writable"):
        open_sample(tmp_path / "state")


def test_a_full_quota_at_the_start_is_told_and_nothing_is_left(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailableError, match="quota is full"):
        open_sample(tmp_path, options="?max_page_count=5")
    with open_sample(tmp_path) as store:
        assert store.archive.rows()["alerts"] == 0


def test_a_closed_store_says_so(tmp_path: Path, samples: Samples) -> None:
    store = open_sample(tmp_path)
    store.close()
    store.close()
    with pytest.raises(StoreUnavailableError, match="closed"):
        save(store, [samples.new()])


def test_a_killed_engine_leaves_whole_batches_and_no_lock(tmp_path: Path) -> None:
    acknowledged = 0
    for _ in range(4):
        writer = start_writer(tmp_path, made=1000 * acknowledged)
        lines = [read_line(writer) for _ in range(5)]
        lines += kill(writer)
        assert lines[0].isdigit()
        acknowledged += len(lines)
    with open_sample(tmp_path) as store:
        rows = store.archive.rows()
        assert rows["alerts"] % BATCH == 0
        assert rows["deliveries"] == 2 * rows["alerts"]
        # A batch may be stored whose acknowledgement was cut off: one a kill.
        assert 0 <= rows["alerts"] - acknowledged * BATCH <= 4 * BATCH


def test_a_kill_undoes_no_mark(tmp_path: Path) -> None:
    writer = start_writer(tmp_path, mode="marking")
    lines = [read_line(writer) for _ in range(10)]
    lines += kill(writer)
    with open_sample(tmp_path) as store:
        sent = len(deliveries(store, "mail/ann", DeliveryState.SENT))
    assert 0 <= sent - lines.count("marked") <= 1


@pytest.mark.parametrize("kept", [0.3, 0.61, 0.97])
def test_a_log_torn_by_a_power_cut_loses_whole_batches_only(
    tmp_path: Path, samples: Samples, kept: float
) -> None:
    with open_sample(tmp_path) as store:
        for _ in range(20):
            save(store, [samples.new("mail/ann", "sms/bob") for _ in range(BATCH)])
        torn = tmp_path / "torn"
        torn.mkdir()
        shutil.copy(tmp_path / "alerts.db", torn)
        log = (tmp_path / "alerts.db-wal").read_bytes()
        (torn / "alerts.db-wal").write_bytes(log[: int(len(log) * kept)])
    with open_sample(torn) as store:
        rows = store.archive.rows()
    assert 0 < rows["alerts"] < 20 * BATCH
    assert rows["alerts"] % BATCH == 0
    assert rows["deliveries"] == 2 * rows["alerts"]
