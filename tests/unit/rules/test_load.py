"""Paths become rule files, and files one set of rules, or all faults of all files at once."""

from __future__ import annotations

import gc
import os
import tracemalloc
from pathlib import Path

import pytest

from engine.bench.rule_sets import mixed_rules, rule_file
from engine.errors import RulesError, Severity
from engine.rules import load_channels, load_rules
from engine.rules.document import read_document
from engine.rules.faults import Faults
from engine.rules.load import collector_paused, rule_files
from tests.unit.rules.rule_text import ROOT, load, matches, schema

DATA = ROOT / "tests" / "data"
RULE = "rules:\n  - {{id: {id}, when: true, notify: []}}\n"


def _write(folder: Path, **texts: str) -> None:
    for name, text in texts.items():
        path = folder / f"{name}.yaml"
        path.write_text(text, encoding="utf-8")


def _faults(*paths: Path) -> list[str]:
    with pytest.raises(RulesError) as caught:
        load_rules(paths, schema(), {})
    return [str(fault) for fault in caught.value.faults]


def test_a_file_of_the_plans_form_loads_with_a_warning_for_each_rule() -> None:
    found = load_rules([DATA / "good_rules" / "alert_rules_real.yaml"], schema(), {})
    assert [rule.rule_id for rule in found.rules] == [
        "watchlist_plate",
        "high_confidence_truck",
        "on_by_name",
    ]
    assert found.disabled == ("retired_rule",)
    # No plate has the characters of 12_34 and 12:30.
    codes = [warning.code for warning in found.warnings]
    assert sorted(codes) == ["never-equal", *["no-channel"] * 3]
    assert all(rule.notify == () for rule in found.rules)
    limits = [rule.rate_limit for rule in found.rules]
    assert limits[0] is not None
    assert limits[0].cooldown_seconds == 300
    assert limits[1] is not None
    assert limits[1].cooldown_seconds == 600
    assert limits[2] is None


def test_a_file_of_the_plans_form_matches_the_values_as_they_are_written() -> None:
    rules = load_rules([DATA / "good_rules" / "alert_rules_real.yaml"], schema(), {}).rules
    for text in ("0123", "12_34", "NO", "12:30", "123456", "2025-12-25", "ABC123"):
        assert matches(rules[0], plate={"normalized_text": text}) is True
    on = {"camera_id": "on", "node": {"site": "hall 007"}, "plate": {"normalized_text": "ABC1"}}
    assert matches(rules[2], **on) is True
    assert matches(rules[2], **{**on, "camera_id": "true"}) is False


def test_the_shipped_rules_load() -> None:
    found = load_rules([ROOT / "rules"], schema(), {})
    assert len(found.rules) >= 6
    assert {warning.code for warning in found.warnings} == {"no-channel"}
    assert all(
        {expected for test in rule.tests for expected in test.expectations} >= {"match", "no_match"}
        for rule in found.rules
    )


def test_rules_come_by_file_and_then_as_they_stand(tmp_path: Path) -> None:
    two = RULE.format(id="z") + "  - {id: y, when: true, notify: []}\n"
    _write(tmp_path, b=RULE.format(id="a"), a=two)
    found = load_rules([tmp_path], schema(), {})
    assert [rule.rule_id for rule in found.rules] == ["z", "y", "a"]
    assert [path.name for path in found.files] == ["a.yaml", "b.yaml"]


def test_a_duplicate_id_in_two_files_names_both(tmp_path: Path) -> None:
    _write(tmp_path, a=RULE.format(id="gate"), b=RULE.format(id="gate"))
    assert _faults(tmp_path) == [
        f"{tmp_path}/b.yaml:2:10: the rule id `gate` is used twice, "
        f"first at {tmp_path}/a.yaml:2:10, rename one of the rules"
    ]


def test_channels_of_one_file_serve_the_rules_of_another(tmp_path: Path) -> None:
    _write(
        tmp_path,
        z="channels:\n  hook: http://localhost:1/\n",
        a="rules:\n  - {id: a, when: true, notify: [hook]}\n",
    )
    assert load_rules([tmp_path], schema(), {}).rules[0].notify == ("hook",)


def test_channels_of_a_file_that_cannot_be_read_are_not_missed(tmp_path: Path) -> None:
    _write(
        tmp_path,
        a="channels:\n  hook: http://localhost:1/\nrules: [\n",
        b="rules:\n  - {id: a, when: true, notify: [hook]}\n",
    )
    (fault,) = _faults(tmp_path)
    assert fault.startswith(f"{tmp_path}/a.yaml:")
    assert "YAML" in fault


def test_all_faults_of_all_files_come_in_one_report(tmp_path: Path) -> None:
    _write(
        tmp_path,
        a="rules:\n  - {id: A, when: tru, notify: [x]}\n",
        b="rules: [\n",
        c="rules:\n  - {id: c, wen: true}\n",
    )
    found = _faults(tmp_path, tmp_path / "none")
    assert [fault.removeprefix(f"{tmp_path}/").split(":", 1)[0] for fault in found] == [
        "a.yaml",
        "a.yaml",
        "b.yaml",
        "c.yaml",
        "c.yaml",
        "c.yaml",
        "none",
    ]


def test_warnings_come_with_the_errors(tmp_path: Path) -> None:
    _write(tmp_path, a="rules:\n  - {id: a, when: true}\n  - {id: B, when: true, notify: []}\n")
    with pytest.raises(RulesError) as caught:
        load_rules([tmp_path], schema(), {})
    assert [fault.severity for fault in caught.value.faults] == [Severity.WARNING, Severity.ERROR]


@pytest.mark.parametrize("text", ["rules: []\n", "channels:\n  a: http://localhost:1/\n", "# no\n"])
def test_no_rule_at_all_is_an_error(tmp_path: Path, text: str) -> None:
    _write(tmp_path, a=text)
    assert _faults(tmp_path)[0].endswith("no rule was found, write at least one under `rules:`")


def test_no_path_at_all_is_an_error() -> None:
    assert _faults() == ["(no path):1:1: no rule was found, write at least one under `rules:`"]


def test_rules_that_are_all_disabled_are_rules(tmp_path: Path) -> None:
    found = load(tmp_path, "rules:\n  - {id: a, when: true, enabled: false}\n")
    assert found.rules == ()
    assert found.disabled == ("a",)


@pytest.mark.parametrize(
    "when",
    [
        "'" + "true || " * 125_000 + "true'",
        "'" + "a" * 1_000_000 + "'",
        "(" * 10_000 + "true" + ")" * 10_000,
        "'" + "!" * 10_000 + "true'",
        "'" + "-" * 10_000 + "1 == 1'",
        "'" + "[" * 10_000 + "]" * 10_000 + " == []'",
        "plate" + ".a" * 10_000,
        "'" + "true ? " * 10_000 + "true" + " : true" * 10_000 + "'",
    ],
    ids=[
        "a megabyte of terms",
        "a megabyte of name",
        "( deep",
        "! deep",
        "- deep",
        "[ deep",
        ". deep",
        "? deep",
    ],
)
def test_an_expression_beyond_all_bounds_is_one_clear_error(tmp_path: Path, when: str) -> None:
    _write(tmp_path, a=f"rules:\n  - id: a\n    notify: []\n    when: {when}\n")
    (told,) = _faults(tmp_path)
    assert told.startswith(f"{tmp_path}/a.yaml:4:")
    assert len(told) < 500


def test_a_list_of_ten_thousand_plates_loads(tmp_path: Path) -> None:
    plates = ", ".join(f"P{number:05}" for number in range(10_000))
    condition = f"{{field: plate.normalized_text, operator: in_list, value: [{plates}]}}"
    found = load(tmp_path, f"rules:\n  - {{id: a, notify: [], conditions: [{condition}]}}\n")
    assert matches(found.rules[0], plate={"normalized_text": "p09999"}) is True
    assert matches(found.rules[0], plate={"normalized_text": "P10000"}) is False


def test_a_load_leaves_nothing_that_only_the_collector_could_free(tmp_path: Path) -> None:
    text = rule_file(mixed_rules(20))
    load(tmp_path, text)
    gc.collect()
    with collector_paused():
        load(tmp_path, text)
        assert gc.collect() == 0


@pytest.mark.slow
def test_what_was_read_of_a_file_is_let_go_of_while_its_rules_are_made(tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text(rule_file(mixed_rules(4_000)), encoding="utf-8")
    tracemalloc.start()
    nodes = read_document(path, Faults())
    size_of_nodes, _ = tracemalloc.get_traced_memory()
    del nodes
    tracemalloc.reset_peak()
    rules = load_rules([path], schema(), {})
    size_of_rules, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(rules.rules) == 4_000
    assert peak < 0.75 * (size_of_nodes + size_of_rules)


@pytest.mark.slow
def test_a_file_of_ten_megabytes_loads(tmp_path: Path) -> None:
    plates = ", ".join(f"P{number:06}" for number in range(45_000))
    condition = f"{{field: plate.normalized_text, operator: in_list, value: [{plates}]}}"
    rules = [f"  - {{id: a{n}, notify: [], conditions: [{condition}]}}\n" for n in range(22)]
    text = "rules:\n" + "".join(rules)
    assert len(text) > 8_000_000
    assert len(load(tmp_path, text).rules) == 22


def _write_files(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("rules: []\n", encoding="utf-8")


def _names(folder: Path, *paths: Path) -> tuple[list[str], list[str]]:
    faults = Faults()
    files = rule_files(paths, faults)
    return (
        [str(file.relative_to(folder)) for file in files],
        [str(fault).replace(str(folder), "") for fault in faults.sorted()],
    )


def test_a_folder_gives_its_yaml_files_at_any_depth_sorted(tmp_path: Path) -> None:
    _write_files(tmp_path, "b.yaml", "a.yml", "deep/er/c.YAML", "notes.md", "d.yaml.bak")
    assert _names(tmp_path, tmp_path) == (["a.yml", "b.yaml", "deep/er/c.YAML"], [])


def test_hidden_files_and_folders_are_left_out(tmp_path: Path) -> None:
    _write_files(tmp_path, "..2025_01_01/a.yaml", ".b.yaml")
    (tmp_path / "..data").symlink_to("..2025_01_01")
    (tmp_path / "a.yaml").symlink_to("..data/a.yaml")
    assert _names(tmp_path, tmp_path) == (["a.yaml"], [])


def test_a_file_given_twice_is_read_once(tmp_path: Path) -> None:
    _write_files(tmp_path, "a.yaml")
    assert _names(tmp_path, tmp_path / "a.yaml", tmp_path)[0] == ["a.yaml"]


def test_a_file_that_several_links_and_paths_lead_to_is_read_once(tmp_path: Path) -> None:
    _write_files(tmp_path, "b.yaml", "folder/c.yaml")
    (tmp_path / "d.yaml").symlink_to("b.yaml")
    (tmp_path / "link").symlink_to("folder")
    found = _names(tmp_path, tmp_path, tmp_path / "link", tmp_path / "folder" / ".." / "d.yaml")
    assert found == (["b.yaml", "folder/c.yaml"], [])


def test_a_copy_is_another_file(tmp_path: Path) -> None:
    _write_files(tmp_path, "a.yaml", "copy of a.yaml")
    (tmp_path / "hard link.yaml").hardlink_to(tmp_path / "a.yaml")
    assert _names(tmp_path, tmp_path)[0] == ["a.yaml", "copy of a.yaml", "hard link.yaml"]


def test_a_file_given_by_name_may_have_any_suffix(tmp_path: Path) -> None:
    _write_files(tmp_path, "rules.txt")
    assert _names(tmp_path, tmp_path / "rules.txt")[0] == ["rules.txt"]


def test_a_missing_path_is_a_fault(tmp_path: Path) -> None:
    assert _names(tmp_path, tmp_path / "none")[1] == [
        "/none:1:1: there is no such file, give a rule file or a folder of them"
    ]


def test_the_default_folder_missing_leads_to_a_first_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    faults = Faults()
    assert rule_files([Path("rules")], faults) == ()
    assert "write a first set with `alert-engine init`" in str(faults.sorted()[0])


def test_a_folder_without_rule_files_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "the folder holds no .yaml or .yml file" in _names(tmp_path, tmp_path / "empty")[1][0]


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    assert "this is not a regular file" in _names(tmp_path, tmp_path / "pipe.yaml")[1][0]


def test_a_dangling_link_in_a_folder_is_not_passed_over(tmp_path: Path) -> None:
    (tmp_path / "gone.yaml").symlink_to("nowhere.yaml")
    assert _names(tmp_path, tmp_path)[0] == ["gone.yaml"]


def test_a_loop_of_links_in_a_folder_is_not_passed_over(tmp_path: Path) -> None:
    (tmp_path / "loop.yaml").symlink_to("loop.yaml")
    assert _names(tmp_path, tmp_path)[0] == ["loop.yaml"]


def test_a_path_that_the_system_refuses_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    for path in (tmp_path / "loop", tmp_path / ("a" * 5_000), tmp_path / "a\0b"):
        names, faults = _names(tmp_path, path)
        assert names == []
        assert ":1:1: the path can't be used: " in faults[0]


def test_channels_are_loaded_whatever_the_rules_are_worth(tmp_path: Path) -> None:
    _write(
        tmp_path,
        rules='rules: [{id: a, when: "nonsense(", notify: [nowhere]}]\nwatchlists: 7\n',
        channels="channels: {hook: http://h.example.org/a, broken: 'https://h/${NOT_SET}'}\n",
    )
    found = load_channels([tmp_path], {})
    assert [target.label for target in found.targets["hook"]] == ["hook:h.example.org"]
    assert [str(fault.what) for fault in found.misconfigured["broken"]]
    assert [target.label for target in found.targets["broken"]] == ["broken:?"]


def test_what_is_no_channel_at_all_stops_their_load(tmp_path: Path) -> None:
    _write(tmp_path, channels="channels: [http://h.example.org/a]\n", bad="channels: {\n")
    with pytest.raises(RulesError) as caught:
        load_channels([tmp_path], {})
    assert [Path(fault.place.file).name for fault in caught.value.faults] == [
        "bad.yaml",
        "channels.yaml",
    ]
