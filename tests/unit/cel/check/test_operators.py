"""The check of operators."""

from __future__ import annotations

import pytest

from tests.unit.cel.plate_variables import compiled, problem_of


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("latency_ms + 1.0 > 2.0", "'+' can't be applied to int and double"),
        ("camera_id + 1 == ''", "'+' can't be applied to string and int"),
        ("plate.confidence % 2.0 == 1.0", "'%' can't be applied to double and double"),
        ("camera_id > 5", "'>' can't compare string with int"),
        ("plate < plate", "'<' can't compare record with record"),
        ("latency_ms < null", "'<' can't be applied to null"),
        ("latency_ms + null > 1", "'+' can't be applied to null"),
        ("camera_id[0] == 'x'", "'[ ]' takes an element of a list or a map, not of a string"),
        ("plate['txt'] == 'x'", "'[ ]' takes an element of a list or a map, not of a record"),
        ("tags['a'] == 'x'", "the index of a list is a whole number, not a string"),
        ("-camera_id == 'x'", "'-' can't be applied to string"),
        ("-time == time", "'-' can't be applied to timestamp"),
        ("'a' in camera_id", "'in' looks into a list or a map, not a string"),
    ],
)
def test_operands_that_never_fit_are_faults(text: str, what: str) -> None:
    assert problem_of(text).what == what


@pytest.mark.parametrize(
    "text",
    [
        "plate.confidence > 1", "latency_ms < 2.5", "latency_ms == 1.0", "1 in [1.0]",
        "time - time > duration('1h')", "time + duration('1h') > time", "dyn(camera_id) > 5",
        "camera_id + 'x' == plate.text", "tags + ['a'] == tags", "plate == plate",
        "tags[0] > 'a'", "vehicle.make == null", "-plate.confidence < 0", "'a' in labels",
        "tags[1.0] > 'a'", "labels['a'] > 'a'", "latency_ms in [1.5]", "-latency_ms < 0",
    ],
)  # fmt: skip
def test_operands_that_fit_are_not(text: str) -> None:
    assert compiled(text).warnings == ()


def test_operands_that_are_never_equal_are_a_warning() -> None:
    (warning,) = compiled("plate.confidence == 'high'").warnings
    assert (warning.code, warning.what) == ("never-equal", "double and string are never equal")
    (warning,) = compiled("plate == extras").warnings
    assert (warning.code, warning.what) == ("never-equal", "record and record are never equal")
    (warning,) = compiled("plate.text in [1, 2]").warnings
    assert (warning.code, warning.what) == ("never-equal", "a string is never in a list of int")


@pytest.mark.parametrize(
    ("text", "sign"),
    [
        ("extras.quality_score > 0.5", "'>'"),
        ("1.0 < extras.quality_score", "'<'"),
        ("vehicle.make + 'x' == 'ax'", "'+'"),
        ("-extras.lane == 1", "'-'"),
    ],
)
def test_an_operator_that_may_meet_null_is_a_warning(text: str, sign: str) -> None:
    (warning,) = compiled(text).warnings
    assert warning.code == "may-be-null"
    assert sign in warning.what


@pytest.mark.parametrize("name", ["tags", "camera_id", "plate.text", "vehicle.colour"])
def test_a_fields_name_in_quotes_is_recognised(name: str) -> None:
    (warning,) = compiled(f"'{name}' == 'x'").warnings
    assert warning.remedy == f"a field's name has no quotes: {name}"


def test_other_texts_in_quotes_are_no_names() -> None:
    (warning,) = compiled("'x' == 'y'").warnings
    assert warning.remedy == "write true or false"
