"""The formats of placeholders."""

from __future__ import annotations

import pytest

from engine.cel.template import check_format
from engine.cel.types.kinds import SCALARS, list_of
from engine.schema import FieldType, Kind


def fault(spec: str, kind: FieldType | None) -> str:
    """What is wrong with a format, and what to write; empty where nothing is."""
    problems = check_format(spec, kind, 3)
    assert all(each.code == "bad-format" and each.offset == 3 for each in problems)
    return ", ".join(f"{each.what}, {each.remedy}" for each in problems)


@pytest.mark.parametrize(
    ("kind", "specs"),
    [
        (Kind.STRING, ["", ">10", ".5", "^8s"]),
        (Kind.INT, ["d", ">6", "04d", ",", "x", ".1f", "%"]),
        (Kind.UINT, ["d", "04d"]),
        (Kind.DOUBLE, [".2f", ".0%", "e", "g"]),
        (Kind.BOOL, [">7"]),
        (Kind.TIMESTAMP, ["%H:%M", "%d.%m.%Y"]),
        (Kind.DURATION, [">8"]),
        (Kind.NULL, [">8"]),
    ],
)
def test_a_format_for_the_type_is_good(kind: Kind, specs: list[str]) -> None:
    assert [fault(spec, SCALARS[kind]) for spec in specs] == [""] * len(specs)


@pytest.mark.parametrize(
    ("kind", "spec", "message"),
    [
        (SCALARS[Kind.STRING], ".2f", "'.2f' is not a format for a string, write for instance >10"),
        (SCALARS[Kind.INT], "%H", "'%H' is not a format for an int, write for instance >6, 04d"),
        (SCALARS[Kind.DOUBLE], "d", "'d' is not a format for a double, write for instance .2f"),
        (SCALARS[Kind.BOOL], "d", "'d' is not a format for a bool, write for instance >10"),
        (SCALARS[Kind.DURATION], "%H:%M", "'%H:%M' is not a format for a duration, write"),
        (SCALARS[Kind.TIMESTAMP], ">20", "'>20' is not a format for a timestamp, write for"),
        (list_of(None), "d", "'d' is not a format for a list, write for instance >10"),
        (None, ">q", "'>q' is not a format, write for instance .2f, .1%"),
        (SCALARS[Kind.INT], "{x}", "the format '{x}' holds braces, write for instance >6"),
        (SCALARS[Kind.INT], ">99999", "the format '>99999' is too wide, write for instance"),
        (SCALARS[Kind.INT], "x" * 101, "is too wide, write for instance"),
    ],
)
def test_a_bad_format_is_reported_with_a_good_one(
    kind: FieldType | None, spec: str, message: str
) -> None:
    assert message in fault(spec, kind)


def test_what_may_be_anything_takes_the_format_of_anything() -> None:
    assert [fault(spec, None) for spec in (".2f", "%H:%M", ">10", "04d")] == [""] * 4
