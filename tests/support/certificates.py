"""A certificate authority that only the tests trust, and the servers' certificates."""

from __future__ import annotations

import ssl
from pathlib import Path

import trustme
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

SERVICE_NAMES = ("hooks.slack.com", "api.twilio.com")
#: Hosts of other services' APIs.
API_NAMES = (
    "api.line.me",
    "api.opsgenie.com",
    "api.prowlapp.com",
    "api.pushover.net",
    "api.telegram.org",
    "chat.googleapis.com",
    "discord.com",
    "events.pagerduty.com",
    "oapi.dingtalk.com",
    "open.feishu.cn",
    "open.larksuite.com",
    "plates.zulipchat.com",
    "qyapi.weixin.qq.com",
    "webexapis.com",
)
LOCAL_NAMES = ("localhost", "127.0.0.1")


class Certificates:
    """One authority; its PEM bundle lies in `folder` as `ca.pem`."""

    def __init__(self, folder: Path) -> None:
        self._authority = trustme.CA()
        self.bundle = folder / "ca.pem"
        self._authority.cert_pem.write_to_path(str(self.bundle))
        self._servers: dict[tuple[str, ...], ssl.SSLContext] = {}

    def server(self, *names: str) -> ssl.SSLContext:
        """A server context with one certificate for all the names, the same for the same names."""
        if names not in self._servers:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._authority.issue_cert(*names).configure_cert(context)
            self._servers[names] = context
        return self._servers[names]

    def local_server(self) -> ssl.SSLContext:
        """For a server that clients reach as `localhost` or `127.0.0.1`."""
        return self.server(*LOCAL_NAMES)

    def files(self, folder: Path, *names: str) -> tuple[Path, Path]:
        """A new certificate for the names and its key, as PEM files in the folder."""
        issued = self._authority.issue_cert(*names)
        certificate, key = folder / "server.pem", folder / "server.key"
        certificate.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
        issued.private_key_pem.write_to_path(str(key))
        return certificate, key

    def pem_store(self, path: Path, *names: str, common_name: str = "") -> Path:
        """A new certificate with its key in one PEM file, as Kafka's brokers and clients take it.

        `common_name` names who has it. Java takes a key in PKCS #8 only.
        """
        issued = self._authority.issue_cert(*names, common_name=common_name or None)
        key = load_pem_private_key(issued.private_key_pem.bytes(), None)
        form = (Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        chain = b"".join(blob.bytes() for blob in issued.cert_chain_pems)
        path.write_bytes(key.private_bytes(*form) + chain)
        return path

    def client(self) -> ssl.SSLContext:
        """A client context that trusts this authority alone."""
        return ssl.create_default_context(cafile=str(self.bundle))

    @property
    def environment(self) -> dict[str, str]:
        """What makes another process trust this authority alone."""
        return {"REQUESTS_CA_BUNDLE": str(self.bundle), "SSL_CERT_FILE": str(self.bundle)}
