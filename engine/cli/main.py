"""Parses the command line and maps errors to exit codes: 0 good, 1 findings, 2 unusable input."""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Collection, Sequence
from importlib import import_module
from importlib.metadata import version
from typing import Final, Protocol, cast

from engine.errors import AlertEngineError, RulesError
from engine.settings import misspelt_settings

DISTRIBUTION: Final = "alpr-alert-engine"
# The commands in the order of `--help`. Each is the module of its name in this package. It is
# imported only when the command is asked for, so that each command starts fast.
COMMANDS: Final = {
    "run": "consume plate events, deliver alerts",
    "check": "check rules, channels and watchlists, report every fault",
    "test": "run the tests of the rules",
    "replay": "run recorded events through rules: what would they have done?",
    "explain": "why did the rules do what they did on one event?",
    "why-not": "why was there no alert for a plate?",
    "demo": "cameras, Kafka, rules and receivers in one process",
    "init": "write a first set of rules, a .env and a compose file",
    "alerts": "list, show and redeliver stored alerts",
    "dlq": "list and show dead letters, put their records back",
    "channels": "list the targets of channels, send them a drill",
    "silences": "keep matches from being sent for a while",
    "erase": "remove a plate from the store",
    "status": "show replicas, held targets and what waits",
    "store": "copy a store, as from SQLite to PostgreSQL",
    "lists": "show watchlists, accept one that became much shorter",
    "lsp": "help an editor: findings, completion, hover, tests",
    "bench": "measure what rules cost on this machine",
    "help": "print a page of the manual, such as rules",
}


class Command(Protocol):
    """The interface of a command's module."""

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """Add the arguments; set `command`, a function of the parsed arguments.

        A command that logs misspelt settings itself, in place of standard error, sets `has_log`.
        """


def build_parser(asked: Collection[str] = tuple(COMMANDS)) -> argparse.ArgumentParser:
    """The parser of the command line; only commands that are `asked` for get their arguments."""
    parser = argparse.ArgumentParser(
        prog="alert-engine",
        description="Rules as code on real-time plate events: Kafka in, dependable alerts out.",
        epilog="Exit codes: 0 good, 1 findings, 2 unusable input.",
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {version(DISTRIBUTION)}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, summary in COMMANDS.items():
        command_parser = commands.add_parser(name, help=summary)
        if name in asked:
            module = cast(Command, import_module(f"engine.cli.{name.replace('-', '_')}"))
            module.configure(command_parser)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # Rule files may hold characters that the terminal's encoding lacks.
            stream.reconfigure(errors="backslashreplace")
    words = sys.argv[1:] if argv is None else argv
    arguments = build_parser(words).parse_args(words)
    if not getattr(arguments, "has_log", False):
        for each in misspelt_settings():
            what = f"{each.name} is no setting, did you mean {each.meant}?"
            sys.stderr.write(f"alert-engine: warning: {what}\n")
    try:
        return int(arguments.command(arguments))
    except RulesError as error:
        return _report(error)
    except AlertEngineError as error:
        sys.stderr.write(f"alert-engine: {error}\n")
        return 2
    except BrokenPipeError:
        # The reader (head, less) has gone; Python would report that at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return 130


def _report(error: RulesError) -> int:
    """Write the faults to standard error; returns the exit code."""
    # Imported here, for `--version` needs nothing of the rules.
    from engine.cli.inputs import exit_code
    from engine.rules.report import Excerpts, as_text

    sys.stderr.write(f"{as_text(error.faults, Excerpts().line)}\n")
    return exit_code(error)
