from __future__ import annotations

from pathlib import Path

import pytest
import structlog

from engine.errors import RulesError
from engine.reload.file_state import digest_of
from engine.reload.last_good import last_good_of
from engine.reload.loader import Opening, open_rules, rule_source_of
from engine.rules import RuleSet
from engine.settings import Settings
from tests.support.avro import PLATE_EVENT
from tests.support.plate_costs import changed_costs
from tests.unit.manual_time import ManualTime
from tests.unit.reload.place import BROKEN, PLAIN, RULES, UNSET, RulesPlace

DAY_SECONDS = 86_400.0


@pytest.fixture
def place(tmp_path: Path) -> RulesPlace:
    return RulesPlace(tmp_path)


def start(place: RulesPlace, *, strict: bool = False) -> Opening:
    """Start as after a restart, a day later."""
    clock = ManualTime()
    clock.seconds = DAY_SECONDS
    return open_rules(place.new_source(), place.last_good, clock, strict=strict)


def run_well(place: RulesPlace) -> None:
    """As an engine does that starts with good rules: the set is kept."""
    attempt = place.attempt()
    assert isinstance(attempt.result, RuleSet)
    lists = {each.name: (each.path, each.row_count) for each in attempt.result.watchlists.values()}
    digests = {path: digest_of(path) for path in (place.file, *place.source.files.lists)}
    assert place.last_good.keep(place.path, digests, lists, ManualTime().now())


def ids(opening: Opening) -> list[str]:
    return [rule.rule_id for rule in opening.rule_set.rules]


def test_good_files_are_what_it_runs_on(place: RulesPlace) -> None:
    opening = start(place)
    assert ids(opening) == ["first"]
    assert opening.kept is None
    assert opening.attempt.is_current


def test_broken_files_give_way_to_the_last_good_set_loudly(place: RulesPlace) -> None:
    run_well(place)
    place.write(BROKEN, "second")
    with structlog.testing.capture_logs() as logs:
        opening = start(place)
    assert ids(opening) == ["first"]
    assert opening.kept is not None
    (line,) = logs
    assert (line["event"], line["log_level"]) == ("rules.last_good", "error")
    assert line["age_seconds"] == DAY_SECONDS
    assert line["loaded_from"] == str(place.path)
    (fault,) = line["faults"]
    assert fault.startswith(f"{place.file}:1:")
    assert "did you mean" in fault


def test_the_last_good_set_knows_the_channels_that_were_switched_off(place: RulesPlace) -> None:
    place.write("notifications: {slack: {enabled: false}}\n" + PLAIN)
    run_well(place)
    place.write(BROKEN, "second")
    opening = start(place)
    assert opening.kept is not None
    assert opening.rule_set.switched_off == {"slack"}


def test_missing_files_are_no_better_than_broken_ones(place: RulesPlace) -> None:
    run_well(place)
    place.file.unlink()
    place.path.rmdir()
    assert ids(start(place)) == ["first"]


def test_strict_refuses(place: RulesPlace) -> None:
    run_well(place)
    place.write(BROKEN)
    with pytest.raises(RulesError, match="confidenc"):
        start(place, strict=True)


def test_a_first_start_has_nothing_to_fall_back_on(place: RulesPlace) -> None:
    place.write(BROKEN)
    with pytest.raises(RulesError) as error:
        start(place)
    assert len(error.value.faults) == 1


def test_a_kept_set_that_does_not_load_any_more_is_told_beside_the_faults(
    place: RulesPlace,
) -> None:
    run_well(place)
    # As after an upgrade to a version that refuses what was good before.
    place.file.write_text(BROKEN)
    digests = {place.file: digest_of(place.file)}
    place.last_good.keep(place.path, digests, {}, ManualTime().now())
    with pytest.raises(RulesError) as error:
        start(place)
    codes = [fault.code for fault in error.value.faults]
    between = codes.index("last-good")
    assert codes[:between] == codes[between + 1 :] != []
    copies = error.value.faults[between + 1 :]
    assert all(fault.place.file.startswith(str(place.last_good.folder)) for fault in copies)


def test_a_kept_set_that_is_damaged_is_told_beside_the_faults(place: RulesPlace) -> None:
    run_well(place)
    kept = place.last_good.find()
    assert kept is not None
    kept.copy_of(place.file).write_text("")
    place.write(BROKEN)
    with pytest.raises(RulesError, match="damaged"):
        start(place)


def test_a_kept_set_that_is_damaged_does_not_stop_good_files(place: RulesPlace) -> None:
    run_well(place)
    kept = place.last_good.find()
    assert kept is not None
    (kept.folder / "manifest.json").write_text("{")
    with structlog.testing.capture_logs() as logs:
        assert ids(start(place)) == ["first"]
    assert [line["event"] for line in logs] == ["last_good.unusable"]


def test_a_list_that_was_cut_off_while_the_engine_was_down_is_not_taken(place: RulesPlace) -> None:
    place.write(RULES)
    place.write_list(100)
    run_well(place)
    place.write_list(10)
    with structlog.testing.capture_logs() as logs:
        opening = start(place)
    assert opening.rule_set.watchlists["stolen"].row_count == 100
    (refusal,) = opening.rule_set.refusals
    assert "shrank from 100 to 10 rows" in refusal.fault.what
    # All else is of the files, so nothing is said of the last good rules.
    assert (opening.kept, logs) == (None, [])
    place.write_list(90)
    assert start(place).rule_set.watchlists["stolen"].row_count == 90


def test_rules_that_changed_come_into_force_beside_a_list_that_was_cut_off(
    place: RulesPlace,
) -> None:
    place.write(RULES)
    place.write_list(100)
    run_well(place)
    place.write(RULES, "second")
    place.write_list(10)
    opening = start(place)
    assert ids(opening) == ["second"]
    found = opening.rule_set.watchlists["stolen"]
    assert (found.row_count, found.path.resolve()) == (100, place.list)
    assert "P99" in found.plates
    assert opening.attempt.is_current


def test_a_list_that_was_cut_off_and_a_held_channel_stop_nothing(place: RulesPlace) -> None:
    place.write(RULES)
    place.write_list(100)
    run_well(place)
    place.write(RULES.rstrip() + '\nchannels: {hook: "${GONE}"}\n', "second")
    place.write_list(10)
    opening = start(place)
    assert ids(opening) == ["second"]
    assert opening.rule_set.watchlists["stolen"].row_count == 100
    assert list(opening.rule_set.misconfigured) == ["hook"]


def test_strict_refuses_a_list_that_was_cut_off(place: RulesPlace) -> None:
    place.write(RULES)
    place.write_list(100)
    run_well(place)
    place.write_list(10)
    with pytest.raises(RulesError, match="shrank from 100 to 10 rows"):
        start(place, strict=True)


def test_a_list_that_was_accepted_while_the_engine_was_down_is_taken(place: RulesPlace) -> None:
    place.write(RULES)
    place.write_list(100)
    run_well(place)
    place.write_list(10)
    place.last_good.acceptances.accept("stolen", digest_of(place.list), ManualTime().now())
    assert start(place).rule_set.watchlists["stolen"].row_count == 10
    place.write_list(9)
    assert start(place).rule_set.watchlists["stolen"].row_count == 100


def test_a_list_that_was_cut_off_beside_broken_rules_waits_with_them(place: RulesPlace) -> None:
    place.write(RULES)
    place.write_list(100)
    run_well(place)
    place.write(BROKEN.replace("rules:", "watchlists: {stolen: ../lists/stolen.csv}\nrules:"))
    place.write_list(10)
    opening = start(place)
    assert opening.kept is not None
    known = opening.known["stolen"]
    assert (known.row_count, known.path) == (100, place.list)
    # Once the rules are mended, the list is refused by itself.
    place.write(RULES, "mended")
    mended = place.source.attempt(place.source.files.look(), opening.known).result
    assert isinstance(mended, RuleSet)
    assert (mended.watchlists["stolen"].row_count, len(mended.refusals)) == (100, 1)


def test_schema_and_rules_are_those_that_the_settings_name(tmp_path: Path) -> None:
    place = RulesPlace(tmp_path)
    costs = changed_costs(tmp_path)
    settings = Settings(
        rules_path=place.path,
        schemas_path=PLATE_EVENT.parent,
        plate_costs_path=tmp_path / "costs.txt",
    )
    source = rule_source_of(settings)
    assert source.schema.name == "com.alpr.events.PlateEvent"
    rule_set = source.attempt(source.files.look(), {}).result
    assert isinstance(rule_set, RuleSet)
    assert [rule.rule_id for rule in rule_set.rules] == ["first"]
    assert rule_set.costs.digest == costs.digest


def test_each_store_of_a_folder_has_last_good_rules_of_its_own(tmp_path: Path) -> None:
    folders = {
        last_good_of(Settings(state_url=f"sqlite:///{tmp_path}/{name}")).folder
        for name in ("a.db", "b.db")
    }
    assert folders == {tmp_path / "last-good" / name for name in ("a.db", "b.db")}


def test_without_a_file_of_the_store_the_last_good_rules_are_where_a_setting_says() -> None:
    url = "postgresql://engine@db/alerts"
    assert last_good_of(Settings(state_url=url)).folder == Path("state/last-good")
    named = Settings(state_url=url, last_good_path=Path("/data/rules"))
    assert last_good_of(named).folder == Path("/data/rules")


def test_a_channel_with_an_unset_variable_is_held_and_the_rules_are_in_force(
    place: RulesPlace,
) -> None:
    place.write(UNSET)
    opening = start(place)
    assert ids(opening) == ["first"]
    assert list(opening.rule_set.misconfigured) == ["hook"]


def test_strict_refuses_a_channel_with_an_unset_variable(place: RulesPlace) -> None:
    place.write(UNSET)
    with pytest.raises(RulesError, match="GONE"):
        start(place, strict=True)


def test_faults_of_rules_and_of_channels_are_told_together(place: RulesPlace) -> None:
    place.write(UNSET.replace("confidence", "confidenc"))
    with pytest.raises(RulesError, match="GONE") as error:
        start(place)
    assert len(error.value.faults) == 2


def test_the_last_good_set_is_taken_with_a_channel_held(place: RulesPlace) -> None:
    run_well(place)
    # What was set when it was kept is unset now.
    place.file.write_text(UNSET.replace("ID", "kept"))
    place.last_good.keep(place.path, {place.file: digest_of(place.file)}, {}, ManualTime().now())
    place.write(BROKEN)
    opening = start(place)
    assert ids(opening) == ["kept"]
    assert list(opening.rule_set.misconfigured) == ["hook"]
