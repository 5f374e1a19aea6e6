"""How many examples random tests take; FUZZ_FACTOR multiplies them."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TypeVar

from hypothesis import HealthCheck, settings

_Test = TypeVar("_Test", bound=Callable[..., None])


def examples(count: int) -> Callable[[_Test], _Test]:
    """Hypothesis settings for so many examples."""
    factor = int(os.environ.get("FUZZ_FACTOR", "1"))
    return settings(
        max_examples=count * factor,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    )
