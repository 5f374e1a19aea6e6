"""`alert-engine lists`: shows watchlists, and accepts one that shrank."""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path

from engine.cli import lists_show
from engine.cli.lists_show import unknown_list
from engine.errors import AlertEngineError
from engine.reload.file_state import digest_of
from engine.reload.last_good import LastGood, last_good_of
from engine.rules import load_watchlists
from engine.settings import Settings
from engine.watchlist import costs_of


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the actions of `lists`."""
    parser.description = "Shows the watchlists of rules, and accepts one that shrank."
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    accept = actions.add_parser(
        "accept",
        help="take over a list although it lost many rows",
        description="Accepts the file of a list as it is now. The engine of STATE_URL takes it "
        "over at once if it runs, else at its next start.",
    )
    accept.add_argument("name", metavar="NAME", help="what the rules call the list")
    accept.add_argument(
        "--rules",
        type=Path,
        metavar="PATH",
        help="the rule file or folder that defines it (default: RULES_PATH, else rules/)",
    )
    accept.set_defaults(command=accept_list)
    lists_show.configure(
        actions.add_parser(
            "show",
            help="show a list, or whether a plate is on it, or nearly",
            description="Reads the list as the rules do, without the engine. With a plate the exit "
            "code is 1 where it is not on the list.",
        )
    )


def accept_list(arguments: argparse.Namespace) -> int:
    """Accept one list; 0 also where there is nothing to accept."""
    settings = Settings.from_environment()
    name, last_good = str(arguments.name), last_good_of(settings)
    lists = load_watchlists(
        [arguments.rules or settings.rules_path],
        zone=settings.event_timezone,
        costs=costs_of(settings.plate_costs_path),
    )
    found = lists.watchlists.get(name)
    if found is None:
        raise unknown_list(name, lists.watchlists)
    before = last_good.remembered().get(name)
    if before is None:
        raise AlertEngineError(
            f"no engine keeps the list {name} in {last_good.folder}, "
            "set STATE_URL as for the engine, or run the command in its container"
        )
    rows = f"{found.row_count:,} rows in {found.path}, {before.row_count:,} in force"
    if found.row_count >= before.row_count or last_good.acceptances.accepts(name, found.path):
        sys.stdout.write(f"nothing to accept: {name} has {rows}\n")
        return 0
    _write(last_good, name, digest_of(found.path))
    sys.stdout.write(f"accepted: {name} has {rows}\n")
    return 0


def _write(last_good: LastGood, name: str, digest: str) -> None:
    try:
        last_good.acceptances.accept(name, digest, datetime.now(UTC))
    except OSError as error:
        raise AlertEngineError(
            f"{last_good.folder} can't be written ({error.strerror or error}), "
            "run the command as the engine's user"
        ) from error
