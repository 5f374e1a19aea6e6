from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest

from engine.errors import LastGoodError
from engine.reload.file_state import WatchedFiles, digest_of
from engine.reload.last_good import KeptSet, LastGood
from engine.rules.watchlist_reader import absolute
from tests.support.small_disk import small_disk

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
NO_LISTS: Mapping[str, tuple[Path, int]] = {}


class Site:
    """Rule and list files, and the last good ones."""

    def __init__(self, folder: Path) -> None:
        self.rules = folder / "rules"
        self.lists = folder / "lists"
        self.last_good = LastGood(folder / "state" / "last-good" / "alerts.db")
        for path, text in {"a.yaml": "a: 1", "deep/b.yaml": "b: 1"}.items():
            self.write(self.rules / path, text)
        self.write(self.lists / "plates.csv", "plate\nA1\n")

    def write(self, path: Path, text: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def files(self) -> list[Path]:
        found = sorted(self.rules.rglob("*.yaml"))
        # As a rule file names it, relative to itself.
        return [*found, self.rules / ".." / "lists" / "plates.csv"]

    def keep(self, now: datetime = NOON) -> bool:
        digests = {path: digest_of(path) for path in self.files()}
        return self.last_good.keep(self.rules, digests, NO_LISTS, now)

    def find(self) -> KeptSet:
        # As after a restart.
        found = LastGood(self.last_good.folder).find()
        assert found is not None
        return found


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_at_first_there_is_none(site: Site) -> None:
    assert site.last_good.find() is None


def test_what_was_kept_is_found_with_its_layout(site: Site) -> None:
    lists = {"stolen": (site.lists / "plates.csv", 1)}
    digests = {path: digest_of(path) for path in site.files()}
    assert site.last_good.keep(site.rules, digests, lists, NOON)
    found = site.find()
    assert (found.rules_path, found.saved_at, found.lists) == (site.rules, NOON, lists)
    assert set(found.digests) == {absolute(path) for path in site.files()}
    for path in site.files():
        assert found.copy_of(path).read_text() == path.read_text()
        assert found.copy_of(path).is_relative_to(found.root)


def test_only_the_owner_may_look(site: Site) -> None:
    umask = os.umask(0)
    try:
        site.keep()
    finally:
        os.umask(umask)
    for folder, _, names in os.walk(site.last_good.folder.parent):
        assert stat.S_IMODE(Path(folder).stat().st_mode) == 0o700
        for name in names:
            assert stat.S_IMODE(Path(folder, name).stat().st_mode) == 0o600


def test_the_set_before_is_gone_and_what_did_not_change_is_not_copied_again(site: Site) -> None:
    site.keep()
    before = site.find()
    same, other = site.rules / "a.yaml", site.rules / "deep" / "b.yaml"
    inode = before.copy_of(same).stat().st_ino
    other.write_text("b: 2")
    site.keep()
    after = site.find()
    assert after.copy_of(same).stat().st_ino == inode
    assert after.copy_of(other).read_text() == "b: 2"
    assert [folder.name for folder in site.last_good.folder.iterdir()] == [after.folder.name]


def test_an_edit_in_place_does_not_reach_what_was_kept(site: Site) -> None:
    site.keep()
    site.keep()
    (site.rules / "a.yaml").write_text("a: broken")
    assert site.find().copy_of(site.rules / "a.yaml").read_text() == "a: 1"


def test_the_same_files_are_not_kept_again(site: Site) -> None:
    site.keep()
    before = site.find()
    assert site.keep(datetime(2027, 1, 1, tzinfo=UTC))
    assert site.find() == before


def test_files_that_changed_since_they_were_loaded_are_not_kept(site: Site) -> None:
    site.keep()
    before = site.find()
    stale = {path: digest_of(path) for path in site.files()}
    (site.rules / "a.yaml").write_text("a: 2")
    assert not site.last_good.keep(site.rules, stale | {site.rules / "c.yaml": ""}, {}, NOON)
    assert site.find() == before


def test_a_set_that_was_cut_short_is_not_there(site: Site) -> None:
    site.keep()
    before = site.find()
    half = site.last_good.folder / ".set-7" / "files"
    half.mkdir(parents=True)
    assert site.find() == before
    (site.rules / "a.yaml").write_text("a: 3")
    site.keep()
    assert len(list(site.last_good.folder.iterdir())) == 1


def test_a_damaged_set_is_told_and_made_anew(site: Site) -> None:
    site.keep()
    copy = site.find().copy_of(site.rules / "a.yaml")
    copy.write_text("")
    with pytest.raises(LastGoodError, match=r"damaged: .*a\.yaml"):
        LastGood(site.last_good.folder).find()
    again = LastGood(site.last_good.folder)
    digests = {path: digest_of(path) for path in site.files()}
    assert again.keep(site.rules, digests, {}, NOON)
    assert site.find().copy_of(site.rules / "a.yaml").read_text() == "a: 1"


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"form": 2}', '{"form": 1, "files": 3}', "\0"])
def test_a_manifest_that_says_nothing_is_told(site: Site, text: str) -> None:
    site.keep()
    (site.find().folder / "manifest.json").write_text(text)
    with pytest.raises(LastGoodError, match="unreadable"):
        LastGood(site.last_good.folder).find()


def test_a_folder_that_cannot_be_written_is_an_error_and_leaves_nothing(site: Site) -> None:
    site.keep()
    before = site.find()
    (site.rules / "a.yaml").write_text("a: 2")
    # A copy can't be made of what can't be read.
    loop = site.rules / "loop.yaml"
    loop.symlink_to(loop)
    digests = {path: digest_of(path) for path in site.files()}
    with pytest.raises(OSError, match=r"loop\.yaml"):
        site.last_good.keep(site.rules, digests, {}, NOON)
    assert site.find() == before
    assert len(list(site.last_good.folder.iterdir())) == 1


def test_a_rules_folder_above_it_does_not_find_the_copies(tmp_path: Path) -> None:
    site = Site(tmp_path)
    before = set(WatchedFiles(tmp_path).look().marks)
    site.keep()
    assert set(WatchedFiles(tmp_path).look().marks) == before


def test_a_full_disk_is_an_error_and_the_set_before_stays(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk:
        if disk is None:
            pytest.skip("this user may not mount")
        site = Site(tmp_path)
        site.last_good = LastGood(disk.folder / "last-good")
        site.keep()
        before = site.find()
        disk.fill(100_000)
        (site.lists / "plates.csv").write_text("plate\n" + "A1\n" * 100_000)
        with pytest.raises(OSError, match="No space left"):
            site.keep()
        assert site.find() == before
        disk.free()
        assert site.keep()
        assert site.find() != before


def test_a_refused_list_is_kept_as_it_is_in_the_set_before(site: Site) -> None:
    plates = site.rules / ".." / "lists" / "plates.csv"
    lists = {"stolen": (plates, 1)}
    digests = {path: digest_of(path) for path in site.files()}
    assert site.last_good.keep(site.rules, digests, lists, NOON)
    site.write(site.lists / "plates.csv", "plate\n")
    site.write(site.rules / "a.yaml", "a: 2")
    digests = {path: digest_of(path) for path in site.files()}
    assert site.last_good.keep(site.rules, digests, lists, NOON, [plates])
    found = site.find()
    assert found.copy_of(site.rules / "a.yaml").read_text() == "a: 2"
    assert found.copy_of(plates).read_text() == "plate\nA1\n"
    assert site.last_good.remembered()["stolen"].row_count == 1


def test_without_a_set_before_a_refused_list_is_not_kept(site: Site) -> None:
    digests = {path: digest_of(path) for path in site.files()}
    refused = [site.lists / "plates.csv"]
    assert not site.last_good.keep(site.rules, digests, NO_LISTS, NOON, refused)
    assert site.last_good.find() is None


def test_a_set_that_is_damaged_remembers_nothing(site: Site) -> None:
    assert site.last_good.remembered() == {}
    site.keep()
    (site.find().folder / "manifest.json").write_text("{")
    assert LastGood(site.last_good.folder).remembered() == {}
