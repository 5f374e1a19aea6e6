"""Paths become rule files: any depth, sorted, each once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from engine.rules.faults import Faults
from engine.rules.load import rule_files


def _write(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("rules: []\n", encoding="utf-8")


def _names(folder: Path, *paths: Path) -> tuple[list[str], list[str]]:
    faults = Faults()
    files = rule_files(paths, faults)
    return (
        [str(file.relative_to(folder)) for file in files],
        [str(fault).replace(str(folder), "") for fault in faults.sorted()],
    )


def test_a_folder_gives_its_yaml_files_at_any_depth_sorted(tmp_path: Path) -> None:
    _write(tmp_path, "b.yaml", "a.yml", "deep/er/c.YAML", "notes.md", "d.yaml.bak")
    assert _names(tmp_path, tmp_path) == (["a.yml", "b.yaml", "deep/er/c.YAML"], [])


def test_hidden_files_and_folders_are_left_out(tmp_path: Path) -> None:
    _write(tmp_path, "..2025_01_01/a.yaml", ".b.yaml")
    (tmp_path / "..data").symlink_to("..2025_01_01")
    (tmp_path / "a.yaml").symlink_to("..data/a.yaml")
    assert _names(tmp_path, tmp_path) == (["a.yaml"], [])


def test_a_file_given_twice_is_read_once(tmp_path: Path) -> None:
    _write(tmp_path, "a.yaml")
    assert _names(tmp_path, tmp_path / "a.yaml", tmp_path)[0] == ["a.yaml"]


def test_a_file_that_several_links_and_paths_lead_to_is_read_once(tmp_path: Path) -> None:
    _write(tmp_path, "b.yaml", "folder/c.yaml")
    (tmp_path / "d.yaml").symlink_to("b.yaml")
    (tmp_path / "link").symlink_to("folder")
    found = _names(tmp_path, tmp_path, tmp_path / "link", tmp_path / "folder" / ".." / "d.yaml")
    assert found == (["b.yaml", "folder/c.yaml"], [])


def test_a_copy_is_another_file(tmp_path: Path) -> None:
    _write(tmp_path, "a.yaml", "copy of a.yaml")
    (tmp_path / "hard link.yaml").hardlink_to(tmp_path / "a.yaml")
    assert _names(tmp_path, tmp_path)[0] == ["a.yaml", "copy of a.yaml", "hard link.yaml"]


def test_a_file_given_by_name_may_have_any_suffix(tmp_path: Path) -> None:
    _write(tmp_path, "rules.txt")
    assert _names(tmp_path, tmp_path / "rules.txt")[0] == ["rules.txt"]


def test_a_missing_path_is_a_fault(tmp_path: Path) -> None:
    assert _names(tmp_path, tmp_path / "none")[1] == [
        "/none:1:1: there is no such file, give a rule file or a folder of them"
    ]


def test_the_default_folder_missing_leads_to_a_first_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    faults = Faults()
    assert rule_files([Path("rules")], faults) == ()
    assert "write a first set with `alert-engine init`" in str(faults.sorted()[0])


def test_a_folder_without_rule_files_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "the folder holds no .yaml or .yml file" in _names(tmp_path, tmp_path / "empty")[1][0]


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    assert "this is not a regular file" in _names(tmp_path, tmp_path / "pipe.yaml")[1][0]


def test_a_dangling_link_in_a_folder_is_not_passed_over(tmp_path: Path) -> None:
    (tmp_path / "gone.yaml").symlink_to("nowhere.yaml")
    assert _names(tmp_path, tmp_path)[0] == ["gone.yaml"]


def test_a_loop_of_links_in_a_folder_is_not_passed_over(tmp_path: Path) -> None:
    (tmp_path / "loop.yaml").symlink_to("loop.yaml")
    assert _names(tmp_path, tmp_path)[0] == ["loop.yaml"]


def test_a_path_that_the_system_refuses_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    for path in (tmp_path / "loop", tmp_path / ("a" * 5_000), tmp_path / "a\0b"):
        names, faults = _names(tmp_path, path)
        assert names == []
        assert ":1:1: the path can't be used: " in faults[0]
