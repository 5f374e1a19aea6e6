"""Makes the targets of an entry of `channels:`.

An entry is one URL, a list of URLs, or a mapping; a list may hold mappings.

- `https://…` or `http://…`: a webhook, which gets the alert and its event as JSON. A mapping
  `{url: …}` may add `method` (POST or PUT), `headers`, `secret` (the body is signed:
  `X-Hub-Signature-256: sha256=…`) and `concurrency` (sends at once, 4); `urls` instead of `url`
  gives several the same settings. `timeout` (seconds for a whole send, 30) is for every service.
- An https:// URL that a service hands out and Apprise knows (Slack, Discord, …) is that service,
  unless one of the keys above but `timeout` makes it a webhook.
- A mapping with any URL may have `ca_file`, `verify` and `allow_link_local`, see
  `channels.definitions.security`.
- Every mapping may say how the channel wants its alerts, see `channels.definitions.terms`.
- Anything else is an Apprise URL: `mailto://…`, `slack://…`, `twilio://…`, `ntfy://…`. Each
  recipient in it is a target of its own. `?retry=`, `?wait=`, `?redirect=` and `?overflow=` in it
  have no effect: retrying is the engine's, a message is never split, a redirect never followed.
  A mapping may add `default_country`: that of telephone numbers without a `+`, such as `US`.

`${VAR}` is taken from the environment, see `channels.definitions.block`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, tzinfo
from typing import Final

from channels.alert import Target, Terms
from channels.definitions.apprise_url import Recipient, service_recipients, tls_warnings
from channels.definitions.block import Block, DefinedTargets, expand, faults_of, read_country
from channels.definitions.keys import CHANNEL
from channels.definitions.security import apply_trust, read_link_local
from channels.definitions.terms import read_terms
from channels.definitions.webhook_settings import (
    WEBHOOK_KEYS,
    check_url,
    find_service,
    read_settings,
    read_timeout,
)
from channels.plugins.plugin import KeyPath
from channels.plugins.url import is_native
from channels.targets.apprise_target import AppriseTarget
from channels.targets.identity import replaced, target_label, without_duplicates
from channels.targets.webhook import WebhookTarget
from engine.errors import ChannelError

_HTTP: Final = re.compile(r"https?://", re.I)


_PlacedTarget = tuple[Target, KeyPath]
"""A target, and the path of its URL in the definition."""


def entry_targets(
    channel: str,
    definition: object,
    variables: Mapping[str, str],
    zone: tzinfo = UTC,
    warnings: list[ChannelError] | None = None,
) -> DefinedTargets:
    """The targets of an entry of `channels:`, one for each recipient.

    `channel` is the entry's name, `variables` has the values of `${VAR}`, and mails show times in
    `zone`. What works, but probably not as intended, is added to `warnings`. Faults and warnings
    have their path inside the definition. A URL with a fault does not affect the others.
    """
    entries: Sequence[object] = definition if isinstance(definition, list) else [definition]
    placed: list[_PlacedTarget] = []
    faults: list[ChannelError] = []
    if not entries:
        faults.append(ChannelError("there is no URL", "write one, or remove the channel"))
    for index, entry in enumerate(entries):
        path: KeyPath = (index,) if entries is definition else ()
        reader = _EntryReader(channel, variables, zone)
        try:
            made, found = reader.read(entry)
        except ChannelError as error:
            made, found = [], faults_of(error)
        placed += ((target, (*path, *inside)) for target, inside in made)
        faults += (_inside(path, fault) for fault in found)
        if warnings is not None:
            warnings += (_inside(path, warning) for warning in reader.warnings)
    targets = [target for target, _ in placed]
    if warnings is not None:
        paths = {id(target): path for target, path in placed}
        for target, _ in replaced(targets):
            recipient = target.label.removeprefix(f"{channel}:")
            what = f"{recipient} gets its alerts by another URL of this channel, not by this one"
            warnings.append(ChannelError(what, "remove one of them", paths[id(target)]))
    return DefinedTargets(tuple(without_duplicates(targets)), tuple(faults))


def _inside(path: KeyPath, fault: ChannelError) -> ChannelError:
    """The fault, with the path of its entry before its own."""
    return ChannelError(fault.what, fault.remedy, (*path, *fault.path))


class _EntryReader:
    """Reads one URL or mapping of an entry, and collects its warnings."""

    def __init__(self, channel: str, variables: Mapping[str, str], zone: tzinfo) -> None:
        self.warnings: list[ChannelError] = []
        self._channel = channel
        self._variables = variables
        self._zone = zone

    def read(self, entry: object) -> tuple[list[_PlacedTarget], tuple[ChannelError, ...]]:
        """The targets to make, and the faults of URLs that give none.

        Raises ChannelError, with all faults, where nothing of it can be used.
        """
        if isinstance(entry, str):
            block = Block({}, self._variables, CHANNEL.names)
            texts: list[tuple[KeyPath, str]] = [((), entry)]
        elif isinstance(entry, Mapping):
            block = Block(entry, self._variables, CHANNEL.names)
            if block.has("url") == block.has("urls"):
                block.fault("there must be either url or urls", "write one of them")
                block.check()
            texts = _texts(entry, block)
        else:
            what = "this is not a URL"
            raise ChannelError(what, "write one, a list of them, or a mapping with url")
        found: list[_PlacedTarget] = []
        for path, text in texts:
            with block.collect():
                found += self._url(_expanded(text, self._variables, path), path, block)
        block.check("urls")
        self.warnings += block.warnings
        return found, block.faults

    def _url(self, url: str, path: KeyPath, block: Block) -> list[_PlacedTarget]:
        """The targets of one URL; `block` has the settings beside it."""
        # Of the keys of a webhook, only `timeout` is one for every service.
        if any(block.has(key) for key in WEBHOOK_KEYS if key != "timeout") or _is_webhook(url):
            settings = read_settings(block, url, *path)
            host = check_url(block, url, *path)
            if not host:
                return []
            label, terms = target_label(self._channel, host), read_terms(block, is_webhook=True)
            return [(WebhookTarget(self._channel, label, settings, terms), path)]
        seconds, terms = read_timeout(block), read_terms(block)
        recipients = service_recipients(url, path, read_country(block))
        # The recipients of one URL have the same server and login.
        first = recipients[0]
        found = (*tls_warnings(first.plugin), *first.warnings)
        self.warnings += (ChannelError(*warning, path) for warning in found)
        apply_trust(block, [each.plugin for each in recipients], path)
        hosts = [getattr(first.plugin, name, None) for name in ("host", "smtp_host")]
        is_allowed = read_link_local(block, hosts, *path)
        return [(self._apprise(each, seconds, terms, is_allowed), path) for each in recipients]

    def _apprise(
        self, recipient: Recipient, timeout_seconds: float, terms: Terms, allow_link_local: bool
    ) -> Target:
        return AppriseTarget(
            self._channel,
            target_label(self._channel, *recipient.parts),
            recipient.plugin,
            recipient.style,
            zone=self._zone,
            timeout_seconds=timeout_seconds,
            allow_link_local=allow_link_local,
            urgency=recipient.urgency,
            audience=recipient.audience,
            is_address=recipient.is_address,
            former_name=target_label(self._channel, *recipient.former_parts),
            terms=terms,
        )


def _is_webhook(url: str) -> bool:
    """Whether a URL is a webhook's; an incomplete one of a service is read so, and refused then."""
    if not _HTTP.match(url):
        return False
    found = find_service(url)
    return (found is not None and not found.is_whole) or not is_native(url)


def _texts(entry: Mapping[str, object], block: Block) -> list[tuple[KeyPath, str]]:
    key = "url" if block.has("url") else "urls"
    value = entry[key]
    values = value if isinstance(value, list) and key == "urls" else [value]
    if not values:
        block.fault("urls is empty", "write one, or remove the channel", key)
    found: list[tuple[KeyPath, str]] = []
    for index, text in enumerate(values):
        path: KeyPath = (key, index) if values is value else (key,)
        if isinstance(text, str):
            found.append((path, text))
        else:
            block.fault(f"{key} is not a text", "write a URL", *path)
    return found


def _expanded(text: str, variables: Mapping[str, str], path: KeyPath) -> str:
    url = expand(text, variables, path, is_url=True).strip()
    if not url:
        raise ChannelError("the URL is empty", "write one, or remove the channel", path)
    return url
