"""Time intervals as rule files define them, and as rules name them."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from engine.errors import RulesError
from engine.intervals import Pattern, TimeInterval
from engine.rules import RuleSet, load_rules
from engine.rules.interval_reader import MAX_PATTERNS
from tests.unit.rules.rule_text import faults, load, matches, schema

BERLIN = ZoneInfo("Europe/Berlin")
RULE = "rules:\n  - {{id: a, notify: [], when: 'true', active_time_intervals: [{}]}}\n"

#: From Alertmanager's documentation and tests, as an operator would paste it.
PASTED = """\
time_intervals:
- name: offhours
  time_intervals:
  - times:
    - start_time: '00:00'
      end_time: '09:00'
    - start_time: '17:00'
      end_time: '24:00'
    weekdays: ['monday:friday']
    location: 'Australia/Sydney'
  - weekdays: ['Saturday','sunday']
- name: holidays and such
  time_intervals:
  - days_of_month: ['25', '-3:-1']
    months: ['december', '1:2']
    years: ['2026', '2028:2030']
"""


def interval(folder: Path, text: str) -> TimeInterval:
    """The interval of an entry in flow style, without its name."""
    entry = f"time_intervals:\n  - {{name: x, {text}}}\n"
    return load(folder, entry + RULE.format("x")).time_intervals["x"]


def interval_faults(folder: Path, text: str) -> list[str]:
    """The faults of an entry in flow style, without its name; without their places."""
    entry = f"time_intervals:\n  - {{name: x, {text}}}\n"
    return [fault.split(": ", 1)[1] for fault in faults(folder, entry + RULE.format("x"))]


def test_alertmanagers_time_intervals_are_read_as_they_are(tmp_path: Path) -> None:
    found = load(tmp_path, PASTED + RULE.format("offhours, holidays and such")).time_intervals
    sydney, site = ZoneInfo("Australia/Sydney"), found["offhours"].patterns[1].zone
    assert found["offhours"].patterns == (
        Pattern(sydney, times=((0, 540), (1020, 1440)), weekdays=frozenset(range(5))),
        Pattern(site, weekdays=frozenset({5, 6})),
    )
    assert found["holidays and such"].patterns == (
        Pattern(
            site,
            days_of_month=((25, 25), (-3, -1)),
            months=frozenset({12, 1, 2}),
            years=((2026, 2026), (2028, 2030)),
        ),
    )


def test_an_entry_may_have_its_parts_itself(tmp_path: Path) -> None:
    text = (
        'times: [{start_time: "22:00", end_time: 05:00}], weekdays: [friday], location: Asia/Tokyo'
    )
    (pattern,) = interval(tmp_path, text).patterns
    assert pattern == Pattern(ZoneInfo("Asia/Tokyo"), times=((1320, 300),), weekdays=frozenset({4}))


def test_without_a_location_the_zone_is_that_of_the_site(tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text(f"time_intervals: [{{name: x, weekdays: [monday]}}]\n{RULE.format('x')}")
    found = load_rules([path], schema(), {}, zone=BERLIN)
    assert found.time_intervals["x"].patterns[0].zone is BERLIN


@pytest.mark.parametrize(
    ("text", "weekdays"),
    [("monday:friday", {0, 1, 2, 3, 4}), ("saturday:monday", {5, 6, 0}), ("SUNDAY", {6})],
)
def test_weekdays_are_names_and_ranges_that_may_run_over_the_week(
    tmp_path: Path, text: str, weekdays: set[int]
) -> None:
    (pattern,) = interval(tmp_path, f"weekdays: [{text}]").patterns
    assert pattern.weekdays == weekdays


def test_months_are_names_or_numbers_and_ranges_run_over_the_year(tmp_path: Path) -> None:
    (pattern,) = interval(tmp_path, "months: [november:january, 3, 5:june]").patterns
    assert pattern.months == {11, 12, 1, 3, 5, 6}


def test_dates_are_sorted_and_joined(tmp_path: Path) -> None:
    text = "dates: [2026-12-31..2027-01-02, 2026-05-01, 2027-01-01..2027-01-06]"
    (pattern,) = interval(tmp_path, text).patterns
    assert pattern.dates == (
        (date(2026, 5, 1), date(2026, 5, 1)),
        (date(2026, 12, 31), date(2027, 1, 6)),
    )


def test_an_interval_excepts_one_of_another_file(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(
        "time_intervals: [{name: work, weekdays: ['monday:friday'], except: [holidays]}]\n"
        + RULE.format("work")
    )
    (tmp_path / "b.yaml").write_text("time_intervals: [{name: holidays, dates: [2026-12-25]}]\n")
    found = load_rules([tmp_path], schema(), {})
    assert found.warnings == ()
    work = found.time_intervals["work"]
    assert work.excepted == (found.time_intervals["holidays"],)
    assert not work.holds(datetime(2026, 12, 25, 12, tzinfo=BERLIN))


def test_a_rule_knows_its_active_and_muting_intervals(tmp_path: Path) -> None:
    text = """
time_intervals:
  - {name: night, times: [{start_time: "22:00", end_time: "05:00"}]}
  - {name: holidays, dates: [2026-12-25]}
rules:
  - id: a
    when: camera_id == "gate"
    notify: []
    active_time_intervals: [night]
    mute_time_intervals: [holidays]
  - {id: b, when: 'during("night")', notify: []}
"""
    found = load(tmp_path, text)
    assert found.warnings == ()
    first, second = found.rules
    assert first.schedule is not None
    assert [each.name for each in first.schedule.active] == ["night"]
    assert [each.name for each in first.schedule.mute] == ["holidays"]
    assert second.schedule is None
    assert matches(second, captured_at="2026-07-01T23:00:00Z") is True
    assert matches(second, captured_at="2026-07-01T21:00:00Z") is False


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (
            "times: [{start_time: 9:00, end_time: '10:00'}]",
            "`start_time` is no time of day: `9:00`",
        ),
        ("times: [{start_time: '00:00', end_time: '24:01'}]", "`end_time` is no time of day"),
        ("times: [{start_time: '08:00', end_time: '08:00'}]", "this time ends when it starts"),
        ("times: [{start_time: '24:00', end_time: '08:00'}]", "this time ends when it starts"),
        ("times: [{start_time: '08:00'}]", "the item of `times` has no `end_time`"),
        ("times: ['08:00-17:00']", "an item of `times` must be a mapping"),
        ("weekdays: [mon]", "unknown weekday `mon`, did you mean `monday`?"),
        ("weekdays: []", "`weekdays` is empty"),
        ("weekdays: monday:friday", "`weekdays` must be a list"),
        ("months: [13]", "unknown month `13`"),
        ("days_of_month: [0]", "no month has the days `0`"),
        ("days_of_month: ['-1:5']", "a range that starts at the month's end can't end in days"),
        ("days_of_month: ['20:-20']", "the range `20:-20` ends before it starts"),
        ("days_of_month: [x]", "`days_of_month` can't be `x`"),
        ("years: [2028:2026]", "the range `2028:2026` ends before it starts"),
        ("years: [0]", "`years` can't be `0`"),
        ("dates: [2026-02-29]", "`dates` can't be `2026-02-29`"),
        ("dates: ['2026-01-02:2026-01-04']", "write 2026-01-02..2026-01-04"),
        ("dates: [2026-01-04..2026-01-02]", "did you mean 2026-01-02..2026-01-04?"),
        ("location: Europe/Berln", "did you mean `Europe/Berlin`?"),
        ("location: ../passwd", "`location` is no time zone"),
        ("timezone: UTC", "unknown key `timezone` in a time interval, write location: …"),
        ("except: [x]", "the time interval `x` excepts itself"),
        ("except: [y]", "there is no time interval `y`"),
        ("time_intervals: [{weekday: [monday]}]", "unknown key `weekday`"),
        ("time_intervals: []", "`time_intervals` is empty"),
        ("weekdays: [monday], time_intervals: [{}]", "`weekdays` stands beside `time_intervals`"),
    ],
)
def test_a_fault_of_an_interval_is_the_only_one(tmp_path: Path, text: str, fault: str) -> None:
    (found,) = interval_faults(tmp_path, text)
    assert fault in found


def test_intervals_that_except_each_other_are_reported_once(tmp_path: Path) -> None:
    text = """\
time_intervals:
  - {name: a, except: [b]}
  - {name: b, except: [c]}
  - {name: c, except: [a]}
"""
    (found,) = faults(tmp_path, text + RULE.format("a"))
    assert "4:24: the time interval `a` excepts itself, by `b` and `c`" in found


def test_a_long_chain_of_exceptions_is_too_large(tmp_path: Path) -> None:
    chain = [f"  - {{name: i{n}, except: [i{n + 1}]}}\n" for n in range(2_000)]
    text = (
        "time_intervals:\n"
        + "".join(chain)
        + "  - {name: i2000, weekdays: [monday]}\n"
        + RULE.format("i0")
    )
    with pytest.raises(RulesError) as caught:
        load(tmp_path, text)
    assert "the time interval `i0` has more than 100 parts" in str(caught.value.faults[0].what)


def test_an_interval_of_the_most_parts_can_be_used(tmp_path: Path) -> None:
    chain = [f"  - {{name: i{n}, except: [i{n + 1}]}}\n" for n in range(MAX_PATTERNS - 1)]
    last = f"  - {{name: i{MAX_PATTERNS - 1}, weekdays: [monday]}}\n"
    found = load(tmp_path, "time_intervals:\n" + "".join(chain) + last + RULE.format("i0"))
    monday = datetime(2026, 7, 6, 12, tzinfo=BERLIN)
    held = [each.holds(monday) for each in found.time_intervals.values()]
    assert held == [number % 2 == 1 for number in range(MAX_PATTERNS)]


def test_names_are_unique_over_all_files(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.yaml").write_text("time_intervals: [{name: x, weekdays: [monday]}]\n")
    (tmp_path / "c.yaml").write_text(RULE.format("x"))
    with pytest.raises(RulesError) as caught:
        load_rules([tmp_path], schema(), {})
    (fault,) = caught.value.faults
    assert fault.what.startswith("the time interval `x` is defined twice, first at ")


def test_never_always_and_unused_are_warnings(tmp_path: Path) -> None:
    text = """\
time_intervals:
  - {name: never, months: [february], days_of_month: [30]}
  - {name: always, times: [{start_time: "00:00", end_time: "24:00"}]}
  - {name: unused, weekdays: [monday]}
"""
    found = faults(tmp_path, text + RULE.format("never, always"))
    assert [fault.split(", ")[0] for fault in found] == [
        "2:12: the time interval `never` never holds",
        "3:12: the time interval `always` always holds",
        "4:12: no rule names the time interval `unused`",
    ]


def test_a_rule_that_never_counts_is_a_warning(tmp_path: Path) -> None:
    text = """\
time_intervals:
  - {name: night, times: [{start_time: "22:00", end_time: "05:00"}]}
rules:
  - {id: a, notify: [], when: "true", active_time_intervals: [night], mute_time_intervals: [night]}
"""
    (found,) = faults(tmp_path, text)
    assert "4:71: by its time intervals the rule never counts" in found


def test_a_rule_names_intervals_that_exist(tmp_path: Path) -> None:
    text = "time_intervals: [{name: night, weekdays: [monday]}]\n" + RULE.format("nigth, night")
    (found,) = faults(tmp_path, text)
    assert "there is no time interval `nigth`, did you mean `night`?" in found


def test_an_interval_may_be_in_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(RULE.format("elsewhere"))
    (tmp_path / "b.yaml").write_text("time_intervals: [")
    with pytest.raises(RulesError) as caught:
        load_rules([tmp_path], schema(), {})
    assert [fault.code for fault in caught.value.faults] == ["yaml"]


def test_intervals_of_a_disabled_rule_are_in_use(tmp_path: Path) -> None:
    text = """\
time_intervals: [{name: night, weekdays: [monday]}]
rules:
  - {id: a, enabled: false, notify: [], when: "true", mute_time_intervals: [night]}
  - {id: b, notify: [], when: "true"}
"""
    found: RuleSet = load(tmp_path, text)
    assert found.warnings == ()
