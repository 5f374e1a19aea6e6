"""The identity of targets: their ids, and which of them have the same recipients.

A target's id is its label, as `guards:gate@example.org`. Where the label does not name the
recipient wholly, since the rest is a secret or has no place in it, a hash of the whole recipient
follows: `team:slack:#gate:3f9a0c11d2`. The hash is keyed, so that nobody without the key can try
out recipients. Neither its place in a list nor other targets count, nor its means: a changed
password, signing secret, sender or timeout keeps the id. `MisconfiguredTarget` stands for
the recipients of a channel that is defined wrongly.

`without_duplicates` drops the targets whose recipients others reach, so that nobody gets an alert
twice. One table decides who is the same recipient, in ids, inside a channel and among the channels
of a rule:

| Written twice | One recipient | Why |
|---|---|---|
| one mail address, by two servers or senders | yes | one mailbox has both mails |
| one mail address in other letters, `Ann@` and `ann@` | yes | almost no server distinguishes them |
| an address in `to=` of one and in `cc=` or `bcc=` of another | yes | a copy is the mail |
| a Slack webhook as `https://` and as `slack://` | yes | it is one webhook |
| a Slack room as `#ops`, `#OPS` and `ops` | yes | Slack takes them for one |
| a Slack room by two webhooks or bots | no | they may be of two workspaces |
| a telephone number in two spellings | yes | they are one number |
| a number by two accounts or senders of Twilio | yes | one phone has both |
| a number that is texted, called, and reached by WhatsApp | no | one is not read for another |
| a webhook's URL with other secrets, passwords or timeouts | yes | a secret proves who sends |
| a webhook's URL with scheme or host in other letters | yes | as sent, it is one |
| a webhook's URL with its scheme's usual port, `:443` | yes | as sent, it is one |
| a webhook's URL with an empty path for `/`, or a `#…` behind it | yes | as sent, it is one |
| a webhook's URL with and without a `/` behind its path | no | a server may know only one |
| a webhook's URL with another method, user, header or query | no | a relay goes by them |
| a Telegram chat, or a topic in it, by two bots | yes | one chat has both |
| one bot's token with two chats | no | they are two rooms |
| a Discord webhook with another token or picture | yes | its id names it |
| a Discord webhook with and without a thread | no | a thread is a room |
| a PagerDuty integration key with another login, source or component | yes | one service has both |
| a Mattermost webhook with another name of the bot | yes | one room has both |
| a Mattermost room by two webhooks | no | they may be of two teams |
| an ntfy topic of a server by two logins, or of another priority | yes | one topic has both |
| an ntfy topic of two servers | no | they are two topics |
| another service's URL with another password of a user | yes | a password proves who sends |
| another service's URL with another token, user or key of its own | no | it may be elsewhere |
| other URLs that Apprise writes alike, but for waits and format | yes | they mean the same |
| a recipient by two services | no | a service is a place of its own |

Where several targets have the same recipients, the first one is used, unless a later one has more:
a mail with copies takes the place of one without.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, groupby
from operator import attrgetter
from typing import Final

from channels.alert import (
    SINGLY,
    Alert,
    Audience,
    Bundle,
    Outcome,
    Reason,
    RecipientKey,
    Status,
    Target,
    Terms,
)

# No address and no host has this sign, so that no real target has this id.
_RECIPIENT: Final = "?"
_FORMER_KEY: Final = b"alert-engine target id"


def target_label(channel: str, *parts: str) -> str:
    """The label of a target: `channel:part:part`, such as `ops:slack:#alerts`."""
    return ":".join((channel, *parts))


def identify(targets: Iterable[Target], key: bytes) -> dict[str, Target]:
    """The targets by id, in order; of several with one id, which have one recipient, the first.

    `key`, of at most 64 bytes, is the store's: other keys make other ids.
    """
    found: dict[str, Target] = {}
    for target in targets:
        found.setdefault(target_id(target, key), target)
    return found


def target_id(target: Target, key: bytes) -> str:
    """The id of a target: its label, with a hash behind it unless that is the whole recipient."""
    if target.is_address:
        return target.label
    whole = json.dumps(sorted(target.audience.recipients)).encode()
    return f"{target.label}:{hashlib.blake2b(whole, digest_size=5, key=key).hexdigest()}"


def former_ids(targets: Iterable[Target], key: bytes) -> dict[str, str]:
    """The ids of all targets of a rule set, by the ids that version 1 stored for the same rules.

    Version 1 numbered equal names of a channel by their place in the list.
    """
    found: dict[str, str] = {}
    for _, given in groupby(targets, attrgetter("channel")):
        of_channel = tuple(given)
        names = (getattr(target, "former_name", target.label) for target in of_channel)
        found |= zip(_numbered(names), (target_id(each, key) for each in of_channel), strict=True)
    return found


def former_hash(text: str) -> str:
    """The hash that version 1 had in ids in place of a recipient that may be a secret."""
    return hashlib.blake2b(text.encode(), digest_size=5, key=_FORMER_KEY).hexdigest()


def _numbered(names: Iterable[str]) -> Iterator[str]:
    """The names in order, repeated ones with a number: `hook:example.org`, `hook:example.org-2`.

    A number is skipped where the name that it would make is among `names`.
    """
    given = tuple(names)
    taken: set[str] = set()
    for name in given:
        unique, number = name, 1
        while unique in taken or (number > 1 and unique in given):
            number += 1
            unique = f"{name}-{number}"
        taken.add(unique)
        yield unique


def without_duplicates(targets: Iterable[Target]) -> list[Target]:
    """The targets in order, without those whose recipients the others reach; later ones go first.

    Together, the targets that stay have the recipients of all.
    """
    given = tuple(targets)
    counts = Counter(chain.from_iterable(target.audience.recipients for target in given))
    found: list[Target] = []
    for target in reversed(given):
        recipients = target.audience.recipients
        if all(counts[each] > 1 for each in recipients):
            counts.subtract(recipients)
        else:
            found.append(target)
    return found[::-1]


def replaced(targets: Sequence[Target]) -> list[tuple[Target, Target]]:
    """The targets that `without_duplicates` drops although their means differ from those used.

    Each comes with the first target that is used in its place.
    """
    kept = without_duplicates(targets)
    used: dict[RecipientKey, Target] = {}
    for target in kept:
        for recipient in target.audience.recipients:
            used.setdefault(recipient, target)
    kept_ids = set(map(id, kept))
    found: list[tuple[Target, Target]] = []
    for target in targets:
        own = target.audience
        others = [used[each] for each in sorted(own.recipients)]
        other = next((each for each in others if each.audience.means != own.means), None)
        if other is not None and id(target) not in kept_ids:
            found.append((target, other))
    return found


def stand_in_id(channel: str) -> str:
    """The label and id of the `MisconfiguredTarget` of a channel."""
    return target_label(channel, _RECIPIENT)


class MisconfiguredTarget:
    """Stands for the recipients of `channel` that can't be made, since their definition has faults.

    `detail` says what is wrong and what to do. Its deliveries wait; once the definition is
    correct, they pass to the channel's targets.
    """

    def __init__(self, channel: str, detail: str, terms: Terms = SINGLY) -> None:
        self.channel: Final = channel
        #: Who gets what waits for it.
        self.terms: Final = terms
        self.label: Final = stand_in_id(channel)
        #: Its channel has no other.
        self.is_address: Final = True
        self.audience: Final = Audience(frozenset({("channel", channel)}))
        self.detail: Final = detail
        self.concurrency: Final = 1
        self.knows_idempotency_key: Final = False

    def __repr__(self) -> str:
        return f"MisconfiguredTarget({self.label!r})"

    def send(self, alert: Alert, idempotency_key: str) -> Outcome:
        """Send nothing; the outcome is misconfigured, with the faults as its detail."""
        return Outcome(Status.MISCONFIGURED, Reason.MISCONFIGURED, self.detail)

    def send_several(self, bundle: Bundle, idempotency_key: str) -> Outcome:
        """As `send`."""
        return Outcome(Status.MISCONFIGURED, Reason.MISCONFIGURED, self.detail)

    def close(self) -> None:
        """Do nothing: there is no connection."""
