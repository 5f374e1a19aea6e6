"""Arguments and loading that the commands on rule files share."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from engine.errors import RulesError
from engine.reload.last_good import LastGood
from engine.rules import RuleSet, load_rules
from engine.rules.faults import FaultCode
from engine.rules.load import is_test_file
from engine.schema import EventSchema, load_event_schema
from engine.settings import Settings
from engine.watchlist import costs_of

PLOT_SUFFIXES: Final = (".png", ".svg")


def add_paths(parser: argparse.ArgumentParser) -> None:
    """Add the positional rule files and folders."""
    parser.add_argument(
        "paths",
        nargs="*",
        type=Path,
        metavar="PATH",
        help="rule files or folders (default: RULES_PATH, else rules/)",
    )


def plot_path(text: str) -> Path:
    """The file of `--plot`, as an argument's type."""
    path = Path(text)
    if path.suffix.lower() not in PLOT_SUFFIXES:
        endings = " or ".join(PLOT_SUFFIXES)
        raise argparse.ArgumentTypeError(f"{text!r} can't be drawn, let its name end in {endings}")
    # Checked now, not after a minute of work.
    if path.is_dir() or not os.access(path if path.exists() else path.parent, os.W_OK):
        raise argparse.ArgumentTypeError(f"{text!r} can't be written, name a file in a folder")
    return path


def exit_code(error: RulesError) -> int:
    """2 when a file or folder could not be read at all, else 1."""
    return 2 if any(fault.code == FaultCode.UNREADABLE for fault in error.faults) else 1


def load(
    settings: Settings,
    paths: Sequence[Path],
    *,
    with_channels: bool = True,
    last_good: LastGood | None = None,
) -> tuple[EventSchema, RuleSet]:
    """The event schema and the rules of `paths`; raises SchemaError, CostsError and RulesError.

    Files of tests are no rules: where `paths` has nothing else, the rules are those of RULES_PATH.
    Without channels no `${VAR}` needs to be set, so rules can be tested without secrets. With the
    `last_good` rules a watchlist that shrank is a fault, as in the engine that keeps them.
    """
    schema = load_event_schema(settings.event_schema_path)
    chosen = [path for path in paths if not is_test_file(path)] or [settings.rules_path]
    variables = settings.variables.reveal() if with_channels else None
    return schema, load_rules(
        chosen,
        schema,
        variables,
        known=last_good.remembered() if last_good is not None else None,
        accepts=last_good.acceptances.accepts if last_good is not None else None,
        zone=settings.event_timezone,
        costs=costs_of(settings.plate_costs_path),
    )


def rule_ids(rule_set: RuleSet) -> frozenset[str]:
    """The ids of all rules, disabled ones too."""
    return frozenset((*rule_set.disabled, *(rule.rule_id for rule in rule_set.rules)))
