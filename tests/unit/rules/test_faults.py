"""Faults are gathered, sorted, and each told once."""

from __future__ import annotations

from engine.errors import Place
from engine.rules.faults import FaultCode, Faults, shown, suggestion


def test_faults_are_sorted_by_file_line_and_column() -> None:
    faults = Faults()
    for place in (Place("b", 1, 1), Place("a", 10, 1), Place("a", 2, 9), Place("a", 2, 1)):
        faults.error(place, FaultCode.YAML, "wrong", "mend it")
    places = [str(fault.place) for fault in faults.sorted()]
    assert places == ["a:2:1", "a:2:9", "a:10:1", "b:1:1"]


def test_the_same_fault_is_told_once() -> None:
    faults = Faults()
    faults.warning(Place("a"), FaultCode.YAML, "odd", "mend it")
    faults.warning(Place("a"), FaultCode.YAML, "odd", "mend it")
    assert len(faults.sorted()) == 1


def test_warnings_are_no_errors() -> None:
    faults = Faults()
    faults.warning(Place("a"), FaultCode.YAML, "odd", "mend it")
    before = faults.has_errors
    other = Faults()
    other.error(Place("a"), FaultCode.YAML, "wrong", "mend it")
    faults.extend(other)
    assert (before, faults.has_errors) == (False, True)
    assert len(faults.sorted()) == 2


def test_the_nearest_name_is_suggested() -> None:
    assert suggestion("emial", ["email", "sms"]) == "did you mean `email`?"
    assert suggestion("SMS", ["email", "sms"]) == "did you mean `sms`?"
    assert suggestion("pager", ["email", "sms"], "define it") == "define it"


def test_quoted_text_stays_on_one_short_line() -> None:
    assert shown("a\r\nb\x1b[0m") == "a  b [0m"
    assert shown("x" * 100) == "x" * 59 + "…"
