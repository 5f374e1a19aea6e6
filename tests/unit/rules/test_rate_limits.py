"""A rule's rate limit: its own, its file's, or the default."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.rules import RateLimit
from tests.unit.rules.rule_text import faults, load, one, rule_faults


def _told(limit: RateLimit | None) -> tuple[float, list[str]] | None:
    return None if limit is None else (limit.cooldown_seconds, [key.text for key in limit.keys])


PLATE = ["plate.normalized_text"]


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        ("{}", (300.0, PLATE)),
        ("{enabled: true}", (300.0, PLATE)),
        ("{enabled: false}", None),
        ("{cooldown_seconds: 60}", (60.0, PLATE)),
        ("{cooldown_seconds: 0}", (0.0, PLATE)),
        ("{cooldown_seconds: 0.5}", (0.5, PLATE)),
        ("{dedup_key: camera_id}", (300.0, ["camera_id"])),
        ("{dedup_key: [camera_id, plate.region]}", (300.0, ["camera_id", "plate.region"])),
        ("{dedup_key: 'lower(plate.text)'}", (300.0, ["lower(plate.text)"])),
        ("{dedup_key: track_id}", (300.0, ["track_id", "camera_id"])),
        ("{dedup_key: [track_id]}", (300.0, ["track_id", "camera_id"])),
        ("{dedup_key: [track_id, plate.text]}", (300.0, ["track_id", "plate.text"])),
    ],
)
def test_a_rules_own_limit(
    tmp_path: Path, block: str, expected: tuple[float, list[str]] | None
) -> None:
    assert _told(one(tmp_path, f"when: true, rate_limit: {block}").rate_limit) == expected


def test_the_default_is_300_seconds_by_plate(tmp_path: Path) -> None:
    assert _told(one(tmp_path, "when: true").rate_limit) == (300.0, PLATE)


FILE = "rate_limit: {{{top}}}\nrules:\n  - {{id: a, when: true, notify: [], rate_limit: {own}}}\n"


def test_the_files_limit_is_the_fallback_key_by_key(tmp_path: Path) -> None:
    text = FILE.format(top="cooldown_seconds: 60, dedup_key: camera_id", own="{enabled: true}")
    assert _told(load(tmp_path, text).rules[0].rate_limit) == (60.0, ["camera_id"])
    text = FILE.format(
        top="cooldown_seconds: 60, dedup_key: camera_id", own="{dedup_key: track_id}"
    )
    assert _told(load(tmp_path, text).rules[0].rate_limit) == (60.0, ["track_id", "camera_id"])


def test_a_rule_that_says_anything_is_limited_again(tmp_path: Path) -> None:
    rules = "rules:\n  - {id: a, when: true, notify: []}\n"
    off = load(tmp_path, f"rate_limit: {{enabled: false}}\n{rules}")
    assert off.rules[0].rate_limit is None
    text = FILE.format(top="enabled: false", own="{cooldown_seconds: 5}")
    assert _told(load(tmp_path, text).rules[0].rate_limit) == (5.0, PLATE)


def test_a_fallback_without_rules_is_warned_of(tmp_path: Path) -> None:
    (tmp_path / "other.yaml").write_text("rules:\n  - {id: a, when: true, notify: []}\n")
    found = faults(tmp_path, "rate_limit: {cooldown_seconds: 5}\n")
    assert any("has no effect in a file without rules" in fault for fault in found)


@pytest.mark.parametrize(
    "seconds", ["-1", ".nan", ".inf", "1e9", "", "[60]", "31622401", "soon", "5 years"]
)
def test_a_cooldown_that_is_no_sensible_number_is_an_error(tmp_path: Path, seconds: str) -> None:
    (told,) = rule_faults(tmp_path, f"when: true, rate_limit: {{cooldown_seconds: {seconds}}}")
    assert told.startswith("`cooldown_seconds` can't be")
    assert told.endswith("write a number of seconds from 0 to 31622400 (366 days)")


@pytest.mark.parametrize(
    ("limit", "remedy"),
    [
        ("{cooldown_seconds: '60'}", "write 60 without quotes"),
        ("{cooldown_seconds: 5m}", "write it in seconds: 300"),
        ("{cooldown_seconds: 2 h}", "write it in seconds: 7200"),
        ("300", "write {cooldown_seconds: 300}"),
        ("5 minutes", "write {cooldown_seconds: 300}"),
        ("{enabled: false, when: true}", "it belongs to a rule under `rules:`"),
    ],
)
def test_what_was_meant_by_a_limit_is_told(tmp_path: Path, limit: str, remedy: str) -> None:
    assert any(remedy in told for told in rule_faults(tmp_path, f"when: true, rate_limit: {limit}"))


def test_a_year_is_a_sensible_cooldown(tmp_path: Path) -> None:
    rule = one(tmp_path, "when: true, rate_limit: {cooldown_seconds: 31536000}")
    assert _told(rule.rate_limit) == (31536000.0, PLATE)


def test_a_key_that_may_be_null_is_warned_of(tmp_path: Path) -> None:
    (told,) = rule_faults(tmp_path, "when: true, rate_limit: {dedup_key: plate.region}")
    assert told == (
        "`dedup_key` may be null, and then camera and track take its place, "
        "add a field that is always there: [plate.region, camera_id]"
    )
    assert rule_faults(tmp_path, "when: true, rate_limit: {dedup_key: [plate.region, node.site]}")


def test_a_key_with_one_part_that_is_always_there_is_good(tmp_path: Path) -> None:
    assert not rule_faults(
        tmp_path, "when: true, rate_limit: {dedup_key: [plate.region, camera_id]}"
    )


@pytest.mark.parametrize(
    ("when", "column", "warnings"),
    [
        ('similar(plate.text, watchlist("s"))', "plate", 0),
        ('similar(plate.text, watchlist("s"))', "note", 1),
        ('similar(plate.text, watchlist("s"), 0.95)', "plate", 1),
        ('plate.text in watchlist("s")', "plate", 1),
    ],
)
def test_the_closest_plate_is_a_key_where_the_condition_finds_one(
    when: str, column: str, warnings: int, tmp_path: Path
) -> None:
    (tmp_path / "s.csv").write_text("plate,note\nABC123,red\n")
    key = f'closest(watchlist("s"), plate.text).{column}'
    rule = f"{{id: a, notify: [], when: '{when}', rate_limit: {{dedup_key: '{key}'}}}}"
    told = faults(tmp_path, f"watchlists: {{s: s.csv}}\nrules: [{rule}]\n")
    assert len([each for each in told if "`dedup_key` may be null" in each]) == warnings


def test_a_key_that_is_switched_off_is_checked_all_the_same(tmp_path: Path) -> None:
    (told,) = rule_faults(tmp_path, "when: true, rate_limit: {enabled: false, dedup_key: plat}")
    assert "plat" in told


def test_the_files_fallback_is_checked_even_if_no_rule_uses_it(tmp_path: Path) -> None:
    text = FILE.format(top="dedup_key: plat.text", own="{dedup_key: camera_id}")
    (told,) = faults(tmp_path, text)
    assert told.startswith("1:25:")


@pytest.mark.parametrize(
    ("key", "what"),
    [
        ("plate", "`dedup_key` is a record: only events that agree in all its fields"),
        ("event_id", "every event has another `event_id`, so no alert holds back another"),
        ("time", "every event has another `time`, so no alert holds back another"),
    ],
)
def test_a_key_that_tells_too_much_apart_is_warned_of(tmp_path: Path, key: str, what: str) -> None:
    found = load(
        tmp_path, f"rules: [{{id: r, when: true, notify: [], rate_limit: {{dedup_key: {key}}}}}]"
    )
    (warning,) = found.warnings
    assert warning.code == "odd-key"
    assert what in warning.what
    assert warning.remedy


def test_a_type_is_no_key_and_a_list_is_one(tmp_path: Path) -> None:
    (told,) = rule_faults(tmp_path, "when: true, rate_limit: {dedup_key: type(1)}")
    assert "`dedup_key` is a type" in told
    key = "'[camera_id, plate.text]'"
    limit = one(tmp_path, f"when: true, rate_limit: {{dedup_key: {key}}}").rate_limit
    assert _told(limit) == (300.0, ["[camera_id, plate.text]"])
