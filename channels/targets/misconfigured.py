from __future__ import annotations

from typing import Final

from channels.alert import Alert, Outcome, Reason, Status
from channels.targets.identity import target_id

# No address and no host holds it, so that no real target has this id.
_RECIPIENT: Final = "?"


def stand_in_id(channel: str) -> str:
    """The id of the target that stands for what can't be made of `channel`."""
    return target_id(channel, _RECIPIENT)


class MisconfiguredTarget:
    """Stands for those recipients of `channel` whose definition holds faults; it sends nothing.

    `detail` says what is wrong and what to do. Deliveries for it wait; once the definition is
    good, they pass to the channel's targets.
    """

    def __init__(self, channel: str, detail: str) -> None:
        self.channel: Final = channel
        self.target_id: Final = stand_in_id(channel)
        self.detail: Final = detail
        self.concurrency: Final = 1

    def __repr__(self) -> str:
        return f"MisconfiguredTarget({self.target_id!r})"

    def send(self, alert: Alert, idempotency_key: str) -> Outcome:
        """Never sends; the outcome says why."""
        return Outcome(Status.MISCONFIGURED, Reason.MISCONFIGURED, self.detail)

    def close(self) -> None:
        """There is nothing to let go of."""
