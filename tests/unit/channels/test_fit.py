"""The longest message of each service, through its unmodified plugin at a fake of its API."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from apprise.manager_plugins import NotificationManager

from channels.alert import SENT
from channels.definitions.apprise_url import service_recipients
from channels.definitions.channel_entry import entry_targets
from channels.fit import LIMITS, LengthUnit, bounds_of, fit, length_in
from channels.render import UNBOUNDED, Bounds, Message, Style, render
from channels.targets.apprise_target import AppriseTarget
from tests.support.answers import Request
from tests.support.http_receiver import HttpReceiver
from tests.support.services import SLACK, Services
from tests.support.smtp_receiver import SmtpReceiver
from tests.unit.channels.notification_blocks import EMAIL, targets
from tests.unit.channels.samples import NOW, alert

IMAGE = "https://img.example.org/p.jpg?a=1&b=2"
HEX = "0123456789abcdef0123456789abcdef"
TEXTS = {
    "words": "plate seen again & again ",
    "markup": "<b>*bold*</b> _x_ [a](b) & \\ ~#",
    "letters of two bytes": "Ärger über Öl ",
    "emoji": "🚨🚗",
    "one word": "x",
    "lines": "line\n",
}

Take = Callable[[Request], tuple[str, str]]


def of_json(*keys: str, title: str = "") -> Take:
    """Title and body from a JSON request, the body along the keys."""

    def take(request: Request) -> tuple[str, str]:
        document: Any = request.json()
        heading = document.get(title, "") if title else ""
        for key in keys:
            document = document[int(key) if key.isdigit() else key]
        return heading, document

    return take


def of_form(title: str, body: str) -> Take:
    """Title and body from a form."""

    def take(request: Request) -> tuple[str, str]:
        form = request.form()
        return form.get(title, [""])[0], form[body][0]

    return take


# The service's URL; where its API finds title and body; the longest of both; and in which unit,
# None for bytes of the whole request.
SERVICES: dict[str, tuple[str, Take, int, int, LengthUnit | None]] = {
    "discord": (f"discord://4174216298/{HEX}", of_json("content"), 0, 2_000, LengthUnit.CHARACTERS),
    "telegram": (
        "tgram://123456789:abcdefg_hijklmnop/12315544",
        of_json("text"),
        0,
        4_096,
        LengthUnit.UTF_16,
    ),
    "pushover": (
        f"pover://{'u' * 30}@{'a' * 30}",
        of_form("title", "message"),
        250,
        1_024,
        LengthUnit.CHARACTERS,
    ),
    "pagerduty": (
        f"pagerduty://{HEX}@{HEX}",
        of_json("payload", "summary"),
        0,
        1_024,
        LengthUnit.CHARACTERS,
    ),
    "opsgenie": (
        f"opsgenie://{HEX}",
        of_json("description", title="message"),
        130,
        15_000,
        LengthUnit.CHARACTERS,
    ),
    "zulip": (
        f"zulip://bot@plates/{HEX}/gate",
        of_form("topic", "content"),
        60,
        10_000,
        LengthUnit.CHARACTERS,
    ),
    "prowl": (
        f"prowl://{HEX}01234567",
        of_form("event", "description"),
        1_024,
        10_000,
        LengthUnit.CHARACTERS,
    ),
    "line": (
        f"line://{HEX}{HEX}/U{HEX}",
        of_json("messages", "0", "text"),
        0,
        5_000,
        LengthUnit.UTF_16,
    ),
    "webex": (
        f"wxteams://{HEX}{HEX}01234567abcdefgh/room",
        of_json("markdown"),
        0,
        7_439,
        LengthUnit.BYTES,
    ),
    "wecom": (f"wecombot://{HEX}", of_json("text", "content"), 0, 2_048, LengthUnit.BYTES),
    "dingtalk": (f"dingtalk://{HEX}", of_json("text", "content"), 0, 20_000, None),
    "lark": (f"lark://{HEX}", of_json("content", "text"), 0, 20_000, None),
    "google chat": (f"gchat://space/{HEX}/{HEX}", of_json("text"), 0, 4_000, LengthUnit.CHARACTERS),
}
OF_THE_HOUSE: dict[str, tuple[str, Take, int, int, LengthUnit | None]] = {
    "ntfy": (
        "ntfys://{host}/topic",
        of_json("message", title="title"),
        250,
        4_096,
        LengthUnit.BYTES,
    ),
    "gotify": (
        "gotifys://{host}/token0123456789",
        of_json("message", title="title"),
        250,
        32_768,
        LengthUnit.CHARACTERS,
    ),
    "mattermost": ("mmosts://{host}/" + HEX, of_json("text"), 0, 4_000, LengthUnit.CHARACTERS),
    "rocket.chat": (
        "rockets://WEBHOOKID/" + HEX + "@{host}",
        of_json("text"),
        0,
        1_000,
        LengthUnit.CHARACTERS,
    ),
    "json": (
        "jsons://{host}/x",
        of_json("message", title="title"),
        250,
        32_768,
        LengthUnit.CHARACTERS,
    ),
}


def longest(take: Take, requests: list[Request], limits: list[Any]) -> None:
    """Assert that the one request is within the limits, has the mark, and has the facts."""
    (request,) = requests
    title, body = take(request)
    most_in_title, most_in_body, unit = limits
    assert length_in(title, LengthUnit.CHARACTERS) <= most_in_title
    length = len(request.body) if unit is None else length_in(body, unit)
    assert length <= most_in_body
    # Telegram's plugin counts a blank as the six characters of `&nbsp;`, JSON an emoji as twelve.
    assert length > most_in_body * 0.3
    text = f"{title}\n{body}".replace("\\", "").replace("&amp;", "&")
    for fact in (
        "Watchlist Plate",
        "Late by ",
        "Suppressed since the last alert: 3",
        "p.jpg?a=1&b=2",
    ):
        assert fact in text, fact
    assert "…" in text


@pytest.mark.slow
@pytest.mark.parametrize("kind", TEXTS)
@pytest.mark.parametrize("service", SERVICES)
def test_longest_message_is_cut_by_us_and_keeps_the_facts(
    outside: Services, service: str, kind: str
) -> None:
    url, take, *limits = SERVICES[service]
    (target,) = entry_targets("ops", url, {}).checked()
    text = TEXTS[kind] * (40_000 // len(TEXTS[kind]))
    assert target.send(alert(message=text, suppressed_count=3), "k") == SENT
    longest(take, outside.requests.all(), limits)


@pytest.mark.parametrize("kind", ["markup", "emoji"])
@pytest.mark.parametrize("service", OF_THE_HOUSE)
def test_longest_message_of_a_service_of_the_house_is_cut_by_us(
    trusted: None, https_receiver: HttpReceiver, service: str, kind: str
) -> None:
    url, take, *limits = OF_THE_HOUSE[service]
    url = url.format(host=f"localhost:{https_receiver.port}")
    (target,) = entry_targets("ops", url, {}).checked()
    text = TEXTS[kind] * (40_000 // len(TEXTS[kind]))
    assert target.send(alert(message=text, suppressed_count=3), "k") == SENT
    longest(take, https_receiver.requests.all(), limits)


@pytest.mark.parametrize("options", ["", "?blocks=yes"])
def test_longest_message_of_slack_is_cut_by_us(outside: Services, options: str) -> None:
    url = f"slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#gate{options}"
    (target,) = entry_targets("ops", url, {}).checked()
    text = TEXTS["markup"] * 2_000
    assert target.send(alert(message=text, suppressed_count=3), "k") == SENT
    (request,) = outside.to(SLACK)
    body = request.body.decode()
    assert "Suppressed since the last alert: 3" in body
    assert "p.jpg?a=1&amp;b=2" in body
    assert "\\u2026" in body


def test_longest_mail_is_cut_by_us(trusted: None, smtp_receiver: SmtpReceiver) -> None:
    block = {**EMAIL, "smtp_port": smtp_receiver.port}
    target, *_ = targets("email", block)
    assert target.send(alert(message="<b>A & Ω</b>\n" * 20_000, suppressed_count=3), "k") == SENT
    (mail,) = smtp_receiver.wait_for(1)
    for kind in ("html", "plain"):
        part = mail.message.get_body((kind,))
        assert part is not None
        text = part.get_content()
        for fact in ("…", "Suppressed since the last alert: 3", "Watchlist Plate", "p.jpg?a=1"):
            assert fact in text, (kind, fact)
    assert "</body></html>" in str(mail.message.get_body(("html",)))


@pytest.mark.parametrize(
    ("url", "length"),
    [
        ("twilio://AC0123456789abcdef:feedface@+15550001111/+15551234567", 160),
        (
            "plivo://MA0123456789abcdef01234@0123456789abcdef0123456789abcdef01234567/15550001111/+15551234567",
            140,
        ),
    ],
)
def test_text_message_is_as_long_as_its_service_takes(url: str, length: int) -> None:
    (target,) = entry_targets("ops", url, {}).checked()
    assert isinstance(target, AppriseTarget)
    (recipient,) = service_recipients(url, ())
    assert (target.style, bounds_of(recipient.plugin).sms) == (Style.SMS, length)


def test_link_to_the_image_is_left_out_where_it_leaves_no_text() -> None:
    (recipient,) = service_recipients(f"pover://{'u' * 30}@{'a' * 30}", ())
    event = {"images": {"plate_url": "https://img.example.org/" + "p" * 1_000}}
    long = alert(message="word " * 1_000, event=event, suppressed_count=3)
    bounds = bounds_of(recipient.plugin)
    message = fit(
        recipient.plugin,
        lambda bounds: render(long, Style.CHAT, NOW, bounds=bounds),
        bounds,
        long.message,
    )
    assert "Plate image" not in message.body
    assert message.body.endswith("…\nSuppressed since the last alert: 3")
    assert 1_000 <= len(message.body) <= 1_024


def test_message_that_fits_is_whole() -> None:
    (recipient,) = service_recipients(f"discord://4174216298/{HEX}", ())
    short = alert(suppressed_count=3)

    def make(bounds: Bounds) -> Message:
        return render(short, Style.CHAT, NOW, bounds=bounds)

    assert fit(recipient.plugin, make, bounds_of(recipient.plugin), short.message) == make(
        UNBOUNDED
    )


def test_title_is_cut_with_a_mark() -> None:
    (recipient,) = service_recipients(f"zulip://bot@plates/{HEX}/gate", ())
    bounds = bounds_of(recipient.plugin)
    title = render(alert(rule_name="A rule " * 30), Style.CHAT, NOW, bounds=bounds).title
    assert len(title) == 60
    assert title.endswith("…")


def test_facts_are_on_as_many_lines_as_there_is_room_for() -> None:
    body = render(alert(suppressed_count=3), Style.CHAT, NOW, bounds=Bounds(lines=2)).body
    assert "\n" not in body
    assert " · Suppressed since the last alert: 3 · Plate image: https://" in body


def test_limits_are_of_services_that_apprise_has() -> None:
    manager: Any = NotificationManager
    schemas = {schema for kind in manager().plugins() for schema in _schemas(kind)}
    assert set(LIMITS) <= schemas


def _schemas(kind: Any) -> set[str]:
    found = (kind.protocol, kind.secure_protocol)
    return {name for each in found for name in ([each] if isinstance(each, str) else each or ())}
