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
LINE = re.compile(r"(?P<file>[a-z0-9_]+\.yaml):[1-9]\d*:[1-9]\d*: (?P<what>.*\S.*)")
FEWEST = 75
#: Faults that are told without a remedy as yet.
BARE = frozenset(
    {
        "bad_constants",
        "bad_regex",
        "bad_test",
        "bracket_too_many",
        "conversion_as_in_python",
        "duration_in_words",
        "empty_list_of_plates",
        "empty_text_to_look_for",
        "expression_syntax",
        "fraction_for_a_whole_number",
        "merge_key_of_a_text",
        "negated_text",
        "number_beyond_64_bits",
        "number_with_a_unit",
        "operator_missing",
        "regex_with_an_open_bracket",
        "regex_with_back_reference",
        "regex_with_lookahead",
        "regex_with_lookbehind",
        "regex_with_nothing_to_repeat",
        "regex_with_too_large_a_count",
        "semicolon_at_the_end",
        "test_with_a_text_for_a_number",
        "test_with_a_text_for_a_record",
        "test_with_null_for_a_text",
        "text_equals_true",
        "text_minus_text",
        "text_that_is_no_number",
        "unknown_function",
        "variable_of_the_environment_in_an_expression",
    }
)


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
def test_a_planted_fault_is_told_as_written_beside_it(path: Path) -> None:
    expected = path.with_suffix(".expected").read_text(encoding="utf-8")
    assert as_text(faults_of(Path(path.name))) + "\n" == expected


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_fault_has_a_place_in_the_file_and_a_remedy(path: Path) -> None:
    lines = path.read_bytes().decode("utf-8", errors="replace").split("\n")
    for fault in faults_of(Path(path.name)):
        assert 1 <= fault.place.line <= len(lines) + 1
        assert 1 <= fault.place.column <= len([*lines, ""][fault.place.line - 1]) + 1
        assert fault.remedy or path.stem in BARE, str(fault)


def test_every_bad_file_has_an_expectation() -> None:
    expected = sorted(path.stem for path in FOLDER.glob("*.expected"))
    assert expected == [path.stem for path in FILES]


def test_the_corpus_has_its_faults_each_written_with_its_place() -> None:
    told = [path.with_suffix(".expected").read_text(encoding="utf-8") for path in FILES]
    for path, text in zip(FILES, told, strict=True):
        parts = [LINE.fullmatch(line) for line in text.splitlines()]
        assert parts
        assert {part["file"] if part else None for part in parts} == {path.name}
    assert len(set(told)) == len(FILES) >= FEWEST


def test_no_two_files_are_the_same() -> None:
    assert len({path.read_bytes() for path in FILES}) == len(FILES)
