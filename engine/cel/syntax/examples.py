"""The names that messages to authors show as examples: data of the caller, not of the language."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Examples:
    """Fields of the caller's events, and a watchlist, as remedies name them.

    `text` is a text field of a record, `plain` a field outside of records, and `condition` one for
    the operators of `conditions:`. `keys` are the fields whose values stand on watchlists, the one
    that remedies name first. `watchlist` is the name of a list.
    """

    text: str = "record.field"
    plain: str = "field"
    condition: str = "record.field"
    keys: tuple[str, ...] = ("record.field",)
    watchlist: str = "name"

    @property
    def key(self) -> str:
        """The field that remedies ask a watchlist for."""
        return self.keys[0]

    @property
    def list_call(self) -> str:
        """How a watchlist is called."""
        return f'watchlist("{self.watchlist}")'


#: For expressions of no schema.
NEUTRAL: Final = Examples()
