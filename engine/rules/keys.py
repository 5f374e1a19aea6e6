"""The keys of rule files as a table: names, meaning, kinds of values, and an example of each.

The readers take the names of a mapping's keys from it; the JSON schema and the editor's help take
all of it. `channels.definitions.keys` has the keys of channels.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from channels.alert import Priority
from channels.definitions.keys import CHANNEL, NOTIFICATION_BLOCKS, Key, KeyGroup, ValueKind
from engine.cel import Operator
from engine.rules.rule_test import Expect
from engine.watchlist import DateOrder

#: What each operator of a condition asks.
OPERATORS: Final[Mapping[Operator, str]] = {
    Operator.EQUALS: "The field is the value, in upper or lower case. `null`: it is absent.",
    Operator.CONTAINS: "The value is a part of the field, in upper or lower case.",
    Operator.REGEX: "The regular expression (RE2) is found in the field, in upper or lower case.",
    Operator.IN_LIST: "The field equals one value of the list.",
    Operator.GREATER_THAN: "The field is a larger number.",
    Operator.LESS_THAN: "The field is a smaller number.",
    Operator.SIMILAR_TO: (
        "The field may be a camera's misreading of the plate, or of one plate of the list: "
        "`similar(field, …)`."
    ),
    Operator.IN_WATCHLIST: (
        "The field is on the watchlist of that name, or on one of several: "
        '`field in watchlist("…")`.'
    ),
    Operator.SIMILAR_IN_WATCHLIST: (
        "The field may be a camera's misreading of a plate on the watchlist: "
        '`similar(field, watchlist("…"))`.'
    ),
}

#: A rule's `rate_limit`, and a file's.
RATE_LIMIT: Final = KeyGroup(
    "`rate_limit`",
    (
        Key(
            "enabled",
            "`false` lets every match become an alert; `true` unless given.",
            ValueKind.FLAG,
            True,
        ),
        Key(
            "cooldown_seconds",
            "How long an alert holds back further ones of the same key, from 0 to 31622400; 300 "
            "unless given.",
            ValueKind.NUMBER,
            300,
        ),
        Key(
            "dedup_key",
            "What tells one thing from another: an expression, or a list of them; "
            "`plate.normalized_text` unless given.",
            ValueKind.ONE_OR_MORE,
            "plate.normalized_text",
        ),
    ),
)

#: An item of a rule's `conditions`.
CONDITION: Final = KeyGroup(
    "a condition",
    (
        Key(
            "field",
            "The dotted path of a field of the event.",
            ValueKind.FIELD,
            "plate.normalized_text",
            is_required=True,
        ),
        Key(
            "operator",
            "How the field is compared with the value.",
            ValueKind.CHOICE,
            "in_list",
            choices=tuple(map(str, Operator)),
            is_required=True,
        ),
        Key(
            "value",
            "What the field is compared with: a list for `in_list`, the name of a list for "
            "`in_watchlist` and `similar_in_watchlist`.",
            ValueKind.VALUE,
            ["ABC123", "XYZ789"],
            is_required=True,
        ),
        Key(
            "threshold",
            "How alike plates must be for `similar_to` and `similar_in_watchlist`, up to 1; "
            "that of the row or list, or 0.9, unless given. Lists take 0.84 and more.",
            ValueKind.TEXT,
            "0.95",
        ),
    ),
)

#: The mapping `alert` of what a test expects.
ALERT: Final = KeyGroup(
    "`alert`",
    (
        Key("message", "The text of the alert.", ValueKind.TEXT, "ABC123 (95%) at gate"),
        Key("subject", "The subject of its e-mail.", ValueKind.TEXT, "Watchlist Plate"),
        Key("sms", "Its text message.", ValueKind.TEXT, "ABC123 (95%) at gate"),
        Key(
            "suppressed_count",
            "How many matches the cooldown held back since the alert before.",
            ValueKind.WHOLE_NUMBER,
            1,
        ),
        Key(
            "matched_plate",
            "The plate that the reading is only like, or '' for an exact match.",
            ValueKind.TEXT,
            "ABC123",
        ),
    ),
)

#: What a test expects, where it is a mapping.
EXPECTED: Final = KeyGroup(
    "`expect`",
    (
        Key(
            "alert",
            "An alert that says this; what is not given is not compared.",
            ValueKind.GROUP,
            {"message": "ABC123 (95%) at gate"},
            group=ALERT,
        ),
    ),
)

#: An item of a test's `silences`.
SILENCE: Final = KeyGroup(
    "a silence",
    (
        Key("rule", "The id of a rule.", ValueKind.TEXT, "watchlist_plate"),
        Key("plate", "A plate, in any spelling.", ValueKind.TEXT, "ABC123"),
        Key("camera", "The id of a camera.", ValueKind.TEXT, "gate-1"),
        Key(
            "when",
            "A CEL expression on the event.",
            ValueKind.EXPRESSION,
            'camera_id.startsWith("gate-")',
        ),
        Key(
            "from",
            "From when on: a date and time, or a step such as `+5m` after the first event.",
            ValueKind.TEXT,
            "+5m",
        ),
        Key(
            "until",
            "Until when: a date and time, or a step such as `+2h` after the first event.",
            ValueKind.TEXT,
            "+2h",
        ),
    ),
)


def _test_keys(expect: Key) -> tuple[Key, ...]:
    """The keys of a test that expects this."""
    return (
        Key("name", "What the test shows.", ValueKind.TEXT, "fires for a plate of the list"),
        Key(
            "event",
            "One event: the fields that matter; all others have their defaults.",
            ValueKind.EVENT,
            {"plate": {"normalized_text": "ABC123", "confidence": 0.95}},
        ),
        Key(
            "events",
            "A list of events in place of one, which happen one after the other. What one does "
            "not give is as in the event before.",
            ValueKind.EVENTS,
            [{"at": "2025-07-01T22:00:00-04:00", "camera_id": "gate-1"}, {"at": "+2m"}],
        ),
        expect,
        Key(
            "silences",
            "Silences that are in force while the test runs.",
            ValueKind.GROUPS,
            [{"plate": "ABC123", "until": "+2h"}],
            group=SILENCE,
        ),
    )


#: An item of a rule's `tests`.
TEST: Final = KeyGroup(
    "a test",
    _test_keys(
        Key(
            "expect",
            "What must become of the rule on the event; for `events` a list, one item for each.",
            ValueKind.EXPECTATION,
            "match",
            choices=tuple(map(str, Expect)),
            group=EXPECTED,
            is_required=True,
        )
    ),
)

#: An item of the `tests` of a file of tests.
SET_TEST: Final = KeyGroup(
    "a test of several rules",
    _test_keys(
        Key(
            "expect",
            "The rules that alert on the event, and no others; or by their ids what must become "
            "of them. For `events` a list, one item for each.",
            ValueKind.EXPECTED_RULES,
            ["watchlist_plate"],
            choices=tuple(map(str, Expect)),
            group=EXPECTED,
            is_required=True,
        )
    ),
)

#: A file `*.test.yaml`.
TEST_FILE: Final = KeyGroup(
    "a file of tests",
    (
        Key(
            "tests",
            "Tests over several rules: which of them alert, and which don't.",
            ValueKind.GROUPS,
            group=SET_TEST,
        ),
    ),
)

#: An item of the `times` of a time interval.
TIME_RANGE: Final = KeyGroup(
    "an item of `times`",
    (
        Key("start_time", "From when on, `00:00` to `24:00`.", ValueKind.TEXT, "22:00"),
        Key(
            "end_time",
            "Until when; before the start it is the next day's.",
            ValueKind.TEXT,
            "05:00",
        ),
    ),
)
_PATTERN_KEYS: Final = (
    Key(
        "times",
        "Times of the day.",
        ValueKind.GROUPS,
        [{"start_time": "22:00", "end_time": "05:00"}],
        group=TIME_RANGE,
    ),
    Key("weekdays", "Days of the week.", ValueKind.TEXTS, ["monday:friday", "saturday"]),
    Key(
        "days_of_month",
        "Days of the month; negative ones count from its end.",
        ValueKind.TEXTS,
        ["1:5", "-3:-1"],
    ),
    Key("months", "Months, by name or number.", ValueKind.TEXTS, ["january:march", "5"]),
    Key("years", "Years.", ValueKind.TEXTS, ["2026:2027"]),
    Key("dates", "Dates.", ValueKind.TEXTS, ["2026-12-25", "2026-12-31..2027-01-02"]),
    Key(
        "location",
        "The time zone, by its name; that of the site unless given.",
        ValueKind.TEXT,
        "America/New_York",
    ),
)
#: An item of an interval's `time_intervals`, which is Alertmanager's form.
PATTERN: Final = KeyGroup("an item of `time_intervals`", _PATTERN_KEYS)

#: An item of a file's `time_intervals`.
INTERVAL: Final = KeyGroup(
    "a time interval",
    (
        Key("name", "What rules call it.", ValueKind.TEXT, "night", is_required=True),
        *_PATTERN_KEYS,
        Key(
            "except",
            "Intervals that are taken away from this one.",
            ValueKind.NAMES,
            ["holidays"],
            names="time_intervals",
        ),
        Key(
            "time_intervals",
            "Several times, one of which must hold, each with keys of its own.",
            ValueKind.GROUPS,
            [{"weekdays": ["saturday", "sunday"]}],
            group=PATTERN,
        ),
    ),
)

#: An item of `rules:`.
RULE: Final = KeyGroup(
    "a rule",
    (
        Key(
            "id",
            "The rule's identity, unique over all files: lower-case letters, digits, `_` and `-`.",
            ValueKind.TEXT,
            "watchlist_plate",
            is_required=True,
        ),
        Key(
            "name",
            "The name that people read, on one line; the id unless given.",
            ValueKind.TEXT,
            "Watchlist Plate",
        ),
        Key(
            "description",
            "What the rule is for.",
            ValueKind.TEXT,
            "A plate from the watchlist was read, at any camera.",
        ),
        Key(
            "enabled",
            "`false` switches the rule off; it is still checked. `true` unless given.",
            ValueKind.FLAG,
            True,
        ),
        Key(
            "priority",
            "Urgent alerts are sent first; `medium` unless given.",
            ValueKind.CHOICE,
            "high",
            choices=tuple(map(str, Priority)),
        ),
        Key(
            "conditions",
            "A list of conditions, all of which must hold.",
            ValueKind.GROUPS,
            [{"field": "camera_id", "operator": "equals", "value": "gate-1"}],
            group=CONDITION,
        ),
        Key(
            "when",
            "A CEL expression that must be true.",
            ValueKind.EXPRESSION,
            'plate.confidence > 0.8 && camera_id.startsWith("gate-")',
        ),
        Key(
            "notify",
            "The channels that get the rule's alerts; `[]` says that they are only stored.",
            ValueKind.NAMES,
            ["email", "slack"],
            names="channels",
        ),
        Key(
            "active_time_intervals",
            "The time intervals in which the rule counts; always unless given.",
            ValueKind.NAMES,
            ["night"],
            names="time_intervals",
        ),
        Key(
            "mute_time_intervals",
            "The time intervals in which the rule does not count.",
            ValueKind.NAMES,
            ["holidays"],
            names="time_intervals",
        ),
        Key(
            "rate_limit",
            "How often the rule may alert; once in 300 s per plate unless given.",
            ValueKind.GROUP,
            {"cooldown_seconds": 300, "dedup_key": "plate.normalized_text"},
            group=RATE_LIMIT,
        ),
        Key(
            "message_template",
            "The text of the alert, with placeholders such as `{plate.normalized_text}`.",
            ValueKind.TEMPLATE,
            "{plate.normalized_text} ({plate.confidence:.0%}) at {camera_id}",
        ),
        Key(
            "tests",
            "Events, and what must become of the rule on each.",
            ValueKind.GROUPS,
            [
                {
                    "name": "fires for a plate of the list",
                    "event": {"plate": {"normalized_text": "ABC123"}},
                    "expect": "match",
                }
            ],
            group=TEST,
        ),
    ),
)

#: An entry of `watchlists:`.
WATCHLIST: Final = KeyGroup(
    "a watchlist",
    (
        Key(
            "file",
            "The file of plates; a relative path starts at the folder of the rule file.",
            ValueKind.TEXT,
            "plates.csv",
            is_required=True,
        ),
        Key(
            "column",
            "The header of the plates' column, or its number, from 1, in a file without a header.",
            ValueKind.TEXT,
            "plate",
        ),
        Key(
            "note",
            "The header (or number) of the column that rules call `note`.",
            ValueKind.TEXT,
            "note",
        ),
        Key(
            "valid_from",
            "The header (or number) of the column that says from when a row counts, or `none`.",
            ValueKind.TEXT,
            "from",
        ),
        Key(
            "valid_until",
            "The header (or number) of the column that says until when a row counts, or `none`.",
            ValueKind.TEXT,
            "until",
        ),
        Key(
            "dates",
            "How `01/02/2026` is read; as the list shows unless given.",
            ValueKind.CHOICE,
            "day_first",
            choices=tuple(map(str, DateOrder)),
        ),
        Key("date_format", "How dates are written.", ValueKind.TEXT, "DD/MM/YY"),
        Key(
            "threshold",
            "The likeness, 0.84 to 1, from which on a misread plate counts; 0.9 unless given.",
            ValueKind.TEXT,
            "0.95",
        ),
        Key(
            "threshold_column",
            "The header (or number) of the column with the threshold of each row.",
            ValueKind.TEXT,
            "threshold",
        ),
        Key(
            "max_shrink",
            "How much of its rows the list may lose at once, from `0%` to `100%`.",
            ValueKind.TEXT,
            "20%",
        ),
        Key(
            "min_rows",
            "How many rows the list must have.",
            ValueKind.WHOLE_NUMBER,
            1,
        ),
    ),
    may_be_text=True,
)

#: The blocks of `notifications:`.
NOTIFICATIONS: Final = KeyGroup(
    "`notifications`",
    tuple(
        Key(
            name,
            f"The channel `{name}`; it sends once the block says `enabled: true`.",
            ValueKind.GROUP,
            group=block,
        )
        for name, block in NOTIFICATION_BLOCKS.items()
    ),
)

#: A rule file.
FILE: Final = KeyGroup(
    "a rule file",
    (
        Key("rules", "The list of rules.", ValueKind.GROUPS, group=RULE),
        Key(
            "channels",
            "Where alerts can be sent to: names, each with a URL, a list of URLs, or settings.",
            ValueKind.NAMED,
            {"guards": "mailto://user:password@example.com"},
            group=CHANNEL,
        ),
        Key(
            "notifications",
            "E-mail, Slack, webhook and SMS as blocks of settings.",
            ValueKind.GROUP,
            group=NOTIFICATIONS,
        ),
        Key(
            "watchlists",
            "Files with plates that rules ask for, by the names that rules call them.",
            ValueKind.NAMED,
            {"stolen": "plates.csv"},
            group=WATCHLIST,
        ),
        Key(
            "time_intervals",
            "Times of day, days and dates, by which rules say when they count.",
            ValueKind.GROUPS,
            [{"name": "weekend", "weekdays": ["saturday", "sunday"]}],
            group=INTERVAL,
        ),
        Key(
            "rate_limit",
            "The cooldown of those rules of this file that have none of their own.",
            ValueKind.GROUP,
            {"cooldown_seconds": 300},
            group=RATE_LIMIT,
        ),
    ),
)
