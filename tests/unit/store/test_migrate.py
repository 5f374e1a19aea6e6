"""A store is made, or carried over whole from an older version; a newer one is refused."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from hashlib import blake2b
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import psycopg
import pytest

from engine.errors import StoreError, StoreUnavailableError
from engine.schema import CAMERA_ID, NORMALIZED_PLATE, value_at
from engine.store.database import Database, Durability, both
from engine.store.location import PostgresLocation, SqliteLocation, parse_state_url
from engine.store.migrate import SCHEMA_VERSION, scripts
from engine.store.model import OpenMode, searched, searched_plate
from engine.store.postgresql import open_postgresql
from engine.store.sqlite import open_sqlite
from engine.store.store import open_store
from tests.support.postgresql import PostgreSQL
from tests.unit.store.samples import Samples, state_url
from tests.unit.store.samples import add as add_alerts

HIGHEST_ID: Final = 41


def opened(url: str, mode: OpenMode = OpenMode.ENGINE) -> Database:
    location = parse_state_url(url)
    if isinstance(location, SqliteLocation):
        return open_sqlite(location, mode, busy_timeout_seconds=0.1)
    return open_postgresql(location, mode)


def rows(database: Database, text: str) -> list[tuple[Any, ...]]:
    return database.connect(Durability.NORMAL).rows(both(text))


def meta(database: Database) -> dict[str, int]:
    return dict(rows(database, "SELECT name, value FROM meta"))


def change(url: str, statement: str) -> None:
    location = parse_state_url(url)
    if isinstance(location, SqliteLocation):
        with closing(sqlite3.connect(location.path, isolation_level=None)) as database:
            database.execute(statement)
        return
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement)


def digest(number: int) -> bytes:
    return blake2b(str(number).encode(), digest_size=16).digest()


def add(database: sqlite3.Connection, table: str, **values: object) -> None:
    names, places = ", ".join(values), ", ".join("?" * len(values))
    database.execute(f"INSERT INTO {table} ({names}) VALUES ({places})", tuple(values.values()))


def alert(number: int, event: int, key: str | None) -> Mapping[str, object]:
    return {
        "alert_id": f"alert-{number}",
        "digest": digest(event),
        "rule_id": f"rule-{number}",
        "dedup_key": key,
        "time_us": 10 + number,
        "stored_us": 20 + number,
        "is_expired": 0,
        "rule_name": "A rule",
        "priority": "high",
        "message": f"ÄB {number}",
        "captured_at": "then",
        "created_at": "now",
        "suppressed_count": 3,
        "late_seconds": 1.25,
        "event": f'{{"n":{event}}}'.encode(),
        "topic": "plates",
        "partition_id": 2,
        "record_offset": number,
    }


def delivery(number: int, state: str, target: str = "mail/ann") -> Mapping[str, object]:
    return {
        "delivery_id": number,
        "alert_id": "alert-1",
        "channel": "mail",
        "target_id": target,
        "state": state,
        "priority_rank": 1,
        "tries": number,
        "reason": "http_5xx",
        "detail": "d",
        "waiting_since_us": 5,
        "changed_us": 6,
    }


@pytest.fixture(params=["sqlite", "postgresql"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a file that is not there yet, or of a database without tables."""
    if request.param == "sqlite":
        return state_url(tmp_path)
    found: str = request.getfixturevalue("database")
    return found


@pytest.fixture
def former(tmp_path: Path) -> str:
    """The URL of a store of version 1 with something in each table."""
    path = tmp_path / "alerts.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.executescript(scripts("sqlite", 0)[0])
        for number, event, key in ((1, 1, "k"), (2, 1, None), (3, 2, "l" * 3000)):
            add(database, "alerts", **alert(number, event, key))
        for number, state in ((1, "waiting"), (2, "sent"), (3, "dead")):
            add(database, "deliveries", **delivery(number, state, f"mail/{number}"))
        add(database, "deliveries", **delivery(HIGHEST_ID, "dead", "mail/4"))
        database.execute("DELETE FROM deliveries WHERE delivery_id = ?", (HIGHEST_ID,))
        hold = {"target_id": "mail/1", "channel": "mail", "reason": "tls", "detail": "x"}
        add(database, "holds", **hold, since_us=7)
        add(database, "suppressed", dedup_key="k", suppressed_count=4, changed_us=8)
        letter = {
            "topic": "plates",
            "partition_id": 1,
            "record_offset": 9,
            "digest": b"d",
            "timestamp_ms": 1,
            "record_key": None,
            "record_value": b"\x00v",
            "headers": "[]",
            "error_type": "decode",
            "message": "m",
            "stack_trace": None,
            "retry_count": 0,
        }
        add(database, "dead_letters", **letter, kept_us=3)
        database.execute("UPDATE meta SET value = 6 WHERE name = 'redeliveries'")
    return f"sqlite:///{path}"


def test_a_new_store_has_this_version_and_a_key_of_its_own(empty: str, tmp_path: Path) -> None:
    database = opened(empty)
    found = meta(database)
    assert found["schema_version"] == SCHEMA_VERSION
    assert "former_ids" not in found
    ((key,),) = rows(database, "SELECT value FROM keys WHERE name = 'targets'")
    database.close()
    assert len(key) == 32
    again, other = opened(empty), opened(f"sqlite:///{tmp_path / 'other.db'}")
    assert (
        rows(again, "SELECT value FROM keys") == [(key,)] != rows(other, "SELECT value FROM keys")
    )
    again.close()
    other.close()


def test_a_store_of_version_1_has_everything_afterwards(former: str) -> None:
    database = opened(former)
    assert rows(database, "SELECT digest, event FROM events ORDER BY event") == [
        (digest(1), b'{"n":1}'),
        (digest(2), b'{"n":2}'),
    ]
    alerts = rows(database, "SELECT * FROM alerts ORDER BY alert_id")
    keys = {1: "k", 2: None, 3: "l" * 3000}
    assert alerts == [
        (
            *(f"alert-{number}", digest(1 if number < 3 else 2), f"rule-{number}", keys[number]),
            *(hashed(keys[number]), 10 + number, 20 + number, 0, "A rule", "high"),
            *(f"ÄB {number}", "then", "now", 3, 1.25, "plates", 2, number),
            *("", "", "", "", "", 1.0),
        )
        for number in (1, 2, 3)
    ]
    deliveries = rows(
        database,
        "SELECT delivery_id, alert_id, channel, target_id, state, priority_rank, tries, reason,"
        " detail, waiting_since_us, changed_us, failures, next_try_us, claimed_by, claim_no"
        " FROM deliveries ORDER BY delivery_id",
    )
    assert deliveries == [
        (
            *(number, "alert-1", "mail", f"mail/{number}", state, 1, number, "http_5xx", "d", 5, 6),
            *(0, 0, "", 0),
        )
        for number, state in ((1, "waiting"), (2, "sent"), (3, "dead"))
    ]
    held = "SELECT target_id, channel, concurrency, held_since_us, reason, detail, probe_at_us"
    assert rows(database, f"{held} FROM targets") == [("mail/1", "mail", 1, 7, "tls", "x", 0)]
    assert rows(database, "SELECT * FROM suppressed") == [(hashed("k"), 4, 8)]
    assert rows(database, "SELECT record_offset, record_value, kept_us FROM dead_letters") == [
        (9, b"\x00v", 3)
    ]
    assert meta(database) == {
        "schema_version": SCHEMA_VERSION,
        "usable_from": 2,
        "redeliveries": 6,
        "probe": 0,
        "former_ids": 1,
    }
    assert rows(database, "PRAGMA integrity_check") == [("ok",)]
    assert rows(database, "PRAGMA foreign_key_check") == []
    database.close()


def hashed(key: str | None) -> str | None:
    return None if key is None else blake2b(key.encode(), digest_size=16).hexdigest()


def test_no_id_of_a_delivery_is_given_again_after_the_migration(former: str) -> None:
    opened(former).close()
    change(
        former,
        "INSERT INTO deliveries (alert_id, channel, target_id, state, priority_rank, tries, reason,"
        " detail, waiting_since_us, changed_us)"
        " VALUES ('alert-3', 'mail', 'mail/ann', 'waiting', 1, 0, '', '', 0, 0)",
    )
    database = opened(former)
    assert rows(database, "SELECT MAX(delivery_id) FROM deliveries") == [(HIGHEST_ID + 1,)]
    database.close()


def test_a_migrated_file_has_the_tables_and_indexes_of_a_new_one(
    former: str, tmp_path: Path
) -> None:
    migrated, new = opened(former), opened(f"sqlite:///{tmp_path / 'new.db'}")
    text = "SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY name"
    assert rows(migrated, text) == rows(new, text)
    assert not any("former" in str(row) for row in rows(new, text))
    migrated.close()
    new.close()


def test_a_migration_without_room_leaves_the_store_as_it_was(former: str) -> None:
    change(
        former,
        "WITH RECURSIVE n(i) AS (SELECT 10 UNION ALL SELECT i + 1 FROM n WHERE i < 200) INSERT INTO"
        " alerts SELECT 'alert-' || i, randomblob(16), 'r', NULL, i, i, 0, 'r', 'low', 'm', 't',"
        " 't', 0, 0, randomblob(900), 't', 0, i FROM n",
    )
    with pytest.raises(StoreUnavailableError, match="quota is full"):
        opened(f"{former}?max_page_count=70")
    with closing(sqlite3.connect(former.removeprefix("sqlite:///"))) as file:
        assert file.execute("SELECT COUNT(*), COUNT(event) FROM alerts").fetchone() == (194, 194)
        assert file.execute("SELECT COUNT(*) FROM holds").fetchone() == (1,)
    database = opened(former)
    assert rows(database, "SELECT COUNT(*) FROM alerts") == [(194,)]
    database.close()


def test_a_tool_carries_nothing_over(former: str, database: str) -> None:
    with pytest.raises(StoreError, match=r"has schema version 1.*start the engine, which carries"):
        opened(former, OpenMode.TOOL)
    with pytest.raises(StoreError, match="is not an alert store"):
        opened(database, OpenMode.TOOL)


def test_a_newer_store_is_refused_and_left_alone(empty: str) -> None:
    opened(empty).close()
    change(empty, "UPDATE meta SET value = 9 WHERE name IN ('schema_version', 'usable_from')")
    for mode in OpenMode:
        with pytest.raises(
            StoreError, match=f"has schema version 9, this alert engine knows {SCHEMA_VERSION}"
        ):
            opened(empty, mode)


def test_a_newer_store_that_this_engine_can_still_use_is_used(empty: str) -> None:
    opened(empty).close()
    newer = SCHEMA_VERSION + 1
    change(empty, f"UPDATE meta SET value = {newer} WHERE name = 'schema_version'")
    database = opened(empty)
    assert meta(database)["schema_version"] == newer
    database.close()


def test_the_tables_of_another_program_are_left_alone(empty: str) -> None:
    if empty.startswith("sqlite"):
        Path(empty.removeprefix("sqlite:///")).touch()
    change(empty, "CREATE TABLE theirs (a INTEGER)")
    with pytest.raises(StoreError, match="is not an alert store"):
        opened(empty)


def test_engines_that_start_at_once_make_one_store(database: str) -> None:
    with ThreadPoolExecutor(6) as pool:
        opened_at_once = list(pool.map(opened, [database] * 6))
    keys = {rows(each, "SELECT value FROM keys")[0][0] for each in opened_at_once}
    assert len(keys) == 1
    for each in opened_at_once:
        each.close()


def test_a_failed_script_leaves_an_empty_database(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(folder: str, version: int) -> list[str]:
        return [*scripts(folder, version), "SELECT nothing FROM nowhere"]

    monkeypatch.setattr("engine.store.postgresql.scripts", broken)
    with pytest.raises(StoreError, match="nowhere"):
        opened(database)
    with psycopg.connect(database) as connection:
        found = connection.execute("SELECT to_regclass('meta'), to_regclass('alerts')").fetchone()
    assert found == (None, None)


def test_both_databases_have_the_same_tables_and_columns(database: str, tmp_path: Path) -> None:
    file, server = opened(f"sqlite:///{tmp_path / 'a.db'}"), opened(database)
    columns = rows(
        file,
        'SELECT t.name, c.name, c.type, c."notnull" OR c.pk FROM sqlite_master AS t,'
        " pragma_table_info(t.name) AS c"
        " WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite_%' ORDER BY t.name, c.cid",
    )
    of_server = rows(
        server,
        "SELECT table_name, column_name, data_type, CASE is_nullable WHEN 'NO' THEN 1 ELSE 0 END"
        " FROM information_schema.columns WHERE table_schema = 'public'"
        ' ORDER BY table_name COLLATE "C", ordinal_position',
    )
    kinds = {"text": "TEXT", "bytea": "BLOB", "bigint": "INTEGER", "double precision": "REAL"}
    assert [
        (table, name, kinds[kind], needed) for table, name, kind, needed in of_server
    ] == columns
    names = "SELECT name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL ORDER BY name"
    of_file = [name for (name,) in rows(file, names)]
    found = rows(
        server,
        "SELECT relname FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid"
        " WHERE relnamespace = 'public'::regnamespace AND NOT indisunique ORDER BY relname",
    )
    assert [name for (name,) in found] == of_file
    file.close()
    server.close()


def test_texts_sort_by_their_bytes(database: str) -> None:
    server = opened(database)
    uncollated = rows(
        server,
        "SELECT table_name, column_name FROM information_schema.columns"
        " WHERE table_schema = 'public' AND data_type = 'text'"
        " AND COALESCE(collation_name, '') <> 'C'",
    )
    server.close()
    assert uncollated == []


@pytest.mark.parametrize("folder", ["sqlite", "postgresql"])
def test_the_last_script_of_each_database_brings_it_to_this_version(folder: str) -> None:
    found = sorted(each.name for each in (files("engine.store") / "migrations" / folder).iterdir())
    numbers = [int(name.partition("_")[0]) for name in found]
    assert numbers == list(range(numbers[0], SCHEMA_VERSION + 1))


def test_a_database_that_is_not_utf_8_or_gives_no_right_is_told(
    postgresql: PostgreSQL, database: str
) -> None:
    location = parse_state_url(database)
    assert isinstance(location, PostgresLocation)
    name = location.options["dbname"]
    change(
        postgresql.url("postgres", "postgres"),
        f"CREATE DATABASE latin_{name} ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0",
    )
    try:
        with pytest.raises(StoreError, match=r"encoding LATIN1.*ENCODING 'UTF8'"):
            opened(postgresql.url(f"latin_{name}"))
    finally:
        postgresql.drop_database(postgresql.url(f"latin_{name}"))
    with pytest.raises(StoreError, match=r"a right is missing.*GRANT") as caught:
        opened(postgresql.url("postgres"))
    assert not isinstance(caught.value, StoreUnavailableError)


#: Events as a former engine stored them, with the plate and the camera that people search for.
SEARCHED: Final = {
    b'{"plate":{"normalized_text":"ABC123"},"camera_id":"gate-2"}': ("ABC123", "gate-2"),
    '{"plate":{"normalized_text":"ab-12 ß"},"camera_id":"Gate Süd"}'.encode(): (
        "AB12SS",
        "Gate Süd",
    ),
    # Cyrillic and full-width letters, and a plate that has none of ours.
    '{"plate":{"normalized_text":"\u0430777\u043d\u0430"},"camera_id":"\uff11"}'.encode(): (
        "A777HA",
        "\uff11",
    ),
    '{"plate":{"normalized_text":"O\u0308 \uff11\uff42"},"camera_id":"1"}'.encode(): ("1B", "1"),
    '{"plate":{"normalized_text":"\u0633 \u0628"},"camera_id":""}'.encode(): ("\u0633 \u0628", ""),
    b'{"n":1}': ("", ""),
    b'{"plate":null,"camera_id":null}': ("", ""),
    b'{"plate":"ABC123","camera_id":["gate"]}': ("", ""),
    b'{"plate":[{"normalized_text":"ABC123"}],"camera_id":{"id":"gate"}}': ("", ""),
    b'{"plate":{"normalized_text":123},"camera_id":7}': ("", ""),
    b'{"plate":{"normalized_text":true},"camera_id":1e400}': ("", ""),
    b'{"plate":{"normalized_text":"A\\u0000\\u0000B"},"camera_id":"a\\u0000\\u0000b"}': (
        "AB",
        "a\ufffd\ufffdb",
    ),
    # It only looks like one: the backslash is escaped.
    b'{"plate":{"normalized_text":"A\\\\u0000"},"camera_id":"\\\\\\u0000\\\\u0000"}': (
        "AU0000",
        "\\\ufffd\\u0000",
    ),
    b'{"plate":{"normalized_text":"A1"},"camera_id":"1","x":"\\u0000","y":"\\\\"}': ("A1", "1"),
    b'{"plate":{"normalized_text":"%s"},"camera_id":"%s"}' % (b"A" * 200_000, b"c" * 50_000): (
        "A" * 100,
        "c" * 100,
    ),
}


def fill_former(url: str, version: int) -> None:
    """Make a store of this version that has an alert for each event of SEARCHED."""
    location = parse_state_url(url)
    columns: dict[str, object] = dict(alert(1, 1, None))
    rows_of = [
        {**columns, "alert_id": f"alert-{number:02}", "digest": digest(number), "event": event}
        for number, event in enumerate(SEARCHED)
    ]
    if isinstance(location, SqliteLocation):
        with closing(sqlite3.connect(location.path, isolation_level=None)) as file:
            file.create_function("key_id", 1, hashed)
            file.create_function("new_key", 0, lambda: bytes(32))
            for script in scripts("sqlite", 0)[:version]:
                file.executescript(script)
            for each in rows_of:
                if version > 1:
                    add(file, "events", digest=each["digest"], event=each.pop("event"))
                add(file, "alerts", **each)
        return
    with psycopg.connect(url, autocommit=True) as server:
        server.execute(scripts("postgresql", 0)[0].encode())
        for each in rows_of:
            of_event = {"digest": each["digest"], "event": each.pop("event")}
            for table, values in (("events", of_event), ("alerts", each)):
                places = ", ".join(f"%({name})s" for name in values)
                text = f"INSERT INTO {table} ({', '.join(values)}) VALUES ({places})"
                server.execute(text.encode(), values)


def test_the_engine_before_goes_on_in_a_store_that_was_carried_over(empty: str) -> None:
    """Its statements name no column of this version; alerts of both are read."""
    fill_former(empty, 2)
    store = open_store(empty)
    (new,) = (Samples().new(),)
    add_alerts(store, new)
    change(
        empty,
        "INSERT INTO alerts (alert_id, digest, rule_id, time_us, stored_us, is_expired, rule_name,"
        " priority, message, captured_at, created_at, suppressed_count, late_seconds, topic,"
        " partition_id, record_offset, plate, camera_id, rules_digest, silenced_by)"
        " SELECT 'of the one before', digest, 'another', 1, 2, 0, 'n', 'low', 'm', 't', 't', 0, 0,"
        " 'plates', 0, 9, 'A1', 'gate', '', '' FROM alerts WHERE alert_id = 'alert-00'",
    )
    found = [store.archive.alert(each) for each in ("of the one", "alert-00", new.alert.alert_id)]
    store.close()
    assert [(each.alert.matched_plate, each.alert.likeness) for each in found if each] == [
        ("", 1.0),
        ("", 1.0),
        (new.alert.matched_plate, new.alert.likeness),
    ]


def test_former_alerts_are_found_by_plate_and_camera(empty: str) -> None:
    fill_former(empty, 2)
    assert searched_columns(empty) == list(SEARCHED.values())


def test_alerts_of_version_1_are_found_by_plate_and_camera(tmp_path: Path) -> None:
    fill_former(state_url(tmp_path), 1)
    assert searched_columns(state_url(tmp_path)) == list(SEARCHED.values())


def searched_columns(url: str) -> list[tuple[Any, ...]]:
    """The plate and the camera of each alert, once the store is carried over."""
    database = opened(url)
    found = rows(database, "SELECT plate, camera_id FROM alerts ORDER BY alert_id")
    database.close()
    return found


def test_a_new_alert_is_found_by_the_same_plate_as_a_former_one() -> None:
    for event, expected in SEARCHED.items():
        values = json.loads(event)
        plate, camera = value_at(values, NORMALIZED_PLATE), value_at(values, CAMERA_ID)
        assert (searched_plate(plate), searched(camera)) == expected
