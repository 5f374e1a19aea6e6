"""Watchlists as rule files define them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from engine.errors import RulesError
from engine.rules import RuleSet, load_rules, load_watchlists
from engine.rules.report import as_text
from engine.rules.watchlist_reader import KnownLists
from engine.schema.event import make_event
from engine.watchlist import ListSummary
from tests.unit.rules.rule_text import ROOT, faults, load, matches, schema

NOW = datetime(2026, 5, 5, tzinfo=UTC)
ON = 'plate.normalized_text in watchlist("stolen")'
RULE = f"rules:\n  - {{id: a, notify: [], when: '{ON}'}}\n"
PLATES = "plate,note\nABC123,red\nXYZ999,\nDEF1,\nDEF2,\n"


BAD = sorted((ROOT / "tests" / "data" / "bad_lists").glob("*.yaml"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "stolen.csv").write_text(PLATES)
    return tmp_path


def again(folder: Path, known: KnownLists | None = None) -> RuleSet:
    return load_rules([folder / "rules.yaml"], schema(), {}, known=known)


def refused(folder: Path, known: KnownLists) -> str:
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
        ("{file: stolen.csv, min_rows: -1}", "2:40: `min_rows` can't be `-1`, write how many"),
        ("{file: stolen.csv, min_rows: 5%}", "`min_rows` can't be `5%`"),
        ("{file: stolen.csv, date_format: '%d/%m/%y'}", "`date_format` can't be `%d/%m/%y`, w"),
        ("{file: stolen.csv, dates: day_first, date_format: DD/MM/YY}", "2:61: both `dates` and"),
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


PLAIN = f"watchlists:\n  stolen: stolen.csv\n{RULE}"


def write_rows(folder: Path, count: int) -> None:
    rows = "".join(f"P{number},\n" for number in range(count))
    (folder / "stolen.csv").write_text(f"plate,note\n{rows}")


def remembered(folder: Path, count: int) -> dict[str, ListSummary]:
    """The list as an engine that does not run has it kept."""
    return {"stolen": ListSummary(folder / "stolen.csv", count)}


def test_a_list_that_shrank_too_much_stays_as_it_was_and_holds_up_nothing(folder: Path) -> None:
    write_rows(folder, 100)
    known = load(folder, PLAIN).watchlists
    write_rows(folder, 50)
    assert again(folder, known).watchlists["stolen"].row_count == 50
    write_rows(folder, 49)
    (folder / "rules.yaml").write_text(PLAIN.replace("id: a", "id: changed"))
    found = again(folder, known)
    assert [rule.rule_id for rule in found.rules] == ["changed"]
    assert found.watchlists["stolen"].row_count == 100
    assert found.watchlists["stolen"].is_on("P99", NOW)
    (refusal,) = found.refusals
    assert (refusal.name, refusal.rows, refusal.rows_before) == ("stolen", 49, 100)
    assert str(refusal.fault) == (
        f"{folder}/rules.yaml:2:11: the watchlist stolen shrank from 100 to 49 rows, by more than "
        "its max_shrink of 50%, restore the file; if it is right, run `alert-engine lists accept "
        "stolen`, or write a larger `max_shrink`"
    )
    # It is compared anew with each load.
    write_rows(folder, 60)
    mended = again(folder, found.watchlists)
    assert (mended.watchlists["stolen"].row_count, mended.refusals) == (60, ())


def test_a_list_that_shrank_is_a_fault_where_nothing_can_stand_in_for_it(folder: Path) -> None:
    write_rows(folder, 49)
    (folder / "rules.yaml").write_text(PLAIN)
    assert refused(folder, remembered(folder, 100)).startswith("watchlist-shrunk: the watchlist")
    # With another column it would not be the same list.
    write_rows(folder, 100)
    known = again(folder).watchlists
    (folder / "rules.yaml").write_text(
        PLAIN.replace("stolen.csv", "{file: stolen.csv, column: other}")
    )
    (folder / "stolen.csv").write_text("plate,other\nA1,B1\n")
    assert refused(folder, known).startswith("watchlist-shrunk: the watchlist")


def test_who_accepts_a_list_gets_it(folder: Path) -> None:
    write_rows(folder, 1)
    (folder / "rules.yaml").write_text(PLAIN)
    asked = []

    def accepts(name: str, path: Path) -> bool:
        asked.append((name, path))
        return True

    paths, known = [folder / "rules.yaml"], remembered(folder, 100)
    found = load_rules(paths, schema(), {}, known=known, accepts=accepts)
    assert (found.watchlists["stolen"].row_count, found.refusals) == (1, ())
    assert asked == [("stolen", folder / "stolen.csv")]


@pytest.mark.parametrize(("before", "after"), [(99, 1), (4, 1), (1, 0), (99, 0), (100, 50)])
def test_a_short_list_may_lose_all_of_its_rows(before: int, after: int, folder: Path) -> None:
    write_rows(folder, after)
    (folder / "rules.yaml").write_text(PLAIN)
    assert again(folder, remembered(folder, before)).watchlists["stolen"].row_count == after


@pytest.mark.parametrize(("share", "count"), [("0%", 4), ("20%", 10), ("90%", 1_000)])
def test_a_share_that_is_written_counts_for_a_list_of_any_length(
    share: str, count: int, folder: Path
) -> None:
    text = f"watchlists:\n  stolen: {{file: stolen.csv, max_shrink: {share}}}\n{RULE}"
    write_rows(folder, 3)
    (folder / "rules.yaml").write_text(text)
    assert f"max_shrink of {share}" in refused(folder, remembered(folder, count))
    (folder / "rules.yaml").write_text(text.replace(share, "100%"))
    assert again(folder, remembered(folder, count)).watchlists["stolen"].row_count == 3


def test_a_list_may_have_to_have_rows(folder: Path) -> None:
    text = f"watchlists:\n  stolen: {{file: stolen.csv, min_rows: 5}}\n{RULE}"
    assert faults(folder, text) == [
        "2:18: the watchlist stolen has 4 rows, fewer than its min_rows of 5, restore the file, or "
        "write a smaller `min_rows`"
    ]
    write_rows(folder, 5)
    known = again(folder).watchlists
    write_rows(folder, 1)
    (refusal,) = again(folder, known).refusals
    assert "has 1 row, fewer than its min_rows of 5" in refusal.fault.what
    assert not refusal.can_accept


def test_dates_have_the_form_that_is_given(folder: Path) -> None:
    (folder / "stolen.csv").write_text("plate,valid_until\nABC123,31/12/26\n")
    keys = "{file: stolen.csv, date_format: DD/MM/YY}"
    (rule,) = load(folder, f"watchlists:\n  stolen: {keys}\n{RULE}").rules
    on = {"plate": {"normalized_text": "ABC123"}}
    assert matches(rule, captured_at="2026-12-31T23:59:59Z", **on) is True
    assert matches(rule, captured_at="2027-01-01T00:00:00Z", **on) is False


def test_lists_are_read_without_the_rules_that_ask_for_them(folder: Path) -> None:
    (folder / "rules.yaml").write_text("watchlists: {stolen: stolen.csv}\nrules: [{id: no good}]")
    assert load_watchlists([folder]).watchlists["stolen"].row_count == 4
    (folder / "stolen.csv").unlink()
    with pytest.raises(RulesError, match="there is no file"):
        load_watchlists([folder])


def test_another_file_may_have_as_few_rows_as_it_has(folder: Path) -> None:
    known = load(folder, f"watchlists:\n  stolen: stolen.csv\n{RULE}").watchlists
    (folder / "few.txt").write_text("ABC123\n")
    (folder / "rules.yaml").write_text(f"watchlists:\n  stolen: few.txt\n{RULE}")
    assert again(folder, known).watchlists["stolen"].row_count == 1
