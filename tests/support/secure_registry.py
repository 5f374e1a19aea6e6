"""The demo's schema registry behind TLS."""

from __future__ import annotations

from engine.demo.servers import RegistryServer
from tests.support.certificates import Certificates


class SecureRegistry(RegistryServer):
    """As its base, at `https://127.0.0.1:PORT` with a certificate of the authority."""

    def __init__(self, certificates: Certificates, *, credentials: str = "") -> None:
        super().__init__(credentials=credentials)
        context = certificates.local_server()
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)

    @property
    def url(self) -> str:
        """Its address, without credentials."""
        return super().url.replace("http://", "https://")
