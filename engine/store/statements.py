"""Every statement of the store, in both dialects.

A list goes into a statement as one JSON text, which both dialects can read.
"""

# ruff: noqa: S608 - the statements are put together from constants of this module only
from __future__ import annotations

from typing import Final

from engine.store.database import Statement, both, each_its_own


def _with_lists(text: str, *names: str) -> Statement:
    """A statement with `{name}` for the members of each list of texts."""
    return each_its_own(
        text.format(**{name: f"SELECT value FROM json_each(:{name})" for name in names}),
        text.format(
            **{name: f"SELECT jsonb_array_elements_text(:{name}::jsonb)" for name in names}
        ),
    )


def _with_ids(text: str) -> Statement:
    """A statement with `{ids}` for the members of a JSON list of whole numbers."""
    return each_its_own(
        text.format(ids="SELECT value FROM json_each(:ids)"),
        text.format(
            ids="SELECT value::bigint FROM jsonb_array_elements_text(:ids::jsonb) AS value"
        ),
    )


def _locking(statement: Statement, how: str) -> Statement:
    """The statement with a lock on the rows; SQLite has one writer, and needs none."""
    return statement._replace(postgresql=f"{statement.postgresql} {how}")


META: Final = both("SELECT value FROM meta WHERE name = :name")
META_LOCKED: Final = _locking(META, "FOR UPDATE")
SET_META: Final = both("""
INSERT INTO meta (name, value) VALUES (:name, :value)
ON CONFLICT (name) DO UPDATE SET value = excluded.value
""")
DELETE_META: Final = both("DELETE FROM meta WHERE name = :name")
KEY: Final = both("SELECT value FROM keys WHERE name = 'targets'")
PROBE: Final = both("UPDATE meta SET value = :now_us WHERE name = 'probe'")

# The stream.

STORED: Final = _with_lists(
    "SELECT alert_id FROM alerts WHERE alert_id IN ({alert_ids})", "alert_ids"
)
# The nearest alert on either side of each moment: the others, of which there may be very many after
# a change of the cooldown, decide nothing.
_NEAREST: Final = """
SELECT asked.key_id,
    (SELECT MAX(time_us) FROM alerts WHERE key_id = asked.key_id
        AND time_us <= asked.time_us AND time_us > asked.time_us - asked.width_us),
    (SELECT MIN(time_us) FROM alerts WHERE key_id = asked.key_id
        AND time_us >= asked.time_us AND time_us < asked.time_us + asked.width_us)
FROM"""
#: `moments` is a JSON list of [key, time_us, width_us].
INSTANTS: Final = each_its_own(
    f"""{_NEAREST} (SELECT json_extract(value, '$[0]') AS key_id,
        json_extract(value, '$[1]') AS time_us, json_extract(value, '$[2]') AS width_us
    FROM json_each(:moments)) AS asked
""",
    f"""{_NEAREST} (SELECT value ->> 0 AS key_id, (value ->> 1)::bigint AS time_us,
        (value ->> 2)::bigint AS width_us
    FROM jsonb_array_elements(:moments::jsonb) AS value OFFSET 0) AS asked
""",
)
COUNTS_OF_KEYS: Final = _with_lists(
    "SELECT key_id, suppressed_count FROM suppressed "
    "WHERE suppressed_count > 0 AND key_id IN ({key_ids})",
    "key_ids",
)
INSERT_EVENT: Final = both("""
INSERT INTO events (digest, event) VALUES (:digest, :event) ON CONFLICT (digest) DO NOTHING
""")
INSERT_ALERT: Final = both("""
INSERT INTO alerts (
    alert_id, digest, rule_id, dedup_key, key_id, time_us, stored_us, is_expired, rule_name,
    priority, message, captured_at, created_at, suppressed_count, late_seconds, topic,
    partition_id, record_offset, plate, camera_id, rules_digest, silenced_by, matched_plate,
    likeness
) VALUES (
    :alert_id, :digest, :rule_id, :dedup_key, :key_id, :time_us, :now_us, :is_expired, :rule_name,
    :priority, :message, :captured_at, :created_at, :suppressed_count, :late_seconds, :topic,
    :partition, :offset, :plate, :camera_id, :rules_digest, :silenced_by, :matched_plate,
    :likeness
) ON CONFLICT (digest, rule_id) DO NOTHING
""")
INSERT_DELIVERY: Final = both("""
INSERT INTO deliveries (
    alert_id, channel, target_id, state, priority_rank, tries, reason, detail,
    waiting_since_us, changed_us, kind, group_key, next_try_us, fell_back
) VALUES (
    :alert_id, :channel, :target_id, 'waiting', :priority_rank, 0, '', '', :now_us, :now_us, :kind,
    :group_key, :next_try_us, :is_redelivery
) ON CONFLICT (alert_id, target_id) DO NOTHING
""")
#: `told` are those that an alert reports; another engine may have added more meanwhile.
CHANGE_SUPPRESSED: Final = both("""
INSERT INTO suppressed (key_id, suppressed_count, changed_us)
VALUES (:key_id, :added, :now_us)
ON CONFLICT (key_id) DO UPDATE SET
    suppressed_count = suppressed.suppressed_count + excluded.suppressed_count - :told,
    changed_us = excluded.changed_us
""")

# Dead letters.

INSERT_DEAD_LETTER: Final = both("""
INSERT INTO dead_letters (
    topic, partition_id, record_offset, digest, timestamp_ms, record_key, record_value, headers,
    error_type, message, stack_trace, retry_count, kept_us
) VALUES (
    :topic, :partition, :offset, :digest, :timestamp_ms, :key, :value, :headers,
    :error_type, :message, :stack_trace, :retry_count, :now_us
) ON CONFLICT (topic, partition_id, record_offset, digest) DO NOTHING
""")
DEAD_LETTERS: Final = both("""
SELECT letter_id, topic, partition_id, record_offset, timestamp_ms, record_key, record_value,
    headers, error_type, message, stack_trace, retry_count, kept_us
FROM dead_letters WHERE letter_id > :after_id ORDER BY letter_id LIMIT :limit
""")
_LETTER_BYTES: Final = """COALESCE(LENGTH(record_key), 0) + COALESCE(LENGTH(record_value), 0)
    + LENGTH(headers) + LENGTH(message) + COALESCE(LENGTH(stack_trace), 0)"""
DEAD_LETTER_BYTES: Final = both(f"SELECT COALESCE(SUM({_LETTER_BYTES}), 0) FROM dead_letters")
LETTER_BEYOND: Final = both(f"""
SELECT letter_id FROM (
    SELECT letter_id, SUM({_LETTER_BYTES}) OVER (ORDER BY letter_id DESC) AS total
    FROM dead_letters) AS sized
WHERE total > :most_bytes ORDER BY letter_id DESC LIMIT 1
""")
DELETE_LETTERS_TO: Final = both("DELETE FROM dead_letters WHERE letter_id <= :letter_id")
DELETE_LETTERS_BEFORE: Final = both("DELETE FROM dead_letters WHERE kept_us < :before_us")
DELETE_DEAD_LETTER: Final = both("DELETE FROM dead_letters WHERE letter_id = :letter_id")
REPLAYED: Final = _with_lists(
    "SELECT letter_id, replayed_us FROM replayed_letters WHERE letter_id IN ({letter_ids})",
    "letter_ids",
)
MARK_REPLAYED: Final = both("""
INSERT INTO replayed_letters (letter_id, replayed_us) VALUES (:letter_id, :now_us)
ON CONFLICT (letter_id) DO UPDATE SET replayed_us = excluded.replayed_us
""")

# The queue of deliveries. Targets are locked in the order of their ids, before deliveries.

_TARGET_COLUMNS: Final = """t.target_id, t.channel, t.concurrency, t.held_since_us, t.reason,
    t.detail, t.probes, t.probe_at_us, t.probe_rank, t.probe_id, t.is_changed, t.not_before_us,
    t.paused_us, t.taken_us, t.failing, t.refused, t.backlog_id"""


TARGETS_LOCKED: Final = _locking(
    _with_lists(
        f"SELECT {_TARGET_COLUMNS} FROM targets t WHERE t.target_id IN ({{target_ids}}) "
        "ORDER BY t.target_id",
        "target_ids",
    ),
    "FOR NO KEY UPDATE",
)
_DUE_OF_TARGET: Final = """
        SELECT 1 FROM deliveries d WHERE d.target_id = t.target_id AND d.state = 'waiting'
            AND d.claimed_until_us <= :now_us
            AND (d.next_try_us <= :now_us OR (
                t.held_since_us > 0 AND t.is_changed > 0 AND d.reason <> 'unconfirmed'
                AND d.lead_id = 0))"""
_DUE_TARGETS: Final = f"""
SELECT {_TARGET_COLUMNS} FROM targets t
WHERE t.not_before_us <= :now_us AND (t.held_since_us = 0 OR t.probe_at_us <= :now_us)
    AND {{is_due}}
ORDER BY t.target_id"""
#: A held target's delivery is due when its probe is too; at once where something has changed.
DUE_TARGETS: Final = _locking(
    each_its_own(
        _DUE_TARGETS.format(is_due=f"EXISTS ({_DUE_OF_TARGET})"),
        # The first by the index of each target: EXISTS would have all that waits read for a join.
        _DUE_TARGETS.format(
            is_due=f"""({_DUE_OF_TARGET}
        ORDER BY d.priority_rank, d.delivery_id LIMIT 1) IS NOT NULL"""
        ),
    ),
    "FOR NO KEY UPDATE OF t SKIP LOCKED",
)
CLAIMS_IN_FORCE: Final = both("""
SELECT target_id, COUNT(*) FROM deliveries
WHERE state = 'waiting' AND claimed_until_us > :now_us AND claimed_until_us > 0 GROUP BY target_id
""")
_DUE: Final = """state = 'waiting' AND target_id = :target_id AND claimed_until_us <= :now_us
    AND next_try_us <= :now_us"""
#: Asked once more of the row itself: while its lock was waited for, another transaction may have
#: changed it, and what the statement has chosen is older than that.
_UNCLAIMED: Final = "state = 'waiting' AND claimed_until_us <= :now_us"
# For PostgreSQL, of rows that are known by their ids: not to be taken for a search by an index of
# all that waits, which looks cheap where the statistics are older than a backlog.
_IS_WAITING: Final = "state || '' = 'waiting'"
_IS_UNCLAIMED: Final = f"{_IS_WAITING} AND claimed_until_us <= :now_us"


def _claiming(chosen: str, limit: str = ":limit", more: str = "") -> Statement:
    """Claim the first of those that are chosen; `more` is set too."""
    ids = f"""
    SELECT delivery_id FROM deliveries
    WHERE {chosen}
    ORDER BY priority_rank, delivery_id LIMIT {limit}"""
    claim = """
UPDATE deliveries
SET claimed_by = :owner, claimed_until_us = :until_us, claim_no = claim_no + 1{more}
WHERE delivery_id {ids} AND {unclaimed}
RETURNING delivery_id, priority_rank
"""
    # As an array they are chosen once.
    return each_its_own(
        claim.format(ids=f"IN ({ids})", unclaimed=_UNCLAIMED, more=more),
        claim.format(ids=f"= ANY (ARRAY({ids}))", unclaimed=_IS_UNCLAIMED, more=more),
    )


#: Fresh ones of the highest priority go before a backlog.
_FRESH: Final = f"{_DUE} AND priority_rank = 0 AND delivery_id > :backlog_id"
CLAIM_FRESH: Final = _claiming(_FRESH)
CLAIM_DUE: Final = _claiming(_DUE)
CLAIM_FAILED: Final = _claiming(f"{_DUE} AND failures > 0")
CLAIM_PROBE: Final = _claiming(
    """state = 'waiting' AND target_id = :target_id AND claimed_until_us <= :now_us
        AND (next_try_us <= :now_us OR (next_try_us <= :due_us AND reason <> 'unconfirmed'))
        AND (priority_rank, delivery_id) > (:probe_rank, :probe_id)""",
    "1",
)

# Messages of several deliveries. A lead is claimed like any other one; in the same transaction it
# becomes `new`, its members join it, and its kind is what theirs is. A member waits for a due time
# that never comes. Nothing is joined that may have arrived already, alone or in another message,
# unless a redelivery has asked for it since, which resets `failed_us`.

#: No delivery is ever due then, not even for a probe that asks for those that are due later.
MEMBER_DUE_US: Final = 3 << 61
_SEVERAL: Final = "kind IN ('group', 'digest')"
_JOINABLE: Final = """kind = '' AND failures = 0 AND settled_no = claim_no
    AND (reason <> 'unconfirmed' OR failed_us = 0)"""
_AS_LEAD: Final = f", kind = CASE WHEN {_JOINABLE} THEN 'new' ELSE kind END"
CLAIM_FRESH_LEAD: Final = _claiming(_FRESH, "1", _AS_LEAD)
CLAIM_LEAD: Final = _claiming(_DUE, "1", _AS_LEAD)
_NEW_LEAD: Final = """state = 'waiting' AND target_id = :target_id AND claimed_until_us > 0
    AND kind = 'new'"""


def _joining(kind: str, chosen: str) -> Statement:
    """Let what is chosen join the new lead of a target."""
    join = f"""
UPDATE deliveries SET kind = '{kind}', next_try_us = {MEMBER_DUE_US},
    lead_id = (SELECT delivery_id FROM deliveries WHERE {_NEW_LEAD} LIMIT 1)
WHERE delivery_id {{ids}} AND {{unclaimed}}
    AND EXISTS (SELECT 1 FROM deliveries WHERE {_NEW_LEAD})
"""
    return each_its_own(
        join.format(ids=f"IN ({chosen})", unclaimed=_UNCLAIMED),
        join.format(ids=f"= ANY (ARRAY({chosen}))", unclaimed=_IS_UNCLAIMED),
    )


_KEY_OF_LEAD: Final = f"(SELECT group_key FROM deliveries WHERE {_NEW_LEAD} LIMIT 1)"
#: All that is due, where it would be more messages than `digest_above` otherwise. Urgent ones that
#: are too many to have a line each go with the next message.
JOIN_DIGEST: Final = _joining(
    "digest",
    f"""
    SELECT delivery_id FROM deliveries
    WHERE {_DUE} AND {_JOINABLE}
        AND (priority_rank > 0 OR delivery_id IN (
            SELECT delivery_id FROM deliveries
            WHERE {_DUE} AND {_JOINABLE} AND priority_rank = 0
            ORDER BY delivery_id LIMIT :most_urgent))
        AND :digest_above <= (
            SELECT COUNT(DISTINCT CASE WHEN group_key = '' THEN CAST(delivery_id AS TEXT)
                ELSE group_key END)
            FROM (SELECT delivery_id, group_key FROM deliveries
                WHERE {_DUE} AND {_JOINABLE}
                    AND (group_key = '' OR group_key <> {_KEY_OF_LEAD})
                ORDER BY priority_rank, delivery_id LIMIT :most) AS others)
    ORDER BY priority_rank, delivery_id LIMIT :most""",
)
#: Those with the same key, also where they are not due yet; a digest has them already.
JOIN_GROUP: Final = _joining(
    "group",
    f"""
    SELECT delivery_id FROM deliveries
    WHERE state = 'waiting' AND target_id = :target_id AND claimed_until_us <= :now_us
        AND group_key <> '' AND {_JOINABLE} AND group_key = {_KEY_OF_LEAD}
        AND NOT EXISTS (SELECT 1 FROM deliveries m WHERE m.lead_id > 0 AND m.lead_id = (
            SELECT delivery_id FROM deliveries WHERE {_NEW_LEAD} LIMIT 1))
    ORDER BY priority_rank, delivery_id LIMIT :most""",
)
#: A message of several is a new one: that its lead failed before says nothing of it.
END_JOINING: Final = both(f"""
UPDATE deliveries SET
    kind = COALESCE((SELECT m.kind FROM deliveries m
        WHERE m.lead_id = deliveries.delivery_id AND m.lead_id > 0 AND m.state = 'waiting'
        LIMIT 1), ''),
    failed_us = CASE WHEN EXISTS (SELECT 1 FROM deliveries m
        WHERE m.lead_id = deliveries.delivery_id AND m.lead_id > 0 AND m.state = 'waiting')
        THEN 0 ELSE failed_us END
WHERE {_NEW_LEAD}
""")
#: The end of a lead is that of its members.
MARK_MEMBERS: Final = _with_ids(f"""
UPDATE deliveries SET state = l.state, tries = l.tries, reason = l.reason, detail = l.detail,
    failed_us = l.failed_us, changed_us = l.changed_us,
    next_try_us = CASE WHEN l.state = 'waiting' THEN {MEMBER_DUE_US} ELSE 0 END
FROM (SELECT delivery_id, state, tries, reason, detail, failed_us, changed_us FROM deliveries
    WHERE delivery_id IN ({{ids}})) AS l
WHERE deliveries.lead_id = l.delivery_id AND deliveries.lead_id > 0
    AND deliveries.state = 'waiting'
""")
REOPEN_MEMBERS: Final = _with_ids(f"""
UPDATE deliveries SET state = 'waiting', failures = 0, next_try_us = {MEMBER_DUE_US},
    changed_us = :now_us
WHERE state = 'dead' AND lead_id > 0 AND lead_id IN ({{ids}})
""")
#: Where nothing is being sent, and the lead began to wait before then.
DISSOLVE: Final = both("""
UPDATE deliveries SET lead_id = 0, kind = '', next_try_us = 0
WHERE state = 'waiting' AND target_id = :target_id AND lead_id > 0 AND NOT EXISTS (
    SELECT 1 FROM deliveries l WHERE l.delivery_id = deliveries.lead_id AND l.state = 'waiting'
        AND (l.claimed_until_us > :now_us OR l.waiting_since_us >= :before_us))
""")
END_DISSOLVING: Final = both(f"""
UPDATE deliveries SET kind = ''
WHERE state = 'waiting' AND target_id = :target_id AND lead_id = 0 AND {_SEVERAL}
    AND NOT EXISTS (SELECT 1 FROM deliveries m
        WHERE m.lead_id = deliveries.delivery_id AND m.lead_id > 0 AND m.state = 'waiting')
""")
#: Of leads that an engine of the version before has ended, which knows of no members.
FREE_MEMBERS: Final = both(f"""
UPDATE deliveries SET lead_id = 0, kind = '', next_try_us = 0
WHERE state = 'waiting' AND next_try_us > {1 << 62} AND lead_id > 0 AND NOT EXISTS (
    SELECT 1 FROM deliveries l WHERE l.delivery_id = deliveries.lead_id AND l.state = 'waiting')
""")
MESSAGE_SIZES: Final = _with_ids("""
SELECT lead_id, COUNT(*) + 1 FROM deliveries WHERE lead_id > 0 AND lead_id IN ({ids})
GROUP BY lead_id
""")

_ALERT_COLUMNS: Final = """a.alert_id, a.rule_id, a.rule_name, a.priority, a.message,
    a.captured_at, a.created_at, a.suppressed_count, a.late_seconds, e.event, a.matched_plate,
    a.likeness"""

#: What the owner has claimed until that time.
CLAIMED: Final = both(f"""
SELECT d.delivery_id, d.claim_no, d.channel, d.target_id, d.tries, d.failures, d.failed_us,
    d.waiting_since_us, d.priority_rank, d.reason, d.detail, t.held_since_us > 0, d.kind,
    d.note, {_ALERT_COLUMNS}
FROM deliveries d JOIN alerts a ON a.alert_id = d.alert_id JOIN events e ON e.digest = a.digest
    JOIN targets t ON t.target_id = d.target_id
WHERE d.state = 'waiting' AND d.claimed_until_us > 0 AND d.claimed_until_us = :until_us
    AND d.claimed_by = :owner
""")
#: The members of those, after their leads.
CLAIMED_MEMBERS: Final = both(f"""
SELECT d.lead_id, d.note, {_ALERT_COLUMNS}
FROM deliveries l JOIN deliveries d ON d.lead_id = l.delivery_id AND d.lead_id > 0
    JOIN alerts a ON a.alert_id = d.alert_id JOIN events e ON e.digest = a.digest
WHERE l.state = 'waiting' AND l.claimed_until_us > 0 AND l.claimed_until_us = :until_us
    AND l.claimed_by = :owner AND d.state = 'waiting'
ORDER BY d.priority_rank, d.delivery_id
""")
#: `marks` is a JSON list of objects; a mark is written by who has the claim, and nobody else.
MARK: Final = each_its_own(
    """
UPDATE deliveries SET state = m.state, tries = m.tries, failures = m.failures,
    failed_us = m.failed_us, next_try_us = m.next_try_us, reason = m.reason, detail = m.detail,
    claimed_until_us = 0, settled_no = m.claim_no, changed_us = :now_us
FROM (SELECT json_extract(value, '$.delivery_id') AS delivery_id,
        json_extract(value, '$.claim_no') AS claim_no, json_extract(value, '$.state') AS state,
        json_extract(value, '$.tries') AS tries, json_extract(value, '$.failures') AS failures,
        json_extract(value, '$.failed_us') AS failed_us,
        json_extract(value, '$.next_try_us') AS next_try_us,
        json_extract(value, '$.reason') AS reason, json_extract(value, '$.detail') AS detail
    FROM json_each(:marks)) AS m
WHERE deliveries.delivery_id = m.delivery_id AND deliveries.claim_no = m.claim_no
    AND deliveries.claimed_by = :owner AND deliveries.state = 'waiting'
RETURNING delivery_id
""",
    f"""
UPDATE deliveries AS d SET state = m.state, tries = m.tries, failures = m.failures,
    failed_us = m.failed_us, next_try_us = m.next_try_us, reason = m.reason, detail = m.detail,
    claimed_until_us = 0, settled_no = m.claim_no, changed_us = :now_us
FROM jsonb_to_recordset(:marks::jsonb) AS m (delivery_id bigint, claim_no bigint, state text,
    tries bigint, failures bigint, failed_us bigint, next_try_us bigint, reason text, detail text)
WHERE d.delivery_id = ANY (ARRAY(
        SELECT (value ->> 'delivery_id')::bigint FROM jsonb_array_elements(:marks::jsonb) AS value))
    AND d.delivery_id = m.delivery_id AND d.claim_no = m.claim_no
    AND d.claimed_by = :owner AND d.{_IS_WAITING}
RETURNING d.delivery_id
""",
)
#: Marks that were written before, by a commit whose answer was lost.
MARKED_BEFORE: Final = each_its_own(
    """
SELECT d.delivery_id FROM json_each(:marks) AS m
    CROSS JOIN deliveries d ON d.delivery_id = json_extract(m.value, '$.delivery_id')
WHERE d.claimed_by = :owner AND d.claim_no = json_extract(m.value, '$.claim_no')
    AND d.claimed_until_us = 0 AND d.state = json_extract(m.value, '$.state')
    AND d.tries = json_extract(m.value, '$.tries')
""",
    """
SELECT d.delivery_id FROM deliveries d
    JOIN jsonb_to_recordset(:marks::jsonb) AS m (delivery_id bigint, claim_no bigint, state text,
        tries bigint) ON d.delivery_id = m.delivery_id AND d.claim_no = m.claim_no
        AND d.state = m.state AND d.tries = m.tries
WHERE d.claimed_by = :owner AND d.claimed_until_us = 0
""",
)
WRITE_TARGET: Final = both("""
UPDATE targets SET held_since_us = :held_since_us, reason = :reason, detail = :detail,
    probes = :probes, probe_at_us = :probe_at_us, probe_rank = :probe_rank, probe_id = :probe_id,
    is_changed = :is_changed, not_before_us = :not_before_us, paused_us = :paused_us,
    taken_us = :taken_us, failing = :failing, refused = :refused, backlog_id = :backlog_id
WHERE target_id = :target_id
""")
#: What may have arrived keeps its distance from its next try.
RESET_FAILURES: Final = both("""
UPDATE deliveries SET failures = 0,
    next_try_us = CASE WHEN reason = 'unconfirmed' THEN next_try_us ELSE 0 END
WHERE state = 'waiting' AND target_id = :target_id AND (failures > 0 OR next_try_us > 0)
    AND lead_id = 0
""")
HAS_FAILED: Final = both("""
SELECT 1 FROM deliveries
WHERE state = 'waiting' AND target_id = :target_id AND failures > 0 LIMIT 1
""")
REOPEN: Final = _with_ids("""
UPDATE deliveries SET state = 'waiting', failures = 0, next_try_us = 0, changed_us = :now_us
WHERE state = 'dead' AND delivery_id IN ({ids})
""")
NEWEST_DELIVERY: Final = both("SELECT COALESCE(MAX(delivery_id), 0) FROM deliveries")
NEXT_DUE: Final = both("""
SELECT MIN(due_us) FROM (
    SELECT MIN(next_try_us) AS due_us FROM deliveries
    WHERE state = 'waiting' AND next_try_us > :now_us AND next_try_us > 0
    UNION ALL
    SELECT MIN(CASE WHEN not_before_us > probe_at_us THEN not_before_us ELSE probe_at_us END)
    FROM targets t WHERE (t.held_since_us > 0 OR t.not_before_us > :now_us)
        AND (t.probe_at_us > :now_us OR t.not_before_us > :now_us)) AS due
""")
RENEW: Final = _with_ids("""
UPDATE deliveries SET claimed_until_us = :until_us
WHERE state = 'waiting' AND claimed_until_us > 0 AND claimed_by = :owner
    AND delivery_id IN ({ids})
""")
GIVE_BACK: Final = _with_ids("""
UPDATE deliveries SET claimed_until_us = 0
WHERE state = 'waiting' AND claimed_until_us > 0 AND claimed_by = :owner
    AND delivery_id NOT IN ({ids})
""")
TAKE_BACK_ALL: Final = both("""
UPDATE deliveries SET claimed_until_us = 0 WHERE state = 'waiting' AND claimed_until_us > 0
""")

REGISTER: Final = both("""
INSERT INTO targets (target_id, channel, concurrency, registered_us)
VALUES (:target_id, :channel, :concurrency, :now_us)
ON CONFLICT (target_id) DO UPDATE SET
    channel = excluded.channel, concurrency = excluded.concurrency
WHERE targets.channel <> excluded.channel OR targets.concurrency <> excluded.concurrency
""")
KNOWN_TARGETS: Final = both("SELECT target_id, registered_us FROM targets ORDER BY target_id")
FORGET_TARGETS: Final = _with_lists(
    """
DELETE FROM targets WHERE target_id IN ({target_ids}) AND NOT EXISTS (
    SELECT 1 FROM deliveries d WHERE d.target_id = targets.target_id AND d.state = 'waiting')
""",
    "target_ids",
)
HOLDS: Final = both("""
SELECT target_id, channel, reason, detail, held_since_us FROM targets
WHERE held_since_us > 0 ORDER BY target_id
""")
HOLD: Final = both("""
UPDATE targets SET reason = :reason, detail = :detail,
    held_since_us = CASE WHEN held_since_us > 0 THEN held_since_us ELSE :now_us END
WHERE target_id = :target_id
""")
WAKE: Final = _with_lists(
    """
UPDATE targets SET probe_at_us = 0, probes = 0, is_changed = 1
WHERE held_since_us > 0 AND target_id IN ({target_ids})
""",
    "target_ids",
)
BACKLOGS: Final = both("""
SELECT target_id, MAX(channel), COUNT(*) FROM deliveries
WHERE state = 'waiting' GROUP BY target_id ORDER BY target_id
""")
GIVE_UP: Final = both(f"""
UPDATE deliveries SET state = 'dead', reason = :reason, detail = '', changed_us = :now_us
WHERE delivery_id IN (
    SELECT delivery_id FROM deliveries
    WHERE state = 'waiting' AND target_id = :target_id AND claimed_until_us <= :now_us
        AND waiting_since_us < :before_us AND lead_id = 0
    ORDER BY priority_rank, delivery_id LIMIT :limit) AND {_UNCLAIMED}
""")
WAITING_IDS: Final = both("""
SELECT delivery_id FROM deliveries
WHERE state = 'waiting' AND target_id = :target_id AND claimed_until_us <= :now_us AND lead_id = 0
ORDER BY priority_rank, delivery_id LIMIT :limit
""")
HAND_OVER: Final = _with_lists(
    """
INSERT INTO deliveries (
    alert_id, channel, target_id, state, priority_rank, tries, reason, detail,
    waiting_since_us, changed_us, group_key, fell_back, note
)
SELECT given.alert_id, :channel, :successor_id, 'waiting', given.priority_rank, 0, '', '',
    given.waiting_since_us, :now_us, given.group_key, given.fell_back, given.note
FROM deliveries AS given WHERE given.delivery_id = :delivery_id AND given.state = 'waiting'
    AND NOT EXISTS (
        SELECT 1 FROM deliveries AS other WHERE other.alert_id = given.alert_id
            AND other.target_id IN ({same}))
ON CONFLICT (alert_id, target_id) DO NOTHING
""",
    "same",
)
# Fallbacks. What waits for a target that is held, or died there, goes to others too, once.

TO_FALL_BACK: Final = both("""
SELECT delivery_id FROM deliveries
WHERE state = 'waiting' AND target_id = :target_id AND fell_back = 0
ORDER BY priority_rank, delivery_id LIMIT :limit
""")
#: The members of messages among them.
DEAD_TO_FALL_BACK: Final = _with_ids("""
SELECT delivery_id FROM deliveries
WHERE delivery_id IN ({ids}) AND state = 'dead' AND fell_back = 0
UNION ALL
SELECT delivery_id FROM deliveries
WHERE lead_id > 0 AND lead_id IN ({ids}) AND state = 'dead' AND fell_back = 0
ORDER BY delivery_id
""")
FALL_BACK: Final = _with_lists(
    """
INSERT INTO deliveries (
    alert_id, channel, target_id, state, priority_rank, tries, reason, detail,
    waiting_since_us, changed_us, group_key, note
)
SELECT given.alert_id, :channel, :successor_id, 'waiting', given.priority_rank, 0, '', '',
    :now_us, :now_us, given.group_key, :note
FROM deliveries AS given WHERE given.delivery_id = :delivery_id AND given.fell_back = 0
    AND NOT EXISTS (
        SELECT 1 FROM deliveries AS other WHERE other.alert_id = given.alert_id
            AND other.target_id IN ({same}))
ON CONFLICT (alert_id, target_id) DO NOTHING
""",
    "same",
)
MARK_FALLEN_BACK: Final = _with_ids("""
UPDATE deliveries SET fell_back = 1 WHERE delivery_id IN ({ids})
""")
DELETE_WAITING: Final = both("""
DELETE FROM deliveries WHERE delivery_id = :delivery_id AND state = 'waiting'
""")
#: `renamed` is a JSON list of [former id, id]. Where the alert has a delivery with the other id
#: already, the former one stays.
RENAME_DELIVERIES: Final = each_its_own(
    """
UPDATE deliveries SET target_id = renamed.target_id
FROM (SELECT json_extract(value, '$[0]') AS former_id, json_extract(value, '$[1]') AS target_id
    FROM json_each(:renamed)) AS renamed
WHERE deliveries.target_id = renamed.former_id AND NOT EXISTS (
    SELECT 1 FROM deliveries AS other
    WHERE other.alert_id = deliveries.alert_id AND other.target_id = renamed.target_id)
""",
    """
UPDATE deliveries SET target_id = renamed.target_id
FROM (SELECT value ->> 0 AS former_id, value ->> 1 AS target_id
    FROM jsonb_array_elements(:renamed::jsonb) AS value) AS renamed
WHERE deliveries.target_id = renamed.former_id AND NOT EXISTS (
    SELECT 1 FROM deliveries AS other
    WHERE other.alert_id = deliveries.alert_id AND other.target_id = renamed.target_id)
""",
)
RENAME_TARGET: Final = both("""
UPDATE targets SET target_id = :target_id
WHERE target_id = :former_id AND NOT EXISTS (
    SELECT 1 FROM targets AS other WHERE other.target_id = :target_id)
""")

MOVE_WAITING: Final = both("""
UPDATE deliveries SET waiting_since_us = waiting_since_us + :ahead_us
WHERE state = 'waiting' AND waiting_since_us <= :before_us
""")
BRING_BACK_WAITING: Final = both("""
UPDATE deliveries SET
    waiting_since_us = CASE WHEN waiting_since_us <= :now_us THEN waiting_since_us
        WHEN waiting_since_us < :before_us THEN waiting_since_us + :ahead_us ELSE :now_us END,
    next_try_us = CASE WHEN next_try_us > 0 THEN next_try_us + :ahead_us ELSE 0 END,
    claimed_until_us = CASE WHEN claimed_until_us > 0 THEN claimed_until_us + :ahead_us ELSE 0 END
WHERE state = 'waiting' AND (waiting_since_us > :now_us OR next_try_us > 0 OR claimed_until_us > 0)
""")
BRING_BACK_TARGETS: Final = both("""
UPDATE targets SET
    held_since_us = CASE WHEN held_since_us > :now_us THEN :now_us ELSE held_since_us END,
    probe_at_us = CASE WHEN probe_at_us > 0 THEN probe_at_us + :ahead_us ELSE 0 END,
    not_before_us = CASE WHEN not_before_us > 0 THEN not_before_us + :ahead_us ELSE 0 END,
    taken_us = CASE WHEN taken_us > :now_us THEN :now_us ELSE taken_us END
""")

# The archive.

_STORED_COLUMNS: Final = f"""{_ALERT_COLUMNS}, a.time_us, a.stored_us, a.is_expired, a.topic,
    a.partition_id, a.record_offset, a.rules_digest, a.silenced_by, a.digest"""

# An empty text means that there is no such restriction.
_NEWEST: Final = f"""
SELECT {_STORED_COLUMNS} FROM alerts a JOIN events e ON e.digest = a.digest
WHERE {{chosen}}a.stored_us >= :since_us AND a.stored_us < :until_us
    AND (:rule_id = '' OR a.rule_id = :rule_id)
    AND ((:channel = '' AND :state = '') OR EXISTS (
        SELECT 1 FROM deliveries d WHERE d.alert_id = a.alert_id
            AND (:channel = '' OR d.channel = :channel) AND (:state = '' OR d.state = :state)))
ORDER BY a.stored_us DESC, a.alert_id LIMIT :limit
"""
ALERTS: Final = both(_NEWEST.format(chosen=""))
# Each by an index of its own.
_OF_CAMERA: Final = "(:camera_id = '' OR a.camera_id = :camera_id)\n    AND "
ALERTS_OF_PLATE: Final = both(_NEWEST.format(chosen=f"a.plate = :plate AND {_OF_CAMERA}"))
# Near matches of the plate, of which another one was read.
ALERTS_NEAR_PLATE: Final = both(
    _NEWEST.format(
        chosen="a.matched_plate = :plate AND a.matched_plate <> '' AND a.plate <> :plate\n    AND "
        f"{_OF_CAMERA}"
    )
)
ALERTS_OF_CAMERA: Final = both(_NEWEST.format(chosen="a.camera_id = :camera_id AND "))
ALERTS_FROM: Final = both(f"""
SELECT {_STORED_COLUMNS} FROM alerts a JOIN events e ON e.digest = a.digest
WHERE a.alert_id >= :beginning AND a.alert_id < :end ORDER BY a.alert_id LIMIT 2
""")
ALERT_OF_KEY: Final = both(f"""
SELECT {_STORED_COLUMNS} FROM alerts a JOIN events e ON e.digest = a.digest
WHERE a.key_id = :key_id AND a.time_us = :time_us ORDER BY a.stored_us LIMIT 1
""")
# A delivery that waits for a held target shows the reason of the hold, not that of its last try.
DELIVERIES: Final = _with_lists(
    """
SELECT d.alert_id, d.delivery_id, d.channel, d.target_id, d.state, d.tries,
    COALESCE(t.reason, d.reason), COALESCE(t.detail, d.detail), d.waiting_since_us, d.changed_us,
    CASE WHEN d.lead_id > 0 THEN COALESCE(l.next_try_us, 0) ELSE d.next_try_us END,
    d.note,
    CASE WHEN d.lead_id = 0 AND d.kind IN ('group', 'digest') THEN d.delivery_id ELSE d.lead_id END,
    CASE WHEN d.kind IN ('group', 'digest') THEN d.kind ELSE 'single' END
FROM deliveries d
    LEFT JOIN deliveries l ON d.lead_id > 0 AND l.delivery_id = d.lead_id
    LEFT JOIN targets t ON t.target_id = d.target_id AND d.state = 'waiting' AND t.held_since_us > 0
WHERE d.alert_id IN ({alert_ids}) ORDER BY d.delivery_id
""",
    "alert_ids",
)

_REOPENED: Final = """state = 'waiting', tries = 0, failures = 0, failed_us = 0, next_try_us = 0,
    waiting_since_us = :now_us, changed_us = :now_us, lead_id = 0, fell_back = 1"""
# What is asked for by its id goes by itself.
REOPEN_ALERT: Final = both(f"""
UPDATE deliveries SET {_REOPENED}, kind = 'single'
WHERE alert_id = :alert_id AND (:channel = '' OR channel = :channel)
    AND state = 'dead' AND changed_us >= :since_us AND NOT {_SEVERAL}
""")
# It gets a new id: a receiver that remembers the old id would drop the delivery as a repetition. So
# does one that died in a message of several: the id is that of the message.
SENT_OF_ALERT: Final = both(f"""
DELETE FROM deliveries
WHERE alert_id = :alert_id AND (:channel = '' OR channel = :channel)
    AND (state = 'sent' OR (state = 'dead' AND {_SEVERAL})) AND changed_us >= :since_us
RETURNING channel, target_id, priority_rank
""")
REOPEN_DEAD: Final = both(f"""
UPDATE deliveries SET {_REOPENED}, kind = ''
WHERE delivery_id IN (
    SELECT delivery_id FROM deliveries
    WHERE state = 'dead' AND (:channel = '' OR channel = :channel) AND changed_us >= :since_us
    LIMIT :limit) AND state = 'dead'
""")
# What is reopened is a backlog: fresh alerts of high priority go before it.
_BACKLOG: Final = "backlog_id = (SELECT COALESCE(MAX(delivery_id), 0) FROM deliveries)"
_WOKEN: Final = """probe_at_us = 0, probes = 0, is_changed = 1, not_before_us = 0, paused_us = 0"""
WAKE_ALERT: Final = both(f"""
UPDATE targets SET {_WOKEN} WHERE held_since_us > 0 AND (:channel = '' OR channel = :channel)
    AND target_id IN (SELECT target_id FROM deliveries WHERE alert_id = :alert_id)
""")
WAKE_CHANNEL: Final = both(f"""
UPDATE targets SET {_WOKEN} WHERE held_since_us > 0 AND (:channel = '' OR channel = :channel)
""")
BEGIN_BACKLOG: Final = both(f"""
UPDATE targets SET {_BACKLOG} WHERE :channel = '' OR channel = :channel
""")
CHANNEL_LOCKED: Final = _locking(
    both("""
SELECT target_id FROM targets WHERE :channel = '' OR channel = :channel ORDER BY target_id"""),
    "FOR NO KEY UPDATE",
)
COUNT_REDELIVERY: Final = both("UPDATE meta SET value = value + 1 WHERE name = 'redeliveries'")

WAITING_BY_CHANNEL: Final = both("""
SELECT channel, COUNT(*), MIN(waiting_since_us) FROM deliveries
WHERE state = 'waiting' GROUP BY channel ORDER BY channel
""")
DEAD_BY_CHANNEL: Final = both("""
SELECT channel, COUNT(*) FROM deliveries
WHERE state = 'dead' AND changed_us >= :since_us GROUP BY channel ORDER BY channel
""")
ENGINE: Final = each_its_own(
    "SELECT 'SQLite ' || sqlite_version()",
    "SELECT 'PostgreSQL ' || current_setting('server_version')",
)

OLD_ALERTS: Final = both("""
SELECT a.alert_id FROM alerts a
WHERE a.stored_us < :horizon_us AND a.time_us < :horizon_us AND NOT EXISTS (
    SELECT 1 FROM deliveries d WHERE d.alert_id = a.alert_id AND d.state = 'waiting')
ORDER BY a.stored_us LIMIT :limit
""")
HAS_OLD_SUPPRESSED: Final = both("SELECT 1 FROM suppressed WHERE changed_us < :horizon_us LIMIT 1")
DELETE_DELIVERIES: Final = _with_lists(
    "DELETE FROM deliveries WHERE state <> 'waiting' AND alert_id IN ({alert_ids})", "alert_ids"
)
#: Asked again under the write lock: a redelivery may have come in between.
STILL_WAITING: Final = _with_lists(
    "SELECT DISTINCT alert_id FROM deliveries "
    "WHERE state = 'waiting' AND alert_id IN ({alert_ids})",
    "alert_ids",
)
#: Whose deliveries are gone: a redelivery may have come in between even now.
DELETE_ALERTS: Final = _with_lists(
    """
DELETE FROM alerts WHERE alert_id IN ({alert_ids}) AND NOT EXISTS (
    SELECT 1 FROM deliveries d WHERE d.alert_id = alerts.alert_id)
RETURNING digest
""",
    "alert_ids",
)
DELETE_EVENT: Final = both("""
DELETE FROM events WHERE digest = :digest AND NOT EXISTS (
    SELECT 1 FROM alerts a WHERE a.digest = :digest)
""")
DELETE_OLD_SUPPRESSED: Final = both("""
DELETE FROM suppressed WHERE key_id IN (
    SELECT key_id FROM suppressed WHERE changed_us < :horizon_us LIMIT :limit)
""")

# Silences.

INSERT_SILENCE: Final = both("""
INSERT INTO silences (
    silence_id, rule_id, plate, camera_id, condition, starts_us, ends_us, created_by, comment,
    changed_us
) VALUES (
    :silence_id, :rule_id, :plate, :camera_id, :condition, :starts_us, :ends_us, :created_by,
    :comment, :now_us
) ON CONFLICT (silence_id) DO NOTHING
""")
_SILENCE_COLUMNS: Final = """silence_id, rule_id, plate, camera_id, condition, starts_us, ends_us,
    created_by, comment"""
SILENCES: Final = both(f"SELECT {_SILENCE_COLUMNS} FROM silences ORDER BY starts_us, silence_id")
SILENCE: Final = both(f"SELECT {_SILENCE_COLUMNS} FROM silences WHERE silence_id = :silence_id")
#: One that has not begun yet never begins.
EXPIRE_SILENCE: Final = both("""
UPDATE silences SET ends_us = :now_us, changed_us = :now_us,
    starts_us = CASE WHEN starts_us > :now_us THEN :now_us ELSE starts_us END
WHERE silence_id = :silence_id AND ends_us > :now_us
""")
DELETE_SILENCES_BEFORE: Final = both("DELETE FROM silences WHERE ends_us < :before_us")
#: Whoever changes silences has the row until the end, so that a later version has all before it.
COUNT_CHANGE: Final = both("""
INSERT INTO meta (name, value) VALUES (:name, 1)
ON CONFLICT (name) DO UPDATE SET value = meta.value + 1
""")

# Instances.

BEAT: Final = both("""
INSERT INTO instances (
    instance_id, host, version, rules_digest, started_us, seen_us, partitions, lag
) VALUES (
    :instance_id, :host, :version, :rules_digest, :now_us, :now_us, :partitions, :lag
) ON CONFLICT (instance_id) DO UPDATE SET rules_digest = excluded.rules_digest,
    seen_us = excluded.seen_us, partitions = excluded.partitions, lag = excluded.lag
""")
INSTANCES: Final = both("""
SELECT instance_id, host, version, rules_digest, started_us, seen_us, partitions, lag
FROM instances ORDER BY started_us, instance_id
""")
FORGET_INSTANCE: Final = both("DELETE FROM instances WHERE instance_id = :instance_id")
FORGET_INSTANCES_BEFORE: Final = both("DELETE FROM instances WHERE seen_us < :before_us")

# Rule sets, and who used them when.

INSERT_RULE_FILE: Final = both("""
INSERT INTO rule_files (digest, content) VALUES (:hex_digest, :content)
ON CONFLICT (digest) DO NOTHING
""")
RULE_FILES_THERE: Final = _with_lists(
    "SELECT digest FROM rule_files WHERE digest IN ({digests})", "digests"
)
RULE_FILE_DIGESTS: Final = both("SELECT digest FROM rule_files")
RULE_FILES: Final = _with_lists(
    "SELECT digest, content FROM rule_files WHERE digest IN ({digests})", "digests"
)
DELETE_RULE_FILE: Final = both("DELETE FROM rule_files WHERE digest = :hex_digest")
WRITE_RULE_SET: Final = both("""
INSERT INTO rule_sets (digest, files) VALUES (:hex_digest, :files)
ON CONFLICT (digest) DO UPDATE SET files = excluded.files
""")
RULE_SET: Final = both("SELECT files FROM rule_sets WHERE digest = :hex_digest")
FILES_OF_RULE_SETS: Final = both("SELECT files FROM rule_sets")
UNUSED_RULE_SETS: Final = both("""
SELECT digest FROM rule_sets s
WHERE NOT EXISTS (SELECT 1 FROM rule_set_uses u WHERE u.digest = s.digest)
    AND NOT EXISTS (SELECT 1 FROM alerts a WHERE a.rules_digest = s.digest)
""")
DELETE_UNUSED_RULE_SET: Final = both("""
DELETE FROM rule_sets WHERE digest = :hex_digest
    AND NOT EXISTS (SELECT 1 FROM rule_set_uses u WHERE u.digest = rule_sets.digest)
""")
INSERT_USE: Final = both("""
INSERT INTO rule_set_uses (digest, instance_id, from_us, until_us)
VALUES (:hex_digest, :instance_id, :now_us, 0)
""")
USE_NOW: Final = both("""
SELECT digest FROM rule_set_uses WHERE instance_id = :instance_id AND until_us = 0
""")
END_USE: Final = both("""
UPDATE rule_set_uses SET until_us = :now_us WHERE instance_id = :instance_id AND until_us = 0
""")
#: Uses of engines that were not seen since `before_us` have ended when these were seen last.
END_USES_BEFORE: Final = both("""
UPDATE rule_set_uses SET until_us = COALESCE((
    SELECT i.seen_us FROM instances i WHERE i.instance_id = rule_set_uses.instance_id), :now_us)
WHERE until_us = 0 AND NOT EXISTS (
    SELECT 1 FROM instances i
    WHERE i.instance_id = rule_set_uses.instance_id AND i.seen_us >= :before_us)
""")
USES_AT: Final = both("""
SELECT u.digest, u.instance_id, u.from_us,
    CASE WHEN u.until_us = 0 AND i.seen_us < :lost_us THEN i.seen_us ELSE u.until_us END
FROM rule_set_uses u LEFT JOIN instances i ON i.instance_id = u.instance_id
WHERE u.from_us <= :at_us AND (u.until_us = 0 OR u.until_us > :at_us)
ORDER BY u.from_us, u.use_id
""")
DELETE_USES_BEFORE: Final = both("""
DELETE FROM rule_set_uses WHERE until_us > 0 AND until_us < :before_us
""")

TABLES: Final = (
    "alerts",
    "deliveries",
    "dead_letters",
    "events",
    "instances",
    "replayed_letters",
    "rule_files",
    "rule_set_uses",
    "rule_sets",
    "silences",
    "suppressed",
    "targets",
)
COUNTS: Final = {table: both(f"SELECT COUNT(*) FROM {table}") for table in TABLES}
