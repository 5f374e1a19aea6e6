"""The entries of `channels:` as targets.

An entry is one URL, a list of URLs, or a mapping; a list may hold mappings.

- `https://…` or `http://…`: a webhook, which gets the alert and its event as JSON. A mapping
  `{url: …}` may add `method` (POST or PUT), `headers`, `timeout` (seconds, 10), `secret` (the body
  is signed: `X-Hub-Signature-256: sha256=…`) and `concurrency` (sends at once, 4); `urls` instead
  of `url` gives several the same settings.
- An https:// URL that a service hands out and Apprise knows (Slack, Discord, …) is that service,
  unless one of the keys above makes it a webhook.
- Anything else is an Apprise URL: `mailto://…`, `slack://…`, `twilio://…`, `ntfy://…`. Each
  recipient in it is a target of its own. `?retry=`, `?wait=`, `?redirect=` and `?overflow=` in it
  have no effect: retrying is the engine's, a message is never split, a redirect never followed.

`${VAR}` is taken from the environment, see `channels.variables`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, tzinfo
from typing import Final

from channels.alert import Target
from channels.block import Block, faults_of, raise_faults
from channels.hook import WEBHOOK_KEYS, check_url, read_settings
from channels.identity import distinct, target_id
from channels.known_services import find_service
from channels.plugins import is_native
from channels.service import Recipient, security_doubts, service_recipients
from channels.target import AppriseTarget
from channels.variables import Path, expand
from channels.webhook import WebhookSettings, WebhookTarget
from engine.errors import ChannelError

KEYS: Final = ("url", "urls", *WEBHOOK_KEYS)
_HTTP: Final = re.compile(r"https?://", re.I)

# What a target is made of, once its id is known to be alone of its kind.
_Part = tuple[str, Recipient | WebhookSettings]


def url_targets(
    channel: str,
    definition: object,
    variables: Mapping[str, str],
    zone: tzinfo = UTC,
    doubts: list[ChannelError] | None = None,
) -> tuple[Target, ...]:
    """The targets of an entry of `channels:`, one a recipient.

    `channel` is the entry's name; `variables` is what `${VAR}` is taken from; mails show times in
    `zone`. What works, but hardly as it is meant, is added to `doubts`. Raises ChannelError (for
    several faults ChannelFaultsError, which has all) with the path inside the definition.
    """
    entries: Sequence[object] = definition if isinstance(definition, list) else [definition]
    parts: list[_Part] = []
    faults: list[ChannelError] = []
    doubts = [] if doubts is None else doubts
    if not entries:
        raise ChannelError("there is no URL", "write one, or remove the channel")
    for index, entry in enumerate(entries):
        path: Path = (index,) if entries is definition else ()
        found: list[ChannelError] = []
        try:
            parts += _parts(channel, entry, variables, found)
        except ChannelError as error:
            faults += (_inside(path, fault) for fault in faults_of(error))
        doubts += (_inside(path, doubt) for doubt in found)
    raise_faults(faults)
    ids = distinct(name for name, _ in parts)
    return tuple(
        _target(channel, name, part, zone) for name, (_, part) in zip(ids, parts, strict=True)
    )


def _inside(path: Path, fault: ChannelError) -> ChannelError:
    """The fault with its path seen from outside."""
    return ChannelError(fault.what, fault.remedy, (*path, *fault.path))


def _target(channel: str, name: str, part: Recipient | WebhookSettings, zone: tzinfo) -> Target:
    if isinstance(part, WebhookSettings):
        return WebhookTarget(channel, name, part)
    return AppriseTarget(channel, name, part.plugin, part.style, zone=zone)


def _parts(
    channel: str, entry: object, variables: Mapping[str, str], doubts: list[ChannelError]
) -> list[_Part]:
    if isinstance(entry, str):
        url = _url(entry, variables, ())
        if _is_webhook(url):
            block = Block({}, variables, KEYS)
            settings = read_settings(block, url)
            host = check_url(block, url)
            block.check()
            doubts += block.doubts
            return [(target_id(channel, host), settings)]
        return _service(channel, url, (), doubts)
    if isinstance(entry, Mapping):
        return _mapping(channel, entry, variables, doubts)
    raise ChannelError("this is not a URL", "write one, a list of them, or a mapping with url")


def _is_webhook(url: str) -> bool:
    """Whether a URL is to be read as a webhook's: a part of a service's is, which is refused."""
    if not _HTTP.match(url):
        return False
    found = find_service(url)
    return (found is not None and not found.is_whole) or not is_native(url)


def _mapping(
    channel: str,
    entry: Mapping[str, object],
    variables: Mapping[str, str],
    doubts: list[ChannelError],
) -> list[_Part]:
    block = Block(entry, variables, KEYS)
    is_webhook = any(block.has(key) for key in WEBHOOK_KEYS)
    parts: list[_Part] = []
    if block.has("url") == block.has("urls"):
        block.fault("there must be either url or urls", "write one of them")
        block.check()
    for path, text in _texts(entry, block):
        with block.collect():
            url = _url(text, variables, path)
            if is_webhook or _is_webhook(url):
                host = check_url(block, url, *path)
                parts.append((target_id(channel, host), read_settings(block, url)))
            else:
                parts += _service(channel, url, path, doubts)
    block.check()
    doubts += block.doubts
    return parts


def _texts(entry: Mapping[str, object], block: Block) -> list[tuple[Path, str]]:
    key = "url" if block.has("url") else "urls"
    value = entry[key]
    values = value if isinstance(value, list) and key == "urls" else [value]
    if not values:
        block.fault("urls is empty", "write one, or remove the channel", key)
    found: list[tuple[Path, str]] = []
    for index, text in enumerate(values):
        path: Path = (key, index) if values is value else (key,)
        if isinstance(text, str):
            found.append((path, text))
        else:
            block.fault(f"{key} is not a text", "write a URL", *path)
    return found


def _url(text: str, variables: Mapping[str, str], path: Path) -> str:
    url = expand(text, variables, path, is_url=True).strip()
    if not url:
        raise ChannelError("the URL is empty", "write one, or remove the channel", path)
    return url


def _service(channel: str, url: str, path: Path, doubts: list[ChannelError]) -> list[_Part]:
    recipients = service_recipients(url, path)
    # All recipients of one URL are spoken to alike.
    doubts += (ChannelError(*doubt, path) for doubt in security_doubts(recipients[0].plugin))
    return [(recipient.target_id(channel), recipient) for recipient in recipients]
