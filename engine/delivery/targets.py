"""The targets in use, and who takes over what those that are gone still owe."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from channels.alert import SINGLY, Reason, Target, Terms
from channels.targets.identity import MisconfiguredTarget, stand_in_id
from engine.store import Fallback

#: A target that the store has known for less takes over what its channel's gone targets owe. It is
#: long enough for replicas that restart one after the other, and for who saves a file twice.
NEW_SECONDS: Final = 600.0

Successors = Mapping[str, tuple[str, Collection[str]]]
"""By target id: its channel, and the targets that reach the same recipient."""


class Targets:
    """Lends targets for sends; one that is replaced or removed is closed after its last send."""

    def __init__(self, targets: Mapping[str, Target], switched_off: Collection[str]) -> None:
        """`switched_off` are the names of channels that are defined and not used."""
        self._lock = threading.Lock()
        self._users = Counter[int]()
        self._is_closed = False
        self.in_use: Mapping[str, Target] = dict(targets)
        self.switched_off = switched_off

    def add(self, targets: Mapping[str, Target]) -> None:
        """Use these targets too; those in use stay as they are."""
        with self._lock:
            self.in_use = {**targets, **self.in_use}

    def use(self, targets: Mapping[str, Target], switched_off: Collection[str]) -> None:
        """Use these targets and no others."""
        with self._lock:
            former, self.in_use = self.in_use, dict(targets)
            self.switched_off = switched_off
            kept = {id(target) for target in self.in_use.values()} | set(self._users)
            unused = [target for target in former.values() if id(target) not in kept]
        for target in unused:
            target.close()

    def close(self) -> None:
        """Lend no target any more, and close each as soon as no send uses it."""
        with self._lock:
            was_closed, self._is_closed = self._is_closed, True
            unused = [each for each in self.in_use.values() if id(each) not in self._users]
        for target in () if was_closed else unused:
            target.close()

    @contextmanager
    def borrow(self, target_id: str) -> Iterator[Target | None]:
        """Lends the target for one send; None when it is not in use any more."""
        with self._lock:
            target = None if self._is_closed else self.in_use.get(target_id)
            self._users[id(target)] += 1
        try:
            yield target
        finally:
            with self._lock:
                self._users[id(target)] -= 1
                self._users += Counter()  # Drops what is used by nobody.
                is_used = not self._is_closed and self.in_use.get(target_id) is target
                is_used = is_used or id(target) in self._users
            if target is not None and not is_used:
                target.close()

    def can_send(self, target_id: str) -> bool:
        """Whether the target is in use, and its definition good."""
        target = self.in_use.get(target_id)
        return target is not None and not isinstance(target, MisconfiguredTarget)

    def terms(self, target_id: str) -> Terms:
        """How a target wants its alerts; singly where it is not in use."""
        target = self.in_use.get(target_id)
        return SINGLY if target is None else target.terms

    def fallback(self, target_id: str, why: str) -> Fallback | None:
        """Who gets what this target does not take, and what they say; None without a fallback."""
        target, channel = self.in_use.get(target_id), self.terms(target_id).fallback
        heirs = [each for each, other in self.in_use.items() if other.channel == channel]
        if target is None or not heirs:
            return None
        name = target.label.removeprefix(f"{target.channel}:")
        is_named = name != target.channel and not isinstance(target, MisconfiguredTarget)
        who = f"{name} of channel {target.channel}" if is_named else f"channel {target.channel}"
        return Fallback(self._successors(heirs), f"for {who}, which {why}")

    def keeps(self, channel: str) -> bool:
        """Whether the channel keeps what its gone targets owe: it is off, or misconfigured."""
        return channel in self.switched_off or stand_in_id(channel) in self.in_use

    def heirs(
        self, target_id: str, channel: str, known: Mapping[str, int], now_us: int
    ) -> Successors | Reason:
        """Who takes over what waits for a gone target; where nobody does, why it is given up.

        `known` has since when the store knows its targets.
        """
        in_use = self.in_use
        heirs = [each for each, target in in_use.items() if target.channel == channel]
        if not heirs:
            # The channel may have another name now: its recipients have the same ids behind it.
            own = target_id.removeprefix(f"{channel}:")
            heirs = [each for each, new in in_use.items() if each == f"{new.channel}:{own}"][:1]
            if not heirs:
                return Reason.CHANNEL_REMOVED
        elif target_id != stand_in_id(channel):
            after_us = max(known.get(target_id, 0), now_us - round(NEW_SECONDS * 1e6))
            heirs = [each for each in heirs if known.get(each, 0) > after_us]
            if not heirs:
                return Reason.TARGET_REMOVED
        return self._successors(heirs)

    def _successors(self, heirs: Collection[str]) -> Successors:
        in_use = self.in_use
        reached = {each: target.audience.recipients for each, target in in_use.items()}
        same = {new: [each for each in reached if reached[each] >= reached[new]] for new in heirs}
        return {new: (in_use[new].channel, same[new]) for new in heirs}
