"""Target ids: what a stored delivery remembers its recipient by.

Made of the channel's name, the service and the recipient, never of credentials: a rotated token
is still the same target, so that what waited for it is delivered.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import Final

_KEY: Final = b"alert-engine target id"


def target_id(channel: str, *parts: str) -> str:
    """`channel:part:part`."""
    return ":".join((channel, *parts))


def hashed(text: str) -> str:
    """A short stable stand-in for a recipient that may itself be a secret."""
    return hashlib.blake2b(text.encode(), digest_size=5, key=_KEY).hexdigest()


def distinct(ids: Iterable[str]) -> Iterator[str]:
    """The ids in order, a repeated one with its number: `hook:example.org`, `…-2`."""
    seen: dict[str, int] = {}
    for name in ids:
        seen[name] = seen.get(name, 0) + 1
        yield name if seen[name] == 1 else f"{name}-{seen[name]}"
