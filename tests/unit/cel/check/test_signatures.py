"""What functions take and give."""

from __future__ import annotations

import pytest

from engine.cel.check.calls import fitting, result_of, takes
from engine.cel.types.functions import FUNCTIONS
from engine.cel.types.kinds import SCALARS, list_of
from engine.schema import Domain, FieldType, Kind
from tests.unit.cel.plate_variables import compiled

TEXT, INT, DOUBLE = SCALARS[Kind.STRING], SCALARS[Kind.INT], SCALARS[Kind.DOUBLE]
TIME, SPAN = SCALARS[Kind.TIMESTAMP], SCALARS[Kind.DURATION]


def result(name: str, *kinds: FieldType | None) -> FieldType | None:
    """The type of a call that fits."""
    rows = fitting(FUNCTIONS[name], kinds)
    assert rows
    return result_of(FUNCTIONS[name], rows, kinds)


def test_a_signature_fits_when_every_known_type_does() -> None:
    for kinds in ((TEXT, INT), (TEXT, None), (None, None)):
        assert fitting(FUNCTIONS["charAt"], kinds)
    for wrong in ((INT, INT), (TEXT, DOUBLE), (TEXT,)):
        assert not fitting(FUNCTIONS["charAt"], wrong)
    assert fitting(FUNCTIONS["type"], [FieldType(Kind.RECORD)])


def test_a_record_has_no_size() -> None:
    assert fitting(FUNCTIONS["size"], [FieldType(Kind.MAP)])
    assert not fitting(FUNCTIONS["size"], [FieldType(Kind.RECORD)])


@pytest.mark.parametrize(
    ("name", "kinds", "kind"),
    [
        ("split", (TEXT, TEXT), list_of(TEXT)),
        ("join", (list_of(TEXT),), TEXT),
        ("size", (TEXT,), INT),
        ("size", (None,), INT),
        ("timestamp", (TEXT,), TIME),
        ("duration", (TEXT,), SPAN),
        ("uint", (INT,), SCALARS[Kind.UINT]),
        ("bytes", (TEXT,), SCALARS[Kind.BYTES]),
        ("type", (INT,), SCALARS[Kind.TYPE]),
        ("dyn", (INT,), None),
        ("getHours", (SPAN,), INT),
        ("math.greatest", (list_of(DOUBLE),), DOUBLE),
        ("math.greatest", (INT, INT), INT),
        ("math.greatest", (INT, DOUBLE), None),
    ],
)
def test_a_result_has_the_type_that_the_signatures_say(
    name: str, kinds: tuple[FieldType | None, ...], kind: FieldType | None
) -> None:
    assert result(name, *kinds) == kind


def test_the_elements_of_a_list_must_fit_too() -> None:
    assert not fitting(FUNCTIONS["join"], [list_of(INT)])
    assert fitting(FUNCTIONS["join"], [list_of(None)])
    assert not fitting(FUNCTIONS["math.least"], [list_of(TEXT)])


def test_what_is_known_of_a_result_beyond_its_type() -> None:
    def domain(name: str, *kinds: FieldType | None) -> Domain | None:
        found = result(name, *kinds)
        return found.domain if found is not None else None

    assert domain("getDayOfWeek", TIME) == Domain(0, 6, note="Sunday is 0")
    assert domain("getHours", SPAN) is None
    assert domain("size", list_of(TEXT)) == Domain(minimum=0)
    assert domain("indexOf", TEXT, TEXT) == Domain(minimum=-1)
    letters = FieldType(Kind.STRING, domain=Domain(is_lower=True))
    assert domain("trim", letters) == letters.domain


def test_what_a_function_takes_is_said_as_it_is_called() -> None:
    assert takes(FUNCTIONS["contains"], 2) == "string.contains(string)"
    assert takes(FUNCTIONS["join"], 2) == "list(string).join(string)"
    assert takes(FUNCTIONS["bytes"], 1) == "bytes(bytes) or bytes(string)"
    assert takes(FUNCTIONS["math.greatest"], 2) == "math.greatest(number, number)"
    assert "map" in takes(FUNCTIONS["size"], 1)


def test_every_function_has_a_result_for_its_own_signatures() -> None:
    kinds = {str: TEXT, int: INT, float: DOUBLE, object: None}
    for function in FUNCTIONS.values():
        for row in function.overloads:
            if all(param in kinds for param in row.params):
                given = [kinds[param] for param in row.params]
                assert row in fitting(function, given), function.name


def test_types_reach_the_rules() -> None:
    assert compiled("camera_id.split('-')[0].size()").type == INT
    assert compiled("time - time").type == SPAN
    assert compiled("[1, 2].map(x, [x])").type == list_of(list_of(INT))
