"""Target ids."""

from __future__ import annotations

from channels.service import distinct, hashed, target_id


def test_id_is_channel_and_recipient() -> None:
    assert target_id("ops", "slack", "#alerts") == "ops:slack:#alerts"


def test_hash_is_short_and_stable() -> None:
    assert hashed("topic") == "efe58c13fa"
    assert hashed("topic") != hashed("topik")


def test_repeated_ids_are_numbered_in_order() -> None:
    assert list(distinct(["a", "b", "a", "a"])) == ["a", "b", "a-2", "a-3"]


def test_a_number_never_makes_an_id_that_is_given_too() -> None:
    assert list(distinct(["a", "a", "a-2", "a"])) == ["a", "a-3", "a-2", "a-4"]
    assert list(distinct(["a-2", "a", "a", "a-2"])) == ["a-2", "a", "a-3", "a-2-2"]
