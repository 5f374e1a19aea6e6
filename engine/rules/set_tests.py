"""Loads the files of tests over several rules, which lie beside the rules."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import tzinfo
from pathlib import Path
from typing import Final

from channels.definitions.keys import KeyGroup
from engine.rules.faults import FaultCode, Faults
from engine.rules.keys import FILE, TEST_FILE
from engine.rules.load import NONE_OPENED, collector_paused, read_file, test_files
from engine.rules.nodes import MappingNode
from engine.rules.rule_test import SetTest
from engine.rules.test_reader import read_set_tests
from engine.schema import EventSchema

#: Keys of rule files are reported by their own fault.
_READ: Final = KeyGroup(TEST_FILE.title, (*TEST_FILE.keys, *FILE.keys))


def load_set_tests(
    paths: Sequence[Path],
    schema: EventSchema,
    zone: tzinfo,
    rule_ids: Collection[str] | None,
    faults: Faults,
    opened: Mapping[str, str] = NONE_OPENED,
) -> tuple[SetTest, ...]:
    """The tests of the files `*.test.yaml` and `*.test.yml` of `paths`: files, or whole folders.

    `rule_ids` are the rules that they may name, None where the rules can't be loaded. Tests with
    faults are left out. Naive times are read in `zone`. For `opened` see `load_rules`.
    """
    found: list[SetTest] = []
    with collector_paused():
        for path in test_files(paths, faults):
            mapping = read_file(path, _READ, faults, opened)
            if mapping is None:
                continue
            _report_rules(mapping, faults)
            if "tests" in mapping.values:
                found += read_set_tests(mapping.values["tests"], schema, zone, rule_ids, faults)
    return tuple(found)


def _report_rules(mapping: MappingNode, faults: Faults) -> None:
    """Reports the keys of rule files, which mean nothing here."""
    for key in FILE.names:
        if key in mapping.keys:
            faults.error(
                mapping.keys[key].place,
                FaultCode.UNKNOWN_KEY,
                f"`{key}` stands in a file of tests, where nothing reads it",
                "write it into a file whose name does not end with .test.yaml",
            )
