"""No alert goes to a link-local or metadata address, however it is written or found."""

from __future__ import annotations

import gc
import socket
from typing import Any

import pytest

from channels.alert import Outcome, Reason, Status
from channels.definitions.block import faults_of
from channels.definitions.channel_entry import entry_targets
from channels.definitions.notification_block import notification_targets
from channels.wire.deadline import within
from channels.wire.link_local import LinkLocalError, refused_kind
from engine.errors import ChannelError
from tests.support.http_receiver import LOOPBACK, HttpReceiver
from tests.unit.channels.samples import alert

METADATA = "169.254.169.254"
NAME = "receiver.example.org"
KEY = {"allow_link_local": True}


@pytest.mark.parametrize(
    "host",
    [
        METADATA,
        "169.254.0.1",
        "169.254.43518",
        "2852039166",
        "0xA9FEA9FE",
        "0251.0376.0251.0376",
        "fe80::1",
        "[fe80::1%25eth0]",
        "febf::1",
        "::ffff:169.254.169.254",
        "::ffff:a9fe:a9fe",
        "64:ff9b::169.254.169.254",
        "2002:a9fe:a9fe::1",
    ],
)
def test_link_local_is_known_in_every_notation(host: str) -> None:
    assert refused_kind(host) == "link-local"


@pytest.mark.parametrize(
    "host", ["fd00:ec2::254", "fd20:ce::254", "fd00:c1::a9fe:a9fe", "100.100.100.200"]
)
def test_metadata_services_elsewhere_are_known(host: str) -> None:
    assert refused_kind(host) == "a metadata service"


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "::1", "10.0.0.1", "172.16.3.4", "192.168.1.1", "100.64.0.1", "8.8.8.8"),
        *("fd12:3456::1", "fec0::1", "::ffff:10.0.0.1", "169.253.255.255", "169.255.0.0"),
        *("localhost", NAME, "", "169.254.169.254.example.org", "ü"),
    ],
)
def test_loopback_private_networks_and_names_are_none(host: str) -> None:
    assert refused_kind(host) == ""


def told(definition: object) -> list[tuple[tuple[str | int, ...], str]]:
    return [(each.path, each.what) for each in entry_targets("ops", definition, {}).faults]


@pytest.mark.parametrize(
    ("definition", "path"),
    [
        (f"http://{METADATA}/alerts", ()),
        ({"url": "https://[fe80::7]:8443/x", "concurrency": 2}, ("url",)),
        ({"urls": ["https://h.example.org/", "http://[::ffff:a9fe:1]/"]}, ("urls", 1)),
        ([f"json://{METADATA}/x"], (0,)),
        (f"ntfy://{METADATA}/topic", ()),
        (f"mailto://{METADATA}:25/?from=a@example.org&to=b@example.org", ()),
        ("mailto://h.example.org/?smtp=169.254.1.1&from=a@example.org&to=b@example.org", ()),
    ],
)
def test_a_literal_address_is_a_fault_of_the_definition_unless_allowed(
    definition: Any, path: tuple[str | int, ...]
) -> None:
    ((place, what),) = told(definition)
    assert (place, "is link-local" in what) == (path, True)
    entry = definition[0] if isinstance(definition, list) else definition
    allowed = {**(entry if isinstance(entry, dict) else {"url": entry}), **KEY}
    assert told(allowed) == []


def test_the_blocks_of_notifications_are_checked_too() -> None:
    email = {
        "enabled": True, "smtp_host": METADATA, "tls": "none", "from_address": "a@example.org",
        "recipients": ["b@example.org"],
    }  # fmt: skip
    for name, block, key in (
        ("email", email, "smtp_host"),
        ("webhook", {"enabled": True, "url": f"http://{METADATA}/"}, "url"),
    ):
        found = notification_targets(name, block, {})
        assert [(each.path, each.what) for each in found.faults] == [
            ((key,), f"the host {METADATA} is link-local")
        ]
        assert notification_targets(name, {**block, **KEY}, {}).faults == ()


def test_the_fault_names_the_remedy() -> None:
    with pytest.raises(ChannelError) as caught:
        entry_targets("ops", f"http://{METADATA}/", {}).checked()
    assert "allow_link_local: true" in faults_of(caught.value)[0].remedy


class Names:
    """A name server in place of the system's: each look-up of `NAME` gets the next addresses."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> None:
        self.asked = 0
        self._answers = answers
        with within(1.0):
            # From its first use on, it stands in front of the system's: not of this one.
            self._system = socket.getaddrinfo
        monkeypatch.setattr(socket, "getaddrinfo", self.look_up)

    def look_up(self, host: Any, port: Any, *args: Any, **kwargs: Any) -> list[Any]:
        if host != NAME:
            return self._system(host, port, *args, **kwargs)
        found = self._answers[min(self.asked, len(self._answers) - 1)]
        self.asked += 1
        kind = (socket.SOCK_STREAM, 6, "")
        return [
            (socket.AF_INET6, *kind, (address, port, 0, 0))
            if ":" in address
            else (socket.AF_INET, *kind, (address, port))
            for address in found
        ]


def send(definition: Any) -> Outcome:
    (target,) = entry_targets("ops", definition, {}).checked()
    try:
        return target.send(alert(), "key")
    finally:
        target.close()


@pytest.mark.parametrize(
    ("scheme", "rest", "address"),
    [
        ("http", "/x", METADATA),
        ("https", "/x", "fe80::1"),
        ("json", "/x", "fd00:ec2::254"),
        ("ntfy", "/x", "::ffff:a9fe:a9fe"),
        ("mailto", "/?from=a@example.org&to=b@example.org", METADATA),
    ],
)
def test_a_name_that_leads_there_holds_the_target(
    monkeypatch: pytest.MonkeyPatch, scheme: str, rest: str, address: str
) -> None:
    Names(monkeypatch, [address])
    outcome = send(f"{scheme}://{NAME}{rest}")
    assert (outcome.status, outcome.reason) == (Status.MISCONFIGURED, Reason.LINK_LOCAL)
    assert f"the host's address {address} is " in outcome.detail
    assert "allow_link_local: true" in outcome.detail


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_datagrams_are_checked_and_a_plugin_that_keeps_the_error_to_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Names(monkeypatch, [METADATA])
    outcome = send(f"rsyslog://{NAME}/")
    assert (outcome.status, outcome.reason) == (Status.MISCONFIGURED, Reason.LINK_LOCAL)
    # This plugin leaves its socket open, which is to be noticed here and in no other test.
    gc.collect()


@pytest.mark.parametrize("scheme", ["http", "json"])
def test_the_address_that_is_connected_to_is_checked_at_each_try(
    monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    with HttpReceiver() as receiver:
        names = Names(monkeypatch, [LOOPBACK], [METADATA], [METADATA, LOOPBACK])
        (target,) = entry_targets("ops", f"{scheme}://{NAME}:{receiver.port}/x", {}).checked()
        reasons = []
        for _ in range(3):
            reasons.append(target.send(alert(), "key").reason)
            target.close()
        assert reasons == [Reason.OK, Reason.LINK_LOCAL, Reason.OK]
        assert (names.asked, len(receiver.requests.all())) == (3, 2)


def test_a_socket_that_is_given_a_name_connects_to_what_was_checked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names = Names(monkeypatch, [METADATA], [LOOPBACK])
    with socket.create_server((LOOPBACK, 0)) as server, within(5.0):
        port = server.getsockname()[1]
        with socket.socket() as client, pytest.raises(LinkLocalError):
            client.connect((NAME, port))
        with socket.socket() as client:
            client.connect((NAME, port))
            assert client.getpeername() == (LOOPBACK, port)
    assert names.asked == 2
