"""The tests' own PostgreSQL does what it is told."""

from __future__ import annotations

import psycopg
import pytest

from tests.support.certificates import Certificates
from tests.support.postgresql import PostgreSQL

pytestmark = pytest.mark.slow


def rows(url: str) -> int:
    """How many rows the table has."""
    with psycopg.connect(url) as connection:
        found = connection.execute("SELECT count(*) FROM plates").fetchone()
    assert found is not None
    return int(found[0])


def fill(url: str) -> psycopg.Connection:
    """One committed row in a new table, over a connection that stays open."""
    connection = psycopg.connect(url, autocommit=True)
    connection.execute("CREATE TABLE plates AS SELECT 'ABC123' AS plate")
    return connection


def test_each_test_has_an_empty_database(database: str, postgresql: PostgreSQL) -> None:
    other = postgresql.create_database()
    fill(database).close()
    with pytest.raises(psycopg.errors.UndefinedTable):
        rows(other)
    postgresql.drop_database(other)
    assert rows(database) == 1


@pytest.mark.parametrize("way", ["stop", "kill"])
def test_what_is_committed_outlives_the_server(own_postgresql: PostgreSQL, way: str) -> None:
    database = own_postgresql.create_database()
    connection = fill(database)
    getattr(own_postgresql, way)()
    with pytest.raises(psycopg.OperationalError):
        connection.execute("SELECT 1")
    connection.close()
    own_postgresql.start()
    assert rows(database) == 1


def test_a_frozen_server_answers_after_the_thaw(own_postgresql: PostgreSQL) -> None:
    database = own_postgresql.create_database()
    with fill(database):
        own_postgresql.freeze()
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(database, connect_timeout=2)
        own_postgresql.thaw()
        assert rows(database) == 1


def test_terminated_clients_are_told_so(own_postgresql: PostgreSQL) -> None:
    connection = fill(own_postgresql.create_database())
    assert own_postgresql.terminate_backends() == 1
    with pytest.raises(psycopg.errors.AdminShutdown):
        connection.execute("SELECT 1")
    connection.close()


def test_password_and_tls_are_asked_for(certificates: Certificates) -> None:
    with PostgreSQL(password="p@ss/w#rd", certificates=certificates) as server:
        url = server.create_database()
        fill(url).close()
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(url, password="another")
        with pytest.raises(psycopg.OperationalError, match="no encryption"):
            psycopg.connect(url, sslmode="disable")
