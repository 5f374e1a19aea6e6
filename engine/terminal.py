"""Text from outside, made fit for a terminal."""

from __future__ import annotations

from typing import Final

REPLACEMENT: Final = "\ufffd"


def printable(text: str) -> str:
    """`text` without control and other invisible characters, which a terminal may obey.

    Line ends stay. A plate's text comes from outside and could move the cursor, or worse.
    """
    return "".join(
        each if each == "\n" or each.isprintable() or each in "\u200d\ufe0f" else REPLACEMENT
        for each in text
    )
