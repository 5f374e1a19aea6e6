"""A connection to PostgreSQL heals of what happens to servers, and does nothing twice by it."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Final

import psycopg
import pytest

from channels.redact import redact
from engine.errors import StoreError, StoreUnavailableError, UnstorableError
from engine.store.database import (
    Answer,
    Connection,
    Database,
    Durability,
    Row,
    Statement,
    Transaction,
    both,
)
from engine.store.location import PostgresLocation, parse_state_url
from engine.store.postgresql import MOST_KEYS, Session, open_postgresql
from tests.support.certificates import Certificates
from tests.support.patience import PATIENCE_SECONDS, await_that
from tests.support.postgresql import PostgreSQL
from tests.support.round_trips import RoundTrips
from tests.support.tcp_proxy import Side, TcpProxy
from tests.unit.store.samples import Clock

ADD: Final = both("UPDATE meta SET value = value + 1 WHERE name = 'probe'")
READ: Final = both("SELECT value FROM meta WHERE name = 'probe'")
ANSWER: Final = both("SELECT 1")


def location_of(url: str, password: str = "", **options: str) -> PostgresLocation:
    location = parse_state_url(url, password)
    assert isinstance(location, PostgresLocation)
    return replace(location, options={**location.options, **options})


@contextmanager
def opened(url: str, **options: str) -> Iterator[Database]:
    database = open_postgresql(location_of(url, **options))
    yield database
    database.close()


@pytest.fixture
def base(database: str) -> Iterator[Database]:
    with opened(database) as found:
        yield found


@pytest.fixture
def connection(base: Database) -> Connection:
    return base.connect(Durability.FULL)


def add(connection: Connection) -> int:
    return connection.transact(lambda transaction: transaction.run(ADD))


def order(url: str, statement: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement)


class Work:
    """Adds one to a row, after it has done `first` in its first call; counts its calls."""

    def __init__(self, first: Callable[[Transaction], object]) -> None:
        self._first = first
        self.calls = 0

    def __call__(self, transaction: Transaction) -> None:
        self.calls += 1
        transaction.run(ADD)
        if self.calls == 1:
            self._first(transaction)


def test_a_transaction_reads_writes_and_counts(connection: Connection) -> None:
    def work(transaction: Transaction) -> tuple[object, ...]:
        added = both("INSERT INTO meta (name, value) VALUES (:name, :value)")
        transaction.run_many(added, ({"name": f"n{i}", "value": i} for i in range(3)))
        changed = both("UPDATE meta SET value = value + :more WHERE name LIKE 'n%'")
        return (
            transaction.run(changed, {"more": 10}),
            transaction.rows(both("SELECT value FROM meta WHERE name LIKE 'n%' ORDER BY name")),
            transaction.row(both("SELECT value FROM meta WHERE name = 'none'")),
        )

    assert connection.transact(work) == (3, [(10,), (11,), (12,)], None)


def test_an_exception_in_a_transaction_undoes_all_of_it(connection: Connection) -> None:
    def fail(transaction: Transaction) -> None:
        transaction.run(ADD)
        raise KeyError

    with pytest.raises(KeyError):
        connection.transact(fail)
    assert connection.row(READ) == (0,)
    add(connection)
    assert connection.row(READ) == (1,)


@pytest.mark.parametrize(
    ("durability", "level"), [(Durability.FULL, "on"), (Durability.NORMAL, "off")]
)
def test_the_durability_is_that_of_each_transaction(
    base: Database, durability: Durability, level: str
) -> None:
    shown = both("SELECT current_setting('synchronous_commit')")
    connection = base.connect(durability)
    assert connection.transact(lambda transaction: transaction.row(shown)) == (level,)


def test_the_time_is_the_servers_or_that_of_the_given_clock(
    connection: Connection, database: str
) -> None:
    clock = Clock()
    given = open_postgresql(location_of(database), clock=clock)
    other = given.connect(Durability.FULL)

    def times(transaction: Transaction) -> tuple[int, int]:
        begun_us = transaction.now_us
        transaction.lock_keys(["a"])
        return begun_us, transaction.now_us

    before_us = time.time() * 1e6
    begun_us, locked_us = connection.transact(times)
    assert before_us <= begun_us <= locked_us <= time.time() * 1e6
    assert other.transact(times) == (clock.us, clock.us)
    given.close()


def test_a_closed_connection_says_so(base: Database) -> None:
    connection = base.connect(Durability.FULL)
    add(connection)
    base.close()
    with pytest.raises(StoreUnavailableError, match="closed"):
        add(connection)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("x", 1 << 63),
        ("a NUL \0", 0),
        ("half \ud83d of it", 0),
        ("probe", 0),
        (secrets.token_hex(9_000), 0),
    ],
)
def test_what_the_store_does_not_take_leaves_the_connection_good(
    connection: Connection, name: str, value: int
) -> None:
    added = both("INSERT INTO meta (name, value) VALUES (:name, :value)")
    with pytest.raises(UnstorableError, match="does not take it"):
        connection.transact(lambda it: it.run(added, {"name": name, "value": value}))
    with pytest.raises(UnstorableError, match="does not take it"):
        connection.transact(lambda it: it.run_many(added, [{"name": name, "value": value}]))

    def ask(transaction: Transaction) -> None:
        transaction.ask(added, {"name": name, "value": value})
        transaction.ask(READ)

    with pytest.raises(UnstorableError, match="does not take it"):
        connection.transact(ask)
    add(connection)
    assert connection.row(READ) == (1,)


def test_what_is_asked_at_once_runs_in_turn(connection: Connection) -> None:
    def work(transaction: Transaction) -> list[Answer[list[Row]]]:
        asked = [transaction.ask(each) for each in (ADD, READ, ADD, READ)]
        assert asked[1]() == [(1,)]
        return [asked[3], transaction.ask(READ), asked[1]]

    answers = connection.transact(work)
    assert [answer() for answer in answers] == [[(2,)], [(2,)], [(1,)]]
    assert connection.row(READ) == (2,)


def test_what_is_asked_in_a_row_is_one_round_trip_with_begin_and_commit(
    postgresql: PostgreSQL, database: str
) -> None:
    def work(transaction: Transaction) -> Answer[list[Row]]:
        transaction.ask(ADD)
        assert transaction.ask(READ)() == [(2,)]
        transaction.ask(ADD)
        return transaction.ask(READ)

    with RoundTrips(postgresql.port) as trips, opened(database, port=str(trips.port)) as base:
        connection = base.connect(Durability.FULL)
        add(connection)
        before = trips.count
        assert connection.transact(work)() == [(3,)]
        assert trips.count == before + 2
        connection.transact(lambda _: None)
        assert trips.count == before + 2


@pytest.mark.parametrize("place", range(3))
def test_a_fault_among_what_is_asked_at_once_is_told_and_nothing_is_written(
    connection: Connection, place: int
) -> None:
    asked = [ADD, ADD]
    asked.insert(place, both("SELECT missing FROM meta"))

    def work(transaction: Transaction) -> None:
        for each in asked:
            transaction.ask(each)

    with pytest.raises(StoreError, match='column "missing" does not exist'):
        connection.transact(work)
    assert connection.row(READ) == (0,)


def test_a_mistake_of_ours_is_no_outage(connection: Connection) -> None:
    for mistake in (both("SELECT missing FROM meta"), both("SELECT 1 FROM missing")):
        with pytest.raises(StoreError, match="missing") as caught:
            connection.row(mistake)
        assert not isinstance(caught.value, StoreUnavailableError)


def test_an_error_that_the_work_kept_for_itself_is_no_commit(connection: Connection) -> None:
    def work(transaction: Transaction) -> None:
        transaction.run(ADD)
        with pytest.raises(psycopg.Error):
            transaction.run(both("SELECT 1 FROM missing"))

    with pytest.raises(StoreError, match="did not commit"):
        connection.transact(work)
    assert connection.row(READ) == (0,)


@pytest.mark.slow
def test_a_deadlock_is_tried_again_and_both_are_done(base: Database) -> None:
    both_have_one = threading.Barrier(2)
    calls = count()

    def work(first: str, second: str) -> Callable[[Transaction], None]:
        statement = both("UPDATE meta SET value = value + 1 WHERE name = :name")
        own_calls = count()

        def run(transaction: Transaction) -> None:
            next(calls)
            transaction.run(statement, {"name": first})
            if next(own_calls) == 0:
                both_have_one.wait(PATIENCE_SECONDS)
            transaction.run(statement, {"name": second})

        return run

    with ThreadPoolExecutor(2) as pool:
        done = [
            pool.submit(base.connect(Durability.FULL).transact, work(*names))
            for names in (("probe", "redeliveries"), ("redeliveries", "probe"))
        ]
        for each in done:
            each.result(PATIENCE_SECONDS)
    assert next(calls) >= 3
    assert base.connect(Durability.FULL).row(READ) == (2,)


def test_a_lock_that_is_kept_is_tried_again_and_then_told(base: Database) -> None:
    other, connection = base.connect(Durability.FULL), base.connect(Durability.FULL)
    calls = count()

    def work(transaction: Transaction) -> None:
        next(calls)
        transaction.run(both("SET LOCAL lock_timeout = '20ms'"))
        transaction.run(ADD)

    def keep(transaction: Transaction) -> None:
        transaction.run(ADD)
        with pytest.raises(StoreUnavailableError, match="another transaction keeps its lock"):
            connection.transact(work)

    other.transact(keep)
    assert next(calls) > 3
    connection.transact(work)
    assert connection.row(READ) == (2,)


@pytest.mark.parametrize("most", [1, MOST_KEYS, MOST_KEYS + 1])
def test_who_waits_for_a_key_sees_what_its_last_owner_wrote(base: Database, most: int) -> None:
    first, second, watcher = (base.connect(Durability.FULL) for _ in range(3))
    waiting = both(
        "SELECT COUNT(*) FROM pg_locks WHERE NOT granted AND locktype = 'advisory' AND database ="
        " (SELECT oid FROM pg_database WHERE datname = current_database())"
    )
    is_locked = threading.Event()

    def write(transaction: Transaction) -> int:
        transaction.lock_keys(f"key {number}" for number in range(most))
        is_locked.set()
        await_that(lambda: watcher.row(waiting) == (1,))
        transaction.run(ADD)
        return watcher.transact(lambda other: other.now_us)

    def read(transaction: Transaction) -> tuple[object, int]:
        transaction.lock_keys(["another", "key 0"])
        return transaction.row(READ), transaction.now_us

    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(first.transact, write)
        assert is_locked.wait(PATIENCE_SECONDS)
        found, now_us = second.transact(read)
        written_us = writing.result(PATIENCE_SECONDS)
    assert found == (1,)
    # The time is read once more when the keys are there.
    assert now_us > written_us


def test_other_keys_wait_for_nobody(base: Database) -> None:
    first, second = base.connect(Durability.FULL), base.connect(Durability.FULL)

    def work(transaction: Transaction) -> None:
        transaction.lock_keys(["a", "b"])
        second.transact(lambda other: other.lock_keys(["c"]))

    first.transact(work)


def test_keys_in_any_order_never_deadlock(base: Database) -> None:
    connections = [base.connect(Durability.NORMAL) for _ in range(4)]
    calls = count()

    def work(number: int) -> Callable[[Transaction], None]:
        def run(transaction: Transaction) -> None:
            next(calls)
            keys = [f"{(number * 7 + step * 3) % 20}" for step in range(20)]
            transaction.lock_keys(keys[:: 1 if number % 2 else -1])

        return run

    def repeat(number: int) -> None:
        for step in range(50):
            connections[number].transact(work(number + step))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(repeat, range(4)))
    assert next(calls) == 200


def test_a_named_lock_has_one_owner_until_its_transaction_ends(base: Database) -> None:
    first, second = base.connect(Durability.NORMAL), base.connect(Durability.NORMAL)

    def take(transaction: Transaction) -> bool:
        return transaction.try_lock("housekeeping")

    def work(transaction: Transaction) -> tuple[bool, bool]:
        return take(transaction), second.transact(take)

    assert first.transact(work) == (True, False)
    assert second.transact(take)


def test_connections_that_are_cut_while_idle_are_made_anew_without_an_error(
    postgresql: PostgreSQL, base: Database
) -> None:
    reader, writer = base.connect(Durability.NORMAL), base.connect(Durability.FULL)
    add(writer)
    assert reader.row(READ) == (1,)
    postgresql.terminate_backends()
    assert reader.row(READ) == (1,)
    postgresql.terminate_backends()
    add(writer)
    assert reader.row(READ) == (2,)


def test_a_transaction_that_is_cut_is_done_once(
    postgresql: PostgreSQL, connection: Connection
) -> None:
    work = Work(lambda _: postgresql.terminate_backends())
    connection.transact(work)
    assert work.calls == 2
    assert connection.row(READ) == (1,)


def test_an_engine_that_stood_still_in_a_transaction_begins_again(base: Database) -> None:
    connection, other = base.connect(Durability.FULL), base.connect(Durability.FULL)

    def stand_still(transaction: Transaction) -> None:
        transaction.lock_keys(["a"])
        transaction.run(both("SET LOCAL idle_in_transaction_session_timeout = '50ms'"))
        # Its locks are another one's as soon as the server has given it up.
        other.transact(lambda another: another.lock_keys(["a"]))
        transaction.run(ADD)

    work = Work(stand_still)
    connection.transact(work)
    assert work.calls == 2
    assert connection.row(READ) == (1,)


def test_a_server_that_became_a_standby_is_left_for_another_connection(
    connection: Connection,
) -> None:
    def become_read_only(transaction: Transaction) -> None:
        transaction.run(both("SET LOCAL transaction_read_only = on"))
        transaction.run(ADD)

    work = Work(become_read_only)
    connection.transact(work)
    assert work.calls == 2
    assert connection.row(READ) == (1,)


@pytest.mark.slow
def test_a_lost_answer_to_a_commit_lets_the_work_be_called_again(
    postgresql: PostgreSQL, database: str
) -> None:
    # Each call does its work: only what finds its own rows, such as an insertion that is done
    # already, is the same twice.
    with TcpProxy(postgresql.port) as proxy, opened(database, port=str(proxy.port)) as base:
        connection = base.connect(Durability.FULL)
        add(connection)
        work = Work(lambda _: proxy.delay(2.0))
        with ThreadPoolExecutor(1) as pool, psycopg.connect(database, autocommit=True) as watcher:
            done = pool.submit(connection.transact, work)
            await_that(lambda: watcher.execute(READ.postgresql).fetchone() == (2,))
            proxy.delay(0.0)
            proxy.cut()
            done.result(PATIENCE_SECONDS)
        assert work.calls == 2
        assert connection.row(READ) == (3,)


def test_a_cut_or_half_closed_line_heals(postgresql: PostgreSQL, database: str) -> None:
    with TcpProxy(postgresql.port) as proxy, opened(database, port=str(proxy.port)) as base:
        connection = base.connect(Durability.FULL)
        harms: list[Callable[[], None]] = [proxy.cut, lambda: proxy.half_close(Side.CLIENT)]
        for number, harm in enumerate(harms, start=1):
            add(connection)
            harm()
            assert connection.row(READ) == (number,)
        proxy.down()
        with pytest.raises(StoreUnavailableError, match="can't be reached"):
            add(connection)
        proxy.up()
        add(connection)
        assert connection.row(READ) == (3,)


@pytest.mark.slow
def test_a_killed_server_is_an_outage_until_it_is_there_again(own_postgresql: PostgreSQL) -> None:
    with opened(own_postgresql.create_database()) as base:
        connection = base.connect(Durability.FULL)
        add(connection)
        own_postgresql.kill()
        for _ in range(2):
            with pytest.raises(StoreUnavailableError, match=r"can't be reached.*start it"):
                add(connection)
        own_postgresql.start()
        assert connection.row(READ) == (1,)
        own_postgresql.restart()
        add(connection)
        assert connection.row(READ) == (2,)


@pytest.mark.slow
def test_a_frozen_server_is_an_outage_and_not_a_wait_for_ever(
    own_postgresql: PostgreSQL, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(own_postgresql.create_database(), connect_timeout="2") as base:
        connection = base.connect(Durability.FULL)
        add(connection)
        monkeypatch.setattr(Session, "answer_seconds", 0.3)
        own_postgresql.freeze()
        with pytest.raises(StoreUnavailableError, match="can't be reached"):
            add(connection)
        own_postgresql.thaw()
        monkeypatch.undo()
        assert connection.row(READ) == (1,)


def test_a_statement_that_takes_too_long_is_told_and_not_repeated(connection: Connection) -> None:
    def wait(transaction: Transaction) -> None:
        transaction.run(both("SET LOCAL statement_timeout = '20ms'"))
        transaction.run(Statement("", "SELECT pg_sleep(60)"))

    work = Work(wait)
    with pytest.raises(StoreUnavailableError, match="a statement took too long"):
        connection.transact(work)
    assert work.calls == 1
    add(connection)
    assert connection.row(READ) == (1,)


def test_tables_that_are_gone_are_an_outage_until_they_are_back(
    connection: Connection, database: str
) -> None:
    add(connection)
    order(database, "ALTER TABLE meta RENAME TO away")
    with pytest.raises(StoreUnavailableError, match="is not an alert store"):
        add(connection)
    order(database, "ALTER TABLE away RENAME TO meta")
    add(connection)
    assert connection.row(READ) == (2,)


def test_a_full_server_and_one_that_is_read_only_pass(
    postgresql: PostgreSQL, connection: Connection, database: str
) -> None:
    name = location_of(database).options["dbname"]
    admin = postgresql.url("postgres", "postgres")
    for harm, cure, told in (
        ("CONNECTION LIMIT 0", "CONNECTION LIMIT -1", r"too many connections.*max_connections"),
        ("SET default_transaction_read_only = on", "RESET ALL", r"read-only.*name the primary"),
    ):
        add(connection)
        order(admin, f"ALTER DATABASE {name} {harm}")
        postgresql.terminate_backends()
        with pytest.raises(StoreUnavailableError, match=told):
            add(connection)
        order(admin, f"ALTER DATABASE {name} {cure}")
    assert connection.row(READ) == (2,)


def test_a_missing_database_is_told_at_the_start(postgresql: PostgreSQL) -> None:
    with pytest.raises(StoreError, match=r"no such database.*CREATE DATABASE") as caught:
        open_postgresql(location_of(postgresql.url("missing")))
    assert not isinstance(caught.value, StoreUnavailableError)


def test_a_server_that_is_away_at_the_start_may_come(postgresql: PostgreSQL) -> None:
    with TcpProxy(postgresql.port) as proxy:
        port = proxy.port
    with pytest.raises(StoreUnavailableError, match="can't be reached"):
        open_postgresql(location_of(postgresql.url("alerts"), port=str(port)))


def test_a_wrong_option_of_libpq_is_told_at_the_start(database: str) -> None:
    with pytest.raises(StoreError, match="wrong option") as caught:
        open_postgresql(location_of(database, sslmode="on"))
    assert not isinstance(caught.value, StoreUnavailableError)


@pytest.mark.slow
def test_a_wrong_password_stops_the_start_and_is_an_outage_later() -> None:
    with PostgreSQL(password="hush-right") as server:
        url = server.create_database()
        without = url.replace(":hush-right", "")
        admin = server.url("postgres", "postgres")
        for password in ("", "hush-wrong"):
            with pytest.raises(StoreError, match=r"denies access.*STATE_PASSWORD") as caught:
                open_postgresql(location_of(without, password))
            assert not isinstance(caught.value, StoreUnavailableError)
            assert "hush" not in str(caught.value)
        assert redact("it said hush-wrong") == "it said ***"
        base = open_postgresql(location_of(without, "hush-right"))
        connection = base.connect(Durability.FULL)
        order(admin, "ALTER ROLE alerts PASSWORD 'changed'")
        with pytest.raises(StoreUnavailableError, match="denies access"):
            add(connection)
        order(admin, "ALTER ROLE alerts PASSWORD 'hush-right'")
        add(connection)
        base.close()


@pytest.mark.slow
def test_tls_is_checked_and_its_want_is_told(tmp_path: Path) -> None:
    certificates = Certificates(tmp_path)
    (tmp_path / "other").mkdir()
    other = Certificates(tmp_path / "other")
    with PostgreSQL(certificates=certificates) as server:
        url = server.create_database()
        with opened(url) as base:
            add(base.connect(Durability.FULL))
        for options, told in (
            ({"sslmode": "disable"}, r"wants TLS.*sslmode=verify-full"),
            ({"sslrootcert": str(other.bundle)}, "TLS does not come about"),
            ({"sslrootcert": "/nowhere/ca.pem"}, "TLS does not come about"),
        ):
            with pytest.raises(StoreError, match=told) as caught:
                open_postgresql(location_of(url, **options))
            assert not isinstance(caught.value, StoreUnavailableError)


def test_a_table_of_another_schema_is_reached_by_options(
    postgresql: PostgreSQL, database: str
) -> None:
    order(database.replace("alerts@", "postgres@"), "CREATE SCHEMA ours AUTHORIZATION alerts")
    with opened(database, options="-csearch_path=ours") as base:
        connection = base.connect(Durability.FULL)
        add(connection)
        assert connection.row(both("SELECT value FROM ours.meta WHERE name = 'probe'")) == (1,)
        assert connection.row(both("SELECT to_regclass('public.meta')")) == (None,)
