"""The keys of rule files as a table, here those of channels: names, meaning and kinds of values.

The readers take the names of a mapping's keys from it; the JSON schema and the editor's help take
all of it. `engine.rules.keys` has the other keys of a rule file.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final


class ValueKind(StrEnum):
    """What may stand behind a key.

    `GROUP` is a mapping with the keys of a group, `GROUPS` a list of such mappings, `NAMED` a
    mapping from names of the author's choice to such mappings. `NAMES` is a list of names of
    channels or time intervals. `ONE_OR_MORE` is an expression or a list of them. `EXPECTATION` is
    what a test expects of a rule, `EXPECTED_RULES` what it expects of several.
    """

    TEXT = "text"
    FLAG = "flag"
    NUMBER = "number"
    WHOLE_NUMBER = "whole number"
    CHOICE = "choice"
    TEXTS = "texts"
    TEXT_MAP = "text map"
    VALUE = "value"
    FIELD = "field"
    EXPRESSION = "expression"
    ONE_OR_MORE = "one or more expressions"
    TEMPLATE = "template"
    NAMES = "names"
    EVENT = "event"
    EVENTS = "events"
    EXPECTATION = "expectation"
    EXPECTED_RULES = "expected rules"
    GROUP = "group"
    GROUPS = "groups"
    NAMED = "named"


@dataclass(frozen=True, slots=True)
class Key:
    """One key of a mapping; `example` is a value as YAML and JSON have it.

    `choices` are the values of a `CHOICE`, `group` are the keys below it, and `names` is the
    section of the file that defines the names of a `NAMES`.
    """

    name: str
    meaning: str
    kind: ValueKind
    example: Any = None
    choices: tuple[str, ...] = ()
    group: KeyGroup | None = None
    names: str = ""
    is_required: bool = False


@dataclass(frozen=True, slots=True)
class KeyGroup:
    """The keys of one kind of mapping, and their `names`; `title` names it in messages.

    With `is_definition` it defines a channel: a value may be `${VAR}`, or empty. With
    `may_be_text` one text may stand for the whole mapping, with `may_be_list` a list of either.
    """

    title: str
    keys: tuple[Key, ...]
    is_definition: bool = False
    may_be_text: bool = False
    may_be_list: bool = False
    names: tuple[str, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        # Thousands of rules are checked against it.
        object.__setattr__(self, "names", names_of(self.keys))

    def find(self, name: str) -> Key | None:
        """The key of that name; None for an unknown one."""
        return next((key for key in self.keys if key.name == name), None)


def names_of(keys: tuple[Key, ...]) -> tuple[str, ...]:
    """The names of the keys, in their order."""
    return tuple(key.name for key in keys)


_TEXT, _FLAG, _CHOICE = ValueKind.TEXT, ValueKind.FLAG, ValueKind.CHOICE

_ENABLED: Final = Key("enabled", "Whether the channel sends; `false` unless given.", _FLAG, True)
_TIMEOUT: Final = Key(
    "timeout", "Seconds that a whole send may take, 0.1 to 120; 30 unless given.",
    ValueKind.NUMBER, 30,
)  # fmt: skip
_COUNTRY: Final = Key(
    "default_country", "The country of telephone numbers without one, such as `US`.", _TEXT, "US"
)

#: How alerts wait for others of their group.
GROUPING: Final = KeyGroup(
    "a `group`",
    (
        Key(
            "by",
            "CEL expressions on the event: alerts for which they give the same go as one message.",
            ValueKind.ONE_OR_MORE,
            ["plate.normalized_text"],
            is_required=True,
        ),
        Key(
            "wait_seconds",
            "How long an alert waits for others, 0 to 3600; 10 unless given.",
            ValueKind.NUMBER,
            10,
        ),
        Key(
            "high_wait_seconds",
            "The same for an alert of high priority; 1 unless given, or `wait_seconds` if less.",
            ValueKind.NUMBER,
            1,
        ),
    ),
    is_definition=True,
)
#: How a channel wants its alerts.
TERMS: Final = (
    Key(
        "group",
        "Alerts with the same key go as one message, such as those of several rules on one car.",
        ValueKind.GROUP,
        {"by": ["plate.normalized_text"], "wait_seconds": 10},
        group=GROUPING,
    ),
    Key(
        "digest_above",
        "Where more messages are due at once, they go as one, a digest, 1 to 1000, or `off`; 20 "
        "unless given, `off` for a webhook.",
        ValueKind.WHOLE_NUMBER,
        20,
    ),
    Key(
        "rate",
        "How many messages a recipient gets at most, a second (`s`), minute (`m`) or hour (`h`): "
        "what is more goes as a digest with the next; no bound unless given.",
        _TEXT,
        "30/m",
    ),
    Key(
        "fallback",
        "The channel that gets too what a recipient here refused, or what waits for one that is "
        "held.",
        _TEXT,
        "phones",
    ),
    Key(
        "fallback_after_seconds",
        "How long a recipient is held before its alerts fall back, 1 to 86400; 300 unless given.",
        ValueKind.NUMBER,
        300,
    ),
)

#: What a webhook takes beside its URL.
WEBHOOK: Final = (
    Key("method", "`POST` unless given.", _CHOICE, "POST", choices=("POST", "PUT")),
    Key(
        "headers",
        "Headers to add to each request.",
        ValueKind.TEXT_MAP,
        {"Authorization": "Bearer ${WEBHOOK_TOKEN}"},
    ),
    _TIMEOUT,
    Key(
        "secret",
        "Signs the body: the header `X-Hub-Signature-256` has its HMAC-SHA256.",
        _TEXT,
        "${WEBHOOK_SECRET}",
    ),
    Key(
        "concurrency",
        "How many sends may run at once, 1 to 64; 4 unless given.",
        ValueKind.WHOLE_NUMBER,
        4,
    ),
)
#: How the certificate of a server is checked.
TRUST: Final = (
    Key("ca_file", "A file of certificates to trust.", _TEXT, "/etc/ssl/site-ca.pem"),
    Key("verify", "`false` believes any certificate; `true` unless given.", _FLAG, True),
)
_LINK_LOCAL: Final = Key(
    "allow_link_local",
    "`true` sends to link-local and metadata addresses too, such as 169.254.1.2; `false` unless "
    "given.",
    _FLAG,
    True,
)
#: An entry of `channels:` that is a mapping.
CHANNEL: Final = KeyGroup(
    "a channel",
    (
        Key(
            "url",
            "Where to send: `https://…` is a webhook, anything else an Apprise URL such as "
            "`mailto://…`.",
            _TEXT,
            "https://example.com/alerts",
        ),
        Key(
            "urls",
            "Several URLs with the same settings, instead of `url`.",
            ValueKind.TEXTS,
            ["https://a.example.com/alerts", "https://b.example.com/alerts"],
        ),
        _COUNTRY,
        *WEBHOOK,
        *TRUST,
        *TERMS,
        _LINK_LOCAL,
    ),
    is_definition=True,
    may_be_text=True,
    may_be_list=True,
)


def _block(name: str, *keys: Key) -> KeyGroup:
    return KeyGroup(f"`{name}`", (_ENABLED, *keys, *TERMS), is_definition=True)


#: The blocks of `notifications:` by their names.
NOTIFICATION_BLOCKS: Final = {
    "email": _block(
        "email",
        Key("smtp_host", "The mail server.", _TEXT, "smtp.example.com"),
        Key(
            "smtp_port",
            "Its port: 587 with `starttls`, 465 with `ssl`, 25 with `none` unless given.",
            ValueKind.WHOLE_NUMBER,
            587,
        ),
        Key(
            "tls",
            "`starttls` unless given; `ssl` is TLS from the first byte; `none` is for a mail "
            "server of the house.",
            _CHOICE,
            "starttls",
            choices=("starttls", "ssl", "none"),
        ),
        Key("use_tls", "The older form: `true` is `starttls`, `false` is `ssl`.", _FLAG, True),
        Key("username", "The login's user.", _TEXT, "alerts@example.com"),
        Key("password", "The login's password.", _TEXT, "${SMTP_PASSWORD}"),
        Key(
            "from_address",
            "`Name <address>`, or an address; the `username` unless given.",
            _TEXT,
            "Plate Alerts <alerts@example.com>",
        ),
        Key("recipients", "Addresses.", ValueKind.TEXTS, ["security@example.com"]),
        _TIMEOUT,
        _LINK_LOCAL,
    ),
    "slack": _block(
        "slack",
        Key("webhook_url", "`https://hooks.slack.com/services/…`", _TEXT, "${SLACK_WEBHOOK_URL}"),
        Key("channel", "Where; only older webhooks obey.", _TEXT, "#plate-alerts"),
        Key("username", "As whom; only older webhooks obey.", _TEXT, "Plate Alerts"),
        Key("icon_emoji", "With which face; only older webhooks obey.", _TEXT, ":rotating_light:"),
        _TIMEOUT,
    ),
    "webhook": _block(
        "webhook",
        Key("url", "Where to send.", _TEXT, "https://example.com/alerts"),
        *WEBHOOK,
        *TRUST,
        _LINK_LOCAL,
    ),
    "sms": _block(
        "sms",
        Key("twilio_account_sid", "The login at Twilio.", _TEXT, "${TWILIO_ACCOUNT_SID}"),
        Key("twilio_auth_token", "The login's token.", _TEXT, "${TWILIO_AUTH_TOKEN}"),
        Key("from_number", "The number to send from, or a sender's name.", _TEXT, "+15550001111"),
        Key("to_numbers", "Numbers to send to.", ValueKind.TEXTS, ["+15550002222"]),
        _COUNTRY,
        _TIMEOUT,
    ),
}
