"""`alert-engine test`: the tests of rules, in their own files and in files beside them."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from engine.cli.inputs import add_paths, exit_code, load, rule_ids
from engine.cli.test_report import ReportFormat, RuleTestReport
from engine.cli.watch import Round, add_watch, run_or_watch
from engine.errors import RulesError, SettingsError
from engine.rules import RuleSet, load_set_tests
from engine.rules.faults import Faults, suggestion
from engine.rules.load import is_test_file
from engine.rules.report import Excerpts, as_text
from engine.schema import EventSchema
from engine.settings import Settings
from engine.simulate.coverage import cover
from engine.simulate.rule_tests import run_set_tests, run_tests


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `test`."""
    parser.description = (
        "Runs the rules' own tests and those of *.test.yaml files beside them; 1 when one fails."
    )
    add_paths(parser)
    parser.add_argument(
        "--rule",
        action="append",
        default=[],
        metavar="ID",
        help="run only the tests of this rule, and those that name it; may be given repeatedly",
    )
    parser.add_argument(
        "--coverage",
        action="store_true",
        help="show the parts of conditions that no test has made true, or false",
    )
    parser.add_argument(
        "--format",
        choices=[str(each) for each in ReportFormat],
        default=str(ReportFormat.TEXT),
        help="text for people, json for tools, junit and tap for services that run tests",
    )
    add_watch(parser)
    parser.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the tests and print the report; 1 when one of them fails, 2 when a file can't be read."""
    settings = Settings.from_environment()
    form = ReportFormat(arguments.format)
    if arguments.coverage and form not in (ReportFormat.TEXT, ReportFormat.JSON):
        raise SettingsError((f"--coverage has no place in {form}, use --format text or json",))
    paths = arguments.paths or [settings.rules_path]
    return run_or_watch(arguments.watch, paths, lambda: _round(arguments, settings, form))


def _round(arguments: argparse.Namespace, settings: Settings, form: ReportFormat) -> Round:
    """Run the tests once, and print the report or the faults of the files."""
    paths, only = arguments.paths, frozenset(arguments.rule)
    lists: tuple[Path, ...] = ()
    try:
        schema, rule_set = load(settings, paths, with_channels=False)
        lists = tuple(rule_set.list_marks)
        with_coverage = arguments.coverage
        report = _report(settings, schema, rule_set, paths, only, with_coverage=with_coverage)
    except RulesError as error:
        sys.stderr.write(f"{as_text(error.faults, Excerpts().line)}\n")
        return Round(exit_code(error), error.lists or lists)
    sys.stdout.write(report.written(form))
    return Round(1 if report.failed else 0, lists)


def _report(
    settings: Settings,
    schema: EventSchema,
    rule_set: RuleSet,
    paths: Sequence[Path],
    only: frozenset[str],
    *,
    with_coverage: bool,
) -> RuleTestReport:
    """The results of the tests of `paths`; of the rules `only`, where these are not empty.

    Where `paths` are files of tests alone, these are run, with the rules of `RULES_PATH`.
    """
    zone, max_age = settings.event_timezone, settings.max_alert_age_seconds
    _check_ids(only, rule_set)
    faults = Faults()
    chosen = paths or [settings.rules_path]
    set_tests = load_set_tests(chosen, schema, zone, rule_ids(rule_set), faults)
    if faults.has_errors:
        raise RulesError(faults.sorted())
    rules = rule_set.rules if not paths or not all(map(is_test_file, paths)) else ()
    if only:
        rules = tuple(rule for rule in rules if rule.rule_id in only)
        set_tests = tuple(test for test in set_tests if test.rule_ids & only)
    results = run_tests(rules, schema, zone, max_alert_age_seconds=max_age, costs=rule_set.costs)
    results += run_set_tests(rule_set, set_tests, schema, zone, max_alert_age_seconds=max_age)
    named = {rule_id for test in set_tests for rule_id in test.rule_ids}
    covered = rules or [rule for rule in rule_set.rules if rule.rule_id in named]
    return RuleTestReport(
        results,
        untested=[each.rule_id for each in rules if not each.tests and each.rule_id not in named],
        disabled=[each for each in rule_set.disabled if not only or each in only],
        coverage=cover(covered, set_tests, schema, zone) if with_coverage else None,
    )


def _check_ids(only: frozenset[str], rule_set: RuleSet) -> None:
    """Raises SettingsError for ids that no rule has."""
    known = rule_ids(rule_set)
    problems = [
        f"--rule {each}: there is no such rule, {suggestion(each, sorted(known), 'see `check`')}"
        for each in sorted(only - known)
    ]
    if problems:
        raise SettingsError(tuple(problems))
