"""`alert-engine demo`: everything in one process."""

from __future__ import annotations

import argparse
import math
from pathlib import Path

from rich.console import Console

from engine.errors import extra
from engine.logs.setup import configure_logs
from engine.settings import DEFAULT_RULES, Settings
from engine.settings.settings import folder


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `demo`."""
    parser.description = (
        "An embedded Kafka broker, simulated cameras, the real pipeline, real"
        " deliveries to a webhook and an SMTP receiver inside the process. All alerts arrive there:"
        " the addresses that the rules name are never spoken to. Needs the extra `demo`."
    )
    parser.add_argument(
        "--seconds", type=_seconds, default=20.0, help="how long; 0: until Ctrl-C (default 20)"
    )
    parser.add_argument("--rate", type=_rate, default=20.0, help="events a second (default 20)")
    parser.add_argument(
        "--rules",
        type=Path,
        metavar="PATH",
        help="rule file or folder (default: RULES_PATH, else rules/, else the samples that come"
        " with the engine)",
    )
    parser.set_defaults(command=run)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _seconds(text: str) -> float:
    seconds = _number(text)
    if not 0 <= seconds < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds, write 0 or more")
    return seconds


def _rate(text: str) -> float:
    rate = _number(text)
    if not 0 < rate < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no rate, write a number above 0")
    return rate


def run(arguments: argparse.Namespace) -> int:
    """Run the demo; 1 when an alert did not arrive.

    Raises MissingExtraError without aiosmtpd, which no other command needs.
    """
    with extra("demo", "aiosmtpd", "demo"):
        from engine.demo.demo import run_demo
    settings = Settings.from_environment()
    configure_logs("error", settings.log_format)
    return run_demo(
        settings,
        arguments.rules or _rules_of(settings),
        seconds=arguments.seconds,
        rate=arguments.rate,
        console=Console(highlight=False),
    )


def _rules_of(settings: Settings) -> Path:
    """`RULES_PATH`, or the package's sample rules where it is unset and `rules/` is missing."""
    path = settings.rules_path
    return folder("rules") if path == DEFAULT_RULES and not path.exists() else path
