"""Runs the engine as a process: signals, the first rules, and the end.

SIGTERM and SIGINT stop it, SIGHUP loads the rules again.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from types import FrameType
from typing import Final

import structlog

from engine.clock import SystemClock
from engine.logs.setup import flush_logs
from engine.reload.last_good import last_good_of
from engine.reload.loader import open_rules, rule_source_of
from engine.reload.watcher import RuleWatcher, log_misconfigured, log_warnings
from engine.rules import RuleSet
from engine.rules.load import collect_and_freeze, frozen_afterwards
from engine.service.engine import Engine
from engine.settings import Settings
from engine.store import why_temporary

log = structlog.get_logger(__name__)

#: After so long the process is ended, whatever blocks its end: a locked store, a disk that hangs.
LONGEST_STOP_SECONDS: Final = 9.0
#: How long a process that is ended at once waits for its last log lines.
LAST_LINES_SECONDS: Final = 0.3


def serve(settings: Settings, *, strict: bool = False) -> int:
    """Run the service until SIGTERM or SIGINT; a second signal ends the process at once.

    SIGHUP loads the rules again. Where they hold faults at the start, the last good ones are used,
    unless `strict`. Returns the exit code 0; raises what keeps the engine from starting.
    """
    # Until the engine runs. Process 1 of a container ignores a SIGTERM without a handler.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))
    asked: list[int] = []
    signal.signal(signal.SIGHUP, lambda number, frame: asked.append(number))
    source, kept, clock = rule_source_of(settings), last_good_of(settings), SystemClock()
    with frozen_afterwards():
        opening = open_rules(source, kept, clock, strict=strict)
    log_warnings(opening.rule_set)
    log_misconfigured(opening.rule_set)
    _warn_of_temporary_state(settings.state_url)
    engine = Engine(settings, source.schema, opening.rule_set)

    def use(rule_set: RuleSet) -> None:
        engine.use(rule_set)
        collect_and_freeze()

    watcher = RuleWatcher(source, opening, use, engine.rules_health, kept, clock)
    engine.threads["rules"] = watcher.heartbeat
    # Frees the first rule set, and its watchlists, when another one is in force.
    del opening

    def ask_to_stop(number: int, frame: FrameType | None) -> None:
        if engine.stop.is_set():
            flush_logs(LAST_LINES_SECONDS)
            os._exit(128 + number)
        engine.stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, ask_to_stop)
    signal.signal(signal.SIGHUP, lambda number, frame: watcher.ask())
    if asked:
        watcher.ask()
    threading.Thread(target=_end_late, args=(engine.stop,), name="last-word", daemon=True).start()
    with engine, watcher:
        engine.run()
    log.info("engine.stopped")
    return 0


def _warn_of_temporary_state(state_url: str) -> None:
    if reason := why_temporary(state_url):
        log.warning(
            "state.temporary", reason=reason, remedy="mount a named volume or a folder at /data"
        )


def _end_late(stop: threading.Event) -> None:
    """End the process if it has not stopped `LONGEST_STOP_SECONDS` after it was asked to."""
    stop.wait()
    time.sleep(LONGEST_STOP_SECONDS)
    log.error("engine.cut_short", remedy="none: what it had not finished is done after the restart")
    flush_logs(LAST_LINES_SECONDS)
    os._exit(1)
