"""Python's garbage collector, kept away from what is made in one go and kept for long."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def collector_paused() -> Iterator[None]:
    """Nothing is collected until the end; then it goes on as it was found, inside one another too.

    It is one switch for all threads: use it for seconds, where references alone free what is made.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


@contextmanager
def made_to_stay() -> Iterator[None]:
    """What is made inside is not looked through later either: a pause of 0.2 s for 10,000 rules.

    Everything else that is alive by then is set aside too, so that garbage goes first. Only cycles
    would stay for ever; references still free what is set aside, as a rule set that is replaced.
    """
    gc.collect()
    with collector_paused():
        yield
        gc.freeze()


def set_aside() -> None:
    """Collect once, then look no more through whatever is alive now.

    For what takes another's place again and again: cycles of what libraries make beside it are
    collected, at the price of one pause.
    """
    gc.collect()
    gc.freeze()
