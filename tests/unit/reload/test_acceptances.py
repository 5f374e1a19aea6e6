"""Notes on lists that are accepted."""

from __future__ import annotations

import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from engine.reload.file_state import digest_of
from engine.reload.last_good import Acceptances

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "list.csv"
    path.write_text("plate\nA1\n")
    return path


@pytest.fixture
def acceptances(tmp_path: Path) -> Acceptances:
    folder = tmp_path / "last-good"
    folder.mkdir()
    return Acceptances(folder)


@pytest.mark.parametrize("name", ["stolen", "..", "a.b-c_1"])
def test_a_list_is_accepted_with_its_content_alone(
    name: str, acceptances: Acceptances, file: Path
) -> None:
    assert not acceptances.accepts(name, file)
    acceptances.accept(name, digest_of(file), NOON)
    assert acceptances.accepts(name, file)
    assert not acceptances.accepts("another", file)
    # As after a restart.
    assert Acceptances(acceptances.folder).accepts(name, file)
    file.write_text("plate\n")
    assert not acceptances.accepts(name, file)


def test_each_note_is_news_also_of_the_same_list(acceptances: Acceptances, file: Path) -> None:
    seen = [acceptances.notes()]
    for digest in ("one", "two"):
        acceptances.accept("stolen", digest, NOON)
        seen.append(acceptances.notes())
    assert len({*seen}) == 3


def test_a_note_is_forgotten_with_its_content(acceptances: Acceptances, file: Path) -> None:
    acceptances.accept("stolen", digest_of(file), NOON)
    acceptances.forget([("stolen", "another"), ("other", digest_of(file))])
    assert acceptances.accepts("stolen", file)
    acceptances.forget([("stolen", digest_of(file))])
    assert not acceptances.accepts("stolen", file)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", "\0"])
def test_a_damaged_note_accepts_nothing(text: str, acceptances: Acceptances, file: Path) -> None:
    acceptances.accept("stolen", digest_of(file), NOON)
    (note,) = acceptances.folder.iterdir()
    note.write_text(text)
    assert not acceptances.accepts("stolen", file)


def test_only_the_owner_may_look(acceptances: Acceptances, file: Path) -> None:
    acceptances.accept("stolen", digest_of(file), NOON)
    (note,) = acceptances.folder.iterdir()
    assert stat.S_IMODE(note.stat().st_mode) == 0o600


def test_without_a_folder_there_are_none(tmp_path: Path, file: Path) -> None:
    acceptances = Acceptances(tmp_path / "none")
    assert not acceptances.notes()
    assert not acceptances.accepts("stolen", file)
    with pytest.raises(FileNotFoundError):
        acceptances.accept("stolen", digest_of(file), NOON)
