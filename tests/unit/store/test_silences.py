"""The store keeps silences, gives them to engines and to people, and forgets old ones."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from engine.store import OpenMode, Silence, SilenceState, Store, open_store
from tests.unit.store.samples import Clock

HOUR_US = 3_600 * 1_000_000


def silence_at(start_us: int, hours: int = 1, plate: str = "ABC123") -> Silence:
    return Silence(
        rule_id="stolen",
        plate=plate,
        camera_id="gate",
        condition="plate.confidence < 0.9",
        starts_us=start_us,
        ends_us=start_us + hours * HOUR_US,
        created_by="ann",
        comment="roadworks\0",
    )


def test_a_silence_is_given_back_as_it_was_added_with_an_id_of_its_own(
    store: Store, tool: Store, clock: Clock
) -> None:
    later, sooner = (tool.silences.add(silence_at(clock.us + hours * HOUR_US)) for hours in (2, 1))
    assert len(later.silence_id) == 8
    assert [each.silence_id for each in store.silences.all()] == [
        sooner.silence_id,
        later.silence_id,
    ]
    assert store.silences.all()[0].comment == "roadworks\ufffd"
    assert store.silences.all()[0].condition == "plate.confidence < 0.9"


def test_an_engine_reads_silences_when_they_have_changed_and_not_before(
    store: Store, tool: Store, clock: Clock
) -> None:
    first = store.silences.since(-1)
    assert first == (0, [])
    assert store.silences.since(0) is None
    added = tool.silences.add(silence_at(clock.us))
    second = store.silences.since(0)
    assert second is not None
    version, silences = second
    assert [each.silence_id for each in silences] == [added.silence_id]
    assert store.silences.since(version) is None
    tool.silences.expire(added.silence_id)
    third = store.silences.since(version)
    assert third is not None
    assert third[1][0].ends_us == clock.us


def test_an_expired_silence_ends_now_and_one_that_has_not_begun_never_begins(
    store: Store, clock: Clock
) -> None:
    active = store.silences.add(silence_at(clock.us - HOUR_US, hours=3))
    pending = store.silences.add(silence_at(clock.us + HOUR_US))
    assert active.state_at(clock.us) is SilenceState.ACTIVE
    assert pending.state_at(clock.us) is SilenceState.PENDING
    for each in (active, pending):
        expired = store.silences.expire(each.silence_id)
        assert expired is not None
        assert expired.state_at(clock.us) is SilenceState.EXPIRED
        assert expired.starts_us == min(each.starts_us, clock.us)
    clock.seconds += 60
    again = store.silences.expire(active.silence_id)
    assert again is not None
    assert again.ends_us == clock.us - 60_000_000
    assert store.silences.expire("ffffffff0") is None


def test_silences_that_were_over_before_a_time_are_swept(store: Store, clock: Clock) -> None:
    old, new = (store.silences.add(silence_at(clock.us + n * HOUR_US)) for n in (0, 1))
    assert store.silences.sweep(old.ends_us + 1) == 1
    assert [each.silence_id for each in store.silences.all()] == [new.silence_id]


def test_an_engine_misses_none_of_those_that_are_added_at_the_same_time(
    url: str, store: Store, tool: Store, clock: Clock
) -> None:
    def add_many(side: Store) -> None:
        for _ in range(20):
            side.silences.add(silence_at(clock.us))

    version, known = -1, list[Silence]()
    with (
        open_store(url, OpenMode.TOOL, clock=clock) as other,
        ThreadPoolExecutor() as threads,
    ):
        adding = [threads.submit(add_many, side) for side in (tool, other)]
        is_over = False
        while not is_over:
            # Asked first: what was added before must be found after it.
            is_over = all(each.done() for each in adding)
            if (found := store.silences.since(version)) is not None:
                version, known = found
        for each in adding:
            each.result()
    assert len(known) == 40
    assert store.silences.since(version) is None
