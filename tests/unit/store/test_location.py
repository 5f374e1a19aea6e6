"""STATE_URL is read as written in the configuration page."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.errors import StoreError
from engine.store.connection import parse_state_url


def test_three_slashes_are_relative_to_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert parse_state_url("sqlite:///state/alerts.db").path == tmp_path / "state/alerts.db"


def test_four_slashes_are_absolute() -> None:
    assert parse_state_url("sqlite:////data/alerts.db").path == Path("/data/alerts.db")


def test_a_quota_is_part_of_the_url() -> None:
    assert parse_state_url("sqlite:////data/a.db?max_page_count=100").max_page_count == 100


def test_two_names_of_one_file_are_one_location(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    one = parse_state_url(f"sqlite:///{tmp_path}/alerts.db")
    assert parse_state_url(f"sqlite:///{tmp_path}/link/alerts.db") == one


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("postgresql://u:pw-secret@db/alerts", "not supported yet"),
        ("postgresql+psycopg://u:pw-secret@db/alerts", "not supported yet"),
        ("mysql://u:pw-secret@db/alerts", "does not name a store"),
        ("state/alerts.db", "does not name a store"),
        ("", "does not name a store"),
        ("sqlite:", "slashes"),
        ("sqlite://alerts.db", "slashes"),
        ("sqlite:alerts.db", "slashes"),
        ("sqlite:///", "names no file"),
        ("sqlite:///:memory:", "names no file"),
        ("sqlite:////data/", "names no file"),
        ("sqlite:////data/a.db?mode=ro", "unknown option 'mode'"),
        ("sqlite:////data/a.db?max_page_count=many", "max_page_count is 'many'"),
    ],
)
def test_an_unusable_url_is_told_with_its_remedy_and_without_its_secrets(
    url: str, told: str
) -> None:
    with pytest.raises(StoreError, match=told) as caught:
        parse_state_url(url)
    assert ", use " in str(caught.value)
    assert "pw-secret" not in str(caught.value)
