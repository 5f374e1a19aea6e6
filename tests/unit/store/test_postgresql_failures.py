"""Every failure of PostgreSQL names the store, what is wrong and what to do, by its code."""

from __future__ import annotations

import psycopg
import pytest
from psycopg import errors

from engine.errors import StoreError, StoreUnavailableError, UnstorableError
from engine.store.postgresql_failures import is_conflict, is_cut, store_error

SHOWN = "postgresql://engine@db/alerts"


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (errors.DiskFull("as it says"), "disk is full"),
        (errors.OutOfMemory("as it says"), "max_locks_per_transaction"),
        (errors.TooManyConnections("as it says"), "max_connections"),
        (errors.ConfigurationLimitExceeded("as it says"), "short of resources"),
        (errors.QueryCanceled("as it says"), "took too long"),
        (errors.LockNotAvailable("as it says"), "keeps its lock"),
        (errors.DeadlockDetected("as it says"), "are in the way"),
        (errors.SerializationFailure("as it says"), "are in the way"),
        (errors.AdminShutdown("as it says"), "ends or starts"),
        (errors.ConnectionFailure("as it says"), "connection was cut"),
        (errors.ReadOnlySqlTransaction("as it says"), "read-only"),
        (errors.IdleInTransactionSessionTimeout("as it says"), "stood still"),
        (errors.InsufficientPrivilege("as it says"), "right is missing"),
        (errors.InvalidPassword("as it says"), "denies access"),
        (errors.InvalidCatalogName("as it says"), "no such database"),
        (errors.IoError("as it says"), "system fails"),
        (errors.DataCorrupted("as it says"), "damaged"),
        (psycopg.OperationalError("as it says"), "can't be reached"),
        (psycopg.InterfaceError("as it says"), "can't be reached"),
    ],
)
def test_what_may_pass_is_unavailable(error: psycopg.Error, told: str) -> None:
    found = store_error(SHOWN, error)
    assert isinstance(found, StoreUnavailableError)
    assert told in str(found)
    assert SHOWN in str(found)
    assert "as it says" in str(found)


@pytest.mark.parametrize(
    "error",
    [
        errors.NumericValueOutOfRange("too big"),
        errors.UntranslatableCharacter("too odd"),
        errors.UniqueViolation("too often"),
        errors.ProgramLimitExceeded("too long"),
        psycopg.DataError("a NUL"),
    ],
)
def test_what_was_written_is_at_fault(error: psycopg.Error) -> None:
    found = store_error(SHOWN, error)
    assert type(found) is UnstorableError
    assert str(found) == f"the store {SHOWN} does not take it: {error}"


@pytest.mark.parametrize(
    "error", [errors.UndefinedColumn("a"), errors.SyntaxError("a"), psycopg.ProgrammingError("a")]
)
def test_a_mistake_of_ours_is_a_plain_store_error(error: psycopg.Error) -> None:
    assert type(store_error(SHOWN, error)) is StoreError


def test_the_start_does_not_wait_for_what_only_a_person_can_correct() -> None:
    assert type(store_error(SHOWN, errors.InvalidPassword(), is_start=True)) is StoreError
    assert type(store_error(SHOWN, errors.DiskFull(), is_start=True)) is StoreUnavailableError


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('FATAL:  password authentication failed for user "u"', "denies access"),
        ("fe_sendauth: no password supplied", "denies access"),
        ('FATAL:  no pg_hba.conf entry for host "h", user "u", SSL encryption', "denies access"),
        ('FATAL:  no pg_hba.conf entry for host "h", user "u", no encryption', "wants TLS"),
        ('FATAL:  role "u" does not exist', "denies access"),
        ('FATAL:  database "d" does not exist', "CREATE DATABASE"),
        ("session is read-only", "name the primary"),
        ("FATAL:  sorry, too many clients already", "max_connections"),
        ("FATAL:  the database system is starting up", "wait, or start it"),
        ("FATAL:  the database system is in recovery mode", "wait, or start it"),
        ("SSL error: certificate verify failed", "sslrootcert"),
        ("server does not support SSL, but SSL was required", "sslmode"),
        ('invalid sslmode value: "on"', "wrong option"),
        ("Connection refused", "can't be reached"),
        ("Datenbank »d« existiert nicht", "can't be reached"),
    ],
)
def test_a_refused_connection_is_told_by_its_text(text: str, told: str) -> None:
    found = store_error(SHOWN, psycopg.OperationalError(f"connection failed:\n\t{text}"))
    assert isinstance(found, StoreUnavailableError)
    assert told in str(found)
    assert "\n" not in str(found)


def test_what_is_tried_again_is_known_by_its_code() -> None:
    assert is_conflict(errors.DeadlockDetected())
    assert not is_conflict(errors.QueryCanceled())
    assert is_cut(errors.AdminShutdown())
    assert is_cut(psycopg.OperationalError())
    # Its class is OperationalError too.
    assert not is_cut(errors.ProgramLimitExceeded())
    assert not is_cut(errors.DiskFull())
