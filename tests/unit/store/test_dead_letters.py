"""Dead letters that are kept come back byte for byte, and go when their topic has taken them."""

from __future__ import annotations

from dataclasses import replace

from engine.store import Store
from engine.stream.record import DeadLetter, DeadLetterType, Record
from tests.unit.store.samples import Clock

RECORD = Record(
    topic="plates",
    partition=3,
    offset=17,
    timestamp_ms=1_766_678_400_123,
    key=b"\x00camera",
    value=bytes(range(256)),
    headers=(("trace", b"\xff\x00"), ("trace", None), ("empty", b"")),
)
LETTER = DeadLetter(
    RECORD, DeadLetterType.SCHEMA_VALIDATION, "the body is cut off", "Traceback", retry_count=2
)


def kept(store: Store, limit: int = 10) -> list[DeadLetter]:
    """The letters that the store keeps, the oldest first."""
    return list(store.letters.kept(limit).values())


def letter(offset: int) -> DeadLetter:
    """A letter of another record."""
    return replace(LETTER, record=replace(RECORD, offset=offset))


def test_a_dead_letter_comes_back_byte_for_byte(store: Store) -> None:
    record = replace(RECORD, offset=18, key=None, value=None, headers=())
    bare = replace(LETTER, record=record, stack_trace=None)
    store.letters.keep([LETTER, bare])
    assert kept(store) == [LETTER, bare]
    assert kept(store, 1) == [LETTER]


def test_a_record_is_kept_once_unless_its_bytes_are_others(store: Store) -> None:
    other = replace(LETTER, record=replace(RECORD, value=b"a topic made anew counts from 0 again"))
    store.letters.keep([LETTER])
    store.letters.keep([LETTER, other])
    assert kept(store) == [LETTER, other]


def test_a_dropped_dead_letter_is_gone(store: Store) -> None:
    store.letters.keep([LETTER, letter(18)])
    store.letters.drop([])
    store.letters.drop(store.letters.kept(1))
    assert kept(store) == [letter(18)]


def test_the_oldest_letters_go_until_the_rest_fits(store: Store) -> None:
    letters = [letter(offset) for offset in range(5)]
    store.letters.keep(letters)
    each_bytes = store.letters.size_bytes() // 5
    assert store.letters.drop_oldest(each_bytes * 2) == 3
    assert kept(store) == letters[3:]
    assert store.letters.drop_oldest(each_bytes * 2) == 0


def test_letters_go_by_their_age(store: Store, clock: Clock) -> None:
    store.letters.keep([letter(1)])
    clock.seconds += 60
    store.letters.keep([letter(2)])
    assert store.letters.drop_before(clock.us) == 1
    assert kept(store) == [letter(2)]


def test_a_letter_with_signs_that_no_database_takes_is_kept(store: Store) -> None:
    store.letters.keep([replace(LETTER, message="a\0b\ud800")])
    assert kept(store)[0].message == "a\ufffdb?"


def test_what_was_replayed_is_known_with_its_last_time(store: Store, clock: Clock) -> None:
    store.letters.mark_replayed(["a", "b"])
    first_us = store.letters.replayed(["a", "b", "c"])
    clock.seconds += 60
    store.letters.mark_replayed(["b"])
    assert store.letters.replayed(["a"]) == {"a": first_us["a"]}
    assert store.letters.replayed(["b"]) == {"b": first_us["b"] + 60_000_000}
    assert store.letters.replayed([]) == {}
