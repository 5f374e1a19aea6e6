"""Who gets what is sent to a target, and which of several targets are enough to reach everybody.

One rule decides who is the same recipient, inside a channel and among the channels of a rule:

| Written twice | One recipient | Why |
|---|---|---|
| one mail address, by two servers or senders | yes | one mailbox has both mails |
| one mail address in other letters, `Ann@` and `ann@` | yes | hardly a server tells them apart |
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

Where several targets reach the same, the first one is used, unless a later one reaches more: a mail
with copies takes the place of one without.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import requests
from apprise import NotifyBase
from apprise.plugins.slack import NotifySlack
from apprise.plugins.twilio import NotifyTwilio

from channels.alert import Target
from channels.plugins import NotifyEmail
from channels.recipients import same_mail, same_room

Recipient = tuple[str, ...]
"""Equal for equal recipients; may hold secrets, and is never shown."""
Entry = TypeVar("Entry")

_USUAL_PORTS: Final = {"http": ":80", "https": ":443"}


@dataclass(frozen=True, slots=True)
class Reach:
    """Who gets what a target sends, and by what `means`: server and sender, or who signs.

    Both may hold secrets.
    """

    recipients: frozenset[Recipient] = field(repr=False)
    means: Hashable = field(default=(), repr=False)


def reach_of(target: Target) -> Reach:
    """Whom a target reaches; one that does not say is alone of its kind."""
    found: Reach | None = getattr(target, "reach", None)
    return found or Reach(frozenset({("target", target.target_id)}))


def plugin_reach(plugin: NotifyBase) -> Reach:
    """Whom an Apprise plugin reaches."""
    given: Any = plugin
    if isinstance(plugin, NotifyEmail):
        addresses = {*(address for _, address in given.targets), *given.cc, *given.bcc}
        server = str(given.smtp_host or given.host).lower()
        means = (server, str(given.port), same_mail(str(given.from_addr[1])))
        return Reach(frozenset(("mail", same_mail(each)) for each in addresses), means)
    if isinstance(plugin, NotifySlack):
        account = tuple(map(str, given.url_identifier))
        rooms = (same_room(str(room or "")) for room in given.channels)
        return Reach(frozenset(("slack", *account, room) for room in rooms))
    if isinstance(plugin, NotifyTwilio):
        numbers = (("twilio", str(given.method), *map(str, each)) for each in given.targets)
        return Reach(frozenset(numbers), (str(given.account_sid), str(given.source)))
    return Reach(frozenset({("service", str(given.url()))}))


def webhook_reach(method: str, url: str, headers: Mapping[str, str], secret: str) -> Reach:
    """Whom a webhook reaches."""
    given = sorted((name.lower(), value) for name, value in headers.items())
    return Reach(frozenset({("webhook", method, _as_sent(url), *chain(*given))}), secret)


def without_repeats(entries: Iterable[Entry], reach: Callable[[Entry], Reach]) -> list[Entry]:
    """The entries in order, without those whose recipients the others reach, the later ones first.

    Who is reached by all of them is reached by those that stay.
    """
    given = [(entry, reach(entry).recipients) for entry in entries]
    counts = Counter(chain.from_iterable(recipients for _, recipients in given))
    found: list[Entry] = []
    for entry, recipients in reversed(given):
        if all(counts[each] > 1 for each in recipients):
            counts.subtract(recipients)
        else:
            found.append(entry)
    return found[::-1]


def diverted(
    entries: Sequence[Entry], reach: Callable[[Entry], Reach]
) -> list[tuple[Entry, Entry]]:
    """The entries that `without_repeats` leaves out though their means differ from those used.

    Each comes with the first entry that is used in its place.
    """
    stays = without_repeats(entries, reach)
    used: dict[Recipient, Entry] = {}
    for entry in stays:
        for recipient in reach(entry).recipients:
            used.setdefault(recipient, entry)
    kept = set(map(id, stays))
    found: list[tuple[Entry, Entry]] = []
    for entry in entries:
        own = reach(entry)
        others = [used[each] for each in sorted(own.recipients)]
        other = next((each for each in others if reach(each).means != own.means), None)
        if other is not None and id(entry) not in kept:
            found.append((entry, other))
    return found


def _as_sent(url: str) -> str:
    """The URL as a request has it; as it is where none can be made of it."""
    try:
        prepared = requests.Request("POST", url).prepare().url or url
    except requests.RequestException:
        return url
    parts = urlsplit(prepared)
    host = parts.netloc.removesuffix(_USUAL_PORTS.get(parts.scheme, ""))
    return parts._replace(netloc=host, fragment="").geturl()
