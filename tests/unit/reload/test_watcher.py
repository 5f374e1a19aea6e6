from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import structlog

from channels.targets.webhook import WebhookTarget
from engine.errors import LastGoodError
from engine.reload.file_state import digest_of
from engine.reload.last_good import LastGood
from engine.reload.watcher import REMIND_SECONDS, TURN_SECONDS
from engine.rules import RuleSet
from tests.unit.reload.place import BROKEN, PLAIN, RULES, UNSET, RulesPlace
from tests.unit.reload.watched import Watched, await_events, events

pytestmark = pytest.mark.waits

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def logs() -> Iterator[list[Any]]:
    with structlog.testing.capture_logs() as lines:
        yield lines


@pytest.fixture
def place(tmp_path: Path) -> RulesPlace:
    return RulesPlace(tmp_path)


@pytest.fixture
def watched(place: RulesPlace) -> Iterator[Watched]:
    with Watched(place) as made:
        yield made


def test_changed_rules_come_into_force(
    logs: list[Any], watched: Watched, place: RulesPlace
) -> None:
    place.write(PLAIN, "second")
    watched.await_ids("second")
    (line,) = await_events(logs, "rules.reloaded")
    assert watched.reloads("loaded") == 1
    assert (line["cause"], line["rules"], line["added"], line["removed"]) == ("files", 1, 1, 1)


def test_other_threads_have_their_turn_sooner_while_rules_are_loaded(place: RulesPlace) -> None:
    usual, during = sys.getswitchinterval(), list[float]()
    made = Watched(place)

    def take(rule_set: RuleSet) -> None:
        during.append(sys.getswitchinterval())
        made.used.add(rule_set)

    made.take = take
    with made:
        place.write(PLAIN, "second")
        made.await_ids("second")
    assert during == [pytest.approx(TURN_SECONDS)]
    assert sys.getswitchinterval() == usual > TURN_SECONDS


def test_what_changed_before_the_watch_began_comes_into_force(place: RulesPlace) -> None:
    made = Watched(place)
    place.write(PLAIN, "second")
    with made:
        made.await_ids("second")


def test_what_changed_while_it_was_loaded_comes_into_force(place: RulesPlace) -> None:
    made = Watched(place)

    def change_once(rule_set: RuleSet) -> None:
        if not made.used.all():
            place.write(PLAIN, "third")
        made.used.add(rule_set)

    made.take = change_once
    with made:
        place.write(PLAIN, "second")
        made.await_ids("second")
        made.await_ids("third")


def test_a_name_that_is_not_utf8_is_watched_all_the_same(logs: list[Any], tmp_path: Path) -> None:
    place = RulesPlace(tmp_path)
    odd = Path(os.fsdecode(os.fsencode(place.path) + b"/\xff.yaml"))
    odd.write_text(PLAIN.replace("ID", "odd"))
    made = Watched(place)
    with made:
        odd.write_text(PLAIN.replace("ID", "even"))
        made.await_ids("first", "even")
    assert made.reloads("failed") == 0


def test_a_touched_file_is_no_reload(watched: Watched, place: RulesPlace) -> None:
    os.utime(place.file)
    place.write(PLAIN, "first")
    (place.path / "notes.txt").write_text("no rules")
    # What comes after it is loaded: the touch was seen, or was part of what was.
    place.write(PLAIN, "second")
    watched.await_ids("second")
    watched.await_that(lambda: watched.reloads("loaded") >= 1)
    assert len(watched.used.all()) == 1


def test_what_the_system_does_not_tell_of_is_seen_by_looking(tmp_path: Path) -> None:
    place = RulesPlace(tmp_path)
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "b.yaml").write_text(PLAIN.replace("ID", name))
    current = tmp_path / "current"
    current.symlink_to("one")
    # Neither the link's folder nor its new end is a place that is watched.
    (place.path / "b.yaml").symlink_to(current / "b.yaml")
    made = Watched(place)
    with made:
        current.unlink()
        current.symlink_to("two")
        made.await_ids("first", "two")


def test_a_file_that_comes_or_goes_is_seen(watched: Watched, place: RulesPlace) -> None:
    other = place.path / "deep" / "b.yaml"
    other.parent.mkdir()
    other.write_text(PLAIN.replace("ID", "other"))
    watched.await_ids("first", "other")
    other.unlink()
    watched.await_ids("first")


def test_a_changed_list_comes_into_force(watched: Watched, place: RulesPlace) -> None:
    place.write_list(10)
    place.write(RULES, "listed")
    watched.await_ids("listed")
    place.write_list(11)
    watched.await_rows(11)


def test_broken_rules_change_nothing_until_they_are_mended(
    logs: list[Any], watched: Watched, place: RulesPlace
) -> None:
    place.write(BROKEN)
    (place.path / "b.yaml").write_text("rules: [{id: B AD}]")
    # The files may be read before the second one is there.
    for start in (f"{place.file}:1:", f"{place.path / 'b.yaml'}:1:"):
        watched.await_that(partial(is_refused, logs, start))
    assert watched.health.is_outdated
    assert {line["log_level"] for line in events(logs, "rules.refused")} == {"error"}
    assert watched.used.all() == []
    assert watched.metrics.total("rules_outdated") == 1
    (place.path / "b.yaml").unlink()
    place.write(PLAIN, "mended")
    watched.await_ids("mended")
    (line,) = await_events(logs, "rules.reloaded")
    assert line["is_mended"]
    assert not watched.health.is_outdated


def is_refused(logs: list[Any], start: str) -> bool:
    """Whether a fault that begins so was logged."""
    faults = [fault for line in events(logs, "rules.refused") for fault in line["faults"]]
    return any(fault.startswith(start) for fault in faults)


def refused(watched: Watched) -> float:
    return watched.metrics.total("watchlist_refused")


def test_a_short_list_may_become_as_short_as_it_likes(watched: Watched, place: RulesPlace) -> None:
    place.write_list(4)
    place.write(RULES, "listed")
    watched.await_ids("listed")
    for count in (1, 0):
        place.write_list(count)
        watched.await_rows(count)
    assert watched.health.check().is_good


def test_a_list_that_shrank_too_much_is_refused_and_holds_up_nothing_else(
    logs: list[Any], watched: Watched, place: RulesPlace
) -> None:
    place.write_list(100)
    place.write(RULES, "listed")
    watched.await_ids("listed")
    place.write_list(40)
    watched.await_that(lambda: refused(watched) == 1)
    check = watched.health.check()
    assert (check.is_good, check.is_essential) == (False, False)
    assert "stay as they were: stolen (40 rows) since" in check.detail
    assert "alert-engine lists accept stolen" in check.facts["faults"][0]
    place.write(RULES, "other")
    assert watched.await_ids("other").watchlists["stolen"].row_count == 100
    (line,) = await_events(logs, "watchlist.refused")
    assert (line["watchlist"], line["rows"], line["rows_in_force"]) == ("stolen", 40, 100)
    assert line["log_level"] == "error"
    place.write_list(90)
    watched.await_rows(90)
    watched.await_that(lambda: watched.health.check().is_good)
    watched.await_that(lambda: refused(watched) == 0)


def test_a_list_that_is_accepted_comes_into_force_as_it_is(
    logs: list[Any], watched: Watched, place: RulesPlace
) -> None:
    place.write_list(100)
    place.write(RULES, "listed")
    watched.await_ids("listed")
    place.write_list(40)
    watched.await_that(lambda: refused(watched) == 1)
    acceptances = place.last_good.acceptances
    # Of another content than the file has now it changes nothing.
    acceptances.accept("stolen", "another digest", NOON)
    watched.await_that(lambda: "accepted" in causes(logs))
    assert refused(watched) == 1
    acceptances.accept("stolen", digest_of(place.list), NOON)
    watched.await_rows(40)
    watched.await_that(lambda: watched.health.check().is_good)
    # It is in force and kept, so the note has done its service.
    watched.await_that(lambda: not acceptances.notes())
    found = place.last_good.find()
    assert found is not None
    assert found.lists["stolen"][1] == 40


def causes(logs: list[Any]) -> list[str]:
    return [line["cause"] for line in events(logs, "rules.reloaded")]


def is_told(logs: list[Any], count: int) -> bool:
    return len(events(logs, "watchlist.refused")) >= count


@pytest.mark.slow
def test_a_refused_list_is_an_error_in_the_log_every_hour(
    logs: list[Any], place: RulesPlace
) -> None:
    place.write_list(100)
    place.write(RULES, "listed")
    made = Watched(place)
    with made:
        place.write_list(40)
        for count in (1, 2, 3):
            made.await_that(partial(is_told, logs, count))
            assert len(events(logs, "watchlist.refused")) == count
            made.clock.ahead_seconds += REMIND_SECONDS
        place.write_list(100)
        made.await_that(lambda: refused(made) == 0)
        told = len(events(logs, "watchlist.refused"))
        made.clock.ahead_seconds += REMIND_SECONDS
        made.watcher.ask()
        made.await_that(lambda: "signal" in causes(logs))
        assert len(events(logs, "watchlist.refused")) == told


def test_what_is_kept_has_a_refused_list_as_it_is_in_force(
    watched: Watched, place: RulesPlace
) -> None:
    place.write_list(100)
    place.write(RULES, "listed")
    watched.await_ids("listed")
    watched.await_that(lambda: "listed" in kept_rules(place))
    place.write_list(40)
    place.write(RULES, "other")
    watched.await_ids("other")
    watched.await_that(lambda: "other" in kept_rules(place))
    found = place.last_good.find()
    assert found is not None
    assert found.lists["stolen"][1] == 100
    assert len(found.copy_of(place.list).read_text().splitlines()) == 101


def kept_rules(place: RulesPlace) -> str:
    """The rule file of the set that is kept; nothing while another set takes its place."""
    with contextlib.suppress(LastGoodError, OSError):
        found = LastGood(place.last_good.folder).find()
        return found.copy_of(place.file).read_text() if found is not None else ""
    return ""


def is_kept(place: RulesPlace) -> bool:
    """Whether a set is kept."""
    return bool(kept_rules(place))


def test_who_asks_gets_a_reload_of_unchanged_files(logs: list[Any], watched: Watched) -> None:
    watched.watcher.ask()
    watched.await_ids("first")
    assert await_events(logs, "rules.reloaded")[0]["cause"] == "signal"


def test_warnings_are_told_with_their_remedies_and_once(
    logs: list[Any], watched: Watched, place: RulesPlace
) -> None:
    unnotified = PLAIN.replace(", notify: []", "")
    place.write(unnotified, "second")
    watched.await_ids("second")
    place.write(unnotified + "# a remark\n", "second")
    await_events(logs, "rules.reloaded", 2)
    (line,) = events(logs, "rules.warning")
    assert "names no channel" in line["what"]
    assert "add `notify:`" in line["remedy"]
    assert line["place"].startswith(str(place.file))


BLIND = """
channels: {blind: {url: 'https://receiver.example/alerts', verify: false}}
"""


def test_a_channel_that_verifies_nothing_any_more_is_named_once(
    logs: list[Any], watched: Watched, place: RulesPlace
) -> None:
    place.write(BLIND + PLAIN, "second")
    watched.await_ids("second")
    place.write(BLIND + PLAIN + "# a remark\n", "second")
    await_events(logs, "rules.reloaded", 2)
    (line,) = events(logs, "channel.unverified")
    assert line["channel"] == "blind"
    assert events(logs, "rules.warning") == []


def test_a_defect_of_ours_does_not_end_the_watch(
    logs: list[Any], watched: Watched, place: RulesPlace
) -> None:
    def fail(rule_set: RuleSet) -> None:
        raise ZeroDivisionError("a defect of ours")

    watched.take = fail
    place.write(PLAIN, "second")
    await_events(logs, "rules.reload_failed")
    assert watched.reloads("failed") == 1
    assert watched.health.is_outdated
    watched.take = watched.used.add
    place.write(PLAIN, "third")
    watched.await_ids("third")
    watched.await_that(lambda: not watched.health.is_outdated)
    assert len(events(logs, "rules.reload_failed")) == 1


def test_a_change_during_a_failing_load_is_not_missed(watched: Watched, place: RulesPlace) -> None:
    def change_and_fail(rule_set: RuleSet) -> None:
        watched.take = watched.used.add
        place.write(PLAIN, "third")
        raise ZeroDivisionError("a defect of ours")

    watched.take = change_and_fail
    place.write(PLAIN, "second")
    watched.await_ids("third")


def test_the_set_in_force_is_kept_at_the_start_and_after_each_reload(
    watched: Watched, place: RulesPlace
) -> None:
    watched.await_that(lambda: "first" in kept_rules(place))
    place.write(PLAIN, "second")
    watched.await_that(lambda: "second" in kept_rules(place))
    place.write(BROKEN, "third")
    watched.await_that(lambda: watched.health.is_outdated)
    assert "second" in kept_rules(place)


def test_a_set_that_cannot_be_kept_is_told_once_and_does_no_harm(
    logs: list[Any], place: RulesPlace
) -> None:
    # A file where the folder should be.
    place.last_good.folder.parent.mkdir()
    place.last_good.folder.write_text("")
    made = Watched(place)
    with made:
        for name in ("second", "third"):
            place.write(PLAIN, name)
            made.await_ids(name)
        await_events(logs, "rules.reloaded", 2)
    (line,) = events(logs, "last_good.not_kept")
    assert str(place.last_good.folder) in line["remedy"]


def test_a_start_on_the_last_good_set_goes_over_to_mended_files(
    logs: list[Any], place: RulesPlace
) -> None:
    with Watched(place):
        pass
    first = Watched(place)
    with first:
        first.await_that(lambda: is_kept(place))
    place.write(BROKEN)
    made = Watched(place)
    assert made.health.is_outdated
    with made:
        assert [rule.rule_id for rule in made.opening.rule_set.rules] == ["first"]
        place.write(PLAIN, "mended")
        made.await_ids("mended")
        made.await_that(lambda: not made.health.is_outdated)


def test_nothing_comes_into_force_after_the_end(place: RulesPlace) -> None:
    made = Watched(place)
    with made.watcher:
        place.write(PLAIN, "second")
    at_the_end = len(made.used.all())
    made.await_end()
    assert len(made.used.all()) == at_the_end


def test_a_reload_breaks_no_channel_that_works(
    logs: list[Any], watched: Watched, place: RulesPlace
) -> None:
    place.write(UNSET, "second")
    (line,) = await_events(logs, "rules.refused")
    assert "GONE" in line["faults"][0]
    assert watched.reloads("refused") == 1
    assert watched.used.all() == []


def test_with_a_held_channel_rules_still_change_and_no_set_is_kept(
    logs: list[Any], tmp_path: Path
) -> None:
    place = RulesPlace(tmp_path, UNSET)
    made = Watched(place)
    with made:
        place.write(UNSET, "second")
        made.await_ids("second")
        await_events(logs, "channel.misconfigured")
        assert place.last_good.find() is None
        place.write(PLAIN, "third")
        made.await_ids("third")
        made.await_that(lambda: is_kept(place))


SIGNED = """
channels: {hook: {url: "http://127.0.0.1:9/x", secret: "${HMAC}"}}
rules: [{id: ID, when: 'plate.confidence > 0.5', notify: [hook]}]
"""


def test_a_secret_in_a_file_is_read_at_each_load_and_holds_its_channel_until_it_is_there(
    logs: list[Any], tmp_path: Path
) -> None:
    file = tmp_path / "hmac"
    place = RulesPlace(tmp_path, SIGNED, HMAC_FILE=str(file))
    made = Watched(place)
    (fault,) = made.opening.rule_set.misconfigured["hook"]
    assert f"the file {file}, which HMAC_FILE names, can't be read" in fault.what
    with made:
        for count, text in enumerate(("first-secret\n", "second-secret\n"), start=1):
            file.write_text(text)
            made.watcher.ask()
            rule_set = made.used.wait_for(count)[-1]
            (target,) = rule_set.channels["hook"]
            assert isinstance(target, WebhookTarget)
            assert target.settings.secret == text.strip()
    assert not made.used.all()[-1].misconfigured


def test_the_watcher_says_what_it_does_while_it_hangs(watched: Watched, place: RulesPlace) -> None:
    stages: list[str] = []

    def take(rule_set: RuleSet) -> None:
        stages.append(watched.watcher.heartbeat.look().stage)
        watched.used.add(rule_set)

    watched.take = take
    place.write(PLAIN, "second")
    watched.await_ids("second")
    assert stages == ["putting changed rules in force"]
    looking = "looking for changed rule files and watchlists"
    watched.await_that(lambda: watched.watcher.heartbeat.look().stage == looking)
