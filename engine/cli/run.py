"""`alert-engine run`: the service."""

from __future__ import annotations

import argparse

from channels.redact import redact
from engine.logs import configure_logs
from engine.service import serve
from engine.settings import Settings


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `run` to the command line."""
    parser = commands.add_parser(
        "run",
        help="consume plate events, deliver alerts",
        description="The service: configured by the environment, ended by SIGTERM or SIGINT.",
    )
    parser.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    """Run until told to stop."""
    settings = Settings.from_environment()
    configure_logs(settings.log_level, settings.log_format, redact=redact)
    return serve(settings)
