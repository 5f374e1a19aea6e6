"""`ca_file` and `verify`, with real HTTPS servers of a private authority."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from channels.alert import SENT, Outcome, Reason, Status, Target
from channels.definitions.block import faults_of
from channels.definitions.channel_entry import entry_targets
from channels.definitions.notification_block import notification_targets
from channels.definitions.security import UNVERIFIED
from engine.errors import ChannelError
from tests.support.certificates import Certificates
from tests.support.http_receiver import HttpReceiver
from tests.support.smtp_receiver import SmtpReceiver
from tests.unit.channels.samples import alert

pytestmark = [
    pytest.mark.filterwarnings("ignore::urllib3.exceptions.InsecureRequestWarning"),
    pytest.mark.waits,
]
UNTRUSTED = (Status.MISCONFIGURED, Reason.TLS)
SCHEMES = ["https", "jsons", "forms", "xmls", "gotifys", "ntfys"]


@pytest.fixture(autouse=True)
def usual_authorities(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)


def made(definition: object) -> tuple[Target, list[ChannelError]]:
    """The one target of a definition, and its warnings."""
    warnings: list[ChannelError] = []
    (target,) = entry_targets("ops", definition, {}, warnings=warnings).checked()
    return target, warnings


def outcome(definition: object) -> Outcome:
    return made(definition)[0].send(alert(), "k")


def faults(definition: object) -> list[tuple[tuple[str | int, ...], str]]:
    with pytest.raises(ChannelError) as caught:
        entry_targets("ops", definition, {}).checked()
    return [(fault.path, fault.what) for fault in faults_of(caught.value)]


def url(receiver: HttpReceiver, scheme: str) -> str:
    return f"{scheme}://localhost:{receiver.port}/topic"


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_private_authority_is_trusted_where_its_certificate_is_named(
    certificates: Certificates, https_receiver: HttpReceiver, scheme: str
) -> None:
    address = url(https_receiver, scheme)
    refused = outcome(address)
    assert (refused.status, refused.reason) == UNTRUSTED
    target, warnings = made({"url": address, "ca_file": str(certificates.bundle)})
    assert target.send(alert(), "k") == SENT
    assert warnings == []
    assert len(https_receiver.requests.all()) == 1


@pytest.mark.parametrize("scheme", SCHEMES)
def test_nothing_is_verified_where_it_says_so_loudly(
    https_receiver: HttpReceiver, scheme: str
) -> None:
    target, warnings = made({"url": url(https_receiver, scheme), "verify": False})
    assert [(warning.what, warning.path) for warning in warnings] == [(UNVERIFIED, ("verify",))]
    assert target.send(alert(), "k") == SENT


@pytest.mark.parametrize("scheme", ["https", "jsons"])
def test_another_authority_is_not_trusted_beside_the_named_one(
    https_receiver: HttpReceiver, tmp_path: Path, scheme: str
) -> None:
    other = Certificates(tmp_path)
    refused = outcome({"url": url(https_receiver, scheme), "ca_file": str(other.bundle)})
    assert (refused.status, refused.reason) == UNTRUSTED


def test_the_named_authority_goes_before_the_environments(
    certificates: Certificates,
    https_receiver: HttpReceiver,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(Certificates(tmp_path).bundle))
    for scheme in ("https", "jsons"):
        address = url(https_receiver, scheme)
        assert outcome({"url": address, "ca_file": str(certificates.bundle)}) == SENT
        assert outcome({"url": address, "verify": False}) == SENT


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
@pytest.mark.parametrize("scheme", ["https", "jsons"])
def test_the_environment_names_an_authority_for_https(
    certificates: Certificates,
    https_receiver: HttpReceiver,
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
    scheme: str,
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates.bundle))
    assert outcome(url(https_receiver, scheme)).reason is Reason.TLS
    monkeypatch.setenv(variable, str(certificates.bundle))
    assert outcome(url(https_receiver, scheme)) == SENT


def test_a_mail_server_goes_by_the_environments_ssl_cert_file(
    certificates: Certificates, smtp_receiver: SmtpReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    login = ":".join(quote(text, "") for text in (smtp_receiver.username, smtp_receiver.password))
    address = f"mailtos://{login}@localhost:{smtp_receiver.port}/?from=a@b.org&to=c@d.org"
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificates.bundle))
    assert outcome(address).reason is Reason.TLS
    target, warnings = made({"url": address, "verify": False})
    assert [warning.what for warning in warnings if warning.path == ("verify",)] == [UNVERIFIED]
    assert target.send(alert(), "k") == SENT
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates.bundle))
    assert outcome(address) == SENT


def test_the_webhook_of_the_plan_takes_both(
    certificates: Certificates, https_receiver: HttpReceiver
) -> None:
    address = f"{https_receiver.url}/x"
    for more in ({"ca_file": str(certificates.bundle)}, {"verify": "no"}):
        warnings: list[ChannelError] = []
        block = {"enabled": True, "url": address, **more}
        (target,) = notification_targets("webhook", block, {}, warnings=warnings).checked()
        assert target.send(alert(), "k") == SENT
        assert [warning.what for warning in warnings] == ([UNVERIFIED] if "verify" in more else [])


@pytest.mark.parametrize("address", ["jsons://h.example.org/?verify=no", "ntfys://h/x?verify=0"])
def test_what_apprises_own_switch_turns_off_is_warned_of_too(address: str) -> None:
    assert [warning.what for warning in made(address)[1]] == [UNVERIFIED]
    assert [warning.what for warning in made({"url": address, "verify": True})[1]] == []


def test_several_urls_are_warned_of_once() -> None:
    warnings: list[ChannelError] = []
    urls = ["https://a.example.org", "https://b.example.org", "jsons://c.example.org"]
    entry_targets("ops", {"urls": urls, "verify": False}, {}, warnings=warnings).checked()
    assert [warning.path for warning in warnings] == [("verify",)]


HTTPS, JSONS, MAIL = "https://h.example.org", "jsons://h.example.org", "mailtos://u:p@example.org"


@pytest.mark.parametrize("address", [HTTPS, JSONS])
@pytest.mark.parametrize(
    ("content", "what"),
    [
        (None, "can't be read (No such file or directory)"),
        (b"", "holds no certificate in PEM"),
        (b"\x30\x82\x01\x00DER", "holds no certificate in PEM"),
        (b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "holds no certificate"),
    ],
    ids=["missing", "empty", "der", "key"],
)
def test_a_file_without_certificates_is_a_fault_at_load(
    tmp_path: Path, address: str, content: bytes | None, what: str
) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_bytes(content)
    ((place, told),) = faults([{"url": address, "ca_file": str(path)}])
    assert place == (0, "ca_file")
    assert told.startswith(f"the file {path} {what}")


def test_a_folder_is_no_file_of_certificates(tmp_path: Path) -> None:
    ((_, told),) = faults({"url": HTTPS, "ca_file": str(tmp_path)})
    assert told.startswith(f"the file {tmp_path} ")


@pytest.mark.parametrize(
    ("definition", "path", "what"),
    [
        ({"url": "http://h", "verify": False}, ("verify",), "verify has no effect without TLS"),
        ({"url": "json://h", "verify": False}, ("verify",), "verify has no effect without TLS"),
        (
            {"url": "mailto://u@h.org?to=a@b.org", "verify": False},
            ("verify",),
            "verify has no effect without TLS",
        ),
        ({"url": HTTPS, "verify": "maybe"}, ("verify",), "verify is neither true nor false"),
    ],
)
def test_a_key_that_has_no_effect_is_a_fault(
    definition: Any, path: tuple[str | int, ...], what: str
) -> None:
    assert faults(definition) == [(path, what)]


@pytest.mark.parametrize(
    ("definition", "path", "what"),
    [
        ({"url": "http://h"}, ("ca_file",), "ca_file has no effect without TLS"),
        ({"url": "jsons://h?verify=no"}, ("url",), "ca_file has no effect with ?verify=no"),
        ({"url": HTTPS, "verify": False}, ("verify",), "ca_file has no effect with verify: false"),
        ({"url": f"{MAIL}?to=a@b.org"}, ("ca_file",), "ca_file is for targets over HTTPS"),
        (
            {"url": "ircs://joe@h.example.org/%23room"},
            ("ca_file",),
            "ca_file is for targets over HTTPS",
        ),
    ],
)
def test_a_file_that_would_have_no_effect_is_a_fault(
    certificates: Certificates, definition: Any, path: tuple[str | int, ...], what: str
) -> None:
    assert faults({**definition, "ca_file": str(certificates.bundle)}) == [(path, what)]
