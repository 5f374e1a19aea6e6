"""Rules that one look-up gives, by their positions: few as they are, many behind an index again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeAlias


class Inner(Protocol):
    """An index of the rules of one bucket."""

    def gather(self, bindings: dict[str, Any], positions: set[int]) -> None:
        """Add the positions of the rules that may hold on the event."""


Bucket: TypeAlias = tuple[int, ...] | Inner
#: Makes the bucket of these positions.
Bucketer = Callable[[Sequence[int]], Bucket]
#: Appends the buckets for a key's value.
Step = Callable[[Any, list[Bucket]], None]
