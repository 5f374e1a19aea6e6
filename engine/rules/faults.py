"""Collects the faults of one load, and writes the texts that their messages quote."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import Final

from channels.redact import redact
from engine.errors import Fault, Place, Severity

_WORD: Final = re.compile(r"[\w. -]{1,60}")
_LONGEST_QUOTE: Final = 60


class FaultCode(StrEnum):
    """The stable codes of faults in rule files; `engine.cel` has those of expressions."""

    UNREADABLE = "unreadable"
    NOT_UTF8 = "not-utf8"
    TOO_LARGE = "too-large"
    TOO_DEEP = "too-deep"
    YAML = "yaml"
    TAG = "yaml-tag"
    ALIAS = "yaml-alias"
    SEVERAL_DOCUMENTS = "several-documents"
    EMPTY_FILE = "empty-file"
    NO_RULES = "no-rules"
    DUPLICATE_KEY = "duplicate-key"
    UNKNOWN_KEY = "unknown-key"
    MISSING_KEY = "missing-key"
    WRONG_TYPE = "wrong-type"
    BAD_VALUE = "bad-value"
    AMBIGUOUS_VALUE = "ambiguous-value"
    EXPRESSION = "expression"
    NO_CONDITION = "no-condition"
    DUPLICATE_ID = "duplicate-id"
    UNKNOWN_RULE = "unknown-rule"
    UNKNOWN_CHANNEL = "unknown-channel"
    CHANNEL_DISABLED = "channel-disabled"
    NO_CHANNEL = "no-channel"
    DUPLICATE_CHANNEL = "duplicate-channel"
    CHANNEL = "channel"
    DUPLICATE_WATCHLIST = "duplicate-watchlist"
    DUPLICATE_INTERVAL = "duplicate-interval"
    UNKNOWN_INTERVAL = "unknown-interval"
    WATCHLIST_SHRUNK = "watchlist-shrunk"
    WATCHLIST_ROWS = "watchlist-too-few"
    NULLABLE_KEY = "nullable-key"
    EMPTY_KEY = "empty-key"
    NULLABLE_CONDITION = "may-be-null"
    ODD_KEY = "odd-key"
    NEVER_TRUE = "never-true"
    NO_EFFECT = "no-effect"
    SLOW = "slow"
    EVENT = "event"


class Faults:
    """The errors and warnings of one load; `has_errors` says that the load must fail."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self.has_errors = False

    def error(self, place: Place, code: str, what: str, remedy: str) -> None:
        """Adds a fault that stops the load."""
        self.has_errors = True
        self._faults.append(Fault(place, str(code), what, remedy))

    def warning(self, place: Place, code: str, what: str, remedy: str) -> None:
        """Adds a fault that does not stop the load."""
        self._faults.append(Fault(place, str(code), what, remedy, Severity.WARNING))

    def extend(self, faults: Iterable[Fault]) -> None:
        """Adds faults of either severity."""
        for fault in faults:
            self.has_errors = self.has_errors or fault.severity is Severity.ERROR
            self._faults.append(fault)

    def __iter__(self) -> Iterator[Fault]:
        return iter(self._faults)

    def sorted(self) -> tuple[Fault, ...]:
        """All faults by file, line and column, each once."""
        return tuple(sorted(dict.fromkeys(self._faults), key=lambda fault: fault.place))


def suggestion(name: str, known: Iterable[str], otherwise: str = "") -> str:
    """The remedy for an unknown name: the most similar known one, or else `otherwise`."""
    candidates = list(known)
    near = difflib.get_close_matches(name, candidates, n=1, cutoff=0.6)
    near = near or [each for each in candidates if each.lower() == name.strip().lower()][:1]
    return f"did you mean `{near[0]}`?" if near else otherwise


def named(key: str) -> str:
    """A key in backquotes, with a blank before it; "" for a key that is not a word.

    Where the blank after a colon is missing, a password may have become part of a key.
    """
    return f" `{key}`" if _WORD.fullmatch(key) else ""


def shown(text: str) -> str:
    """Text of a file as messages quote it: redacted, on one line, printable, shortened."""
    # Redacted before it is cut: a part of a secret is not recognised.
    line = "".join(char if char.isprintable() else " " for char in redact(text))
    return line if len(line) <= _LONGEST_QUOTE else f"{line[: _LONGEST_QUOTE - 1]}…"
