"""The corpus of planted faults: each is caught at load, at its place, with a remedy.

Every file of `bad_rules` is named after its fault; beside it stands what `check` prints of it.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from engine.errors import Fault, RulesError
from engine.rules import load_rules
from engine.rules.report import as_text
from tests.support.avro import plate_schema

FOLDER = Path(__file__).parents[1] / "data" / "bad_rules"
FILES = sorted(FOLDER.glob("*.yaml"))
#: `file:line:column: what, remedy`; the file is the rule file, or a list that it names.
LINE = re.compile(r"(?P<file>[a-z0-9_/]+\.(yaml|csv)):[1-9]\d*:[1-9]\d*: (?P<what>.*\S.*)")
FEWEST = 75


def faults_of(path: Path) -> tuple[Fault, ...]:
    """What is wrong with the file; of one that loads, what it is warned of."""
    try:
        return load_rules([path], plate_schema(), {}).warnings
    except RulesError as error:
        return error.faults


@pytest.fixture(autouse=True)
def in_the_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    """Places name the files as they are given."""
    monkeypatch.chdir(FOLDER)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_planted_fault_is_told_as_written_beside_it_with_a_remedy(
    path: Path,
) -> None:
    expected = path.with_suffix(".expected").read_text(encoding="utf-8")
    faults = faults_of(Path(path.name))
    assert as_text(faults) + "\n" == expected
    for fault in faults:
        lines = Path(fault.place.file).read_bytes().decode("utf-8", errors="replace").split("\n")
        assert 1 <= fault.place.line <= len(lines) + 1
        assert 1 <= fault.place.column <= len([*lines, ""][fault.place.line - 1]) + 1
        assert fault.remedy, str(fault)


def test_every_bad_file_has_an_expectation() -> None:
    expected = sorted(path.stem for path in FOLDER.glob("*.expected"))
    assert expected == [path.stem for path in FILES]


def test_the_corpus_has_its_faults_each_written_with_its_place() -> None:
    told = [path.with_suffix(".expected").read_text(encoding="utf-8") for path in FILES]
    for path, text in zip(FILES, told, strict=True):
        parts = [LINE.fullmatch(line) for line in text.splitlines()]
        assert parts
        assert all(part and part["file"].startswith((path.name, "lists/")) for part in parts)
    assert len(set(told)) == len(FILES) >= FEWEST


def test_no_two_files_are_the_same() -> None:
    assert len({path.read_bytes() for path in FILES}) == len(FILES)
