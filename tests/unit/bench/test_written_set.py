from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from engine.bench.rule_sets import RULES_A_FILE, SHARED_MEMORY, SetKind, written_set
from engine.errors import BenchError
from engine.rules import load_rules
from tests.support.avro import plate_schema

pytestmark = pytest.mark.waits


@pytest.mark.parametrize(("kind", "rules"), [(SetKind.MIXED, 20), (SetKind.SITE, 50)])
def test_a_made_up_set_loads_and_is_gone_afterwards(kind: SetKind, rules: int) -> None:
    with written_set(kind, rules) as written:
        rule_set = load_rules(written.paths, plate_schema(), None)
        assert len(rule_set.rules) == rules == written.rules
        assert rule_set.warnings == ()
        (path,) = written.paths
    assert not path.parent.exists()


def test_many_rules_are_split_into_files() -> None:
    with written_set(SetKind.MIXED, 2 * RULES_A_FILE + 1) as written:
        assert len(written.paths) == 3
        assert written.paths[2].read_text().count("- id:") == 1


def test_where_nothing_else_can_be_written_it_is_in_shared_memory(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    if not SHARED_MEMORY.is_dir():
        pytest.skip("no shared memory here")
    forget_the_folder(monkeypatch, tmp_path / "none")
    monkeypatch.setattr(tempfile, "_candidate_tempdir_list", lambda: [str(tmp_path / "none")])
    with written_set(SetKind.MIXED, 1) as written:
        assert written.paths[0].is_relative_to(SHARED_MEMORY)


def test_a_folder_that_can_not_be_written_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "a-file" / "in-it"))
    (tmp_path / "a-file").touch()
    with (
        pytest.raises(BenchError, match="can't be written: Not a directory; set TMPDIR"),
        written_set(SetKind.MIXED, 1),
    ):
        pass


def forget_the_folder(monkeypatch: pytest.MonkeyPatch, other: Path) -> None:
    """As in a new process whose TMPDIR is `other`."""
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setenv("TMPDIR", str(other))
