from __future__ import annotations

from channels.alert import Outcome, Reason, Status
from channels.targets.identity import MisconfiguredTarget, stand_in_id
from tests.unit.channels.samples import alert


def test_it_sends_nothing_and_says_what_is_wrong() -> None:
    target = MisconfiguredTarget("pager", "the variable TOKEN is unset, set it")
    assert (target.channel, target.target_id) == ("pager", stand_in_id("pager"))
    outcome = target.send(alert(), "key")
    assert outcome == Outcome(
        Status.MISCONFIGURED, Reason.MISCONFIGURED, "the variable TOKEN is unset, set it"
    )
