"""The queue of deliveries: what waits, who has claimed it, and which targets are held.

All times are by the store's clock, which all replicas share. Targets are locked before deliveries,
in the order of their ids, so that no two transactions wait for each other.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import cache
from typing import Final, TypeVar

from channels.alert import Alert
from engine.store import statements
from engine.store.database import (
    Answer,
    Connection,
    Parameters,
    Statement,
    Transaction,
)
from engine.store.model import (
    Backlog,
    Claim,
    Fallback,
    Hold,
    Joining,
    Mark,
    TargetState,
    claim_from_row,
    mark_values,
    noted_alert,
    storable,
    target_from_row,
    target_parameters,
)

#: How many deliveries join a lead at most: the alerts of a message are in memory at once.
MOST_MEMBERS: Final = 999
#: How many of high priority join a digest at most: each has a line, and mails hold so many.
MOST_URGENT: Final = 99
#: How many deliveries one transaction gives up or hands over.
DELIVERIES_AT_ONCE: Final = 500
#: The row of `meta` with the time of the last `keep_time`.
SEEN: Final = "seen"
#: The row of `meta` that says that targets still have the ids of the version before.
FORMER_IDS: Final = "former_ids"
#: How far two clocks may drift apart before times in the store are moved.
JUMP_SECONDS: Final = 10.0
_NEVER_US: Final = 1 << 62
_US_IN_A_SECOND: Final = 1_000_000

Result = TypeVar("Result")


class Turn:
    """One transaction of a claimer: it writes what became of its claims, then claims others.

    What is asked in a row shares one round trip, which ends where an answer is called for; answers
    that the turn itself does not need are called when it has ended.
    """

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction
        # Those that were claimed, by owner and end of the claim.
        self._claimed: dict[tuple[str, int], list[Answer[list[int]]]] = {}

    @property
    def now_us(self) -> int:
        """The store's clock when the turn began, in microseconds since the epoch."""
        return self._transaction.now_us

    def targets(self, target_ids: Collection[str]) -> dict[str, TargetState]:
        """The states of these targets, which no other transaction changes until the end.

        To be called once, and before all else.
        """
        parameters = {"target_ids": json.dumps(sorted(target_ids))}
        rows = self._transaction.rows(statements.TARGETS_LOCKED, parameters)
        return {row[0]: target_from_row(row) for row in rows}

    def write_targets(self, states: Iterable[TargetState]) -> None:
        """Write changed states."""
        for each in states:
            self._transaction.ask(statements.WRITE_TARGET, target_parameters(each))

    def mark(self, marks: Sequence[Mark], owner: str) -> Answer[frozenset[int]]:
        """Write what became of claimed deliveries; the answer is the ids of those that are written.

        The members of a message share the end of its lead.

        A delivery that `owner` has not claimed any more is left as it is: its claim has run out.
        The answer is to be called before deliveries are claimed or opened again, which would hide
        that a mark was written before.
        """
        if not marks:
            return frozenset
        values = json.dumps([mark_values(each) for each in marks])
        parameters = {"marks": values, "owner": owner, "now_us": self.now_us}
        marked = self._transaction.ask(statements.MARK, parameters)
        if leads := [each.claim.delivery_id for each in marks if each.claim.members]:
            self._transaction.ask(statements.MARK_MEMBERS, {"ids": json.dumps(leads)})

        @cache
        def written() -> frozenset[int]:
            found = {row[0] for row in marked()}
            if len(found) < len(marks):
                asked = {"marks": values, "owner": owner}
                before = self._transaction.rows(statements.MARKED_BEFORE, asked)
                found |= {row[0] for row in before}
            return frozenset(found)

        return written

    def reset_failures(self, target_id: str) -> None:
        """The target is held, or open again: its deliveries begin their retries anew."""
        self._transaction.ask(statements.RESET_FAILURES, {"target_id": target_id})

    def has_failed(self, target_id: str) -> bool:
        """Whether a waiting delivery of the target has failed since its retries began."""
        return bool(self._transaction.rows(statements.HAS_FAILED, {"target_id": target_id}))

    def reopen(self, delivery_ids: Collection[int]) -> None:
        """These dead deliveries wait again, and the members of their messages with them."""
        if delivery_ids:
            parameters = {"ids": json.dumps([*delivery_ids]), "now_us": self.now_us}
            self._transaction.ask(statements.REOPEN, parameters)
            self._transaction.ask(statements.REOPEN_MEMBERS, parameters)

    def fall_back(self, delivery_ids: Collection[int], fallback: Fallback) -> None:
        """Give those that are dead, and the members of their messages, to the fallback too."""
        ids = {"ids": json.dumps([*delivery_ids])}
        dead = [row[0] for row in self._transaction.rows(statements.DEAD_TO_FALL_BACK, ids)]
        _fall_back(self._transaction, dead, fallback)

    def newest_delivery(self) -> int:
        """The highest id of a delivery, 0 without any."""
        return int(self._transaction.rows(statements.NEWEST_DELIVERY)[0][0])

    def due_targets(self) -> Answer[list[TargetState]]:
        """The targets that have something due, by id; those that another claimer has are left out.

        A held target is one of them where its probe is due.
        """
        rows = self._transaction.ask(statements.DUE_TARGETS, {"now_us": self.now_us})
        return lambda: [target_from_row(row) for row in rows()]

    def claims_in_force(self) -> Answer[dict[str, int]]:
        """How many deliveries are being sent, by target id, in all replicas.

        To be asked after the targets are locked, by a question of its own: before that, another
        claimer may have claimed more.
        """
        rows = self._transaction.ask(statements.CLAIMS_IN_FORCE, {"now_us": self.now_us})
        return lambda: {target_id: int(count) for target_id, count in rows()}

    def claim(
        self,
        state: TargetState,
        limit: int,
        owner: str,
        seconds: float,
        *,
        only_failed: bool = False,
        joining: Joining | None = None,
    ) -> Answer[list[int]]:
        """Claim at most `limit` deliveries of a due target for so many seconds.

        The answer is their ids, in order: by priority, then by age, but fresh ones of high priority
        go before the backlog. A held target gives one, the next to probe. `only_failed` leaves out
        those that were never tried. With `joining` each is the lead of a message, which others join
        by its terms; who joins is stored with the claim.
        """
        until_us = self.now_us + round(seconds * _US_IN_A_SECOND)
        parameters = {
            "target_id": state.target_id,
            "owner": owner,
            "now_us": self.now_us,
            "until_us": until_us,
        }
        if state.held_since_us:
            claimed = self._claim_probe(state, parameters)
        elif only_failed:
            claimed = self._claim(statements.CLAIM_FAILED, {**parameters, "limit": limit})
        elif joining is not None:
            claimed = self._claim_leads(state, {**parameters, "limit": 1}, limit, joining)
        else:
            claimed = self._claim_due(state, {**parameters, "limit": limit})
        self._claimed.setdefault((owner, until_us), []).append(claimed)
        return claimed

    def claims(self) -> Answer[list[Claim]]:
        """What this turn has claimed until now, with the alerts, in the order of the claims."""
        asked = []
        for (owner, until_us), ids in self._claimed.items():
            by = {"owner": owner, "until_us": until_us}
            leads = self._transaction.ask(statements.CLAIMED, by)
            asked.append((leads, self._transaction.ask(statements.CLAIMED_MEMBERS, by), ids))

        def claims() -> list[Claim]:
            found = list[Claim]()
            for rows, member_rows, answers in asked:
                # Some of them may be of another turn: a clock can show the same time twice.
                by_id = {row[0]: row for row in rows()}
                members = defaultdict[int, list[Alert]](list)
                for lead_id, *alert in member_rows():
                    members[lead_id].append(noted_alert(tuple(alert)))
                ids = [delivery_id for each in answers for delivery_id in each()]
                found += [claim_from_row(by_id[each], members[each]) for each in ids]
            return found

        return claims

    def next_due_us(self) -> Answer[int | None]:
        """The next time at which something that can't be claimed now becomes due, if known."""
        rows = self._transaction.ask(statements.NEXT_DUE, {"now_us": self.now_us})
        return lambda: None if rows()[0][0] is None else int(rows()[0][0])

    def _claim_leads(
        self, state: TargetState, parameters: Parameters, limit: int, joining: Joining
    ) -> Answer[list[int]]:
        """One after the other, so that none is claimed that has joined the one before."""
        claimed = list[Answer[list[int]]]()
        statement = (statements.CLAIM_FRESH_LEAD, statements.CLAIM_LEAD)
        joined = {**parameters, "most": MOST_MEMBERS}
        for _ in range(limit):
            claimed.append(self._claim_due(state, parameters, *statement))
            if joining.digest_above:
                limits = {"most_urgent": MOST_URGENT, "digest_above": joining.digest_above}
                self._transaction.ask(statements.JOIN_DIGEST, {**joined, **limits})
            if joining.is_grouped:
                self._transaction.ask(statements.JOIN_GROUP, joined)
            self._transaction.ask(statements.END_JOINING, parameters)
        return lambda: [delivery_id for each in claimed for delivery_id in each()]

    def _claim_due(
        self,
        state: TargetState,
        parameters: Parameters,
        fresh_first: Statement = statements.CLAIM_FRESH,
        statement: Statement = statements.CLAIM_DUE,
    ) -> Answer[list[int]]:
        if not state.backlog_id:
            return self._claim(statement, parameters)
        asked = {**parameters, "backlog_id": state.backlog_id}
        fresh = self._claim(fresh_first, asked)()
        limit = parameters["limit"] - len(fresh)
        if not limit:
            return lambda: fresh
        rest = self._claim(statement, {**parameters, "limit": limit})
        return lambda: [*fresh, *rest()]

    def _claim_probe(self, state: TargetState, parameters: Parameters) -> Answer[list[int]]:
        asked = {**parameters, "due_us": _NEVER_US if state.is_changed else self.now_us}
        after = {"probe_rank": state.probe_rank, "probe_id": state.probe_id}
        found = self._claim_ordered(statements.CLAIM_PROBE, {**asked, **after})()
        if not found:
            # All were probed: from the beginning.
            first = {"probe_rank": -1, "probe_id": 0}
            found = self._claim_ordered(statements.CLAIM_PROBE, {**asked, **first})()
        if found:
            state.probe_rank, state.probe_id = found[0]
            self.write_targets([state])
        return lambda: [delivery_id for _, delivery_id in found]

    def _claim(self, statement: Statement, parameters: Parameters) -> Answer[list[int]]:
        ordered = self._claim_ordered(statement, parameters)
        return lambda: [delivery_id for _, delivery_id in ordered()]

    def _claim_ordered(
        self, statement: Statement, parameters: Parameters
    ) -> Answer[list[tuple[int, int]]]:
        rows = self._transaction.ask(statement, parameters)
        return lambda: sorted((rank, delivery_id) for delivery_id, rank in rows())


class Deliveries:
    """The side of the delivery. A power cut may undo its last writes, a kill of the process not."""

    def __init__(self, writer: Connection, reader: Connection, *, is_shared: bool) -> None:
        """`is_shared` says that other engines may use the store at the same time."""
        self._writer = writer
        self._reader = reader
        self.is_shared = is_shared
        # This process's clock at the last `keep_time`, None before the first.
        self._run_us: int | None = None

    def turn(self, work: Callable[[Turn], Result]) -> Result:
        """Returns what `work` made of a turn that is committed.

        `work` may be called several times, each time with a new turn, so it must change nothing
        outside of it.
        """
        return self._writer.transact(lambda transaction: work(Turn(transaction)))

    def renew(self, owner: str, seconds: float, delivery_ids: Collection[int]) -> int:
        """The owner has these claims for so many seconds from now on, and no others.

        The others it does not know of: the answer to its turn was lost, or what became of them was,
        with the last commits of a server. They are given back. Returns how many.
        """
        ids = json.dumps(sorted(delivery_ids))

        def work(transaction: Transaction) -> int:
            until_us = transaction.now_us + round(seconds * _US_IN_A_SECOND)
            asked = {"owner": owner, "ids": ids}
            transaction.run(statements.RENEW, {**asked, "until_us": until_us})
            return transaction.run(statements.GIVE_BACK, asked)

        return self._writer.transact(work)

    def take_back_all(self) -> int:
        """Take back the claims of a process that has ended; a store that is shared has none such.

        Returns their number.
        """
        return 0 if self.is_shared else self._run(statements.TAKE_BACK_ALL)

    def register(self, targets: Mapping[str, tuple[str, int]]) -> None:
        """These targets are in use, by id: their channel, and how many sends may run at once."""
        rows = [
            {"target_id": target_id, "channel": channel, "concurrency": concurrency}
            for target_id, (channel, concurrency) in sorted(targets.items())
        ]

        def work(transaction: Transaction) -> None:
            now_us = transaction.now_us
            transaction.run_many(statements.REGISTER, [{**row, "now_us": now_us} for row in rows])

        self._writer.transact(work)

    def known(self) -> dict[str, int]:
        """Since when the store knows each target that it knows, by id, in microseconds."""
        return dict(self._reader.rows(statements.KNOWN_TARGETS))

    def forget(self, target_ids: Collection[str]) -> None:
        """These targets are gone; what still has waiting deliveries is kept."""
        if target_ids:
            self._run(statements.FORGET_TARGETS, {"target_ids": json.dumps(sorted(target_ids))})

    def held(self) -> list[Hold]:
        """Every held target."""
        return [Hold(*row) for row in self._reader.rows(statements.HOLDS)]

    def hold(self, target_id: str, reason: str, detail: str) -> None:
        """Hold a target; if it is held already, only the reason changes."""

        def work(transaction: Transaction) -> None:
            parameters = {"target_id": target_id, "reason": reason, "detail": storable(detail)}
            transaction.run(statements.HOLD, {**parameters, "now_us": transaction.now_us})

        self._writer.transact(work)

    def wake(self, target_ids: Collection[str]) -> None:
        """Probe these targets now, if they are held, and as often as at the beginning of a hold."""
        if not target_ids:
            return

        def work(transaction: Transaction) -> None:
            _lock_targets(transaction, target_ids)
            transaction.run(statements.WAKE, {"target_ids": json.dumps(sorted(target_ids))})

        self._writer.transact(work)

    def backlogs(self) -> list[Backlog]:
        """Every target that has waiting deliveries, including targets that are gone."""
        return [Backlog(*row) for row in self._reader.rows(statements.BACKLOGS)]

    def give_up(self, target_id: str, reason: str, *, waiting_before_us: int | None = None) -> int:
        """Give up DELIVERIES_AT_ONCE waiting deliveries of a target; returns their number.

        With `waiting_before_us` only those that began to wait before then; never those that are
        being sent. Messages are dissolved before: each alert ends by itself. To be called again
        until it returns 0.
        """

        def work(transaction: Transaction) -> int:
            _lock_targets(transaction, [target_id])
            before_us = _NEVER_US if waiting_before_us is None else waiting_before_us
            _dissolve(transaction, target_id, before_us)
            parameters = {"target_id": target_id, "reason": reason, "before_us": before_us}
            more = {"limit": DELIVERIES_AT_ONCE, "now_us": transaction.now_us}
            return transaction.run(statements.GIVE_UP, {**parameters, **more})

        return self._writer.transact(work)

    def hand_over(
        self,
        target_id: str,
        successors: Mapping[str, tuple[str, Collection[str]]],
    ) -> int:
        """Give DELIVERIES_AT_ONCE waiting deliveries of a target to its successors.

        `successors` has, by target id, the channel and the targets that reach the same recipient:
        who has a delivery of the alert already, in any state and by any of them, gets no second
        one. Returns how many were given; to be called again until it returns 0.
        """

        def work(transaction: Transaction) -> int:
            # No claimer takes what is handed over.
            _lock_targets(transaction, [target_id])
            now_us = transaction.now_us
            _dissolve(transaction, target_id, _NEVER_US)
            asked = {"target_id": target_id, "limit": DELIVERIES_AT_ONCE, "now_us": now_us}
            given = [row[0] for row in transaction.rows(statements.WAITING_IDS, asked)]
            transaction.run_many(
                statements.HAND_OVER,
                [
                    {
                        "delivery_id": delivery_id,
                        "successor_id": successor_id,
                        "channel": channel,
                        "same": json.dumps(sorted({successor_id, *same} - {target_id})),
                        "now_us": now_us,
                    }
                    for delivery_id in given
                    for successor_id, (channel, same) in sorted(successors.items())
                ],
            )
            transaction.run_many(
                statements.DELETE_WAITING, [{"delivery_id": each} for each in given]
            )
            return len(given)

        return self._writer.transact(work)

    def fall_back(self, target_id: str, fallback: Fallback) -> int:
        """Give DELIVERIES_AT_ONCE waiting deliveries of a target to its fallback too.

        They go on waiting; each falls back once. Returns how many did; to be called again until it
        returns 0.
        """

        def work(transaction: Transaction) -> int:
            _lock_targets(transaction, [target_id])
            asked = {"target_id": target_id, "limit": DELIVERIES_AT_ONCE}
            found = [row[0] for row in transaction.rows(statements.TO_FALL_BACK, asked)]
            _fall_back(transaction, found, fallback)
            return len(found)

        return self._writer.transact(work)

    def free_members(self) -> int:
        """Let members wait by themselves whose lead does not wait any more; returns their number.

        An engine of the version before may have sent the lead alone.
        """
        return self._run(statements.FREE_MEMBERS)

    def has_former_ids(self) -> bool:
        """Whether the store comes from a version that numbered targets by their places."""
        row = self._reader.row(statements.META, {"name": FORMER_IDS})
        return bool(row and row[0])

    def rename_targets(self, target_ids: Mapping[str, str]) -> None:
        """Give targets, and their deliveries in every state, other ids: by the former one."""
        rows = [
            {"former_id": former_id, "target_id": target_id}
            for former_id, target_id in sorted(target_ids.items())
            if former_id != target_id
        ]

        def work(transaction: Transaction) -> None:
            transaction.run_many(statements.RENAME_TARGET, rows)
            renamed = [[row["former_id"], row["target_id"]] for row in rows]
            parameters = {"renamed": json.dumps(renamed)}
            transaction.run(statements.RENAME_DELIVERIES, parameters)
            transaction.run(statements.SET_META, {"name": FORMER_IDS, "value": 0})

        self._writer.transact(work)

    def keep_time(self, run_us: int) -> int:
        """Store that an engine runs, and mind a jump of the store's clock; returns the jump in us.

        `run_us` is this process's monotonic clock. Times since when deliveries wait are moved by a
        jump, and by a time in which no engine ran, so that none waits longer because of it. When
        the clock was set back, due times and claims are moved with it.
        """
        last_run_us = self._run_us

        def work(transaction: Transaction) -> int:
            now_us = transaction.now_us
            row = transaction.row(statements.META_LOCKED, {"name": SEEN})
            jump_us = 0 if row is None else _jump_us(now_us - int(row[0]), run_us, last_run_us)
            if jump_us:
                moved = {"ahead_us": jump_us, "before_us": now_us - jump_us, "now_us": now_us}
                if jump_us > 0:
                    transaction.run(statements.MOVE_WAITING, moved)
                else:
                    transaction.run(statements.BRING_BACK_TARGETS, moved)
                    transaction.run(statements.BRING_BACK_WAITING, moved)
            transaction.run(statements.SET_META, {"name": SEEN, "value": now_us})
            return jump_us

        jump_us = self._writer.transact(work)
        self._run_us = run_us
        # At the start, a clock that is ahead is no jump: perhaps no engine ran.
        return 0 if last_run_us is None and jump_us > 0 else jump_us

    def now_us(self) -> int:
        """The store's clock, in microseconds since the epoch."""
        return self._writer.transact(lambda transaction: transaction.now_us)

    def redeliveries(self) -> int:
        """A number that changes with each redelivery, by whatever process."""
        row = self._reader.row(statements.META, {"name": "redeliveries"})
        return int(row[0]) if row else 0

    def _run(self, statement: Statement, parameters: Parameters | None = None) -> int:
        return self._writer.transact(
            lambda transaction: transaction.run(statement, parameters or {})
        )


def _lock_targets(transaction: Transaction, target_ids: Collection[str]) -> None:
    """Let no other transaction change these targets, or claim of them, until this one ends."""
    transaction.rows(statements.TARGETS_LOCKED, {"target_ids": json.dumps(sorted(target_ids))})


def _fall_back(transaction: Transaction, delivery_ids: Sequence[int], fallback: Fallback) -> None:
    """Each once, and to nobody who has the alert already."""
    if not delivery_ids:
        return
    transaction.run_many(
        statements.FALL_BACK,
        [
            {
                "delivery_id": delivery_id,
                "successor_id": successor_id,
                "channel": channel,
                "same": json.dumps(sorted({successor_id, *same})),
                "note": storable(fallback.note),
                "now_us": transaction.now_us,
            }
            for delivery_id in delivery_ids
            for successor_id, (channel, same) in sorted(fallback.targets.items())
        ],
    )
    transaction.run(statements.MARK_FALLEN_BACK, {"ids": json.dumps([*delivery_ids])})


def _dissolve(transaction: Transaction, target_id: str, before_us: int) -> None:
    """Let the members of messages, of which nothing is being sent, wait by themselves."""
    parameters = {"target_id": target_id, "before_us": before_us, "now_us": transaction.now_us}
    transaction.run(statements.DISSOLVE, parameters)
    transaction.run(statements.END_DISSOLVING, {"target_id": target_id})


def _jump_us(passed_us: int, run_us: int, last_run_us: int | None) -> int:
    """How far the store's clock has moved beyond the time that has passed; 0 if not far.

    `passed_us` is what the store's clock says since an engine last looked at it, whichever.
    """
    ran_us = 0 if last_run_us is None else run_us - last_run_us
    # Another engine may have looked later than this one: then less has passed than it ran.
    jump_us = passed_us if passed_us < 0 else max(0, passed_us - ran_us)
    return jump_us if abs(jump_us) >= JUMP_SECONDS * _US_IN_A_SECOND else 0
