"""`alert-engine run`: the service."""

from __future__ import annotations

import argparse

import structlog

from channels.redact import redact
from engine.errors import SettingsError
from engine.logs.setup import configure_logs, take_over_output
from engine.service.engine import serve
from engine.settings import Settings, misspelt_settings
from engine.stream.options import option_problems

log = structlog.get_logger(__name__)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `run`."""
    parser.description = (
        "The service: configured by the environment, ended by SIGTERM or SIGINT. It "
        "takes over changed rule files and watchlists by itself; SIGHUP makes it do so at once."
    )
    parser.add_argument(
        "--strict",
        action="store_true",
        help="with faults in the rules don't start, rather than on the last good ones",
    )
    parser.set_defaults(command=run, has_log=True)


def run(arguments: argparse.Namespace) -> int:
    """Run the service until it is asked to stop; returns its exit code."""
    try:
        settings = Settings.from_environment(further=option_problems)
    except SettingsError:
        # Errors too are written by the log's thread, so that a slow reader blocks nothing.
        configure_logs("INFO", "auto", redact=redact)
        take_over_output(redact)
        raise
    configure_logs(settings.log_level, settings.log_format, redact=redact)
    take_over_output(redact)
    for each in misspelt_settings():
        log.warning("setting.misspelt", name=each.name, meant=each.meant, remedy="rename it")
    return serve(settings, strict=arguments.strict)
