"""STATE_URL is read as written in the configuration page."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.errors import StoreError
from engine.store.location import PostgresLocation, SqliteLocation, parse_state_url


def file_of(url: str) -> SqliteLocation:
    location = parse_state_url(url)
    assert isinstance(location, SqliteLocation)
    return location


def database_of(url: str, password: str = "") -> PostgresLocation:
    location = parse_state_url(url, password)
    assert isinstance(location, PostgresLocation)
    return location


def test_three_slashes_are_relative_to_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert file_of("sqlite:///state/alerts.db").path == tmp_path / "state/alerts.db"


def test_four_slashes_are_absolute() -> None:
    assert file_of("sqlite:////data/alerts.db").path == Path("/data/alerts.db")


def test_a_quota_is_part_of_the_url() -> None:
    assert file_of("sqlite:////data/a.db?max_page_count=100").max_page_count == 100


def test_two_names_of_one_file_are_one_location(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    one = parse_state_url(f"sqlite:///{tmp_path}/alerts.db")
    assert parse_state_url(f"sqlite:///{tmp_path}/link/alerts.db") == one


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("postgresql+psycopg://u:pw-secret@db/alerts", "driver after a +"),
        ("postgresql:u:pw-secret@db/alerts", "malformed"),
        ("postgresql://u:pw-secret#@db/alerts", "malformed"),
        ("postgresql://u:pw-secret/x@db/alerts", "a port that is no number"),
        ("postgresql://u:pw-secret@db:0/alerts", "a port that is no number"),
        ("postgresql://u:pw-secret@[db/alerts", "malformed host"),
        ("postgresql://u:pw-secret@db", "names no database"),
        ("postgresql://u:pw-secret@db/", "names no database"),
        ("postgresql://u:pw-secret@db/a%00b", "holds a NUL"),
        ("postgresql://u@db/alerts?password=pw-secret", "has password as an option"),
        ("postgresql://u:pw-secret@db/alerts?pool_size=5", "unknown option 'pool_size'"),
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


def test_a_database_of_postgresql_has_host_port_user_and_libpqs_options() -> None:
    location = database_of(
        "postgresql://en%20gine@db:6432/alerts?sslmode=verify-full&options=-ca=b"
    )
    assert location.options == {
        "host": "db",
        "port": "6432",
        "user": "en gine",
        "dbname": "alerts",
        "sslmode": "verify-full",
        "options": "-ca=b",
    }
    assert database_of("postgres://db/alerts").options == {"host": "db", "dbname": "alerts"}


def test_several_hosts_are_libpqs_lists() -> None:
    options = database_of("postgresql://a:1,b,[::1]:3/alerts").options
    assert (options["host"], options["port"]) == ("a,b,::1", "1,,3")


def test_a_socket_is_an_option() -> None:
    assert database_of("postgresql:///alerts?host=/run/postgresql").options == {
        "host": "/run/postgresql",
        "dbname": "alerts",
    }


def test_the_password_is_in_the_url_or_beside_it_and_not_in_both() -> None:
    in_url = database_of("postgresql://u:h%40sh@db/alerts")
    beside = database_of("postgresql://u@db/alerts", "h@sh")
    assert in_url.options["password"] == beside.options["password"] == "h@sh"
    with pytest.raises(StoreError, match="STATE_PASSWORD is set, use one of them"):
        parse_state_url("postgresql://u:a@db/alerts", "b")


def test_no_text_of_a_location_has_its_secrets() -> None:
    location = database_of("postgresql://u:hush1@a:1,b/alerts?sslmode=require&sslpassword=hush2")
    assert location.shown == "postgresql://u@a:1,b/alerts"
    assert "hush" not in f"{location!r} {location}"
    assert location.secrets == ("hush1", "hush2")


def test_a_file_is_shown_by_its_path() -> None:
    assert file_of("sqlite:////data/alerts.db").shown == "/data/alerts.db"


@pytest.mark.parametrize(("query", "is_pooled"), [("", False), ("?pgbouncer=true", True)])
def test_a_pgbouncer_is_named_by_an_option_of_ours(query: str, is_pooled: bool) -> None:
    location = parse_state_url(f"postgresql://ann@host/db{query}")
    assert isinstance(location, PostgresLocation)
    assert location.is_pooled is is_pooled
    assert "pgbouncer" not in location.options
    with pytest.raises(StoreError, match="use true or false"):
        parse_state_url("postgresql://ann@host/db?pgbouncer=yes")
