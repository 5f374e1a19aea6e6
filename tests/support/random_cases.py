"""How many cases a random test makes up: a quarter of its count, all of them by FUZZ_FACTOR=1.

`make test-slow` and `make fuzz` set FUZZ_FACTOR; a larger one makes up as many times more.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Final, TypeVar

from hypothesis import HealthCheck, settings

_Test = TypeVar("_Test", bound=Callable[..., None])
_USUAL_FACTOR: Final = "0.25"


def examples(count: int) -> Callable[[_Test], _Test]:
    """Hypothesis settings for so many examples, times FUZZ_FACTOR."""
    factor = float(os.environ.get("FUZZ_FACTOR", _USUAL_FACTOR))
    return settings(
        max_examples=max(1, round(count * factor)),
        suppress_health_check=[
            HealthCheck.too_slow,
            HealthCheck.filter_too_much,
            HealthCheck.data_too_large,
            HealthCheck.function_scoped_fixture,
        ],
    )
