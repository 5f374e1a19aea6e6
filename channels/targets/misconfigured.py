"""A target that sends nothing: it holds the deliveries of a channel that is defined wrongly."""

from __future__ import annotations

from typing import Final

from channels.alert import Alert, Outcome, Reason, Status
from channels.targets.identity import target_id

# No address and no host has this sign, so that no real target has this id.
_RECIPIENT: Final = "?"


def stand_in_id(channel: str) -> str:
    """The id of the `MisconfiguredTarget` of a channel."""
    return target_id(channel, _RECIPIENT)


class MisconfiguredTarget:
    """Stands for the recipients of `channel` that can't be made, since their definition has faults.

    `detail` says what is wrong and what to do. Its deliveries wait; once the definition is
    correct, they pass to the channel's targets.
    """

    def __init__(self, channel: str, detail: str) -> None:
        self.channel: Final = channel
        self.target_id: Final = stand_in_id(channel)
        self.detail: Final = detail
        self.concurrency: Final = 1

    def __repr__(self) -> str:
        return f"MisconfiguredTarget({self.target_id!r})"

    def send(self, alert: Alert, idempotency_key: str) -> Outcome:
        """Send nothing; the outcome is misconfigured, with the faults as its detail."""
        return Outcome(Status.MISCONFIGURED, Reason.MISCONFIGURED, self.detail)

    def close(self) -> None:
        """Do nothing: there is no connection."""
