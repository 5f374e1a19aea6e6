"""The identity of targets: their ids, and which of them have the same recipients.

`MisconfiguredTarget` stands for the recipients of a channel that is defined wrongly.

`without_duplicates` drops the targets whose recipients others reach, so that nobody gets an alert
twice. One table decides who is the same recipient, inside a channel and among the channels of a
rule:

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
| a webhook's URL with other secrets or timeouts | yes | a secret proves who sends |
| a webhook's URL with scheme or host in other letters | yes | as sent, it is one |
| a webhook's URL with its scheme's usual port, `:443` | yes | as sent, it is one |
| a webhook's URL with an empty path for `/`, or a `#…` behind it | yes | as sent, it is one |
| a webhook's URL with and without a `/` behind its path | no | a server may know only one |
| a webhook's URL with another method, login, header or query | no | a relay goes by them |
| one bot's token with two chats | no | they are two rooms |
| a recipient by two services | no | a service is a place of its own |
| other URLs that Apprise writes alike | yes | they mean the same to it |

Where several targets have the same recipients, the first one is used, unless a later one has more:
a mail with copies takes the place of one without.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import requests
from apprise import NotifyBase
from apprise.plugins.slack import NotifySlack
from apprise.plugins.twilio import NotifyTwilio

from channels.alert import Alert, Outcome, Reason, Status, Target
from channels.plugins.plugin import NotifyEmail
from channels.plugins.recipients import normalized_mail, normalized_room

RecipientKey = tuple[str, ...]
"""Equal for equal recipients; may hold secrets, and is never shown."""
Item = TypeVar("Item")

_HASH_KEY: Final = b"alert-engine target id"
_USUAL_PORTS: Final = {"http": ":80", "https": ":443"}
# No address and no host has this sign, so that no real target has this id.
_RECIPIENT: Final = "?"


def target_id(channel: str, *parts: str) -> str:
    """The id of a target: `channel:part:part`, such as `ops:slack:#alerts`."""
    return ":".join((channel, *parts))


def hashed(text: str) -> str:
    """A short stable hash, for ids, of a recipient that may itself be a secret."""
    return hashlib.blake2b(text.encode(), digest_size=5, key=_HASH_KEY).hexdigest()


def distinct(ids: Iterable[str]) -> Iterator[str]:
    """The ids in order, repeated ones with a number: `hook:example.org`, `hook:example.org-2`.

    A number is skipped where the id that it would make is among `ids`.
    """
    given = tuple(ids)
    taken: set[str] = set()
    for name in given:
        unique, number = name, 1
        while unique in taken or (number > 1 and unique in given):
            number += 1
            unique = f"{name}-{number}"
        taken.add(unique)
        yield unique


@dataclass(frozen=True, slots=True)
class Audience:
    """Who gets what a target sends, and by what `means`: server and sender, or who signs.

    Both may hold secrets.
    """

    recipients: frozenset[RecipientKey] = field(repr=False)
    means: Hashable = field(default=(), repr=False)


def audience_of(target: Target) -> Audience:
    """The target's own `audience`; for a target without one, an audience that no other has."""
    found: Audience | None = getattr(target, "audience", None)
    return found or Audience(frozenset({("target", target.target_id)}))


def plugin_audience(plugin: NotifyBase) -> Audience:
    """The recipients of an Apprise plugin, and its server and sender."""
    given: Any = plugin
    if isinstance(plugin, NotifyEmail):
        addresses = {*(address for _, address in given.targets), *given.cc, *given.bcc}
        server = str(given.smtp_host or given.host).lower()
        means = (server, str(given.port), normalized_mail(str(given.from_addr[1])))
        return Audience(frozenset(("mail", normalized_mail(each)) for each in addresses), means)
    if isinstance(plugin, NotifySlack):
        account = tuple(map(str, given.url_identifier))
        rooms = (normalized_room(str(room or "")) for room in given.channels)
        return Audience(frozenset(("slack", *account, room) for room in rooms))
    if isinstance(plugin, NotifyTwilio):
        numbers = (("twilio", str(given.method), *map(str, each)) for each in given.targets)
        return Audience(frozenset(numbers), (str(given.account_sid), str(given.source)))
    return Audience(frozenset({("service", str(given.url()))}))


def webhook_audience(method: str, url: str, headers: Mapping[str, str], secret: str) -> Audience:
    """The one recipient of a webhook; its means are the `secret` that signs."""
    given = sorted((name.lower(), value) for name, value in headers.items())
    recipient = ("webhook", method, _normalized_url(url), *chain(*given))
    return Audience(frozenset({recipient}), secret)


def without_duplicates(
    items: Iterable[Item], audience_of_item: Callable[[Item], Audience]
) -> list[Item]:
    """The items in order, without those whose recipients the others reach; later ones go first.

    Together, the items that stay have the recipients of all.
    """
    given = [(item, audience_of_item(item).recipients) for item in items]
    counts = Counter(chain.from_iterable(recipients for _, recipients in given))
    found: list[Item] = []
    for item, recipients in reversed(given):
        if all(counts[each] > 1 for each in recipients):
            counts.subtract(recipients)
        else:
            found.append(item)
    return found[::-1]


def replaced(
    items: Sequence[Item], audience_of_item: Callable[[Item], Audience]
) -> list[tuple[Item, Item]]:
    """The items that `without_duplicates` drops although their means differ from those used.

    Each comes with the first item that is used in its place.
    """
    kept = without_duplicates(items, audience_of_item)
    used: dict[RecipientKey, Item] = {}
    for item in kept:
        for recipient in audience_of_item(item).recipients:
            used.setdefault(recipient, item)
    kept_ids = set(map(id, kept))
    found: list[tuple[Item, Item]] = []
    for item in items:
        own = audience_of_item(item)
        others = [used[each] for each in sorted(own.recipients)]
        other = next((each for each in others if audience_of_item(each).means != own.means), None)
        if other is not None and id(item) not in kept_ids:
            found.append((item, other))
    return found


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
        self.knows_idempotency_key: Final = False

    def __repr__(self) -> str:
        return f"MisconfiguredTarget({self.target_id!r})"

    def send(self, alert: Alert, idempotency_key: str) -> Outcome:
        """Send nothing; the outcome is misconfigured, with the faults as its detail."""
        return Outcome(Status.MISCONFIGURED, Reason.MISCONFIGURED, self.detail)

    def close(self) -> None:
        """Do nothing: there is no connection."""


def _normalized_url(url: str) -> str:
    """The URL as a request has it; unchanged where no request can be made of it."""
    try:
        prepared = requests.Request("POST", url).prepare().url or url
    except requests.RequestException:
        return url
    parts = urlsplit(prepared)
    host = parts.netloc.removesuffix(_USUAL_PORTS.get(parts.scheme, ""))
    return parts._replace(netloc=host, fragment="").geturl()
