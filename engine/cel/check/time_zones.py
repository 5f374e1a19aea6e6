"""Remedies for names that are no IANA time zones: cities, abbreviations and offsets."""

from __future__ import annotations

import difflib
import re
import unicodedata
from functools import cache, lru_cache
from typing import Final
from zoneinfo import available_timezones

#: Cities, states and countries without a zone of their own, by the zone that they use.
_CITIES: Final = {
    "Europe/Berlin": "muenchen munchen munich hamburg koeln koln cologne frankfurt stuttgart "
    "dusseldorf duesseldorf leipzig dresden bonn bremen hannover nurnberg nuernberg germany",
    "Europe/London": "manchester birmingham edinburgh glasgow liverpool leeds cardiff england",
    "Europe/Paris": "lyon marseille toulouse nice bordeaux lille strasbourg france",
    "Europe/Rome": "milan milano naples napoli turin torino florence venice italy",
    "Europe/Madrid": "barcelona valencia sevilla bilbao spain",
    "Europe/Zurich": "geneva genf bern basel lausanne zuerich switzerland",
    "Europe/Vienna": "wien salzburg graz linz innsbruck austria",
    "Europe/Amsterdam": "rotterdam utrecht thehague eindhoven netherlands",
    "Europe/Warsaw": "krakow gdansk wroclaw poznan poland",
    "America/New_York": "boston washington miami atlanta philadelphia orlando tampa charlotte "
    "jacksonville newjersey eastern",
    "America/Chicago": "houston dallas austin sanantonio minneapolis memphis texas central",
    "America/Los_Angeles": "sanfrancisco seattle sandiego lasvegas portland sacramento sanjose "
    "california pacific",
    "America/Denver": "saltlakecity albuquerque mountain",
    "America/Toronto": "ottawa montreal quebec",
    "America/Sao_Paulo": "rio riodejaneiro brasilia",
    "America/Mexico_City": "guadalajara puebla mexico",
    "Asia/Kolkata": "mumbai delhi newdelhi bangalore chennai hyderabad india",
    "Asia/Shanghai": "beijing shenzhen guangzhou china",
    "Asia/Tokyo": "osaka kyoto nagoya",
    "Australia/Sydney": "canberra newcastle",
}
#: Abbreviations that are no zones: of daylight time, or of several zones.
_SHORT: Final = {
    **dict.fromkeys(("CEST", "MESZ", "MEZ"), "Europe/Berlin"),
    **dict.fromkeys(("BST",), "Europe/London"),
    **dict.fromkeys(("EDT", "ET"), "America/New_York"),
    **dict.fromkeys(("CDT", "CT"), "America/Chicago"),
    **dict.fromkeys(("MDT", "MT"), "America/Denver"),
    **dict.fromkeys(("PDT", "PST", "PT"), "America/Los_Angeles"),
    **dict.fromkeys(("EEST",), "Europe/Athens"),
    **dict.fromkeys(("IST",), "Asia/Kolkata"),
    **dict.fromkeys(("JST",), "Asia/Tokyo"),
}
_OFFSET: Final = re.compile(r"(?:UTC|GMT|CET|Z)?\s*([+-])(\d{1,2})(?::?(\d{2}))?", re.I)
_CLOSE: Final = 0.8
_GENERAL: Final = 'name a place, such as "Europe/Berlin", or an offset, such as "+01:00"'


@lru_cache(maxsize=64)
def remedy_of_zone(name: str) -> str:
    """What to write instead of a name that is no time zone."""
    found = _offset(name) or _SHORT.get(name.strip().upper()) or _of_place(name)
    return f"did you mean '{found}'?" if found else _GENERAL


def _offset(name: str) -> str:
    """An offset such as `UTC+1` as `+01:00`; "" for other names."""
    found = _OFFSET.fullmatch(name.strip())
    return f"{found[1]}{int(found[2]):02d}:{found[3] or '00'}" if found is not None else ""


def _of_place(name: str) -> str:
    """The zone of a city, which is the last part of `name`; "" for none.

    A similar city of another region is not guessed.
    """
    region, _, last = name.rpartition("/")
    city = _plain(last)
    for zone, cities in _CITIES.items():
        if city in cities.split():
            return zone
    by_city = _by_city()
    near = difflib.get_close_matches(city, by_city, n=5, cutoff=_CLOSE)
    zones = [by_city[each] for each in near]
    of_region = [zone for zone in zones if _plain(zone.partition("/")[0]) == _plain(region)]
    return next(iter(of_region or (zones if near[:1] == [city] or not region else ())), "")


def _plain(name: str) -> str:
    """A name's letters a to z in lower case, without diacritics and all else."""
    letters = unicodedata.normalize("NFKD", name).lower()
    return "".join(sign for sign in letters if "a" <= sign <= "z")


@cache
def _by_city() -> dict[str, str]:
    """The zones by their cities, of zones with a region only."""
    zones = sorted(zone for zone in available_timezones() if "/" in zone)
    regions = ("Africa", "America", "Asia", "Atlantic", "Australia", "Europe", "Indian", "Pacific")
    known = [zone for zone in zones if zone.partition("/")[0] in regions]
    found: dict[str, str] = {}
    for zone in known:
        found.setdefault(_plain(zone.rpartition("/")[2]), zone)
    return found
