"""Parses the command line and maps errors to exit codes: 0 good, 1 findings, 2 unusable input."""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Sequence
from importlib.metadata import version
from typing import Final

from engine.cli import alerts, bench, check, demo, help, init, lists, run, test
from engine.cli.inputs import exit_code
from engine.errors import AlertEngineError, RulesError
from engine.rules.excerpt import Excerpts
from engine.rules.report import as_text
from engine.settings import misspelt_settings

DISTRIBUTION: Final = "alpr-alert-engine"
COMMANDS: Final = (run, check, test, demo, init, alerts, lists, bench, help)


def build_parser() -> argparse.ArgumentParser:
    """The parser of all commands; each sets `command`, a function of the parsed arguments.

    One that logs what is odd about the settings, in place of standard error, sets `has_log`.
    """
    parser = argparse.ArgumentParser(
        prog="alert-engine",
        description="Rules as code on real-time plate events: Kafka in, dependable alerts out.",
        epilog="Exit codes: 0 good, 1 findings, 2 unusable input.",
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {version(DISTRIBUTION)}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in COMMANDS:
        command.add_parser(commands)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # Rule files hold any character, also where the terminal's encoding does not.
            stream.reconfigure(errors="backslashreplace")
    arguments = build_parser().parse_args(argv)
    if not getattr(arguments, "has_log", False):
        for each in misspelt_settings():
            what = f"{each.name} is no setting, did you mean {each.meant}?"
            sys.stderr.write(f"alert-engine: warning: {what}\n")
    try:
        return int(arguments.command(arguments))
    except RulesError as error:
        sys.stderr.write(f"{as_text(error.faults, Excerpts().line)}\n")
        return exit_code(error)
    except AlertEngineError as error:
        sys.stderr.write(f"alert-engine: {error}\n")
        return 2
    except BrokenPipeError:
        # The reader (head, less) has gone; Python must not complain about it at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return 130
