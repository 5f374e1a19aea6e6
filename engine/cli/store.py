"""`alert-engine store`: copies a store into another one, or carries it over to this version."""

from __future__ import annotations

import argparse
import sys
from urllib.parse import urlsplit

from engine.settings import Settings
from engine.store import open_store
from engine.store.copy import copy_store
from engine.store.location import PostgresLocation, SqliteLocation, parse_state_url
from engine.store.migrate import SCHEMA_VERSION


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the actions of `store`."""
    parser.description = "Works on whole stores; `copy` on such of which no engine runs."
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    copy = actions.add_parser(
        "copy",
        help="copy all of a store into an empty one",
        description="Copies alerts, deliveries, held targets and dead letters, with their ids, and "
        "compares both stores in the end. A copy that was cut short goes on when it is run again.",
    )
    copy.add_argument("source", metavar="FROM", help="its URL, as STATE_URL has it")
    copy.add_argument("target", metavar="TO", help="likewise; it is made if it is not there")
    copy.set_defaults(command=run_copy)
    migrate = actions.add_parser(
        "migrate",
        help="make the tables of STATE_URL, or carry them over to this version",
        description="Does what an engine does first, for an engine whose role may not: run it as "
        "the owner of the database before the engines of a new version start.",
    )
    migrate.set_defaults(command=run_migrate)


def run_copy(arguments: argparse.Namespace) -> int:
    """Copy, and print how many rows there are."""
    password = Settings.from_environment().state_password.reveal()
    copied = copy_store(
        _location(arguments.source, password), _location(arguments.target, password)
    )
    width = max(map(len, copied.rows))
    for table, count in copied.rows.items():
        sys.stdout.write(f"{table:<{width}}  {count:,}\n")
    done = "copied" if copied.is_new else "nothing to copy"
    sys.stdout.write(f"{done}: both stores hold the same\n")
    return 0


def run_migrate(arguments: argparse.Namespace) -> int:
    """Make or carry over the tables, and say which version they have."""
    settings = Settings.from_environment()
    password = settings.state_password.reveal()
    with open_store(settings.state_url, password=password) as store:
        shown = store.url_shown
    sys.stdout.write(
        f"the store {shown} is ready: its schema version is {SCHEMA_VERSION} or newer\n"
    )
    return 0


def _location(url: str, password: str) -> SqliteLocation | PostgresLocation:
    """Where the store is; STATE_PASSWORD is for a URL that has no password."""
    try:
        has_own = urlsplit(url).password is not None
    except ValueError:
        # It is malformed, as the next step says.
        has_own = True
    return parse_state_url(url, "" if has_own else password)
