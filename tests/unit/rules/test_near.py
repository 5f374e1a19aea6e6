"""Near matches, told from exact ones: which plate was meant, and how near."""

from __future__ import annotations

import random
from datetime import UTC
from pathlib import Path
from typing import Any

import pytest

from engine.rules import Rule
from engine.rules.near import NearPlate
from engine.schema.event import make_event
from tests.support.rule_files import load_text
from tests.unit.plate import plate_event

LISTS = """
watchlists:
  stolen: {file: stolen.csv}
  wanted: {file: wanted.csv, valid_from: from, valid_until: until}
"""
STOLEN = "plate,note\nABC-123,grey\nXYZ789,red\nLMN?56,any\n"
WANTED = "plate,from,until\nQRS123,2026-01-01,2026-03-02\nQRS128,2026-03-02,2026-04-01\n"
#: Of one change, 8 for B, in six characters.
B_FOR_8 = 1 - 20 / 600


def a_rule(folder: Path, when: str) -> Rule:
    """A rule of this condition, beside two lists."""
    (folder / "stolen.csv").write_text(STOLEN)
    (folder / "wanted.csv").write_text(WANTED)
    text = f"{LISTS}\nrules:\n  - {{id: a, name: Stolen, notify: [], when: '{when}'}}\n"
    (rule,) = load_text(text, folder).rules
    return rule


def bindings(read: str, **fields: Any) -> dict[str, Any]:
    """The variables of this reading at noon, 1 March 2026."""
    given = {"plate": {"normalized_text": read}} | fields
    return make_event(plate_event(**given), zone=UTC).bindings


def near(folder: Path, when: str, read: str, **fields: Any) -> NearPlate | None:
    """The plate that was meant, where the rule holds on a reading."""
    rule, values = a_rule(folder, when), bindings(read, **fields)
    assert rule.condition.run(values) is True
    return rule.near_plate(values)


SIMILAR = 'similar(plate.normalized_text, "ABC123")'
ON_LIST = 'similar(plate.normalized_text, watchlist("stolen"))'
CLOSEST = 'closest(watchlist("stolen"), plate.normalized_text)'


@pytest.mark.parametrize(
    "when",
    [
        SIMILAR,
        'similar(plate.normalized_text, ["XYZ789", "ABC-123", "A8G123"], 0.9)',
        'similar("ABC123", plate.normalized_text)',
        'likeness(plate.normalized_text, "ABC123") >= 0.9',
        '0.95 < likeness("abc 123", plate.normalized_text)',
        ON_LIST,
        'similar(plate.normalized_text, watchlist("stolen"), 0.95)',
        f"{CLOSEST} != null",
        f'{CLOSEST} != null && {CLOSEST}.likeness > 0.95 && {CLOSEST}.note == "grey"',
        f'{ON_LIST} && {CLOSEST}.note == "grey"',
        f"cel.bind(found, {CLOSEST}, found != null && !found.is_ambiguous)",
        f'{ON_LIST} || camera_id == "another"',
        f"{ON_LIST} ? plate.confidence > 0.5 : false",
        f"[{ON_LIST}, false].exists(each, each)",
        '[plate.normalized_text, "other"].exists(text, similar(text, watchlist("stolen")))',
        'cel.bind(text, plate.normalized_text, [text].all(each, similar(each, "ABC123")))',
    ],
)
def test_a_misread_plate_is_near_and_the_plate_itself_is_not(tmp_path: Path, when: str) -> None:
    found = near(tmp_path, when, "A8C123")
    assert found is not None
    assert found.plate == "ABC123"
    assert found.likeness == pytest.approx(B_FOR_8)
    assert near(tmp_path, when, "ABC123") is None


def test_a_rule_that_asks_nothing_by_likeness_has_no_near_matches(tmp_path: Path) -> None:
    assert a_rule(tmp_path, 'plate.normalized_text in watchlist("stolen")').near is None
    assert near(tmp_path, "true", "A8C123") is None


@pytest.mark.parametrize(
    "when",
    [
        f"!{SIMILAR}",
        'likeness(plate.normalized_text, "ABC123") < 0.5',
        f"{CLOSEST} == null",
        f"{ON_LIST} || plate.confidence > 0.5",
    ],
)
def test_what_holds_for_another_reason_is_not_near(tmp_path: Path, when: str) -> None:
    plate = "A8C123" if "||" in when else "KLW456"
    assert near(tmp_path, when, plate) is None


def test_it_is_the_plate_by_which_the_rule_holds(tmp_path: Path) -> None:
    """The other one is nearer, but for another camera."""
    when = (
        f'(camera_id == "elsewhere" && similar(plate.normalized_text, "A8CI23"))'
        f' || (camera_id == "cam-1" && {SIMILAR})'
    )
    found = near(tmp_path, when, "A8C123")
    assert found is not None
    assert found.plate == "ABC123"
    of_both = f'similar(plate.normalized_text, "A8CI23") || {SIMILAR}'
    nearest = near(tmp_path, of_both, "A8C123")
    assert nearest is not None
    assert nearest.plate == "A8CI23"


def test_a_rule_of_two_plates_says_the_nearer_one_of_those_that_were_misread(
    tmp_path: Path,
) -> None:
    when = f'{SIMILAR} && similar(plate.text, "XYZ789")'
    found = near(tmp_path, when, "ABC123", plate={"text": "XY2789", "normalized_text": "ABC123"})
    assert found is not None
    assert found.plate == "XYZ789"


def test_the_plates_that_a_macro_passes_over_are_not_meant(tmp_path: Path) -> None:
    when = (
        '["A8CI23", "XXX"].exists(each, each != plate.normalized_text && each.endsWith("X"))'
        ' && ["ABC123", "A8CI23"].filter(each, each.startsWith("AB") &&'
        " similar(plate.normalized_text, each)).size() == 1"
    )
    found = near(tmp_path, when, "A8C123")
    assert found is not None
    assert found.plate == "ABC123"


def test_a_row_counts_in_its_time(tmp_path: Path) -> None:
    when = 'similar(plate.normalized_text, watchlist("wanted"), 0.86)'
    found = near(tmp_path, when, "QRS1Z3")
    assert found is not None
    assert found.plate == "QRS123"
    later = near(tmp_path, when, "QRSI28", seconds=36 * 3600)
    assert later is not None
    assert later.plate == "QRS128"


def test_a_row_with_wildcards_is_named_as_it_stands_and_is_near_by_its_letters(
    tmp_path: Path,
) -> None:
    assert near(tmp_path, ON_LIST, "LMN956") is None
    found = near(tmp_path, ON_LIST, "LMN9S6")
    assert found is not None
    assert found.plate == "LMN?56"
    assert 0.9 <= found.likeness < 1


def test_a_part_that_fails_leaves_the_alert_as_it_is(tmp_path: Path) -> None:
    """`||` absorbs the failure where the plate is near, and nothing does where it is asked for."""
    when = f"{SIMILAR} || 1 / (latency_ms - latency_ms) == 1"
    found = near(tmp_path, when, "A8C123")
    assert found is not None
    assert found.plate == "ABC123"
    # Here no plate can be told: the text is not to be had.
    when = 'similar(vehicle.color, "ABC123") || similar(plate.normalized_text, "ABC123")'
    found = near(tmp_path, when, "A8C123", vehicle={"color": None})
    assert found is not None
    assert found.plate == "ABC123"


@pytest.mark.parametrize(
    "when",
    [
        # What one part gives, another one asks.
        f'similar({CLOSEST}.plate, watchlist("stolen"))',
        f'{CLOSEST}.plate in watchlist("stolen") && similar({CLOSEST}.plate, "ABC123")',
        f"[1.0 - likeness(plate.normalized_text, {CLOSEST}.plate)].exists(far, far < 0.05)",
        # A macro's condition has the part that is asked.
        "[plate.normalized_text].filter(text,"
        ' cel.bind(t, text, similar(t, watchlist("stolen")))).size() > 0',
        "[plate.normalized_text].exists_one(text,"
        ' cel.bind(t, text, similar(t, watchlist("stolen"))))',
        # And an argument has a macro.
        '[plate.normalized_text].exists(text, similar([text, "other"].filter(t, t != "other")[0],'
        ' ["ABC123", "XYZ789"]))',
        'similar([plate.normalized_text].filter(t, similar(t, watchlist("stolen")))[0],'
        ' watchlist("stolen"))',
    ],
)
def test_parts_inside_each_other_are_told_and_lose_no_alert(tmp_path: Path, when: str) -> None:
    found = near(tmp_path, when, "A8C123")
    assert found is not None
    assert found.plate == "ABC123"
    assert found.likeness == pytest.approx(B_FOR_8)
    assert near(tmp_path, when, "ABC123") is None


def test_a_long_sum_beside_it_is_no_deep_tree(tmp_path: Path) -> None:
    total = " + ".join(["latency_ms"] * 400)
    assert near(tmp_path, f"{total} >= 0 && {SIMILAR}", "ABC123", latency_ms=1) is None


def test_the_default_message_has_both_plates(tmp_path: Path) -> None:
    rule = a_rule(tmp_path, ON_LIST)
    values = bindings("A8C123")
    text, failed = rule.message(values, 0, rule.near_plate(values))
    assert (text, failed) == (
        "Stolen: read A8C123, listed ABC123 (97 %) at cam-1, 2026-03-01T12:00:00Z",
        0,
    )
    assert rule.message(bindings("ABC123"), 0, None)[0].startswith("Stolen: ABC123 at cam-1")
    assert values == bindings("A8C123")


def test_a_message_of_ones_own_stays_as_it_is(tmp_path: Path) -> None:
    text = (
        "rules:\n  - {id: a, notify: [], message_template: '{plate.normalized_text} seen',"
        f" when: '{SIMILAR}'}}\n"
    )
    (rule,) = load_text(text, tmp_path).rules
    values = bindings("A8C123")
    assert rule.message(values, 0, rule.near_plate(values)) == ("A8C123 seen", 0)


def _condition(chance: random.Random, depth: int) -> tuple[str, str]:
    """A condition by likeness, and the same one asked for the very plates in words of their own."""
    kind = (
        chance.choice(["and", "or", "not"])
        if depth
        else chance.choice(["plate", "list", "closest"])
    )
    listed = chance.choice(("ABC123", "A8C123", "A8CI23", "XYZ789"))
    match kind:
        case "plate":
            nearly = (
                f'similar(plate.normalized_text, "{listed}", {chance.choice((0.8, 0.9, 0.95))})'
            )
            return nearly, f'plate.normalized_text == "{listed}"'
        case "list":
            return ON_LIST, 'plate.normalized_text in watchlist("stolen")'
        case "closest":
            return f"{CLOSEST} != null", 'plate.normalized_text in watchlist("stolen")'
        case "not":
            nearly, exactly = _condition(chance, depth - 1)
            return f"!({nearly})", f"!({exactly})"
    sign = {"and": "&&", "or": "||"}[kind]
    pairs = [_condition(chance, depth - chance.choice((1, depth))) for _ in range(2)]
    one, other = (
        f" {sign} ".join(f"({part})" for part in parts) for parts in zip(*pairs, strict=True)
    )
    return one, other


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(60))
def test_a_match_is_near_exactly_where_it_is_none_for_the_very_plates(
    tmp_path: Path, seed: int
) -> None:
    nearly, exactly = _condition(random.Random(seed), 3)
    rule, same = a_rule(tmp_path, nearly), a_rule(tmp_path, exactly)
    for read in ("ABC123", "A8C123", "A8CI23", "XY2789", "LMN9S6", "LMN956", "KLW456", ""):
        values = bindings(read)
        if rule.condition.run(values) is True:
            near_plate = rule.near_plate(values)
            assert (near_plate is None) == (same.condition.run(values) is True), (nearly, read)
            assert near_plate is None or 0.8 <= near_plate.likeness < 1
