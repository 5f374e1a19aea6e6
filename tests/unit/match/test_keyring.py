from __future__ import annotations

import pytest

from engine.cel.syntax.parser import parse
from engine.match.keys import Key, Keyring
from tests.unit.cel.plate_variables import VARIABLES, event


def key(text: str, keyring: Keyring | None = None) -> Key:
    found = (keyring or Keyring()).key(parse(text), VARIABLES)
    assert found is not None
    return found


def test_a_field_is_one_key_whoever_asks() -> None:
    keyring = Keyring()
    assert key("plate.text", keyring) is key("plate.text", keyring)


@pytest.mark.parametrize("text", ["lower(plate.text)", "plate.text.lower()"])
def test_both_ways_to_call_lower_are_one_key(text: str) -> None:
    assert key(text).text == "lower(plate.text)"
    assert key(text).read(event()) == "abc 123"


def test_a_key_knows_the_field_that_makes_it_null() -> None:
    assert key("size(lower(plate.region))").path == "plate.region"
    assert key("type(plate.region)").path == ""
    assert key('plate.region + "x"').path == ""


def test_double_and_is_number_know_what_they_read() -> None:
    assert key("double(plate.text)").number_of == "plate.text"
    assert key("isNumber(plate.text)").is_number_of == "plate.text"


def test_nullability_is_the_records_or_the_fields() -> None:
    assert key("extras.lane").is_nullable
    assert key("plate.region").is_nullable
    assert not key("plate.text").is_nullable


def test_what_is_no_value_of_the_event_has_no_key() -> None:
    assert Keyring().key(parse("int"), VARIABLES) is None
    assert Keyring().key(parse("nobody.knows"), VARIABLES) is None


def test_equal_lists_are_one_object() -> None:
    keyring = Keyring()
    assert keyring.values(["a", "b"]) is keyring.values(["b", "a"])


def test_only_booleans_are_conditions_as_they_are() -> None:
    assert Keyring().is_bool(parse("is_test"), VARIABLES)
    assert not Keyring().is_bool(parse("plate.text"), VARIABLES)


def test_keys_for_patterns_read_what_re2_sees() -> None:
    keyring = Keyring()
    field = key("camera_id", keyring)
    assert keyring.folded(field).read(event(camera_id="Gate")) == "gate"
    assert keyring.whole(field).read(event(camera_id="Gate")) == "Gate"
    assert keyring.truth(key("is_test", keyring)).read(event()) is False
