"""Recognizes the URLs of services that do not take the engine's JSON, as of a Slack webhook.

Such a service refuses the JSON of a webhook, or shows it as text; Apprise knows its format. What
`find_service` suggests instead has placeholders in capitals, and no part that may be a secret.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit


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
