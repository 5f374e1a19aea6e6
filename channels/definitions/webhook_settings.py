"""Reads the settings of a webhook, which are the same in `channels:` and `notifications:`.

A URL of a known service, as of a Slack webhook, is found: such a service refuses the engine's JSON,
or shows it as text, and Apprise knows its format. What `find_service` suggests instead has
placeholders in capitals, and no part that may be a secret.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from channels.alert import Target
from channels.definitions.block import Block
from channels.definitions.keys import WEBHOOK, names_of
from channels.definitions.security import (
    HEADER_WARNING,
    NO_PASSWORD_WARNING,
    has_authorization,
    has_trust,
    read_link_local,
    read_trust,
    refuse_without_tls,
    warn_of_unverified,
)
from channels.definitions.terms import read_terms
from channels.plugins.plugin import KeyPath
from channels.redact import SECRET_NAME, is_token, remember, url_secrets
from channels.targets.identity import target_label
from channels.targets.webhook import (
    DEFAULT_CONCURRENCY,
    KEY_HEADER,
    SIGNATURE_HEADER,
    WebhookSettings,
    WebhookTarget,
)
from channels.wire.deadline import DEFAULT_TIMEOUT_SECONDS

WEBHOOK_KEYS: Final = names_of(WEBHOOK)
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
    settings = read_settings(block, url or "", url_key)
    terms = read_terms(block, is_webhook=True)
    if url:
        host = check_url(block, url, url_key)
    block.check()
    return (WebhookTarget(channel, target_label(channel, host), settings, terms),)


def read_settings(block: Block, url: str, *path: str | int) -> WebhookSettings:
    """The settings in `WEBHOOK_KEYS`, `TRUST_KEYS` and `allow_link_local`; the URL is at `path`.

    Faults are added to the block.
    """
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
        allow_link_local=read_link_local(block, [_host_of(url)], *path),
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


@dataclass(frozen=True, slots=True)
class KnownService:
    """A service and its URLs.

    `host` matches its hosts, and `whole` a complete URL from the host to the end; `form` shows one.
    Any other URL of its hosts is incomplete, unless `form` is empty, or `open` matches it: it takes
    any JSON then. `apprise` is the Apprise URL, with `{host}`, `{s}` for TLS, and the groups of
    `whole`.
    """

    name: str
    host: re.Pattern[str]
    whole: re.Pattern[str]
    apprise: str
    form: str = ""
    open: re.Pattern[str] | None = None


@dataclass(frozen=True, slots=True)
class ServiceUrl:
    """A URL of a known service: whether it is complete, and what to write instead."""

    service: str
    is_whole: bool
    remedy: str


def _service(
    name: str, host: str, whole: str, apprise: str, form: str = "", open_: str = ""
) -> KnownService:
    patterns = [re.compile(text, re.I) for text in (host, whole, open_)]
    return KnownService(
        name, patterns[0], patterns[1], apprise, form, patterns[2] if open_ else None
    )


SERVICES: Final = (
    _service(
        "Slack",
        r"(.+\.)?slack(-gov)?\.com",
        r"hooks\.slack(-gov)?\.com/(services(/[A-Z0-9]+){3}/?|(workflows|triggers)/.+)",
        "slack://TOKEN_A/TOKEN_B/TOKEN_C",
        "https://hooks.slack.com/services/T…/B…/…",
    ),
    _service(
        "Discord",
        r"((canary|ptb)\.)?discord(app)?\.com|discord\.gg",
        r"[^/]+/api/(v\d+/)?webhooks/\d+/[\w-]+/?(slack|github)?(\?.*)?",
        "discord://WEBHOOK_ID/WEBHOOK_TOKEN",
        "https://discord.com/api/webhooks/ID/TOKEN",
    ),
    _service(
        "a Microsoft Teams connector",
        r"(.+\.)?webhook\.office(365)?\.com|outlook\.office(365)?\.com",
        r".+",
        "workflows://HOST/WORKFLOW/SIGNATURE",
    ),
    _service(
        "Microsoft Teams",
        r".+\.logic\.azure\.\w+|.+\.(power|apps)platform\..+|teams\.(microsoft|live)\.com",
        r"[^/]+/(.+/)?workflows/[^/]+/triggers/manual/paths/invoke/?\?(.*&)?sig=[^&]+.*",
        "workflows://{host}/WORKFLOW/SIGNATURE",
        "https://….logic.azure.com/workflows/…&sig=…",
        r".+[?&]sig=[^&]+.*",
    ),
    _service(
        "Google Chat",
        r"chat\.google(apis)?\.com",
        r"chat\.googleapis\.com/v1/spaces/[^/]+/messages/?\?(?=(.*&)?key=[^&])(?=(.*&)?token=[^&]).+",
        "gchat://SPACE/KEY/TOKEN",
        "https://chat.googleapis.com/v1/spaces/SPACE/messages?key=KEY&token=TOKEN",
    ),
    _service(
        "Telegram",
        r"api\.telegram\.org|t\.me|telegram\.me",
        r"api\.telegram\.org/bot\d+:[\w-]+(/.*)?",
        "tgram://BOT_TOKEN/CHAT_ID",
        "tgram://BOT_TOKEN/CHAT_ID",
    ),
    _service(
        "Webex",
        r"webexapis\.com|api\.ciscospark\.com",
        r"[^/]+/v\d+/webhooks/incoming/[\w-]+/?",
        "wxteams://TOKEN",
        "https://webexapis.com/v1/webhooks/incoming/TOKEN",
    ),
    _service(
        "Lark",
        r"open\.larksuite\.com",
        r"[^/]+/open-apis/bot/v2/hook/[\w-]+/?",
        "lark://TOKEN",
        "https://open.larksuite.com/open-apis/bot/v2/hook/TOKEN",
    ),
    _service(
        "Feishu",
        r"open\.feishu\.cn",
        r"[^/]+/open-apis/bot/v2/hook/[\w-]+/?",
        "feishu://TOKEN",
        "feishu://TOKEN",
    ),
    _service(
        "WeCom",
        r"qyapi\.weixin\.qq\.com",
        r"[^/]+/cgi-bin/webhook/send/?\?(.*&)?key=[^&]+.*",
        "wecombot://KEY",
        "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=KEY",
    ),
    _service(
        "Flock",
        r"api\.flock\.com",
        r"[^/]+/hooks/sendMessage/[a-z0-9-]{24}/?",
        "flock://TOKEN",
        "https://api.flock.com/hooks/sendMessage/TOKEN",
    ),
    _service(
        "Splunk On-Call",
        r"alert\.victorops\.com",
        r"[^/]+/integrations/generic/\d+/alert/[\w-]+/.+",
        "splunk://ROUTING_KEY@API_KEY",
        "https://alert.victorops.com/integrations/generic/20131114/alert/API_KEY/ROUTING_KEY",
    ),
    _service(
        "Zulip", r".+\.zulipchat\.com", r".+/api/v1/.+", "zulip://BOT_NAME@ORGANISATION/TOKEN"
    ),
    _service("Pushover", r"api\.pushover\.net", r".+", "pover://USER_KEY@APP_TOKEN"),
    _service(
        "PagerDuty", r"events(\.eu)?\.pagerduty\.com", r".+", "pagerduty://INTEGRATION_KEY@API_KEY"
    ),
    _service("Opsgenie", r"api(\.eu)?\.opsgenie\.com", r".+", "opsgenie://API_KEY"),
    _service("Twilio", r"api\.twilio\.com", r".+", "twilio://SID:AUTH_TOKEN@FROM/TO"),
    _service("ntfy", r"ntfy\.sh", r"[^/]+/[\w-]+", "ntfy://TOPIC"),
    # These run on any host, and are recognized by their paths.
    _service(
        "Mattermost",
        r".+",
        r"[^/]+(?P<folder>(/[\w.-]+)*)/hooks/[a-z0-9]{26}/?",
        "mmost{s}://{host}{folder}/TOKEN",
    ),
    _service(
        "Rocket.Chat",
        r".+",
        r"[^/]+/hooks/[a-z0-9]{17,24}/[a-z0-9]{32,64}/?",
        "rocket{s}://WEBHOOK_ID/TOKEN@{host}",
    ),
    _service(
        "Matrix",
        r".+",
        r"[^/]+/_matrix/client/.+",
        "matrix{s}://ACCESS_TOKEN@{host}/#ROOM",
    ),
)


def find_service(url: str) -> ServiceUrl | None:
    """The known service of a URL of http:// or https://; None where it is of none."""
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").rstrip("."), parts.port
    except ValueError:
        return None
    address = f"{host}:{port}" if port else host
    rest = f"{host}{parts.path}{'?' if parts.query else ''}{parts.query}"
    for service in SERVICES:
        if not service.host.fullmatch(host):
            continue
        whole = service.whole.fullmatch(rest)
        if whole is not None:
            tls = "s" if parts.scheme.lower() == "https" else ""
            apprise = service.apprise.format(host=address, s=tls, **whole.groupdict())
            return ServiceUrl(service.name, True, apprise)
        is_open = service.open is not None and service.open.fullmatch(rest) is not None
        if service.form and not is_open:
            return ServiceUrl(service.name, False, service.form)
    return None


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


def _host_of(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


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
