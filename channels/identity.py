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
    """The ids in order, a repeated one with its number: `hook:example.org`, `…-2`.

    A number is passed over where the id that it would make is given too.
    """
    given = tuple(ids)
    taken: set[str] = set()
    for name in given:
        unique, number = name, 1
        while unique in taken or (number > 1 and unique in given):
            number += 1
            unique = f"{name}-{number}"
        taken.add(unique)
        yield unique
