"""`alert-engine test`: the rules' own tests."""

from __future__ import annotations

import argparse
import sys

from engine.cli.inputs import add_paths, load
from engine.match.selftest import run_tests
from engine.settings import Settings


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `test`."""
    parser.description = "Runs each rule's own `tests:`; 1 when one fails or an evaluation errs."
    add_paths(parser)
    parser.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    """Run all tests, print the failures and a summary."""
    settings = Settings.from_environment()
    schema, rule_set = load(settings, arguments.paths, with_channels=False)
    results = run_tests(rule_set.rules, schema, settings.event_timezone)
    failures = [result for result in results if not result.is_passed]
    for failure in failures:
        test = failure.test
        sys.stdout.write(f"{test.place}: {failure.rule.rule_id}, {test.name}: {failure.problem}\n")
    untested = [rule.rule_id for rule in rule_set.rules if not rule.tests]
    if untested:
        sys.stdout.write(f"without tests: {', '.join(untested)}\n")
    if rule_set.disabled:
        sys.stdout.write(f"disabled, not tested: {', '.join(rule_set.disabled)}\n")
    sys.stdout.write(f"{len(results) - len(failures)} passed, {len(failures)} failed\n")
    return 1 if failures else 0
