"""Whether the rules in force are those on disk: for `/readyz` and the metrics."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from channels.redact import redact
from engine.errors import Fault, Refusal, errors_of
from engine.health import Check
from engine.metrics import Metrics

#: How many faults `/readyz` shows; the log has all of them.
_FAULTS_SHOWN: Final = 20


class ReloadOutcome(StrEnum):
    """How a load of changed files ended."""

    LOADED = "loaded"
    REFUSED = "refused"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class _Trouble:
    what: str
    since: datetime
    faults: tuple[str, ...]


class RulesHealth:
    """Which rules are in force and, where these are not the files', why; any thread may ask."""

    def __init__(self, metrics: Metrics, rule_count: int) -> None:
        self._metrics = metrics
        self._rule_count = rule_count
        self._kept_at: datetime | None = None
        self._trouble: _Trouble | None = None
        #: The refused watchlists by name, each with the time of its first refusal.
        self._refused: dict[str, tuple[Refusal, datetime]] = {}
        metrics.rules_outdated.set(0)
        for outcome in ReloadOutcome:
            metrics.rule_reloads.labels(outcome)

    @property
    def is_outdated(self) -> bool:
        """Whether the rules in force are older than the files."""
        return self._trouble is not None

    def note_loaded(self, rule_count: int) -> None:
        """The rules of the files are in force."""
        self._rule_count = rule_count
        self._kept_at = None
        self._trouble = None
        self._metrics.rules_outdated.set(0)
        self._metrics.rule_reloads.labels(ReloadOutcome.LOADED).inc()

    def note_lists(
        self, in_force: Collection[str], refusals: Sequence[Refusal], now: datetime
    ) -> None:
        """Note the watchlists in force by name, and those whose files are refused as of `now`."""
        since = {name: since for name, (_, since) in self._refused.items()}
        self._refused = {each.name: (each, since.get(each.name, now)) for each in refusals}
        names = {*in_force, *self._refused}
        self._metrics.show_refused({name: name in self._refused for name in names})

    def note_refused(self, faults: Sequence[Fault], since: datetime) -> None:
        """The files hold faults; the rules in force stay."""
        self._metrics.rule_reloads.labels(ReloadOutcome.REFUSED).inc()
        self._note_faults(faults, since)

    def note_failed(self, what: str, since: datetime) -> None:
        """A defect of the engine, `what`, kept the files from being loaded."""
        self._metrics.rule_reloads.labels(ReloadOutcome.FAILED).inc()
        self._set_trouble(what, (), since)

    def note_last_good(self, faults: Sequence[Fault], kept_at: datetime, since: datetime) -> None:
        """The files held faults at the start; the last good set, kept at `kept_at`, is in force."""
        self._kept_at = kept_at
        self._note_faults(faults, since)

    def check(self) -> Check:
        """The check for `/readyz`. It is not essential: the engine works with older rules."""
        trouble, kept_at = self._trouble, self._kept_at
        in_force = f"{self._rule_count} rules in force"
        if trouble is None:
            return self._check_lists(in_force)
        source = "loaded before"
        if kept_at is not None:
            source = f"of the last good set, kept at {kept_at.isoformat(timespec='seconds')}"
        since = trouble.since.isoformat(timespec="seconds")
        faults = tuple(dict.fromkeys((*trouble.faults, *self._refused_faults())))
        return Check(
            False,
            f"{trouble.what} since {since}; {in_force}, {source}",
            is_essential=False,
            facts={"faults": faults} if faults else {},
        )

    def _check_lists(self, in_force: str) -> Check:
        refused = self._refused
        if not refused:
            return Check(True, in_force)
        lists = ", ".join(
            f"{name} ({refusal.rows:,} rows) since {since.isoformat(timespec='seconds')}"
            for name, (refusal, since) in refused.items()
        )
        return Check(
            False,
            f"{in_force}; refused files of watchlists, which stay as they were: {lists}",
            is_essential=False,
            facts={"faults": self._refused_faults()},
        )

    def _refused_faults(self) -> tuple[str, ...]:
        return tuple(str(refusal.fault) for refusal, _ in self._refused.values())

    def _note_faults(self, faults: Sequence[Fault], since: datetime) -> None:
        errors = [str(fault) for fault in errors_of(faults)]
        word = "fault" if len(errors) == 1 else "faults"
        self._set_trouble(f"{len(errors)} {word} in the files", errors, since)

    def _set_trouble(self, what: str, errors: Sequence[str], since: datetime) -> None:
        # The log redacts its lines itself; `/readyz` does not.
        shown = [redact(error) for error in errors[:_FAULTS_SHOWN]]
        if len(errors) > _FAULTS_SHOWN:
            shown.append(f"and {len(errors) - _FAULTS_SHOWN} more, see the log")
        before = self._trouble
        self._trouble = _Trouble(what, before.since if before else since, tuple(shown))
        self._metrics.rules_outdated.set(1)
