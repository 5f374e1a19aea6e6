"""Names that are unique over all files: compared by value, wherever they come from.

A merge key or an alias brings a name from elsewhere in its file, with the place that it has there:
one place may name two things, so places say only where to report.
"""

from __future__ import annotations

from typing import Final

from engine.errors import Place
from engine.rules.findings import Code, Findings
from engine.rules.node import Scalar

_OWN: Final = "`<<` or `*` brought it from there: give this one its own"


class Names:
    """The names of all things of one kind; `places` are where each is given first."""

    def __init__(self, findings: Findings, code: Code, used_twice: str, remedy: str) -> None:
        """`used_twice` says of the name `{}` that it is; `remedy` is for a name that is written."""
        self.places: dict[str, Place] = {}
        self._seen: set[Place] = set()
        self._findings = findings
        self._code = code
        self._used_twice = used_twice
        self._remedy = remedy

    def take(self, name: Scalar, owner: Place) -> bool:
        """Whether the name was free, and is taken by now; reports one that is used already.

        `owner` is the place of the mapping whose key or value the name is.
        """
        is_brought = name.place in self._seen
        self._seen.add(name.place)
        first = self.places.get(name.text)
        if first is None:
            self.places[name.text] = name.place
            return True
        self._findings.error(
            owner if is_brought else name.place,
            self._code,
            f"{self._used_twice.format(name.text)}, first at {first}",
            _OWN if is_brought else self._remedy,
        )
        return False
