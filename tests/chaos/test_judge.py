"""The judge finds what is lost, what is too near, what is invented, and what came too often."""

from __future__ import annotations

from tests.chaos.judge import Arrival, Judgement, judge
from tests.chaos.oracle import MAIL, PLATES, WEBHOOK, Event

BOTH = (WEBHOOK, MAIL)


def listed(event_id: str, at_ms: int, plate: str = PLATES[0]) -> Event:
    """An event on which the rule `listed` alone holds: 3 s by plate, to both recipients."""
    return Event(event_id, at_ms, plate, "cam-1", 0.25, "blue")


def came(alert_id: str, event_id: str, *recipients: str, rule: str = "listed") -> list[Arrival]:
    """An alert on the event at these recipients; at both by default."""
    return [Arrival(each, alert_id, rule, event_id) for each in recipients or BOTH]


def test_an_alert_of_each_key_at_each_recipient_is_good() -> None:
    events = [listed("a", 0), listed("b", 2_999), listed("c", 3_000), listed("d", 0, PLATES[1])]
    found = judge(events, [*came("1", "a"), *came("2", "c"), *came("3", "d")], {})
    assert found == Judgement(repeats={WEBHOOK: 0, MAIL: 0})
    assert found.is_good


def test_an_alert_covers_matches_before_and_after_it() -> None:
    events = [listed("a", 0), listed("b", 2_999), listed("c", 5_998)]
    assert judge(events, came("1", "b"), {}).is_good


def test_a_match_a_cooldown_away_from_its_alert_is_lost() -> None:
    found = judge([listed("a", 0), listed("b", 3_000)], came("1", "a"), {})
    assert [each.recipient for each in found.lost] == [WEBHOOK, MAIL]
    assert not found.is_good


def test_an_alert_that_one_recipient_did_not_get_is_lost() -> None:
    found = judge([listed("a", 0)], came("1", "a", WEBHOOK), {})
    assert [*map(str, found.lost)] == ["('listed', 'CAR00') at 0 has no alert near it at mail"]


def test_an_alert_of_another_key_covers_nothing() -> None:
    found = judge([listed("a", 0), listed("b", 0, PLATES[1])], came("1", "b"), {})
    assert len(found.lost) == 2


def test_two_alerts_within_a_cooldown_are_too_near() -> None:
    events = [listed("a", 0), listed("b", 2_999)]
    found = judge(events, [*came("1", "a"), *came("2", "b")], {})
    assert found.too_near == ["('listed', 'CAR00') has the alerts 1 and 2 at 0 and 2999"]
    assert not found.is_good


def test_alerts_are_too_near_also_at_different_recipients() -> None:
    events = [listed("a", 0), listed("b", 0)]
    found = judge(events, [*came("1", "a", WEBHOOK), *came("2", "b", MAIL)], {})
    assert len(found.too_near) == 1


def test_two_alerts_on_one_event_are_too_near_without_a_cooldown() -> None:
    event = Event("a", 0, PLATES[20], "cam-1", 0.25, "red")
    arrivals = [*came("1", "a", WEBHOOK, rule="red"), *came("2", "a", WEBHOOK, rule="red")]
    assert len(judge([event], arrivals, {}).too_near) == 1


def test_an_alert_without_a_match_is_invented() -> None:
    events = [listed("a", 0)]
    found = judge(events, [*came("1", "a"), *came("2", "a", rule="red"), *came("3", "z")], {})
    assert len(found.invented) == 4
    assert not found.is_good


def test_repeats_are_good_up_to_what_was_in_flight() -> None:
    arrivals = [*came("1", "a"), *came("1", "a", MAIL), *came("1", "a", MAIL)]
    found = judge([listed("a", 0)], arrivals, {MAIL: 2})
    assert found.repeats == {WEBHOOK: 0, MAIL: 2}
    assert found.is_good
    assert judge([listed("a", 0)], arrivals, {MAIL: 1, WEBHOOK: 5}).excess == [MAIL]
