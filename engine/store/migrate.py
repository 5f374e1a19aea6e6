"""Brings a store to the schema of this engine, by numbered scripts of SQL for each database.

A script's number is the version that it brings a store to; PostgreSQL begins with 2. Each is one
change of both databases, so that a version says the same of either.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Iterator
from importlib.resources import files
from typing import Final, NamedTuple

import orjson

from engine.errors import StoreError
from engine.schema import CAMERA_ID, NORMALIZED_PLATE, value_at
from engine.store.model import key_id, searched, searched_plate

SCHEMA_VERSION: Final = 6
KEY_BYTES: Final = 32
#: The key under which the parts of a target's id are hashed that must not be read.
TARGETS_KEY: Final = "targets"


class Versions(NamedTuple):
    """What a database says of itself; `is_empty`: it has no tables.

    `schema` is the version of its schema, None where it is no alert store; `usable_from` is the
    oldest version whose engine can still use it.
    """

    is_empty: bool
    schema: int | None = None
    usable_from: int = 0


def versions_of(meta: dict[str, int]) -> Versions:
    """The versions that the rows of `meta` give."""
    schema = meta.get("schema_version")
    return Versions(is_empty=False, schema=schema, usable_from=meta.get("usable_from", schema or 0))


def has_old_version(found: Versions) -> bool:
    """Whether the database is to be migrated."""
    return found.is_empty or (found.schema is not None and found.schema < SCHEMA_VERSION)


def check_version(found: Versions, shown: str) -> None:
    """StoreError unless the database `shown` is an alert store that this engine can use."""
    if found.schema is None:
        raise StoreError(
            f"{shown} is not an alert store, let STATE_URL name a new file or an empty database"
        )
    if found.schema < SCHEMA_VERSION:
        raise StoreError(
            f"the store {shown} has schema version {found.schema}, this alert engine needs "
            f"{SCHEMA_VERSION}: start the engine, which carries it over"
        )
    if found.usable_from > SCHEMA_VERSION:
        raise StoreError(
            f"the store {shown} has schema version {found.schema}, this alert engine knows "
            f"{SCHEMA_VERSION}: upgrade the engine, or give STATE_URL another store"
        )


def scripts(database: str, version: int) -> list[str]:
    """The scripts of `database` (a folder of `migrations`) that follow after `version`, in order.

    The engine's wheel has the scripts; each sets the version in `meta` itself.
    """
    folder = files("engine.store") / "migrations" / database
    found = {int(each.name[:4]): each for each in folder.iterdir() if each.name.endswith(".sql")}
    return [found[number].read_text("utf-8") for number in sorted(found) if number > version]


def new_key() -> bytes:
    """A key for a new store."""
    return secrets.token_bytes(KEY_BYTES)


def sqlite_versions(opened: sqlite3.Connection) -> Versions:
    """The versions of a SQLite database; sqlite3.Error."""
    names = {name for (name,) in opened.execute("SELECT name FROM sqlite_master").fetchall()}
    if not names:
        return Versions(is_empty=True)
    if "meta" not in names:
        return Versions(is_empty=False)
    return versions_of(dict(opened.execute("SELECT name, value FROM meta").fetchall()))


def migrate_sqlite(opened: sqlite3.Connection) -> None:
    """Carry a SQLite database over in one transaction; after a sqlite3.Error it is as before."""
    opened.create_function("key_id", 1, key_id, deterministic=True)
    opened.create_function("new_key", 0, new_key)
    opened.create_function("plate_of", 1, _plate_of, deterministic=True)
    opened.create_function("camera_of", 1, _camera_of, deterministic=True)
    opened.execute("BEGIN IMMEDIATE")
    try:
        # `executescript` would commit first.
        for script in scripts("sqlite", sqlite_versions(opened).schema or 0):
            for statement in _statements(script):
                opened.execute(statement)
        opened.execute("COMMIT")
    except BaseException:
        if opened.in_transaction:
            opened.execute("ROLLBACK")
        raise


def _plate_of(event: bytes) -> str:
    return searched_plate(_value_at(event, NORMALIZED_PLATE))


def _camera_of(event: bytes) -> str:
    return searched(_value_at(event, CAMERA_ID))


def _value_at(event: bytes, path: str) -> object:
    """The value at a path of a stored event; None where it is absent, or the event damaged."""
    try:
        return value_at(orjson.loads(event), path)
    except ValueError:
        return None


def _statements(script: str) -> Iterator[str]:
    text = ""
    for line in script.splitlines(keepends=True):
        text += line
        if sqlite3.complete_statement(text):
            yield text
            text = ""
