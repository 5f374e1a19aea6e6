"""Makes a plugin for each recipient of an Apprise URL."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from apprise import NotifyBase
from apprise.plugins.slack import CHANNEL_RE, NotifySlack
from apprise.plugins.twilio import NotifyTwilio
from apprise.utils.parse import parse_list

from channels.alert import Audience
from channels.definitions.security import (
    APPRISE_MODES,
    LoginWarning,
    TlsProblem,
    correct_login,
    mail_warnings,
)
from channels.plugins.plugin import (
    KeyPath,
    NotifyEmail,
    Urgency,
    make_plugin,
    plugin_class,
    twilio_faults,
    urgency_of,
)
from channels.plugins.recipients import (
    RecipientError,
    is_phone_like,
    mail_address,
    mail_texts,
    normalized_mail,
    phone_number,
    phone_texts,
    room_label,
    source_number,
)
from channels.plugins.url import read_url
from channels.render import Style
from channels.targets.audience import plugin_audience
from channels.targets.identity import former_hash
from engine.errors import ChannelError

_SMS_BODY_LENGTH: Final = 2_000
_SECURITY_REMEDIES: Final[Mapping[TlsProblem, str]] = {
    TlsProblem.TLS_TOO_EARLY: "write mailtos:// without mode=ssl, mailto:// for a server without "
    "TLS, or port 465",
    TlsProblem.TLS_TOO_LATE: "write mailtos:// with mode=ssl, or port 587",
    TlsProblem.CLEAR_PASSWORD: "write mailtos:// instead of mailto://",
}
# The names that Apprise's plugins have for telephone numbers.
_PHONE_TOKENS: Final = ("target_phone", "target_phone_no")
_COPIES: Final = ("cc", "bcc")
#: Without `action=new`, their plugins add a message of low priority to an earlier alert.
_NEEDS_ACTION: Final = frozenset({"opsgenie", "jira"})
#: Services that send inside one country, to numbers as they are written there.
_NATIONAL: Final = frozenset(
    {"bulkvs", "exotel", "kavenegar", "mobilemessage", "mobilemsg", "msg91", "voipms"}
)
_parts_of: Final[Callable[[object], list[str]]] = NotifyBase.split_path
_list_of: Final[Callable[..., list[str]]] = parse_list


@dataclass(frozen=True, slots=True)
class Recipient:
    """A plugin with one recipient, or with those that the service takes in one request only.

    `parts` are those of its target's label behind the channel, and `former_parts` those of the id
    that version 1 gave it. `is_address` is for parts that no other recipient has. `warnings` are
    about its URL.
    """

    plugin: NotifyBase = field(repr=False)
    style: Style
    parts: tuple[str, ...]
    former_parts: tuple[str, ...]
    audience: Audience
    is_address: bool = False
    warnings: tuple[LoginWarning, ...] = ()
    urgency: Urgency | None = None


def service_recipients(url: str, path: KeyPath, country: str = "") -> list[Recipient]:
    """The recipients of an Apprise URL in order; numbers without a country belong to `country`.

    Raises ChannelError at `path` where one can't be used, or there is none.
    """
    keywords = read_url(url, path)
    warnings = correct_login(keywords)
    kind = plugin_class(str(keywords["schema"]))
    if issubclass(kind, NotifyEmail):
        return _mail(kind, keywords, path)
    if issubclass(kind, NotifyTwilio):
        return _twilio(kind, keywords, path, country)
    if issubclass(kind, NotifySlack):
        return _slack(kind, keywords, path)
    return [replace(each, warnings=warnings) for each in _other(kind, keywords, path, country)]


def tls_warnings(plugin: NotifyBase) -> Iterator[tuple[str, str]]:
    """Warnings about the TLS of a mail plugin, each with its remedy; none for other plugins."""
    if isinstance(plugin, NotifyEmail):
        # From the plugin, which knows the ports and modes of providers.
        tls = next(tls for tls, mode in APPRISE_MODES.items() if mode == plugin.secure_mode)
        has_password = bool(plugin.user and plugin.password)
        for warning in mail_warnings(tls, int(plugin.port or 0), has_password=has_password):
            yield warning.what, _SECURITY_REMEDIES[warning.kind]


def _mail(kind: type[NotifyBase], keywords: Mapping[str, Any], path: KeyPath) -> list[Recipient]:
    addresses = _addresses(keywords, "targets", path)
    copies = {key: _addresses(keywords, key, path) for key in (*_COPIES, "reply_to")}
    plain = {**keywords, "targets": [], **dict.fromkeys(copies)}
    sender = str(keywords.get("from_addr") or "")
    # Apprise would read o'brien@ as brien@.
    own = _checked(mail_address, sender, path) if "'" in sender and "@" in sender else None
    if own is not None:
        plain["from_addr"] = own[1].replace("'", "_")

    def made(address: str | None, *, has_copies: bool) -> NotifyBase:
        plugin = make_plugin(kind, plain, path)
        settings = vars(plugin)
        if own is not None:
            settings["from_addr"] = (own[0] or False, own[1])
        if address is not None:
            settings["targets"] = [(False, address)]
        for key, listed in copies.items():
            if has_copies or key not in _COPIES:
                settings[key] = {address for _, address in listed.values()}
                settings["names"] |= {address: name for name, address in listed.values() if name}
        return plugin

    whole = made(None, has_copies=False)
    for key in ("user", "password"):
        if not (getattr(whole, key) or "").isascii():
            raise ChannelError(f"the {key} holds characters beyond ASCII", "change it", path)
    if not addresses:
        # As documented by Apprise, the sender is the recipient then.
        address = str(vars(whole)["from_addr"][1])
        addresses = {normalized_mail(address): ("", address)}
    # Copies go with the first mail only, and not to addresses that get a mail of their own.
    taken = set(addresses)
    for key in _COPIES:
        copies[key] = {same: each for same, each in copies[key].items() if same not in taken}
        taken |= set(copies[key])
    found: list[Recipient] = []
    for index, (same, (_, one)) in enumerate(addresses.items()):
        plugin = made(one, has_copies=index == 0)
        audience = plugin_audience(plugin)
        # The label does not name those who get copies.
        is_address = len(audience.recipients) == 1
        found.append(Recipient(plugin, Style.EMAIL, (same,), (one,), audience, is_address))
    return found


def _addresses(keywords: Mapping[str, Any], key: str, path: KeyPath) -> dict[str, tuple[str, str]]:
    """Name and address of each in a keyword, by the normalized address."""
    found: dict[str, tuple[str, str]] = {}
    given = keywords.get(key) or ()
    for text in (given,) if isinstance(given, str) else given:
        for one in mail_texts(str(text)):
            named = _checked(mail_address, one, path)
            found.setdefault(normalized_mail(named[1]), named)
    return found


def _twilio(
    kind: type[NotifyBase], keywords: Mapping[str, Any], path: KeyPath, country: str
) -> list[Recipient]:
    # `to=` as it is written: Apprise drops what does not look like a number.
    given = [*_parts_of(keywords.get("fullpath")), str(keywords["qsd"].get("to") or "")]
    texts = [text for part in given for text in phone_texts(part)]
    numbers = [_checked(phone_number, text, path, country) for text in texts]
    if not numbers:
        raise ChannelError(
            "the Twilio URL has no number to send to",
            "write twilio://SID:TOKEN@FROM/TO (without TO, FROM itself would get the messages)",
            path,
        )
    is_call = str(keywords.get("method", "")).lower().startswith("c")
    source = _checked(source_number, str(keywords.get("source") or ""), path, country)
    for faulty in twilio_faults(
        str(keywords.get("account_sid") or ""),
        str(keywords.get("auth_token") or ""),
        source,
        numbers,
        is_call=is_call,
    ):
        raise ChannelError(faulty.what, faulty.remedy, path)
    style = Style.CHAT if is_call else Style.SMS
    found: list[Recipient] = []
    for number in numbers:
        plugin = make_plugin(kind, {**keywords, "source": source, "targets": [number]}, path)
        audience = plugin_audience(plugin)
        # A number that is called has the same label.
        found.append(Recipient(plugin, style, (number,), (number,), audience, not is_call))
    return found


def _slack(kind: type[NotifyBase], keywords: Mapping[str, Any], path: KeyPath) -> list[Recipient]:
    rooms = _list_of(keywords.get("targets"), sort=False)
    for room in rooms:
        if "@" not in room[1:] and not CHANNEL_RE.fullmatch(room):
            raise ChannelError(f"{room!r} is not a Slack channel", "write it like #alerts", path)
    found: list[Recipient] = []
    for room in rooms or [""]:
        plugin = make_plugin(kind, {**keywords, "targets": [room] if room else []}, path)
        parts, former = (room_label(room),) if room else (), (room,) if room else ()
        audience = plugin_audience(plugin)
        found.append(Recipient(plugin, Style.CHAT, ("slack", *parts), ("slack", *former), audience))
    return found


def _other(
    kind: type[NotifyBase], keywords: Mapping[str, Any], path: KeyPath, country: str
) -> list[Recipient]:
    if str(keywords["schema"]).lower() in _NEEDS_ACTION:
        keywords = {"action": "new", **keywords}
    is_phone = any(token in kind.template_tokens for token in _PHONE_TOKENS)
    # The numbers in a URL of DingTalk are only mentioned in its message.
    is_phone = is_phone and str(keywords["schema"]).lower() != "dingtalk"
    given = keywords.get("targets")
    if isinstance(given, list):
        if is_phone:
            given = _with_countries(given, keywords, path, country)
        # Some plugins count a repeated recipient twice, and others once.
        once: dict[str, Any] = {}
        for text in given:
            once.setdefault(_normalized(str(text)), text)
        given = list(once.values())
        keywords = {**keywords, "targets": given}
    whole = make_plugin(kind, keywords, path)
    targets: Sequence[Any] = getattr(whole, "targets", None) or ()
    if is_phone and not targets:
        raise ChannelError(
            f"the {kind.service_name} URL has no number to send to", "add one at its end", path
        )
    is_sms = is_phone and whole.title_maxlen <= 0 and whole.body_maxlen <= _SMS_BODY_LENGTH
    style = Style.SMS if is_sms else Style.CHAT
    name, former = _service_name(whole, keywords), _former_name(whole, keywords)
    urgency = urgency_of(kind, keywords, path)
    if isinstance(given, list) and len(given) > 1:
        # Copies go with the first only.
        alone = {key: value for key, value in keywords.items() if key not in _COPIES}
        each = [
            {**(alone if index else keywords), "targets": [one]} for index, one in enumerate(given)
        ]
        split = [make_plugin(kind, one, path) for one in each]
        # A service that takes all recipients in one request can't be split.
        if len(whole) == sum(len(one) for one in split):
            return [
                Recipient(
                    plugin,
                    style,
                    name,
                    (*former, former_hash(str(own["targets"][0]))),
                    _audience(kind, own, plugin, path),
                    urgency=urgency,
                )
                for plugin, own in zip(split, each, strict=True)
            ]
    audience = _audience(kind, keywords, whole, path)
    return [Recipient(whole, style, name, former, audience, urgency=urgency)]


def _audience(
    kind: type[NotifyBase], keywords: Mapping[str, Any], plugin: NotifyBase, path: KeyPath
) -> Audience:
    """The audience of a plugin, the same for every spelling of its recipients."""
    given = keywords.get("targets")
    if isinstance(given, list):
        plain = [_normalized(str(text)) for text in given]
        if plain != given:
            plugin = make_plugin(kind, {**keywords, "targets": plain}, path)
    return plugin_audience(plugin)


def _normalized(recipient: str) -> str:
    """The same text for every spelling of an address or a room; a user's id is left as it is."""
    text = recipient.strip()
    return normalized_mail(text) if "@" in text[1:] or text.startswith("#") else text


def _with_countries(
    given: Sequence[Any], keywords: Mapping[str, Any], path: KeyPath, country: str
) -> list[Any]:
    """The recipients of a URL, with each telephone number in international form.

    Raises ChannelError for a number without its country, and for a text that Apprise dropped from
    `to=`.
    """
    left = str(keywords["qsd"].get("to") or "")
    for text in sorted(map(str, given), key=len, reverse=True):
        left = left.replace(text, "", 1)
    left = left.strip(" ,;|/\t\r\n")
    if left:
        what = f"{left!r} in to= is not a telephone number"
        raise ChannelError(what, "write it like +15551234567", path)
    if str(keywords["schema"]).lower() in _NATIONAL:
        return list(given)
    return [
        _checked(phone_number, text, path, country) if is_phone_like(str(text)) else text
        for text in given
    ]


def _service_name(plugin: NotifyBase, keywords: Mapping[str, Any]) -> tuple[str, ...]:
    """The parts of the label: the schema, and the host where it is one, and not a token."""
    schema, host, port = _address(keywords)
    if "host" not in type(plugin).template_tokens or not _is_host(host, port):
        return (schema,)
    return (schema, f"{host}:{port}".lower() if port else host.lower())


def _former_name(plugin: NotifyBase, keywords: Mapping[str, Any]) -> tuple[str, ...]:
    """The parts of the id of version 1, see `former_ids`."""
    schema, host, port = _address(keywords)
    if "host" not in type(plugin).template_tokens:
        return (schema,)
    if not host:
        given: Sequence[Any] = keywords.get("targets") or ()
        return (schema, former_hash(str(given[0]))) if len(given) == 1 else (schema,)
    if not _is_host(host, port):
        return (schema, former_hash(host))
    return (schema, f"{host}:{port}" if port else host)


def _address(keywords: Mapping[str, Any]) -> tuple[str, str, str]:
    """Schema, host and port."""
    schema = str(keywords["schema"]).lower()
    return schema, str(keywords.get("host") or ""), str(keywords.get("port") or "")


def _is_host(host: str, port: str) -> bool:
    """Whether it names a server: in ntfy://topic it is the topic, as secret as a password."""
    return bool(host) and (bool(port) or "." in host or host == "localhost")


def _checked(check: Callable[..., Any], text: str, path: KeyPath, *more: str) -> Any:
    try:
        return check(text, *more)
    except RecipientError as error:
        raise ChannelError(error.what, error.remedy, path) from None
