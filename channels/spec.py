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
from typing import Final

from channels.alert import Target
from channels.block import Block, Made, faults_of
from channels.hook import WEBHOOK_KEYS, check_url, read_settings
from channels.identity import distinct, target_id
from channels.plugins import is_native
from channels.service import Recipient, service_recipients
from channels.target import AppriseTarget
from channels.variables import Path, expand
from channels.webhook import WebhookSettings, WebhookTarget
from engine.errors import ChannelError

KEYS: Final = ("url", "urls", *WEBHOOK_KEYS)
_HTTP: Final = re.compile(r"https?://", re.I)

# What a target is made of, once its id is known to be alone of its kind.
_Part = tuple[str, Recipient | WebhookSettings]


def url_targets(channel: str, definition: object, variables: Mapping[str, str]) -> Made:
    """The targets of an entry of `channels:`, one a recipient.

    `channel` is the entry's name; `variables` is what `${VAR}` is taken from. Faults have their
    path inside the definition. One URL that can't be used costs the entry's others nothing.
    """
    entries: Sequence[object] = definition if isinstance(definition, list) else [definition]
    parts: list[_Part] = []
    faults: list[ChannelError] = []
    if not entries:
        faults.append(ChannelError("there is no URL", "write one, or remove the channel"))
    for index, entry in enumerate(entries):
        path: Path = (index,) if entries is definition else ()
        try:
            made, found = _parts(channel, entry, variables)
        except ChannelError as error:
            made, found = [], faults_of(error)
        parts += made
        faults += (ChannelError(each.what, each.remedy, (*path, *each.path)) for each in found)
    ids = distinct(name for name, _ in parts)
    targets = (_target(channel, name, part) for name, (_, part) in zip(ids, parts, strict=True))
    return Made(tuple(targets), tuple(faults))


def _target(channel: str, name: str, part: Recipient | WebhookSettings) -> Target:
    if isinstance(part, WebhookSettings):
        return WebhookTarget(channel, name, part)
    return AppriseTarget(channel, name, part.plugin, part.style)


def _parts(
    channel: str, entry: object, variables: Mapping[str, str]
) -> tuple[list[_Part], tuple[ChannelError, ...]]:
    """What one entry gives, and the faults of those of its URLs that give nothing."""
    if isinstance(entry, str):
        url = _url(entry, variables, ())
        if _HTTP.match(url) and not is_native(url):
            block = Block({}, variables, KEYS)
            settings = read_settings(block, url)
            host = check_url(block, url)
            block.check()
            return [(target_id(channel, host), settings)], ()
        return _service(channel, url, ()), ()
    if isinstance(entry, Mapping):
        return _mapping(channel, entry, variables)
    raise ChannelError("this is not a URL", "write one, a list of them, or a mapping with url")


def _mapping(
    channel: str, entry: Mapping[str, object], variables: Mapping[str, str]
) -> tuple[list[_Part], tuple[ChannelError, ...]]:
    block = Block(entry, variables, KEYS)
    is_webhook = any(block.has(key) for key in WEBHOOK_KEYS)
    parts: list[_Part] = []
    if block.has("url") == block.has("urls"):
        block.fault("there must be either url or urls", "write one of them")
        block.check()
    for path, text in _texts(entry, block):
        with block.collect():
            url = _url(text, variables, path)
            if is_webhook or (_HTTP.match(url) and not is_native(url)):
                settings = read_settings(block, url)
                if host := check_url(block, url, *path):
                    parts.append((target_id(channel, host), settings))
            else:
                parts += _service(channel, url, path)
    block.check("urls")
    return parts, block.faults


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


def _service(channel: str, url: str, path: Path) -> list[_Part]:
    return [
        (recipient.target_id(channel), recipient) for recipient in service_recipients(url, path)
    ]
