"""What is written for a time zone that there is not."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest

from engine.cel.check.remedies import _CITIES, _ZONE_ABBREVIATIONS, remedy_of_zone

GENERAL = 'name a place, such as "Europe/Berlin", or an offset, such as "+01:00"'


@pytest.mark.parametrize(
    ("name", "zone"),
    [
        ("Europe/Muenchen", "Europe/Berlin"),
        ("Europe/München", "Europe/Berlin"),
        ("Munich", "Europe/Berlin"),
        ("Europe/Hamburg", "Europe/Berlin"),
        ("Europe/Berln", "Europe/Berlin"),
        ("Berlin", "Europe/Berlin"),
        ("europe / berlin", "Europe/Berlin"),
        ("Germany/Berlin", "Europe/Berlin"),
        ("America/NewYork", "America/New_York"),
        ("America/Boston", "America/New_York"),
        ("US/Miami", "America/New_York"),
        ("San Francisco", "America/Los_Angeles"),
        ("Europe/Zürich", "Europe/Zurich"),
        ("America/São Paulo", "America/Sao_Paulo"),
        ("Asia/Bangalore", "Asia/Kolkata"),
        ("CEST", "Europe/Berlin"),
        ("pdt", "America/Los_Angeles"),
        ("UTC+1", "+01:00"),
        ("GMT-5", "-05:00"),
        ("utc +05:30", "+05:30"),
    ],
)
def test_the_zone_of_a_place_is_suggested(name: str, zone: str) -> None:
    assert remedy_of_zone(name) == f"did you mean '{zone}'?"


@pytest.mark.parametrize("name", ["Mars/Base", "Europe/Nowhere", "America/Berlingen", "", "local"])
def test_a_similar_name_of_another_place_is_not_suggested(name: str) -> None:
    assert remedy_of_zone(name) == GENERAL


def test_every_zone_that_is_suggested_exists() -> None:
    assert all(ZoneInfo(zone) for zone in {*_CITIES, *_ZONE_ABBREVIATIONS.values()})
