"""Watchlists as rule files define them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from engine.errors import RulesError
from engine.event import make_event
from engine.rules import RuleSet, load_rules
from engine.rules.report import as_text
from engine.watchlist import Watchlist
from tests.unit.rules.rule_text import ROOT, faults, load, matches, schema

ON = 'plate.normalized_text in watchlist("stolen")'
RULE = f"rules:\n  - {{id: a, notify: [], when: '{ON}'}}\n"
PLATES = "plate,note\nABC123,red\nXYZ999,\nDEF1,\nDEF2,\n"


BAD = sorted((ROOT / "tests" / "data" / "bad_lists").glob("*.yaml"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "stolen.csv").write_text(PLATES)
    return tmp_path


def again(folder: Path, known: Mapping[str, Watchlist] | None = None) -> RuleSet:
    return load_rules([folder / "rules.yaml"], schema(), {}, known=known)


def refused(folder: Path, known: Mapping[str, Watchlist]) -> str:
    with pytest.raises(RulesError) as caught:
        again(folder, known)
    (fault,) = caught.value.faults
    return f"{fault.code}: {fault.what}, {fault.remedy}"


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_a_bad_list_has_the_faults_written_beside_it(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(path.parent)
    try:
        found = load_rules([Path(path.name)], schema(), {}).warnings
    except RulesError as error:
        found = error.faults
    expected = path.with_suffix(".expected").read_text(encoding="utf-8")
    assert as_text(found) + "\n" == expected


def test_a_rule_asks_a_list_that_its_file_names(folder: Path) -> None:
    found = load(folder, f"watchlists:\n  stolen: stolen.csv\n{RULE}")
    (rule,) = found.rules
    assert matches(rule, plate={"normalized_text": "ABC123"}) is True
    assert matches(rule, plate={"normalized_text": "ABC124"}) is False
    assert found.warnings == ()
    assert found.watchlists["stolen"].path == folder / "stolen.csv"
    assert found.watchlists["stolen"].row_count == 4


def test_a_list_may_be_defined_in_another_file_and_folder(folder: Path) -> None:
    inner = folder / "lists" / "deep"
    inner.mkdir(parents=True)
    (inner / "mine.txt").write_text("ABC123\n")
    (inner / "lists.yaml").write_text("watchlists: {stolen: mine.txt}\n")
    (folder / "rules.yaml").write_text(RULE)
    found = load_rules([folder], schema(), {})
    assert found.watchlists["stolen"].path == inner / "mine.txt"


def test_an_absolute_path_is_taken_as_it_is(folder: Path) -> None:
    found = load(folder, f"watchlists:\n  stolen: {folder / 'stolen.csv'}\n{RULE}")
    assert found.watchlists["stolen"].row_count == 4


def test_columns_and_dates_are_named(folder: Path) -> None:
    (folder / "stolen.csv").write_text("ID;Kz;Grund;Bis\n1;ABC123;red;01/02/2026\n")
    keys = "{file: stolen.csv, column: Kz, note: Grund, valid_until: Bis, dates: day_first}"
    rule = f"rules:\n  - {{id: a, notify: [], when: '{ON}'}}\n"
    found = load(folder, f"watchlists:\n  stolen: {keys}\n{rule}")
    (one,) = found.rules
    on = {"plate": {"normalized_text": "ABC123"}}
    assert matches(one, captured_at="2026-02-01T23:59:59Z", **on) is True
    assert matches(one, captured_at="2026-02-02T00:00:00Z", **on) is False


def test_times_without_a_zone_are_in_the_one_given(folder: Path) -> None:
    (folder / "stolen.csv").write_text("plate,valid_until\nABC123,2026-02-01\n")
    (folder / "rules.yaml").write_text(f"watchlists: {{stolen: stolen.csv}}\n{RULE}")
    zone = ZoneInfo("Asia/Tokyo")
    (rule,) = load_rules([folder], schema(), {}, zone=zone).rules
    event = {"plate": {"normalized_text": "ABC123"}, "captured_at": "2026-02-01T15:00:00Z"}
    assert (
        rule.condition.evaluate(make_event(schema().complete(event), zone=zone).bindings) is False
    )


@pytest.mark.parametrize(
    ("definition", "fault"),
    [
        ("[]", "2:11: `stolen` must be a mapping, but it is a list"),
        ("", "2:10: `stolen` is empty"),
        ("{}", "2:3: the watchlist stolen has no `file`, add `file: plates.csv`"),
        ("{file: []}", "2:18: `file` must be a text"),
        ("{file: stolen.csv, colum: x}", "unknown key `colum` in a watchlist, did you mean `col"),
        ("{file: stolen.csv, dates: us}", "2:37: `dates` can't be `us`, write month_first or"),
        ("{file: stolen.csv, max_shrink: 50}", "2:42: `max_shrink` can't be `50`"),
        ("{file: stolen.csv, max_shrink: -1%}", "`max_shrink` can't be `-1%`"),
        ("{file: stolen.csv, max_shrink: half}", "`max_shrink` can't be `half`"),
        ("{file: stolen.csv, column: plates}", "the header has no column `plates`"),
        ("nothing.csv", "there is no file"),
    ],
)  # fmt: skip
def test_a_bad_definition_is_told_at_its_place(definition: str, fault: str, folder: Path) -> None:
    (told,) = faults(folder, f"watchlists:\n  stolen: {definition}\n{RULE}")
    assert fault in told


@pytest.mark.parametrize("share", ["0%", "100%", "0.5", "1", "0", "33.3 %"])
def test_a_share_is_a_percentage_or_a_fraction(share: str, folder: Path) -> None:
    keys = f"{{file: stolen.csv, max_shrink: {share}}}"
    found = load(folder, f"watchlists:\n  stolen: {keys}\n{RULE}")
    assert 0 <= found.watchlists["stolen"].definition.may_shrink(1) <= 1


def test_a_name_is_unique_over_all_files(folder: Path) -> None:
    (folder / "other.yaml").write_text("watchlists: {stolen: stolen.csv}\n")
    (folder / "rules.yaml").write_text(f"watchlists: {{stolen: stolen.csv}}\n{RULE}")
    with pytest.raises(RulesError) as caught:
        load_rules([folder], schema(), {})
    (fault,) = caught.value.faults
    assert fault.code == "duplicate-watchlist"
    assert "is defined twice, first at" in fault.what


def test_a_list_that_no_rule_asks_for_is_a_warning(folder: Path) -> None:
    (told,) = faults(
        folder, "watchlists: {stolen: stolen.csv}\nrules: [{id: a, when: true, notify: []}]"
    )
    assert told.startswith("1:14: no rule asks for the watchlist stolen, write `plate.normal")


@pytest.mark.parametrize(
    "key", ["message_template: '{%s}'", "rate_limit: {dedup_key: [camera_id, '%s']}"]
)
def test_a_message_or_a_dedup_key_asks_too_and_follows_the_condition(
    key: str, folder: Path
) -> None:
    row = key.replace("%s", 'watchlist("stolen")[plate.normalized_text].note')
    rule = f"{{id: a, notify: [], when: true, {row}}}"
    assert faults(folder, f"watchlists: {{stolen: stolen.csv}}\nrules: [{rule}]\n") == []


def test_lists_are_optional(folder: Path) -> None:
    found = load(folder, "watchlists:\nrules: [{id: a, when: true, notify: []}]\n")
    assert found.watchlists == {}


def test_an_unchanged_list_is_taken_over(folder: Path) -> None:
    first = load(folder, f"watchlists:\n  stolen: stolen.csv\n{RULE}")
    assert again(folder, first.watchlists).watchlists["stolen"] is first.watchlists["stolen"]
    assert again(folder).watchlists["stolen"] is not first.watchlists["stolen"]


def test_a_list_that_shrank_too_much_is_refused(folder: Path) -> None:
    known = load(folder, f"watchlists:\n  stolen: stolen.csv\n{RULE}").watchlists
    (folder / "stolen.csv").write_text("plate,note\nABC123,\nXYZ999,\n")
    assert again(folder, known).watchlists["stolen"].row_count == 2
    (folder / "stolen.csv").write_text("plate,note\nABC123,\n")
    assert refused(folder, known) == (
        "watchlist-shrunk: the watchlist stolen shrank from 4 to 1 rows, by more than its "
        "max_shrink of 50%, restore the file; if it is right, write `max_shrink: 100%` until it "
        "is loaded"
    )
    text = f"watchlists:\n  stolen: {{file: stolen.csv, max_shrink: 100%}}\n{RULE}"
    (folder / "rules.yaml").write_text(text)
    assert again(folder, known).watchlists["stolen"].row_count == 1


def test_the_share_may_be_smaller(folder: Path) -> None:
    text = f"watchlists:\n  stolen: {{file: stolen.csv, max_shrink: 0%}}\n{RULE}"
    known = load(folder, text).watchlists
    (folder / "stolen.csv").write_text("plate,note\nABC123,\nXYZ999,\nDEF1,\n")
    assert "max_shrink of 0%" in refused(folder, known)


def test_another_file_may_have_as_few_rows_as_it_has(folder: Path) -> None:
    known = load(folder, f"watchlists:\n  stolen: stolen.csv\n{RULE}").watchlists
    (folder / "few.txt").write_text("ABC123\n")
    (folder / "rules.yaml").write_text(f"watchlists:\n  stolen: few.txt\n{RULE}")
    assert again(folder, known).watchlists["stolen"].row_count == 1
