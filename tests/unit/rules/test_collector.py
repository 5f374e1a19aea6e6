"""The garbage collector is off while a rule set is made, and then as it was before."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from engine.rules.load import collect_and_freeze, collector_paused, frozen_afterwards

pytestmark = pytest.mark.waits


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    yield
    gc.unfreeze()
    gc.enable()


class Kept:
    """Something that can be asked whether it is alive."""

    def __init__(self) -> None:
        self.other: Kept | None = None


def test_the_collector_is_off_inside_the_block_and_on_after_it() -> None:
    with collector_paused():
        assert not gc.isenabled()
    assert gc.isenabled()


def test_the_inner_pause_does_not_end_the_outer_one() -> None:
    with collector_paused():
        with collector_paused():
            pass
        assert not gc.isenabled()


def test_a_collector_that_was_off_stays_off() -> None:
    gc.disable()
    with collector_paused():
        pass
    assert not gc.isenabled()


def test_a_failure_inside_ends_the_pause() -> None:
    with pytest.raises(ValueError, match="broken"), collector_paused():
        raise ValueError("broken")
    assert gc.isenabled()


def test_objects_made_in_the_block_are_excluded_from_collections() -> None:
    with frozen_afterwards():
        kept = Kept()
    assert not any(each is kept for each in gc.get_objects())
    assert gc.isenabled()


def test_a_frozen_object_is_freed_with_its_last_reference() -> None:
    with frozen_afterwards():
        kept = Kept()
    seen = weakref.ref(kept)
    del kept
    assert seen() is None


def test_garbage_is_collected_before_the_rest_is_frozen() -> None:
    with collector_paused():
        kept = Kept()
        kept.other = kept
        seen = weakref.ref(kept)
        del kept
        assert seen() is not None
        with frozen_afterwards():
            assert seen() is None


def test_a_failure_freezes_nothing() -> None:
    before = gc.get_freeze_count()
    with pytest.raises(ValueError, match="broken"), frozen_afterwards():
        raise ValueError("broken")
    assert gc.get_freeze_count() == before
    assert gc.isenabled()


def test_cycles_are_collected_before_live_objects_are_frozen() -> None:
    cycle, kept = Kept(), Kept()
    cycle.other = cycle
    is_gone, is_freed = weakref.ref(cycle), weakref.ref(kept)
    del cycle
    collect_and_freeze()
    assert is_gone() is None
    assert gc.get_freeze_count() > 0
    assert gc.isenabled()
    del kept
    assert is_freed() is None
