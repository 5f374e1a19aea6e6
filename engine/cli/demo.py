"""`alert-engine demo`: everything in one process."""

from __future__ import annotations

import argparse
import math
from pathlib import Path

from rich.console import Console

from engine.demo import run_demo
from engine.logs import configure_logs
from engine.settings import Settings


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `demo` to the command line."""
    parser = commands.add_parser(
        "demo",
        help="cameras, Kafka, rules and receivers in one process",
        description="An embedded Kafka broker, simulated cameras, the real pipeline, real"
        " deliveries to a webhook and an SMTP receiver inside the process.",
    )
    parser.add_argument(
        "--seconds", type=_seconds, default=20.0, help="how long; 0: until Ctrl-C (default 20)"
    )
    parser.add_argument("--rate", type=_rate, default=20.0, help="events a second (default 20)")
    parser.add_argument(
        "--rules", type=Path, metavar="PATH", help="rule file or folder (default: RULES_PATH)"
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
    """Run the demo; 1 when an alert did not arrive."""
    settings = Settings.from_environment()
    configure_logs("error", settings.log_format)
    return run_demo(
        settings,
        arguments.rules or settings.rules_path,
        seconds=arguments.seconds,
        rate=arguments.rate,
        console=Console(highlight=False),
    )
