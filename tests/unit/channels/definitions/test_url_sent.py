"""What arrives of variables in URLs, through unmodified Apprise and our own webhook."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from channels.alert import SENT
from channels.definitions.channel_entry import entry_targets
from channels.definitions.security import HEADER_WARNING, NO_PASSWORD_WARNING
from channels.targets.apprise_target import AppriseTarget
from engine.errors import ChannelError
from tests.support.answers import Request
from tests.support.certificates import Certificates
from tests.support.http_receiver import HttpReceiver
from tests.support.services import SLACK, Services
from tests.support.smtp_receiver import SmtpReceiver
from tests.unit.channels.samples import alert

# Each is another value after one more or one fewer unquoting.
HARD = ["p@/#?% w+&=;:x", "a%40b", "a%2540b", "100%", "%41%", "ü%C3%BC", "a+b"]


def send(url: str, variables: Mapping[str, str]) -> list[ChannelError]:
    """Send an alert to the one target of the URL; the warnings of its URL."""
    warnings: list[ChannelError] = []
    (target,) = entry_targets("ops", url, variables, warnings=warnings).checked()
    assert target.send(alert(), "k") == SENT
    return warnings


def sent(receiver: HttpReceiver, url: str, **variables: str) -> Request:
    """What arrives of an alert that is sent to the URL."""
    before = len(receiver.requests.all())
    send(url, {"HOST": f"127.0.0.1:{receiver.port}", **variables})
    return receiver.wait_for(before + 1)[-1]


def login(request: Request) -> str:
    scheme, _, coded = request.headers["authorization"].partition(" ")
    assert scheme == "Basic"
    return base64.b64decode(coded).decode("utf-8")


@pytest.mark.parametrize("value", HARD)
def test_login_path_and_query_of_a_webhook_arrive_as_they_are(
    http_receiver: HttpReceiver, value: str
) -> None:
    got = sent(http_receiver, "http://u:${V}@${HOST}/in/${V}/end?t=${V}&u=1", V=value)
    parts = urlsplit(got.path)
    assert unquote(parts.path) == f"/in/{value}/end"
    assert parse_qs(parts.query) == {"t": [value], "u": ["1"]}
    assert base64.b64decode(got.headers["authorization"].split()[1]) in (
        f"u:{value}".encode(),
        # What is beyond ASCII, requests sends in Latin-1, where it can.
        f"u:{value}".encode("latin-1"),
    )


@pytest.mark.parametrize("value", HARD)
@pytest.mark.parametrize("scheme", ["json", "xml", "form"])
def test_login_path_and_header_of_an_apprise_url_arrive_as_they_are(
    http_receiver: HttpReceiver, scheme: str, value: str
) -> None:
    got = sent(http_receiver, f"{scheme}://u:${{V}}@${{HOST}}/in/${{V}}/end?+X-T=k${{V}}", V=value)
    assert unquote(got.path) == f"/in/{value}/end"
    if value.isascii():
        assert login(got) == f"u:{value}"
        assert got.headers["x-t"] == f"k{value}"


@pytest.mark.parametrize("value", [value for value in HARD if value.isascii()])
@pytest.mark.parametrize("key", ["pass", "password"])
def test_a_password_in_the_query_is_unquoted_once(
    http_receiver: HttpReceiver, key: str, value: str
) -> None:
    got = sent(http_receiver, f"json://${{HOST}}/x?user=${{V}}&{key}=${{V}}", V=value)
    assert login(got) == f"{value}:{value}"


@pytest.mark.parametrize("value", ["p%40ss", "p@/#?%&;", "100%25"])
@pytest.mark.parametrize("where", ["login", "query"])
def test_a_mail_servers_login_arrives_as_it_is(
    trusted: None, certificates: Certificates, where: str, value: str
) -> None:
    with SmtpReceiver(certificates.local_server(), "u@example.org", value) as mail:
        given = {"U": mail.username, "P": f"{value}\n", "PORT": str(mail.port)}
        rest = "from=a@example.org&to=b@example.org"
        url = {
            "login": f"mailtos://${{U}}:${{P}}@localhost:${{PORT}}/?{rest}",
            "query": f"mailtos://localhost:${{PORT}}/?user=${{U}}&pass=${{P}}&{rest}",
        }[where]
        send(url, given)
        (got,) = mail.logins.all()
        assert (got.username, got.password) == (mail.username, value)


def test_slacks_tokens_in_one_variable_stay_slacks(outside: Services) -> None:
    url = "https://hooks.slack.com/services/${SLACK_TOKENS}"
    (target,) = entry_targets("ops", url, {"SLACK_TOKENS": "T0A/B0A/c0ffee91"}).checked()
    assert isinstance(target, AppriseTarget)
    assert target.send(alert(), "k") == SENT
    assert outside.to(SLACK)[0].path == "/services/T0A/B0A/c0ffee91"


def test_a_variable_that_is_the_whole_url_stays_as_it_is(http_receiver: HttpReceiver) -> None:
    path = "/a%2Fb/c?d=%2525&e=f/g"
    got = sent(http_receiver, "${URL}", URL=f"http://127.0.0.1:{http_receiver.port}{path}\n")
    assert got.path == path


@pytest.mark.parametrize("value", ["a%40b", "a%2540b", "100%", "p@#?% w+&=;:x"])
def test_a_token_in_the_path_of_gotify_is_unquoted_once(
    http_receiver: HttpReceiver, value: str
) -> None:
    got = sent(http_receiver, "gotify://${HOST}/${V}", V=value)
    assert got.headers["x-gotify-key"] == value


@pytest.mark.parametrize("token", ["tk_abcdefghij0123456789", "AgQdq7mVBoFD37zQ", "a%40b@c"])
def test_a_token_of_ntfy_is_sent_as_one_and_warned_of_without_its_prefix(
    http_receiver: HttpReceiver, token: str
) -> None:
    variables = {"T": token, "HOST": f"127.0.0.1:{http_receiver.port}"}
    warnings = send("ntfy://${T}@${HOST}/plates", variables)
    (got,) = http_receiver.wait_for(1)
    assert got.headers["authorization"] == f"Bearer {token}"
    assert ["access token" in warning.what for warning in warnings] == (
        [] if token.startswith("tk_") else [True]
    )


@pytest.mark.parametrize(
    ("url", "authorization"),
    [
        ("ntfy://joe:pw@${HOST}/plates", "Basic am9lOnB3"),
        ("ntfy://joe@${HOST}/plates?auth=token", "Bearer joe"),
        ("ntfy://joe@${HOST}/plates?auth=basic", "Basic am9lOg=="),
        ("ntfy://${HOST}/plates?token=abc%2540d", "Bearer abc%40d"),
    ],
)
def test_what_an_ntfy_url_says_of_its_login_stays(
    http_receiver: HttpReceiver, url: str, authorization: str
) -> None:
    assert send(url, {"HOST": f"127.0.0.1:{http_receiver.port}"}) == []
    assert http_receiver.wait_for(1)[0].headers["authorization"] == authorization


@pytest.mark.parametrize(
    ("definition", "authorization", "what"),
    [
        (
            {"url": "http://joe:pw@HOST/x", "headers": {"authorization": "Bearer t"}},
            "Basic am9lOnB3",
            HEADER_WARNING,
        ),
        ("json://joe:pw@HOST/x?+Authorization=Bearer%20t", "Basic am9lOnB3", HEADER_WARNING),
        ("xml://joe@HOST/x?+AUTHORIZATION=Bearer%20t", "Basic am9lOg==", HEADER_WARNING),
        ("form://joe@HOST/x", "Basic am9lOg==", None),
        ("http://joe:@HOST/x", "Basic am9lOg==", None),
        ("http://joe@HOST/x", None, NO_PASSWORD_WARNING),
        (
            {"url": "http://HOST/x", "headers": {"Authorization": "Bearer t"}},
            "Bearer t",
            None,
        ),
        (
            {"url": "http://joe@HOST/x", "headers": {"Authorization": "Bearer t"}},
            "Bearer t",
            NO_PASSWORD_WARNING,
        ),
        ("json://HOST/x?+Authorization=Bearer%20t", "Bearer t", None),
    ],
)
def test_of_two_logins_check_says_which_is_sent(
    http_receiver: HttpReceiver,
    definition: str | dict[str, Any],
    authorization: str | None,
    what: tuple[str, str] | None,
) -> None:
    host = f"127.0.0.1:{http_receiver.port}"
    if isinstance(definition, str):
        given: object = definition.replace("HOST", host)
    else:
        given = {**definition, "url": definition["url"].replace("HOST", host)}
    warnings: list[ChannelError] = []
    (target,) = entry_targets("ops", given, {}, warnings=warnings).checked()
    assert target.send(alert(), "k") == SENT
    assert http_receiver.wait_for(1)[0].headers.get("authorization") == authorization
    assert [(warning.what, warning.remedy) for warning in warnings] == ([what] if what else [])
