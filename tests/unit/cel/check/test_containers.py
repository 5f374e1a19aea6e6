"""Records, lists and maps."""

from __future__ import annotations

import pytest

from engine.cel.types.kinds import EMPTY_LIST, EMPTY_MAP, SCALARS, list_of, nullable
from engine.schema import FieldType, Kind
from tests.unit.cel.plate_variables import compiled, problem_of

TEXT, INT = SCALARS[Kind.STRING], SCALARS[Kind.INT]


def map_of(key: FieldType | None, element: FieldType | None) -> FieldType:
    return FieldType(Kind.MAP, key=key, element=element)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("[]", EMPTY_LIST),
        ("{}", EMPTY_MAP),
        ("[1, latency_ms]", list_of(INT)),
        ("[1, 'a']", list_of(None)),
        ("[1, null]", list_of(nullable(INT))),
        ("[[], [1]]", list_of(list_of(INT))),
        ("[] + [1]", list_of(INT)),
        ("is_test ? [] : ['a']", list_of(TEXT)),
        ("{'a': 1}", map_of(TEXT, INT)),
        ("{1: 'a', 2: null}", map_of(INT, nullable(TEXT))),
        ("{1: 'a', 'b': 2}", map_of(None, None)),
        ("{'a': [1]}.a[0]", INT),
        ("{'a': 1}['a']", INT),
        ("[vehicle.make, camera_id]", list_of(nullable(TEXT))),
    ],
)
def test_what_is_written_out_has_the_type_of_its_parts(text: str, kind: FieldType) -> None:
    assert compiled(text).type == kind


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("{1.5: 1}", "a map's key must be string, int, uint or bool, not a double"),
        ("{null: 1}[null]", "a map's key must be string, int, uint or bool, not null"),
        ("labels[1]", "the keys of this map are of type string, not int"),
        ("{1: 2}['a']", "the keys of this map are of type int, not string"),
        ("{'a': 1}[[1]]", "the keys of this map are of type string, not list(int)"),
        ("{'a': 1}.map(k, k + 1)", "'+' can't be applied to string and int"),
        ("{1: 'a'}.all(k, k == 1 && k.size() > 1)", "size() can't be applied to (int)"),
    ],
)
def test_the_types_inside_are_checked(text: str, what: str) -> None:
    assert problem_of(text).what == what


def test_numbers_of_every_kind_look_up_a_number() -> None:
    assert compiled("{1: 2}[1u] + {1: 2}[1.0]").warnings == ()


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("[vehicle.make].exists(m, m.size() > 1)", 1),
        ("[vehicle.make].filter(m, m != null).exists(m, m.size() > 1)", 0),
        ("[vehicle.make].map(m, m != null, m.size())[0] > 1", 0),
        ("[vehicle.make].exists(m, m != null && m.size() > 1)", 0),
        ("[vehicle.make][0].size() > 1", 1),
        ("[vehicle.make][0] != null && [vehicle.make][0].size() > 1", 0),
        ("(is_test ? vehicle.make : null).size() > 1", 1),
        ("(vehicle.make != null ? vehicle.make : 'x').size() > 1", 0),
        ("extras != null && extras.lane > 1", 0),
        ("has(extras.lane) && extras.lane > 1", 0),
        ("extras.lane > 1", 1),
        ("plate.region != null && [1].all(plate, plate > 0) && plate.region > 'a'", 0),
    ],
)
def test_null_is_warned_of_wherever_it_may_come_from(text: str, count: int) -> None:
    assert [each.code for each in compiled(text).warnings] == ["may-be-null"] * count
