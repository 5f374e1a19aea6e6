"""Reads the settings of a webhook, which are the same in `channels:` and `notifications:`."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit

from channels.alert import Target
from channels.definitions.block import Block
from channels.definitions.known_services import find_service
from channels.definitions.security import (
    HEADER_WARNING,
    NO_PASSWORD_WARNING,
    has_authorization,
    has_trust,
    read_trust,
    refuse_without_tls,
    warn_of_unverified,
)
from channels.plugins.plugin import KeyPath
from channels.redact import SECRET_NAME, is_token, remember, url_secrets
from channels.targets.identity import target_id
from channels.targets.webhook import (
    DEFAULT_CONCURRENCY,
    KEY_HEADER,
    SIGNATURE_HEADER,
    WebhookSettings,
    WebhookTarget,
)
from channels.wire.deadline import DEFAULT_TIMEOUT_SECONDS

WEBHOOK_KEYS: Final = ("method", "headers", "timeout", "secret", "concurrency")
MAX_TIMEOUT_SECONDS: Final = 120.0
MAX_CONCURRENCY: Final = 64
_HEADER_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_HEADER_VALUE: Final = re.compile(r"[\x20-\x7e\xa0-\xff\t]*")
_HOST: Final = re.compile(r"[\w.:%-]+")
_OWN_HEADERS: Final = frozenset(
    name.lower() for name in (KEY_HEADER, SIGNATURE_HEADER, "Content-Length", "Host")
) | {"transfer-encoding", "connection"}


def read_webhook(channel: str, block: Block, url_key: str) -> tuple[Target, ...]:
    """The target of a webhook's block; raises ChannelError with all its faults."""
    url = block.text(url_key, is_required=True, is_secret=True, is_url=True)
    settings = read_settings(block, url or "")
    if url:
        host = check_url(block, url, url_key)
    block.check()
    return (WebhookTarget(channel, target_id(channel, host), settings),)


def read_settings(block: Block, url: str) -> WebhookSettings:
    """The settings in `WEBHOOK_KEYS` and `TRUST_KEYS`; faults are added to the block."""
    trust = read_trust(block)
    if has_trust(block) and url.lower().startswith("http://"):
        refuse_without_tls(block)
    elif trust is False:
        warn_of_unverified(block, "verify")
    headers = _headers(block)
    if has_authorization(headers) and _has_login(url):
        block.warn(*HEADER_WARNING, "headers")
    return WebhookSettings(
        trust=trust,
        url=url,
        method=block.choice("method", "POST", ("POST", "PUT")),
        headers=headers,
        timeout_seconds=read_timeout(block),
        secret=block.text("secret", is_secret=True) or "",
        concurrency=block.integer("concurrency", DEFAULT_CONCURRENCY, 1, MAX_CONCURRENCY),
    )


def read_timeout(block: Block) -> float:
    """The seconds that a whole send may take; a fault is added to the block."""
    return block.number("timeout", DEFAULT_TIMEOUT_SECONDS, 0.1, MAX_TIMEOUT_SECONDS)


def check_url(block: Block, url: str, *path: str | int) -> str:
    """The URL's host, with its port if it has one; "" and a fault where the URL can't be used."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        host, port = "", None
    if not _is_host(host) or parts.scheme.lower() not in ("http", "https") or not url.isprintable():
        block.fault("this is not a URL of http:// or https://", "write https://…", *path)
        return ""
    remember(url_secrets(url))
    if parts.username and parts.password is None:
        block.warn(*NO_PASSWORD_WARNING, *path)
    _check_service(block, url, path)
    return f"{host}:{port}" if port else host


def _check_service(block: Block, url: str, path: KeyPath) -> None:
    """Add a fault for an incomplete URL of a service, and a warning for a complete one."""
    found = find_service(url)
    if found is None:
        return
    if found.is_whole:
        block.warn(
            f"this is a URL of {found.service}, which does not take the engine's JSON",
            f"write {found.remedy} under `channels:`",
            *path,
        )
    else:
        what = f"this is not the whole URL of a webhook of {found.service}"
        block.fault(what, f"write it whole, like {found.remedy}", *path)


def _has_login(url: str) -> bool:
    try:
        return urlsplit(url).password is not None
    except ValueError:
        return False


def _is_host(host: str) -> bool:
    try:
        return bool(_HOST.fullmatch(host)) and bool(host.encode("idna"))
    except UnicodeError:
        # A label of the name is empty, or longer than 63 characters.
        return False


def _headers(block: Block) -> dict[str, str]:
    headers = block.mapping("headers")
    for name, value in headers.items():
        words = value.split()
        if SECRET_NAME.search(name) or any(is_token(word) for word in words):
            # In "Bearer abc", only the last word is a secret of its own.
            remember((value, *words[-1:]))
        if not _HEADER_NAME.fullmatch(name):
            block.fault(f"{name!r} is not a header's name", "use letters and -", "headers", name)
        elif name.lower() in _OWN_HEADERS:
            block.fault(f"the header {name} is set by the engine", "remove it", "headers", name)
        elif not _HEADER_VALUE.fullmatch(value):
            block.fault(
                f"the header {name} holds a line end or a character beyond Latin-1",
                "remove it",
                "headers",
                name,
            )
    return headers
