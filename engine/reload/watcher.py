"""The rule watcher: loads changed files while the old rules run, and puts good ones in force.

A set with faults is logged and reported, and changes nothing else. No fault of a file, and no error
of the engine, ends the watcher's thread. `RulesHealth` says for `/readyz` and the metrics whether
the rules in force are those on disk.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Final

import structlog

from channels.redact import redact
from engine.clock import Clock
from engine.errors import Fault, Refusal, RulesError, errors_of
from engine.health import Check, Heartbeat
from engine.metrics import Metrics
from engine.reload.file_state import LONGEST_SECONDS, await_quiet, identities
from engine.reload.last_good import LastGood
from engine.reload.loader import LoadAttempt, Opening, RuleSource
from engine.reload.notifier import Notifier, Places
from engine.rules import RuleSet

log = structlog.get_logger(__name__)

#: How often the files are looked at while no change is reported.
LOOK_SECONDS: Final = 2.0
#: When keeping the last good set fails, it is tried again after so long.
KEEP_SECONDS: Final = 60.0
#: How often the log repeats that a watchlist is refused.
REMIND_SECONDS: Final = 3_600.0
#: How long the end of the context waits for the thread.
STOP_SECONDS: Final = 0.5
#: For how long other threads wait for the one that loads; Python's own 5 ms pass at each call of an
#: event into the system, of which an alert has dozens.
TURN_SECONDS: Final = 0.000_5
#: How many faults `/readyz` shows; the log has all of them.
_FAULTS_SHOWN: Final = 20


class Cause(StrEnum):
    """Why rules are loaded."""

    FILES = "files"
    SIGNAL = "signal"
    ACCEPTED = "accepted"


class ReloadOutcome(StrEnum):
    """How a load of changed files ended."""

    LOADED = "loaded"
    REFUSED = "refused"
    FAILED = "failed"


class RuleWatcher:
    """Watches, loads and swaps in a thread of its own, while its context is open.

    `use` puts a rule set in force. The watcher's thread calls it, never after the context's end.
    """

    def __init__(
        self,
        source: RuleSource,
        opening: Opening,
        use: Callable[[RuleSet], None],
        health: RulesHealth,
        last_good: LastGood,
        clock: Clock,
    ) -> None:
        self._source = source
        self._use = use
        self._health = health
        self._last_good = last_good
        self._clock = clock
        self._running = opening.rule_set
        self._known = opening.known
        attempt = opening.attempt
        self._seen = attempt.state
        self._tried: Mapping[Path, str] | None = attempt.digests if attempt.is_current else None
        self._unkept = None if opening.kept or opening.rule_set.misconfigured else attempt
        self._keep_at = 0.0
        self._not_kept = ""
        self._failure = ""
        self._cut_off: frozenset[Path] = frozenset()
        self._warned = frozenset(opening.rule_set.warnings)
        self._notes = last_good.acceptances.notes()
        self._refusals: tuple[Refusal, ...] = ()
        self._remind_at = 0.0
        if opening.kept is not None and isinstance(attempt.result, RulesError):
            health.note_last_good(attempt.result.faults, opening.kept.saved_at, clock.now())
        self._note_refusals(attempt.result.refusals)
        # A plain flag, which a signal's handler can set at any moment.
        self._is_asked = False
        self.heartbeat = Heartbeat()
        self._stop = threading.Event()
        self._swap = threading.Lock()
        self._notifier = Notifier(lambda: self._is_asked or self._stop.is_set(), LOOK_SECONDS)
        self._thread = threading.Thread(target=self._run, name="rule-watcher", daemon=True)

    def ask(self) -> None:
        """Load the rules again, changed or not; a signal's handler may call this."""
        self._is_asked = True

    def _run(self) -> None:
        places: Places | None = None
        while not self._stop.is_set():
            self.heartbeat.beat("looking for changed rule files and watchlists")
            try:
                self._remind()
                self._keep()
                places = places or self._places()
                # Listing a thousand files takes a while: it is done again after a change only.
                if self._notifier.wait(places) | self._look():
                    places = None
            except Exception as error:  # noqa: BLE001 - the thread goes on with the next change
                self._fail(error)
        self._notifier.close()

    def _look(self) -> bool:
        """Load the files where they have changed or a load was asked for; False where not."""
        is_asked, self._is_asked = self._is_asked, False
        before, self._notes = self._notes, self._last_good.acceptances.notes()
        cause = Cause.SIGNAL if is_asked else Cause.FILES
        if not is_asked and self._notes - before:
            cause = Cause.ACCEPTED
        seen = self._source.files.look()
        self._log_cut_off(seen.cut_off)
        is_changed = seen != self._seen or self._tried is None
        if self._stop.is_set() or (cause is Cause.FILES and not is_changed):
            return False
        # Set before the load: one that fails is not tried again until the files change.
        self._seen = seen
        with _short_turns():
            attempt = self._load(self._tried if cause is Cause.FILES else None)
            if attempt is not None and not self._stop.is_set():
                self._take(attempt, cause)
        return True

    def _places(self) -> Places:
        """The paths to watch: the files and folders of the rules, and the folder of acceptances."""
        return {**self._source.files.places(), **identities([self._last_good.folder])}

    def _load(self, tried: Mapping[Path, str] | None) -> LoadAttempt | None:
        """Load the files once they no longer change; None if their digests are still `tried`."""
        clock, source = self._clock, self._source
        until = clock.monotonic() + LONGEST_SECONDS
        while True:
            self.heartbeat.beat("loading changed rule files and watchlists")
            seen = await_quiet(source.files.look, self._stop.wait, clock.monotonic, until)
            if tried is not None and source.files.digests(seen) == tried:
                self._seen = seen
                return None
            # A reload may not break a channel that works; one that is held may stay held.
            may_hold = self._running.misconfigured.__contains__
            accepts = self._last_good.acceptances.accepts
            attempt = source.attempt(seen, self._known, accepts, may_hold)
            if attempt.is_current or self._stop.is_set() or clock.monotonic() >= until:
                self._seen = attempt.state
                self._tried = attempt.digests if attempt.is_current else None
                return attempt
            tried = None
            _discard(attempt.result)
            # Frees its watchlists before they are read once more.
            del attempt

    def _take(self, attempt: LoadAttempt, cause: Cause) -> None:
        if isinstance(attempt.result, RulesError):
            self._refuse(attempt.result, cause)
            return
        rule_set, before = attempt.result, self._running
        self.heartbeat.beat("putting changed rules in force")
        with self._swap:
            if self._stop.is_set():
                return
            self._use(rule_set)
        self._running, self._known = rule_set, rule_set.watchlists
        self._failure = ""
        was_outdated = self._health.is_outdated
        self._health.note_loaded(len(rule_set.rules))
        self._note_refusals(rule_set.refusals)
        log_warnings(rule_set, self._warned)
        self._warned = frozenset(rule_set.warnings)
        log_misconfigured(rule_set)
        ids = {rule.rule_id for rule in rule_set.rules}
        former_ids = {rule.rule_id for rule in before.rules}
        log.info(
            "rules.reloaded",
            cause=str(cause),
            rules=len(ids),
            added=len(ids - former_ids),
            removed=len(former_ids - ids),
            channels=sorted(rule_set.channels),
            watchlists={each.name: each.row_count for each in rule_set.watchlists.values()},
            is_mended=was_outdated,
        )
        self._unkept, self._keep_at = None if rule_set.misconfigured else attempt, 0.0

    def _refuse(self, error: RulesError, cause: Cause) -> None:
        self._health.note_refused(error.faults, self._clock.now())
        self._note_refusals(error.refusals)
        log.error(
            "rules.refused",
            cause=str(cause),
            faults=[str(fault) for fault in error.errors],
            in_force=len(self._running.rules),
            remedy="mend the files: they come into force as soon as they are good",
        )

    def _note_refusals(self, refusals: tuple[Refusal, ...]) -> None:
        self._health.note_lists(self._running.watchlists, refusals, self._clock.now())
        if refusals != self._refusals:
            self._refusals, self._remind_at = refusals, 0.0

    def _remind(self) -> None:
        """Log which watchlists are refused: at once, and then every `REMIND_SECONDS`."""
        if self._clock.monotonic() < self._remind_at:
            return
        self._remind_at = self._clock.monotonic() + REMIND_SECONDS
        for refusal in self._refusals:
            log.error(
                "watchlist.refused",
                watchlist=refusal.name,
                file=str(refusal.file),
                rows=refusal.rows,
                rows_in_force=refusal.rows_before,
                what=refusal.fault.what,
                remedy=refusal.fault.remedy,
            )

    def _fail(self, error: Exception) -> None:
        if repr(error) != self._failure:
            self._failure = repr(error)
            what = f"loading failed ({type(error).__name__})"
            self._health.note_failed(what, self._clock.now())
            log.error("rules.reload_failed", exc_info=error)
        # Not None: the next load waits for a change. Empty: whatever the files then hold is loaded.
        self._tried = {}
        self._stop.wait(LOOK_SECONDS)

    def _keep(self) -> None:
        attempt = self._unkept
        if attempt is None or self._clock.monotonic() < self._keep_at:
            return
        self._keep_at = self._clock.monotonic() + KEEP_SECONDS
        lists = {
            each.name: (each.path, each.row_count) for each in self._running.watchlists.values()
        }
        digests = {path: digest for path, digest in attempt.digests.items() if not path.is_dir()}
        try:
            if attempt.is_current:
                path = self._source.rules_path
                refused = [refusal.file for refusal in self._running.refusals]
                self._last_good.keep(path, digests, lists, self._clock.now(), refused)
            self._unkept, self._not_kept = None, ""
        except OSError as error:
            if str(error) != self._not_kept:
                self._not_kept = str(error)
                log.warning(
                    "last_good.not_kept",
                    error=str(error),
                    remedy=f"free space, or make {self._last_good.folder} writable",
                )

    def _log_cut_off(self, cut_off: Iterable[Path]) -> None:
        for path in set(cut_off) - self._cut_off:
            log.warning(
                "rules.cut_off",
                path=str(path),
                remedy="the mounted file was replaced outside: mount its folder, restart once",
            )
        self._cut_off = frozenset(cut_off)

    def __enter__(self) -> RuleWatcher:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        with self._swap:
            # A swap under way has ended, and no other begins: `_stop` is set.
            pass
        # Not long: a load of thousands of rules may be under way.
        self._thread.join(STOP_SECONDS)


@contextmanager
def _short_turns() -> Iterator[None]:
    """Have the interpreter change threads more often, so that the stream does not wait for this."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(TURN_SECONDS)
    try:
        yield
    finally:
        sys.setswitchinterval(usual)


def log_warnings(rule_set: RuleSet, logged: Set[Fault] = frozenset()) -> None:
    """Log the warnings of a rule set, but those that were `logged` before.

    A channel that does not verify certificates has an event of its own.
    """
    channels = {
        fault: channel for channel, faults in rule_set.unverified.items() for fault in faults
    }
    for fault in rule_set.warnings:
        facts = {"place": str(fault.place), "what": fault.what, "remedy": fault.remedy}
        if fault in logged:
            continue
        if fault in channels:
            log.warning("channel.unverified", channel=channels[fault], **facts)
        else:
            log.warning("rules.warning", **facts)


def log_misconfigured(rule_set: RuleSet) -> None:
    """Log each channel that is held because its definition has faults."""
    for channel, faults in rule_set.misconfigured.items():
        log.error(
            "channel.misconfigured",
            channel=channel,
            faults=[str(fault) for fault in faults],
            remedy="mend it: its alerts are stored and wait; restart where a variable was unset",
        )


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


def _discard(result: RuleSet | RulesError) -> None:
    """Close the targets of a rule set that is not used."""
    if not isinstance(result, RulesError):
        for targets in result.channels.values():
            for target in targets:
                target.close()


@dataclass(frozen=True, slots=True)
class _Trouble:
    what: str
    since: datetime
    faults: tuple[str, ...]
