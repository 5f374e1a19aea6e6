from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from engine.errors import RulesError
from engine.rules import RuleSet
from tests.support.plate_costs import changed_costs
from tests.unit.reload.place import BROKEN, PLAIN, RULES, RulesPlace

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def place(tmp_path: Path) -> RulesPlace:
    return RulesPlace(tmp_path)


def test_good_files_give_a_set_and_what_it_was_read_from(place: RulesPlace) -> None:
    place.write(RULES)
    place.write_list(3)
    attempt = place.attempt()
    assert isinstance(attempt.result, RuleSet)
    assert attempt.is_current
    assert attempt.state == place.source.files.look()
    assert {path.name for path in attempt.digests} == {"rules", "a.yaml", "stolen.csv"}


def test_a_list_is_watched_from_the_load_on_that_names_it(place: RulesPlace) -> None:
    place.attempt()
    assert place.source.files.lists == ()
    place.write(RULES)
    place.write_list(3)
    before = place.attempt().state
    place.write_list(4)
    assert place.source.files.look() != before


def test_a_list_that_is_missing_is_waited_for(place: RulesPlace) -> None:
    place.write(RULES)
    attempt = place.attempt()
    assert isinstance(attempt.result, RulesError)
    assert attempt.is_current
    place.write_list(3)
    assert place.source.files.look() != attempt.state


def test_a_list_that_is_named_no_more_is_not_watched(place: RulesPlace) -> None:
    place.write(RULES)
    place.write_list(3)
    place.attempt()
    place.write(PLAIN)
    attempt = place.attempt()
    assert attempt.is_current
    assert place.source.files.lists == ()


def test_an_unchanged_list_is_taken_over(place: RulesPlace) -> None:
    place.write(RULES)
    place.write_list(3)
    first = place.attempt().result
    assert isinstance(first, RuleSet)
    second = place.source.attempt(place.source.files.look(), first.watchlists).result
    assert isinstance(second, RuleSet)
    assert second.watchlists["stolen"] is first.watchlists["stolen"]


def test_a_load_of_files_that_changed_meanwhile_is_not_current(place: RulesPlace) -> None:
    before = place.source.files.look()
    place.write(PLAIN, "second")
    assert not place.source.attempt(before, {}).is_current
    place.write(BROKEN)
    assert not place.source.attempt(before, {}).is_current


def test_a_kept_set_loads_without_the_files_that_it_was_made_of(tmp_path: Path) -> None:
    place = RulesPlace(tmp_path)
    by_whole_path = RULES.replace("stolen:", "wanted:").replace('"stolen"', '"wanted"')
    by_whole_path = by_whole_path.replace("../lists/stolen.csv", str(place.list))
    (place.path / "b.yaml").write_text(by_whole_path.replace("ID", "other"))
    place.write(RULES)
    place.write_list(3)
    attempt = place.attempt()
    assert isinstance(attempt.result, RuleSet)
    digests = {path: digest for path, digest in attempt.digests.items() if path.is_file()}
    assert place.last_good.keep(place.path, digests, {}, NOON)
    for path in (place.file, place.path / "b.yaml", place.list):
        path.unlink()
    kept = place.last_good.find()
    assert kept is not None
    rule_set = place.source.load_kept(kept)
    assert [rule.rule_id for rule in rule_set.rules] == ["first", "other"]
    assert {each.row_count for each in rule_set.watchlists.values()} == {3}
    assert rule_set.digest == attempt.result.digest


def digest_of(place: RulesPlace) -> str:
    """The digest of what the place's files give."""
    result = place.attempt().result
    assert isinstance(result, RuleSet)
    return result.digest


def test_the_same_files_have_the_same_digest_wherever_they_lie(tmp_path: Path) -> None:
    digests = []
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        place = RulesPlace(tmp_path / name, RULES)
        place.write_list(3)
        digests.append(digest_of(place))
    assert digests[0] == digests[1] != ""


def test_other_costs_of_misreadings_have_another_digest(place: RulesPlace) -> None:
    place.write(RULES)
    place.write_list(3)
    digest = digest_of(place)
    costs = changed_costs(place.folder)
    place.source = place.source_with(costs)
    attempt = place.attempt()
    assert isinstance(attempt.result, RuleSet)
    assert attempt.result.digest != digest
    assert (attempt.result.costs, attempt.result.watchlists["stolen"].costs) == (costs, costs)
    digests = {path: each for path, each in attempt.digests.items() if path.is_file()}
    assert place.last_good.keep(place.path, digests, {"stolen": (place.list, 3)}, NOON)
    kept = place.last_good.find()
    assert kept is not None
    assert place.source.load_kept(kept).digest == attempt.result.digest
    assert place.source.lists_of(kept)["stolen"].costs is costs


def test_a_changed_rule_or_list_has_another_digest(place: RulesPlace) -> None:
    place.write(RULES)
    place.write_list(3)
    digests = {digest_of(place)}
    place.write_list(4)
    digests.add(digest_of(place))
    place.write(RULES, "second")
    digests.add(digest_of(place))
    assert len(digests) == 3


def test_a_list_whose_file_is_refused_counts_as_it_is_in_force(place: RulesPlace) -> None:
    place.write(RULES)
    place.write_list(100)
    first = place.attempt().result
    assert isinstance(first, RuleSet)
    digests = set()
    for rows in (3, 4):
        place.write_list(rows)
        found = place.source.attempt(place.source.files.look(), first.watchlists).result
        assert isinstance(found, RuleSet)
        assert found.refusals
        digests.add(found.digest)
    assert len(digests) == 1
