"""How far the stream is known to be read, and for how long it was watched.

Round by round the broker is asked where the topics end, and then what the group has committed. Once
that has passed an end, and every engine has noted what it had seen by then, everything is judged
that was written before the end was asked for. The time between two such ends is watched time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from engine.stream.record import Partition

#: Between two questions to the broker, and between two notes of what was seen.
ROUND_SECONDS: Final = 3.0
#: No longer time between two ends is watched time: it was an outage, of ours or of the broker.
LONGEST_STEP_SECONDS: Final = 10.0
#: The stream is watched as long as it is read up to an end so soon after this was asked for; a
#: longer backlog is none of a camera's silence.
LONGEST_LAG_SECONDS: Final = 20.0
#: How much watched time may be added, after a reading was noted, for time before the reading: what
#: lies in a lag, and in the step before it; and some for the round itself.
SLACK_SECONDS: Final = LONGEST_LAG_SECONDS + LONGEST_STEP_SECONDS + 5.0
# A note that was being written when notes were counted may lack what was seen just before: the
# one after it has all.
_NOTES_NEEDED: Final = 2


@dataclass(slots=True)
class _End:
    """Where the partitions ended when the broker was asked, at `asked_at`.

    `notes` are the counts, by engine, from which on all that was read up to there is noted; None
    until it is read.
    """

    asked_at: float
    offsets: Mapping[Partition, int]
    notes: Mapping[str, int] | None = None


class Progress:
    """Measures watched time for one judge, in seconds; all times are monotonic.

    A new judge, or one that was interrupted, begins anew: `restart`.
    """

    def __init__(self, instance_id: str) -> None:
        """`instance_id` is the judge's: its own note follows on what is committed in each round."""
        self._instance_id = instance_id
        self._pending: list[_End] = []
        self._watched_at: float | None = None

    def restart(self) -> None:
        """What was known is not known any more; no time is added for the time until now."""
        self._pending.clear()
        self._watched_at = None

    def ask(self, asked_at: float, ends: Mapping[Partition, int]) -> None:
        """The broker has told the ends; it was asked at `asked_at`."""
        self._pending.append(_End(asked_at, ends))

    def advance(
        self, now: float, committed: Mapping[Partition, int], notes: Mapping[str, int]
    ) -> float:
        """The seconds of watched time to add.

        `committed` was asked after the last ends; the judge has noted what it had seen after that,
        and then counted the `notes` of all engines.
        """
        needed = {
            each: count + _NOTES_NEEDED
            for each, count in notes.items()
            if each != self._instance_id
        }
        added = 0.0
        left: list[_End] = []
        for end in self._pending:
            if end.notes is None and _is_read(end.offsets, committed):
                end.notes = needed
            if now - end.asked_at > LONGEST_LAG_SECONDS:
                continue
            if end.notes is None or not _are_noted(end.notes, notes):
                left.append(end)
                continue
            if self._watched_at is not None and end.asked_at > self._watched_at:
                step = end.asked_at - self._watched_at
                added += step if step <= LONGEST_STEP_SECONDS else 0.0
            self._watched_at = max(end.asked_at, self._watched_at or end.asked_at)
        self._pending = left
        return added


def _is_read(offsets: Mapping[Partition, int], committed: Mapping[Partition, int]) -> bool:
    return all(committed.get(partition, 0) >= offset for partition, offset in offsets.items())


def _are_noted(needed: Mapping[str, int], notes: Mapping[str, int]) -> bool:
    # Who has gone has noted all before it went, or its readings are known to be lost.
    return all(notes[each] >= count for each, count in needed.items() if each in notes)
