from __future__ import annotations

import os
from pathlib import Path

import pytest

from engine.reload.file_state import FileState, WatchedFiles, digest_of


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "rules"
    folder.mkdir()
    (folder / "a.yaml").write_text("rules: []")
    return folder


def names(state: FileState) -> set[str]:
    return {path.name for path in state.marks}


def test_rule_files_and_lists_are_seen_and_nothing_else(folder: Path) -> None:
    (folder / "notes.txt").write_text("none of ours")
    (folder / ".hidden.yaml").write_text("rules: []")
    files = WatchedFiles(folder)
    files.lists = (folder / "plates.csv",)
    found = files.look()
    assert names(found) == {"rules", "a.yaml", "plates.csv"}
    assert found.marks[folder / "plates.csv"] is None


def test_files_that_nobody_touched_look_the_same(folder: Path) -> None:
    files = WatchedFiles(folder)
    assert files.look() == files.look()


def test_an_edit_in_place_a_rename_over_it_and_a_new_file_are_seen(folder: Path) -> None:
    files = WatchedFiles(folder)
    before = files.look()
    (folder / "a.yaml").write_text("rules: [ ]")
    edited = files.look()
    assert edited != before
    (folder / "a.new").write_text("rules: [ ]")
    (folder / "a.new").rename(folder / "a.yaml")
    renamed = files.look()
    assert renamed != edited
    (folder / "b.yml").write_text("rules: []")
    assert files.look() != renamed
    (folder / "b.yml").unlink()
    assert files.look() == renamed


def test_a_folder_that_was_made_again_is_another_one(folder: Path) -> None:
    files = WatchedFiles(folder)
    before, places = files.look(), files.places()
    kept = folder.rename(folder.with_name("former"))
    assert files.look().marks == {folder: None}
    folder.mkdir()
    os.link(kept / "a.yaml", folder / "a.yaml")
    assert files.look() != before
    assert files.places() != places


def test_a_missing_path_is_seen_when_it_comes(tmp_path: Path) -> None:
    files = WatchedFiles(tmp_path / "rules.yaml")
    assert files.look().marks == {tmp_path / "rules.yaml": None}
    (tmp_path / "rules.yaml").write_text("rules: []")
    assert files.look().marks[tmp_path / "rules.yaml"] is not None


def test_content_counts_and_not_the_time_of_the_file(folder: Path) -> None:
    files = WatchedFiles(folder)
    before = files.look()
    digests = files.digests(before)
    os.utime(folder / "a.yaml", ns=(1, 1))
    touched = files.look()
    assert touched != before
    assert files.digests(touched) == digests
    (folder / "a.yaml").write_text("rules: [ ]")
    assert files.digests(files.look()) != digests


def test_what_is_no_file_has_a_digest_too(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert digest_of(tmp_path / "pipe") == "no file"
    assert digest_of(tmp_path / "nowhere") == "FileNotFoundError"
    assert digest_of(Path("a\0b")) == "ValueError"


def test_a_file_that_is_too_large_to_be_used_is_not_read_for_its_digest(tmp_path: Path) -> None:
    path = tmp_path / "huge.yaml"
    # Longer than any disk: reading it would take hours.
    path.touch()
    os.truncate(path, 1 << 42)
    found = digest_of(path)
    assert found == digest_of(path)
    os.truncate(path, (1 << 42) + 1)
    assert digest_of(path) != found


def test_a_link_is_watched_where_it_stands_and_where_it_leads(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.yaml").write_text("rules: []")
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "a.yaml").symlink_to(tmp_path / "data" / "a.yaml")
    files = WatchedFiles(tmp_path / "config" / "a.yaml")
    assert {tmp_path / "config", tmp_path / "data"} <= set(files.places())


def test_subfolders_are_watched_but_for_hidden_ones(folder: Path) -> None:
    for name in ("deep", "deep/deeper", ".git"):
        (folder / name).mkdir()
    places = WatchedFiles(folder).places()
    assert {folder, folder.parent, folder / "deep", folder / "deep" / "deeper"} <= set(places)
    assert folder / ".git" not in places


def test_a_file_whose_name_is_gone_is_cut_off(folder: Path) -> None:
    with (folder / "a.yaml").open() as file:
        path = Path(f"/proc/self/fd/{file.fileno()}")
        files = WatchedFiles(path)
        assert files.look().cut_off == ()
        (folder / "a.yaml").unlink()
        assert files.look().cut_off == (path,)
