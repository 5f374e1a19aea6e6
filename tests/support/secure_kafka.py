"""A real Kafka that asks who comes: SCRAM over TLS, client certificates, and rules of access.

The plain listener of its base is for the tests themselves, which may do anything there. Whoever
comes by another one may do what it was granted, and nothing else.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._acl import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
)
from confluent_kafka.admin._resource import ResourcePatternType, ResourceType
from confluent_kafka.admin._scram import (
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from tests.support.certificates import Certificates
from tests.support.http_receiver import LOOPBACK
from tests.support.kafka import RealKafka
from tests.support.processes import free_port

SCRAM, MUTUAL_TLS = "SASL_SSL", "SSL"
#: The user of SCRAM, and the common name of the client's certificate.
USER: Final = "engine"
PASSWORD: Final = "sc-ram-pa55word"
_SECONDS: Final = 30.0
_PROPERTIES: Final = """\
auto.create.topics.enable=false
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS
ssl.keystore.type=PEM
ssl.keystore.location={store}
ssl.truststore.type=PEM
ssl.truststore.location={bundle}
ssl.principal.mapping.rules=RULE:^.*CN=([^,]+).*$/$1/,DEFAULT
listener.name.ssl.ssl.client.auth=required
sasl.enabled.mechanisms=SCRAM-SHA-512
listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config=\
org.apache.kafka.common.security.scram.ScramLoginModule required;
"""


class SecureKafka(RealKafka):
    """A context manager, as its base; `USER` may log in by `PASSWORD` or a certificate."""

    def __init__(self, certificates: Certificates, folder: Path) -> None:
        """The certificates are made by the authority, and their files lie in the folder."""
        self._bundle = certificates.bundle
        self._client_store = certificates.pem_store(
            folder / "client.pem", f"{USER}.example.org", common_name=USER
        )
        store = certificates.pem_store(folder / "broker.pem", LOOPBACK)
        self._ports = {SCRAM: free_port(), MUTUAL_TLS: free_port()}
        super().__init__(_PROPERTIES.format(store=store, bundle=self._bundle), secured=self._ports)

    def __enter__(self) -> SecureKafka:
        super().__enter__()
        admin = self._admin()
        credential = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096)
        wanted = UserScramCredentialUpsertion(USER, credential, PASSWORD.encode())
        admin.alter_user_scram_credentials([wanted])[USER].result(_SECONDS)
        return self

    def environment(self, protocol: str) -> dict[str, str]:
        """The engine's settings for one of its ways."""
        login = {
            SCRAM: {
                "SASL_MECHANISM": "SCRAM-SHA-512", "SASL_USERNAME": USER, "SASL_PASSWORD": PASSWORD,
            },
            MUTUAL_TLS: {
                "SSL_CERTIFICATE_LOCATION": str(self._client_store),
                "SSL_KEY_LOCATION": str(self._client_store),
            },
        }[protocol]  # fmt: skip
        options = {"SECURITY_PROTOCOL": protocol, "SSL_CA_LOCATION": str(self._bundle), **login}
        return {
            "KAFKA_BOOTSTRAP_SERVERS": f"{LOOPBACK}:{self._ports[protocol]}",
            **{f"KAFKA_CONFIG_{name}": value for name, value in options.items()},
        }

    def grant(self, kind: ResourceType, name: str, operation: AclOperation) -> None:
        """Let `USER` do this with the topic or group of that name."""
        binding = AclBinding(*_named(kind, name), operation, AclPermissionType.ALLOW)
        # Without a name of its own it would be gone before the answer.
        admin = self._admin()
        for done in admin.create_acls([binding]).values():
            done.result(_SECONDS)

    def revoke(self, kind: ResourceType, name: str, operation: AclOperation) -> None:
        """Take a `grant` back."""
        rule = AclBindingFilter(*_named(kind, name), operation, AclPermissionType.ALLOW)
        admin = self._admin()
        for done in admin.delete_acls([rule]).values():
            done.result(_SECONDS)

    def _admin(self) -> AdminClient:
        return AdminClient({"bootstrap.servers": self.bootstrap_servers})


def _named(
    kind: ResourceType, name: str
) -> tuple[ResourceType, str, ResourcePatternType, str, str]:
    return kind, name, ResourcePatternType.LITERAL, f"User:{USER}", "*"
