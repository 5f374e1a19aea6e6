"""Every error the engine raises, and the faults it reports.

A class's docstring is its default message; its `code` is stable and may be matched by tools.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import ClassVar, Final, TypeVar


class Severity(StrEnum):
    """How much a fault weighs: an error stops the load, a warning does not."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where something stands in a file; line and column count from 1."""

    file: str
    line: int = 1
    column: int = 1

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with a rule file, and what to do about it."""

    place: Place
    code: str
    what: str
    remedy: str = ""
    severity: Severity = Severity.ERROR

    def __str__(self) -> str:
        text = f"{self.place}: {self.what}"
        return f"{text}, {self.remedy}" if self.remedy else text


@dataclass(frozen=True, slots=True)
class Refusal:
    """A watchlist whose file has too few rows to be taken over; `fault` says so.

    `rows` is how many the file has, `rows_before` how many the list had; `can_accept` says whether
    somebody may accept it as it is.
    """

    name: str
    file: Path
    rows: int
    rows_before: int
    can_accept: bool
    fault: Fault


@dataclass(frozen=True, slots=True)
class Problem:
    """A fault inside one expression or template: `offset` counts code points from its start."""

    offset: int
    code: str
    what: str
    remedy: str = ""
    severity: Severity = Severity.ERROR

    def __str__(self) -> str:
        text = f"{self.offset + 1}: {self.what}"
        return f"{text}, {self.remedy}" if self.remedy else text


_Finding = TypeVar("_Finding", Fault, Problem)


def errors_of(findings: Iterable[_Finding]) -> tuple[_Finding, ...]:
    """Those of the faults or problems that are errors, in their order; warnings are left out."""
    return tuple(each for each in findings if each.severity is Severity.ERROR)


class AlertEngineError(Exception):
    """The alert engine met a problem."""

    code: ClassVar[str] = "alert-engine"

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (type(self).__doc__ or "").split("\n", 1)[0])


class SettingsError(AlertEngineError):
    """The environment holds unusable settings."""

    code = "settings"

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class VariableError(AlertEngineError):
    """The value of an environment variable can't be had."""

    code = "variable"

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(f"{what}, {remedy}")
        self.what = what
        self.remedy = remedy


class SchemaError(AlertEngineError):
    """An Avro schema file can't be used."""

    code = "schema"


class DecodeError(AlertEngineError):
    """The record's bytes are not an event of the schema that they name."""

    code = "decode"


class SourceError(AlertEngineError):
    """The source of events can't be read."""

    code = "source"


class EventError(AlertEngineError):
    """A value given as an event does not fit the event schema."""

    code = "event"


class RegistryUnavailableError(AlertEngineError):
    """The schema registry can't be reached just now."""

    code = "registry-unavailable"


class BrokerUnavailableError(AlertEngineError):
    """The Kafka broker can't be reached just now."""

    code = "broker-unavailable"


class WorkerLostError(AlertEngineError):
    """A process that does a part of the work has ended."""

    code = "worker-lost"


class HistoryError(AlertEngineError):
    """The topic's past can't be read."""

    code = "history"


class NoTopicError(HistoryError):
    """There is no such topic."""

    code = "no-topic"


class StreamError(AlertEngineError):
    """The Kafka client was shut out for good; only a new one can go on."""

    code = "stream"


class RulesError(AlertEngineError):
    """The rule files hold faults; all of them are in `faults`, sorted by place."""

    code = "rules"

    def __init__(
        self,
        faults: tuple[Fault, ...],
        lists: tuple[Path, ...] = (),
        refusals: tuple[Refusal, ...] = (),
    ) -> None:
        """`lists` are the files of the watchlists that the rule files name, as far as is known.

        `refusals` are those of them that have too few rows.
        """
        super().__init__("\n".join(str(fault) for fault in faults))
        self.faults = faults
        self.lists = lists
        self.refusals = refusals

    @property
    def errors(self) -> tuple[Fault, ...]:
        """The faults that keep the rules from being loaded: no warnings."""
        return errors_of(self.faults)


class LastGoodError(AlertEngineError):
    """The last good rule set that was kept can't be used."""

    code = "last-good"


class RulesNotKeptError(AlertEngineError):
    """A file of a former rule set is not in the store, so that the set can't be loaded."""

    code = "rules-not-kept"


class ExpressionError(AlertEngineError):
    """An expression or a template can't be compiled; all reasons are in `problems`."""

    code = "expression"

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("; ".join(str(problem) for problem in problems))
        self.problems = problems


class EvaluationError(AlertEngineError):
    """An expression failed on this event; `error_type` is its stable kind, a metric label."""

    code = "evaluation"

    def __init__(self, error_type: str, message: str) -> None:
        super().__init__(message)
        self.error_type = error_type


class SilenceError(AlertEngineError):
    """A silence can't be used."""

    code = "silence"


class ChannelError(AlertEngineError):
    """A channel's definition can't be used; `path` names the key inside it."""

    code = "channel"

    def __init__(self, what: str, remedy: str, path: tuple[str | int, ...] = ()) -> None:
        super().__init__(f"{what}, {remedy}")
        self.what = what
        self.remedy = remedy
        self.path = path


class StoreError(AlertEngineError):
    """The alert store can't be used."""

    code = "store"


class StoreUnavailableError(StoreError):
    """The alert store can't be written just now."""

    code = "store-unavailable"


class UnstorableError(StoreError):
    """The alert store is well, but does not take what it was given."""

    code = "unstorable"


class StoreInUseError(StoreError):
    """Another alert engine uses this store already."""

    code = "store-in-use"


class MissingExtraError(AlertEngineError):
    """A package that an extra installs is missing; `what` needs it."""

    code = "missing-extra"

    def __init__(self, extra: str, package: str, what: str) -> None:
        super().__init__(
            f"{what} needs {package}, which is not installed:"
            f" pip install 'alpr-alert-engine[{extra}]'"
        )


@contextmanager
def extra(name: str, package: str, what: str) -> Iterator[None]:
    """A context in which to import `package`, which `what` needs and the extra `name` installs.

    Raises MissingExtraError where the package is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name != package:
            raise
        raise MissingExtraError(name, package, what) from error


class BenchError(AlertEngineError):
    """A measurement came to no result."""

    code = "bench"


SHOWN_LENGTH: Final = 40


def shorten(name: str) -> str:
    """A name as messages show it."""
    return name if len(name) <= SHOWN_LENGTH else f"{name[:SHOWN_LENGTH]}…"
