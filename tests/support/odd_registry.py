"""A schema registry that misbehaves on request, as real ones and what lies before them do."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable
from enum import StrEnum
from typing import Any, Final, cast
from urllib.parse import parse_qs

from engine.demo.servers import RegistryServer, _RegistryHandler, _RegistryHttpServer

#: How long one byte takes that drips.
DRIP_SECONDS: Final = 0.05
#: An id that is none of its schemas'.
WRONG_ID: Final = 7
OTHER_SCHEMA: Final = (
    '{"type": "record", "name": "Other", "fields": [{"name": "x", "type": "int"}]}'
)


class Oddity(StrEnum):
    """What it does instead of answering; named after what the client sees."""

    MUTE = "mute"
    DRIPPING_HEADER = "dripping-header"
    DRIPPING_BODY = "dripping-body"
    DRIPPING_HANDSHAKE = "dripping-handshake"
    DRIPPING_ERROR = "dripping-error"
    ENDLESS_BODY = "endless-body"
    ENDLESS_CHUNKS = "endless-chunks"
    NO_SCHEMA_YET = "no-schema-yet"
    NO_SUBJECT_YET = "no-subject-yet"
    PAGE_NOT_FOUND = "page-not-found"
    GATEWAY_ERROR = "gateway-error"
    LOGIN_PAGE = "login-page"
    REDIRECT = "redirect"
    EMPTY = "empty"
    NO_CONTENT = "no-content"
    NOT_JSON = "not-json"
    A_LIST = "a-list"
    WITHOUT_SCHEMA = "without-schema"
    BLANK_SCHEMA = "blank-schema"
    CUT_SHORT = "cut-short"
    FORBIDDEN = "forbidden"
    OTHER_SCHEMA = "other-schema"
    NO_AVRO_SCHEMA = "no-avro-schema"
    PROTOBUF = "protobuf"
    WRONG_ID = "wrong-id"


_HTML: Final = b"<html><body>nginx</body></html>"
_ANSWERS: Final[dict[Oddity, tuple[int, bytes]]] = {
    Oddity.NO_SCHEMA_YET: (404, json.dumps({"error_code": 40403, "message": "none"}).encode()),
    Oddity.NO_SUBJECT_YET: (404, json.dumps({"error_code": 40401, "message": "none"}).encode()),
    Oddity.PAGE_NOT_FOUND: (404, _HTML),
    Oddity.GATEWAY_ERROR: (502, _HTML),
    Oddity.LOGIN_PAGE: (200, _HTML),
    Oddity.EMPTY: (200, b""),
    Oddity.NO_CONTENT: (204, b""),
    Oddity.NOT_JSON: (200, b'{"schema": '),
    Oddity.A_LIST: (200, b"[]"),
    Oddity.WITHOUT_SCHEMA: (200, b'{"id": 1}'),
    Oddity.BLANK_SCHEMA: (200, b'{"schema": " "}'),
    Oddity.FORBIDDEN: (403, json.dumps({"error_code": 40301, "message": "no"}).encode()),
    Oddity.OTHER_SCHEMA: (200, json.dumps({"schema": OTHER_SCHEMA}).encode()),
    Oddity.NO_AVRO_SCHEMA: (200, json.dumps({"schema": '"no type of Avro"'}).encode()),
    Oddity.WRONG_ID: (200, json.dumps({"id": WRONG_ID}).encode()),
    Oddity.PROTOBUF: (200, json.dumps({"schema": "x", "schemaType": "PROTOBUF"}).encode()),
}


class OddRegistry(RegistryServer):
    """Is odd where `is_odd` says so of a request's path, as long as `oddity` is set.

    `begun` is set with each request that it is odd to.
    """

    def answer(self, method: str, target: str, authorization: str, body: bytes) -> tuple[int, Any]:
        """As a registry does; deleted subjects are listed on request."""
        status, answer = super().answer(method, target, authorization, body)
        path, _, query = target.partition("?")
        if (method, path, status) == ("GET", "/subjects", 200):
            is_with_deleted = parse_qs(query).get("deleted") == ["true"]
            answer = [*answer, *(self.deleted if is_with_deleted else ())]
        return status, answer

    def __init__(self, oddity: Oddity | None = None) -> None:
        super().__init__()
        self.oddity = oddity
        self.is_odd: Callable[[str], bool] = lambda path: True
        self.begun = threading.Event()
        #: Subjects that it lists only to those who ask for deleted ones too.
        self.deleted: list[str] = []
        self._server.RequestHandlerClass = _OddHandler


class _OddHandler(_RegistryHandler):
    @property
    def _registry(self) -> OddRegistry:
        return cast("OddRegistry", cast("_RegistryHttpServer", self.server).registry)

    def handle(self) -> None:
        if self._registry.oddity is Oddity.DRIPPING_HANDSHAKE:
            self._registry.begun.set()
            # The head of a message of TLS that is 16 KiB long.
            self._drip(b"\x16\x03\x03\x40\x00", b"\0")
            return
        super().handle()

    def _answer(self) -> None:
        oddity = self._registry.oddity
        if oddity is None or not self._registry.is_odd(self.path):
            super()._answer()
            return
        self._registry._requests.append(f"{self.command} {self.path.partition('?')[0]}")
        self._registry.begun.set()
        with contextlib.suppress(OSError):
            self._be(oddity)

    def _be(self, oddity: Oddity) -> None:
        head = b"HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n"
        if oddity is Oddity.MUTE:
            self._drip(b"", b"")
        elif oddity is Oddity.DRIPPING_HEADER:
            self._drip(head + b"X-Drip: ", b"x")
        elif oddity is Oddity.DRIPPING_BODY:
            self._drip(head + b"Content-Length: 1000000\r\n\r\n", b" ")
        elif oddity is Oddity.DRIPPING_ERROR:
            self._drip(b"HTTP/1.0 404 Not Found\r\nContent-Length: 1000000\r\n\r\n", b" ")
        elif oddity is Oddity.ENDLESS_BODY:
            self._pour(head + b"\r\n", b" " * 65536)
        elif oddity is Oddity.ENDLESS_CHUNKS:
            head = head.replace(b"1.0", b"1.1") + b"Transfer-Encoding: chunked\r\n\r\n"
            self._pour(head, b"10000\r\n" + b" " * 65536 + b"\r\n")
        elif oddity is Oddity.REDIRECT:
            self.wfile.write(b"HTTP/1.0 302 Found\r\nLocation: /login\r\nContent-Length: 0\r\n\r\n")
        elif oddity is Oddity.CUT_SHORT:
            self.wfile.write(head + b'Content-Length: 1000\r\n\r\n{"schema": ')
        else:
            status, body = _ANSWERS[oddity]
            self.wfile.write(b"HTTP/1.0 %d X\r\nContent-Length: %d\r\n\r\n" % (status, len(body)))
            self.wfile.write(body)

    def _drip(self, begin: bytes, drop: bytes) -> None:
        """Send drop by drop, as long as the client is there and it is odd."""
        oddity, pause = self._registry.oddity, threading.Event()
        with contextlib.suppress(OSError):
            self.wfile.write(begin)
            while self._registry.oddity is oddity:
                pause.wait(DRIP_SECONDS)
                self.wfile.write(drop)

    def _pour(self, begin: bytes, much: bytes) -> None:
        self.wfile.write(begin)
        while True:
            self.wfile.write(much)
