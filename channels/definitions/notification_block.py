"""Makes the targets of a block of `notifications:`: `email`, `slack`, `webhook` or `sms`.

email
    `enabled`, `smtp_host`, `smtp_port` (587 with STARTTLS, 465 with TLS from the first byte, 25
    without TLS), `tls` (`starttls`, the default, `ssl`: TLS from the first byte, or `none`),
    `use_tls` (true is `starttls`, false is `ssl`), `username`, `password`, `from_address`
    (`Name <address>`; by default the username, where it is an address), `recipients` (one target
    each), `timeout`, `allow_link_local`
slack
    `enabled`, `webhook_url` (https://hooks.slack.com/services/…), `channel`, `username`,
    `icon_emoji`, `timeout`; the three before it are obeyed by older webhooks only
webhook
    `enabled`, `url`, `method` (POST, PUT), `headers`, `timeout`, and `secret`,
    `concurrency`, `ca_file`, `verify`, `allow_link_local`: as in
    `channels.definitions.channel_entry`
sms
    `enabled`, `twilio_account_sid`, `twilio_auth_token`, `from_number` (or a sender's name),
    `to_numbers` (one target each), `default_country` (of numbers without a `+`, such as `US`),
    `timeout`

Every block may say how the channel wants its alerts, see `channels.definitions.terms`.

`timeout` is how many seconds a whole send may take, 30 unless given, in every block as in
`channels.definitions.channel_entry`. `enabled` is false unless given. A disabled block is checked
for unknown keys only: its `${VAR}` may be unset.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from datetime import UTC, tzinfo
from typing import Any, Final
from urllib.parse import quote

from apprise.plugins.slack import CHANNEL_RE, NotifySlack

from channels.alert import Target
from channels.definitions.block import Block, DefinedTargets, faults_of, read_country
from channels.definitions.keys import NOTIFICATION_BLOCKS
from channels.definitions.security import (
    APPRISE_MODES,
    DEFAULT_PORTS,
    Tls,
    TlsProblem,
    mail_warnings,
    read_link_local,
)
from channels.definitions.terms import read_terms
from channels.definitions.webhook_settings import read_timeout, read_webhook
from channels.plugins.plugin import (
    NotifyEmail,
    SlackPlugin,
    TwilioPart,
    TwilioPlugin,
    make_plugin,
    twilio_faults,
)
from channels.plugins.recipients import (
    RecipientError,
    mail_address,
    normalized_mail,
    phone_number,
    room_label,
    source_number,
)
from channels.redact import basic_login, remember
from channels.render import Style
from channels.targets.apprise_target import AppriseTarget
from channels.targets.identity import target_label, without_duplicates
from engine.errors import ChannelError

_native_slack: Final[Callable[[str], dict[str, Any] | None]] = NotifySlack.parse_native_url
_EMOJI: Final = re.compile(r":[a-z0-9_+'-]+:")
_TWILIO_KEYS: Final[Mapping[TwilioPart, str]] = {
    TwilioPart.SID: "twilio_account_sid",
    TwilioPart.TOKEN: "twilio_auth_token",
    TwilioPart.FROM: "from_number",
}
_SECURITY_REMEDIES: Final[Mapping[TlsProblem, str]] = {
    TlsProblem.TLS_TOO_EARLY: "write tls: starttls, tls: none for a server without TLS, "
    "or port 465",
    TlsProblem.TLS_TOO_LATE: "write tls: ssl, or port 587",
    TlsProblem.CLEAR_PASSWORD: "write tls: starttls or tls: ssl, or remove username and password",
}


def notification_targets(
    channel: str,
    block: Mapping[str, object],
    variables: Mapping[str, str],
    zone: tzinfo = UTC,
    warnings: list[ChannelError] | None = None,
) -> DefinedTargets:
    """The targets of a block, one for each recipient; none where it is disabled.

    `channel` is the block's name, `variables` has the values of `${VAR}`, and mails show times in
    `zone`. What works, but probably not as intended, is added to `warnings`. Faults and warnings
    have their path inside the block. A recipient with a fault does not affect the others. Raises
    ChannelError for an unknown block.
    """
    readers: Mapping[str, Callable[[str, Block, tzinfo], tuple[Target, ...]]] = {
        "email": _email,
        "slack": _slack,
        "webhook": _webhook,
        "sms": _sms,
    }
    if channel not in readers:
        raise ChannelError(f"there is no {channel} block", f"use {', '.join(readers)}")
    reader = Block(block, variables, NOTIFICATION_BLOCKS[channel].names)
    targets: tuple[Target, ...] = ()
    if reader.flag("enabled", default=False):
        try:
            targets = readers[channel](channel, reader, zone)
        except ChannelError as error:
            return DefinedTargets((), faults_of(error))
    if warnings is not None:
        warnings += reader.warnings
    return DefinedTargets(tuple(without_duplicates(targets)), reader.faults)


def _email(channel: str, block: Block, zone: tzinfo) -> tuple[Target, ...]:
    host = block.text("smtp_host", is_required=True, is_plain=True)
    tls = _tls(block)
    port = block.integer("smtp_port", DEFAULT_PORTS[tls], 1, 65_535)
    username = block.text("username", is_plain=True)
    password = block.text("password", is_secret=True)
    sender = _sender(block, username)
    addresses = block.parsed(block.texts("recipients"), lambda text: mail_address(text)[1])
    seconds, terms = read_timeout(block), read_terms(block)
    is_allowed = read_link_local(block, [host], "smtp_host")
    _check_login(block, username, password)
    _warn_of_tls(block, tls, port, password)
    block.check("recipients")
    targets = []
    for address in addresses:
        plugin = make_plugin(
            NotifyEmail,
            {
                "schema": "mailto" if tls is Tls.NONE else "mailtos",
                "host": host,
                "smtp_host": host,
                "port": port,
                "secure_mode": APPRISE_MODES[tls],
                # Apprise unquotes both, in this form too.
                "user": quote(username or "", safe=""),
                "password": quote(password or "", safe=""),
                "from_addr": sender[1].replace("'", "_"),
            },
        )
        # Set here, since Apprise reads o'brien@ as brien@.
        vars(plugin)["from_addr"] = [sender[0] or False, sender[1]]
        vars(plugin)["targets"] = [(False, address)]
        targets.append(
            AppriseTarget(
                channel,
                target_label(channel, normalized_mail(address)),
                plugin,
                Style.EMAIL,
                zone=zone,
                timeout_seconds=seconds,
                allow_link_local=is_allowed,
                is_address=True,
                former_name=target_label(channel, address),
                terms=terms,
            )
        )
    return tuple(targets)


def _tls(block: Block) -> Tls:
    """The value of `tls`, or else of `use_tls`; a fault where the two differ."""
    by_use_tls = Tls.STARTTLS if block.flag("use_tls", default=True) else Tls.SSL
    tls = Tls(block.choice("tls", by_use_tls, tuple(Tls)))
    if tls is not by_use_tls and block.has("use_tls"):
        written = "true" if by_use_tls is Tls.STARTTLS else "false"
        block.fault(
            f"use_tls: {written} stands for tls: {by_use_tls}, but tls is {tls}",
            "remove use_tls",
            "use_tls",
        )
    return tls


def _warn_of_tls(block: Block, tls: Tls, port: int, password: str | None) -> None:
    for warning in mail_warnings(tls, port, has_password=password is not None):
        key = "tls" if warning.kind is TlsProblem.CLEAR_PASSWORD else "smtp_port"
        block.warn(warning.what, _SECURITY_REMEDIES[warning.kind], key)


def _sender(block: Block, username: str | None) -> tuple[str, str]:
    text = block.text("from_address", is_plain=True)
    key = "username" if text is None else "from_address"
    if text is None and (username is None or "@" not in username):
        block.fault("from_address is missing", "write Name <name@example.org>", "from_address")
        return "", ""
    try:
        return mail_address(text or username or "")
    except RecipientError as error:
        block.fault(error.what, error.remedy, key)
        return "", ""


def _check_login(block: Block, username: str | None, password: str | None) -> None:
    if (username is None) != (password is None) and block.has("username") != block.has("password"):
        missing = "password" if password is None else "username"
        block.fault(f"{missing} is missing", "give both username and password, or none", missing)
    for key, value in (("username", username), ("password", password)):
        if value is not None and not (value.isascii() and value.isprintable()):
            block.fault(f"{key} holds characters beyond ASCII", "SMTP can't log in so", key)
    if username and password:
        remember((base64.b64encode(f"\0{username}\0{password}".encode()).decode(),))


def _slack(channel: str, block: Block, zone: tzinfo) -> tuple[Target, ...]:
    url = block.text("webhook_url", is_required=True, is_secret=True, is_url=True)
    room = block.text("channel", is_plain=True)
    username = block.text("username", is_plain=True)
    emoji = block.text("icon_emoji", is_plain=True)
    seconds, terms = read_timeout(block), read_terms(block)
    keywords = _native_slack(url) if url else None
    if url and not keywords:
        block.fault(
            "webhook_url is not a Slack webhook's",
            "copy it from Slack: https://hooks.slack.com/services/…",
            "webhook_url",
        )
    if room and not CHANNEL_RE.fullmatch(room):
        block.fault(f"{room!r} is not a Slack channel", "write it like #alerts", "channel")
    if emoji and not _EMOJI.fullmatch(emoji):
        block.fault(f"{emoji!r} is not an emoji's name", "write it like :car:", "icon_emoji")
    block.check()
    assert keywords is not None
    remember(str(keywords.get(token) or "") for token in ("token_a", "token_b", "token_c"))
    keywords |= {"include_footer": False, "include_image": False, "icon_emoji": emoji or ""}
    if username:
        keywords["user"] = quote(username, safe="")
    if room:
        keywords["targets"] = [room]
    plugin = make_plugin(SlackPlugin, keywords, ("webhook_url",))
    return (
        AppriseTarget(
            channel,
            target_label(channel, room_label(room)) if room else channel,
            plugin,
            Style.CHAT,
            zone=zone,
            timeout_seconds=seconds,
            former_name=target_label(channel, room) if room else channel,
            terms=terms,
        ),
    )


def _webhook(channel: str, block: Block, zone: tzinfo) -> tuple[Target, ...]:
    return read_webhook(channel, block, "url")


def _sms(channel: str, block: Block, zone: tzinfo) -> tuple[Target, ...]:
    sid = block.text("twilio_account_sid", is_required=True, is_secret=True)
    token = block.text("twilio_auth_token", is_required=True, is_secret=True)
    source = block.text("from_number", is_required=True, is_plain=True)
    country = read_country(block)
    seconds, terms = read_timeout(block), read_terms(block)
    sources = block.parsed(
        [(("from_number",), source)] if source else [], lambda text: source_number(text, country)
    )
    numbers = block.parsed(block.texts("to_numbers"), lambda text: phone_number(text, country))
    for fault in twilio_faults(sid or "", token or "", "".join(sources), numbers):
        block.fault(fault.what, fault.remedy, _TWILIO_KEYS[fault.part])
    if sid and token:
        remember((basic_login(sid, token),))
    block.check("to_numbers")
    return tuple(
        AppriseTarget(
            channel,
            target_label(channel, number),
            make_plugin(
                TwilioPlugin,
                {
                    "schema": "twilio",
                    "account_sid": sid,
                    "auth_token": token,
                    "source": sources[0],
                    "targets": [number],
                },
                ("to_numbers",),
            ),
            Style.SMS,
            zone=zone,
            timeout_seconds=seconds,
            is_address=True,
            terms=terms,
        )
        for number in numbers
    )
