"""A site's rules as an editor has them: open documents stand in place of their files."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from engine.editor.names import NONE, Names, defined_names, joined
from engine.editor.schema import MODELINE, RULES_FILE_NAME
from engine.errors import Fault, RulesError
from engine.rules import RuleSet, load_rules, load_set_tests
from engine.rules.faults import Faults
from engine.rules.load import SUFFIXES, is_test_file, rule_files, test_files
from engine.rules.watchlist_reader import KnownLists
from engine.schema import EventSchema, load_event_schema
from engine.settings import Settings
from engine.simulate.rule_tests import RuleTestResult, run_set_tests, run_tests
from engine.watchlist import PlateCosts, costs_of

#: What a document outside of the rules has to hold to be taken for a rule file.
_RULE_FILE: Final = re.compile(
    rf"^rules[ \t]*:|^#[ \t]*{re.escape(MODELINE)}\S*{re.escape(RULES_FILE_NAME)}", re.MULTILINE
)

Opened = Mapping[str, str]
"""The texts of open documents by the real paths of their files."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What a check found: the faults by the real paths of their files, and the names defined.

    `files` are the real paths of the rule files that were checked.
    """

    files: frozenset[str]
    faults: Mapping[str, tuple[Fault, ...]]
    names: Names


class Workspace:
    """Checks the rules of a site, and documents outside of them, each by itself.

    One thread at a time may call it; it keeps watchlists and names from one check to the next.
    """

    def __init__(self, settings: Settings, paths: Sequence[Path] = ()) -> None:
        """`paths` are the rules, those of the settings unless given.

        Raises SchemaError and CostsError.
        """
        self.schema: Final[EventSchema] = load_event_schema(settings.event_schema_path)
        self._settings = settings
        self._costs: Final[PlateCosts] = costs_of(settings.plate_costs_path)
        self._paths = [*paths] or [settings.rules_path]
        self._lists: KnownLists = {}
        self._rule_ids: tuple[str, ...] = ()
        self._names: dict[str, tuple[str, Names]] = {}

    def check(self, opened: Opened) -> Checked:
        """All faults of the rules and of the other open documents, as `alert-engine check`."""
        files, inside = self._site(opened)
        found: list[Fault] = []
        ids: frozenset[str] | None = None
        if files:
            result = self._attempt(inside, opened)
            found += _faults_of(result)
            if isinstance(result, RuleSet):
                ids = _rule_ids(result)
                self._rule_ids = tuple(sorted(ids))
        outside = [
            path
            for path, text in opened.items()
            if path not in files and not is_test_file(Path(path)) and is_rules(text)
        ]
        for path in outside:
            found += _faults_of(self._attempt([Path(path)], opened))
        of_tests, test_faults = self._test_files(opened), Faults()
        zone = self._settings.event_timezone
        load_set_tests(of_tests, self.schema, zone, ids, test_faults, opened)
        found += test_faults
        faults: dict[str, list[Fault]] = {}
        for fault in dict.fromkeys(found):
            faults.setdefault(os.path.realpath(fault.place.file), []).append(fault)
        names = joined(self._names_of(path, opened.get(path)) for path in (*files, *outside))
        if self._rule_ids:
            names = {**names, "rules": self._rule_ids}
        checked = frozenset([*files, *outside, *map(os.path.realpath, of_tests)])
        return Checked(checked, {path: tuple(each) for path, each in faults.items()}, names)

    def run_tests(
        self, path: str, rule_id: str, number: int | None, opened: Opened
    ) -> list[RuleTestResult]:
        """Run the tests of a rule of the document at `path`, or its test of that number, from 0.

        In a file of tests over several rules `rule_id` is empty.

        Raises RulesError where the rules can't be loaded.
        """
        files, inside = self._site(opened)
        zone, max_age = self._settings.event_timezone, self._settings.max_alert_age_seconds
        if is_test_file(Path(path)):
            rule_set, faults = self._load(inside, opened), Faults()
            ids = _rule_ids(rule_set)
            tests = load_set_tests([Path(path)], self.schema, zone, ids, faults, opened)
            if faults.has_errors:
                raise RulesError(faults.sorted())
            chosen = tests if number is None else tests[number : number + 1]
            return run_set_tests(rule_set, chosen, self.schema, zone, max_alert_age_seconds=max_age)
        paths = inside if path in files else [Path(path)]
        rules = [rule for rule in self._load(paths, opened).rules if rule.rule_id == rule_id]
        results = run_tests(
            rules, self.schema, zone, max_alert_age_seconds=max_age, costs=self._costs
        )
        return results if number is None else results[number : number + 1]

    def _test_files(self, opened: Opened) -> list[Path]:
        """The files of tests beside the rules, and those that are open."""
        found = test_files([path for path in self._paths if path.exists()], Faults())
        known = {os.path.realpath(path) for path in found}
        others = (Path(path) for path in opened if path not in known)
        return [*found, *filter(is_test_file, others)]

    def _site(self, opened: Opened) -> tuple[frozenset[str], list[Path]]:
        """The real paths of the site's rule files, and the paths to load them by.

        Documents that are not saved yet belong to them by their folder.
        """
        paths = [path for path in self._paths if path.exists()]
        files = {os.path.realpath(path) for path in rule_files(paths, Faults())}
        folders = [Path(os.path.realpath(path)) for path in paths if path.is_dir()]
        unsaved = [
            Path(path)
            for path in opened
            if path not in files
            and not Path(path).exists()
            and Path(path).suffix.lower() in SUFFIXES
            and not is_test_file(Path(path))
            and any(folder in Path(path).parents for folder in folders)
        ]
        return frozenset([*files, *map(str, unsaved)]), [*paths, *unsaved]

    def _attempt(self, paths: Sequence[Path], opened: Opened) -> RuleSet | RulesError:
        settings = self._settings
        try:
            rule_set = load_rules(
                paths,
                self.schema,
                settings.variables.reveal(),
                known=self._lists,
                accepts=lambda name, path: True,
                zone=settings.event_timezone,
                opened=opened,
                costs=self._costs,
            )
        except RulesError as error:
            return error
        self._lists = {**self._lists, **rule_set.watchlists}
        return rule_set

    def _load(self, paths: Sequence[Path], opened: Opened) -> RuleSet:
        """The rules without their channels: no `${VAR}` needs to be set to test them."""
        zone = self._settings.event_timezone
        return load_rules(
            paths, self.schema, None, known=self._lists, accepts=lambda name, path: True,
            zone=zone, opened=opened, costs=self._costs,
        )  # fmt: skip

    def _names_of(self, path: str, text: str | None) -> Names:
        """The names that a file defines; of a section that is being typed, those of before."""
        if text is None:
            try:
                text = Path(path).read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError):
                return {}
        known, names = self._names.get(path, ("", NONE))
        if known != text:
            names = defined_names(text, names)
            self._names[path] = text, names
        return names


def _faults_of(result: RuleSet | RulesError) -> tuple[Fault, ...]:
    return result.faults if isinstance(result, RulesError) else result.warnings


def _rule_ids(rule_set: RuleSet) -> frozenset[str]:
    """The ids of all rules, disabled ones too."""
    return frozenset((*rule_set.disabled, *(rule.rule_id for rule in rule_set.rules)))


def is_rules(text: str) -> bool:
    """Whether a document outside of the site's rules is a rule file, by what it holds."""
    return _RULE_FILE.search(text) is not None
