"""What PostgreSQL's errors mean for the engine, by their codes (sqlstate), and their remedies."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

import psycopg

from engine.errors import StoreError, StoreUnavailableError, UnstorableError

# Another transaction was in the way: the same one succeeds a moment later.
_CONFLICTS: Final = frozenset({"40001", "40P01", "55P03"})
# The connection is of no use any more, or leads to a server that is not the primary any more.
_CUT: Final = ("08", "57P", "25P03", "25006")
# What was written is at fault: the store takes everything else.
_UNSTORABLE: Final = ("22", "23", "54")


class _Remedy(NamedTuple):
    what: str
    remedy: str
    #: Whether it goes on until a person does something, so that a start need not wait.
    is_lasting: bool = False


_AWAY: Final = _Remedy("it can't be reached", "start it, or correct host and port in STATE_URL")
_REMEDIES: Final = {
    "08": _Remedy("the connection was cut", "look at the network and at the server's log"),
    "25006": _Remedy("it is read-only", "let STATE_URL name the primary, all hosts if it moves"),
    "25P03": _Remedy("this engine stood still in a transaction", "give it more CPU time"),
    "28": _Remedy(
        "it denies access",
        "correct the user in STATE_URL and STATE_PASSWORD, or pg_hba.conf",
        is_lasting=True,
    ),
    "3D000": _Remedy("there is no such database", "create it: CREATE DATABASE", is_lasting=True),
    "3F": _Remedy(
        "no schema is there for the user", "GRANT USAGE ON SCHEMA public", is_lasting=True
    ),
    "40": _Remedy("its other transactions are in the way", "look at pg_stat_activity"),
    "42501": _Remedy(
        "a right is missing",
        "GRANT it to the user, or for new tables run `alert-engine store migrate` as their owner",
        is_lasting=True,
    ),
    "53": _Remedy("it is short of resources", "give it more, or use it less"),
    "53100": _Remedy("its disk is full", "free some space"),
    "53200": _Remedy("its memory is short", "raise max_locks_per_transaction, or give it more"),
    "53300": _Remedy("it has too many connections", "raise max_connections, or end some"),
    "55P03": _Remedy("another transaction keeps its lock", "look for it in pg_stat_activity"),
    "57014": _Remedy("a statement took too long", "look at its disk and at pg_stat_activity"),
    "57P": _Remedy("it ends or starts", "wait, or start it"),
    "58": _Remedy("its disk or its system fails", "look at the server's log"),
    "XX": _Remedy("it is damaged or has a fault", "look at the server's log, restore a backup"),
}
_TLS: Final = _Remedy(
    "TLS does not come about", "correct sslmode and sslrootcert in STATE_URL", is_lasting=True
)
_NO_ENCRYPTION: Final = _Remedy(
    "it wants TLS, or does not know this host",
    "put ?sslmode=verify-full with an sslrootcert into STATE_URL, or correct pg_hba.conf",
    is_lasting=True,
)
_OPTION: Final = _Remedy("STATE_URL has a wrong option", "correct it", is_lasting=True)
# A server that lets nobody in gives a text and no code, in its own language.
_TEXTS: Final = (
    (re.compile(r"no pg_hba\.conf entry .*no encryption"), _NO_ENCRYPTION),
    (
        re.compile(
            r"authentication failed|no password supplied|no pg_hba\.conf entry"
            r"|role \".*\" does not exist|is not permitted to log in|permission denied for database"
        ),
        _REMEDIES["28"],
    ),
    (re.compile(r"database \".*\" does not exist"), _REMEDIES["3D000"]),
    (re.compile(r"session is read-only|not accept(ing)? .*read-write"), _REMEDIES["25006"]),
    (re.compile(r"too many (clients|connections)|connection slots are res"), _REMEDIES["53300"]),
    (re.compile(r"invalid \S+ value|value for connection option"), _OPTION),
    (re.compile(r"certificate|does not support SSL|SSL error|private key"), _TLS),
    (re.compile(r"is (starting up|shutting down)|in recovery mode"), _REMEDIES["57P"]),
)


def is_conflict(error: psycopg.Error) -> bool:
    """Whether the same transaction may succeed if it is begun again at once."""
    return error.sqlstate in _CONFLICTS


def is_cut(error: psycopg.Error) -> bool:
    """Whether another connection may succeed."""
    if error.sqlstate is not None:
        return error.sqlstate.startswith(_CUT)
    return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)


def store_error(shown: str, error: psycopg.Error, *, is_start: bool = False) -> StoreError:
    """Returns the StoreError for an error of PostgreSQL at the location that `shown` names.

    StoreUnavailableError for what may pass, UnstorableError where the store works and refuses what
    it was given, StoreError otherwise; at the start also for what only a person can correct.
    """
    said = " ".join(str(error).split())
    code = error.sqlstate or ""
    if code.startswith(_UNSTORABLE) or (not code and isinstance(error, psycopg.DataError)):
        return UnstorableError(f"the store {shown} does not take it: {said}")
    found = _by_code(code) if code else _by_text(error, said)
    if found is None:
        return StoreError(f"the store {shown} failed: {said}")
    kind = StoreError if is_start and found.is_lasting else StoreUnavailableError
    return kind(f"the store {shown} can't be used: {found.what} ({said}), {found.remedy}")


def _by_code(code: str) -> _Remedy | None:
    """The remedy of the longest beginning of the code that has one."""
    lengths = range(len(code), 1, -1)
    return next((_REMEDIES[code[:n]] for n in lengths if code[:n] in _REMEDIES), None)


def _by_text(error: psycopg.Error, said: str) -> _Remedy | None:
    if not is_cut(error):
        return None
    return next((remedy for text, remedy in _TEXTS if text.search(said)), _AWAY)
