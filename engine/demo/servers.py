"""A Kafka broker and a schema registry in this process, for the demo and for tests.

The broker is librdkafka's embedded one: it speaks Kafka's protocol over TCP on loopback, and keeps
its records in memory. The registry has Confluent's HTTP interface, keeps schemas in memory, and
checks no compatibility. A schema's id and GUID are computed from the schema, so that records stay
readable when the registry is started again.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any, Final, Self, cast
from urllib.parse import unquote, urlsplit
from uuid import UUID

from confluent_kafka import KafkaException, Producer

from engine.errors import BrokerUnavailableError

#: The number of partitions of each topic; librdkafka creates a topic at its first use.
PARTITIONS: Final = 4

_READY_SECONDS: Final = 10.0
_CONTENT_TYPE: Final = "application/vnd.schemaregistry.v1+json"
_MAX_BODY_BYTES: Final = 4 * 1024 * 1024
_SUBJECT_NOT_FOUND, _VERSION_NOT_FOUND, _SCHEMA_NOT_FOUND = 40401, 40402, 40403
_INVALID_SCHEMA: Final = 42201


class EmbeddedBroker:
    """A broker that runs while its context is open."""

    def __init__(self) -> None:
        self._client: Producer | None = None
        self._bootstrap_servers = ""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    @property
    def bootstrap_servers(self) -> str:
        """`host:port`, "" before the start."""
        return self._bootstrap_servers

    def start(self) -> None:
        """Listen on a free port of the loopback interface; BrokerUnavailableError if it can't."""
        # The client's own server list is required, and ignored with a mock cluster.
        options = {"bootstrap.servers": "unused", "test.mock.num.brokers": 1, "log_level": 2}
        try:
            client = Producer(options)
            brokers = client.list_topics(timeout=_READY_SECONDS).brokers.values()
        except KafkaException as error:
            raise BrokerUnavailableError(f"the embedded broker did not start: {error}") from error
        self._client = client
        self._bootstrap_servers = ",".join(f"{each.host}:{each.port}" for each in brokers)

    def create_topic(self, topic: str) -> None:
        """Create a topic of `PARTITIONS` partitions; BrokerUnavailableError before the start.

        A consumer that subscribes to a missing topic finds it only with its next metadata refresh.
        """
        if self._client is None:
            raise BrokerUnavailableError("the embedded broker is not started")
        # The broker creates a topic whose metadata is asked for.
        self._client.list_topics(topic, _READY_SECONDS)

    def close(self) -> None:
        """Stop listening and forget everything."""
        if self._client is not None:
            self._client.close()
            self._client = None


class RegistryServer:
    """A registry on a free port of 127.0.0.1, or another `host`, while its context is open.

    If `status` is set, every request is answered with it. `requests` are the requests so far, as
    "GET /schemas/ids/1". With `credentials` ("user:password") it demands basic authentication.
    """

    def __init__(self, *, credentials: str = "", host: str = "127.0.0.1", port: int = 0) -> None:
        self.status: HTTPStatus | None = None
        self._schemas = _Schemas()
        self._requests: list[str] = []
        login = base64.b64encode(credentials.encode()).decode()
        self._authorization = f"Basic {login}" if credentials else ""
        self._server = _RegistryHttpServer((host, port), self)
        self._thread = Thread(
            target=self._server.serve_forever, args=(0.01,), name="schema-registry", daemon=True
        )

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def url(self) -> str:
        """Its address, without credentials."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def available(self) -> bool:
        """Whether it answers; False means 503 to every request."""
        return self.status is None

    @available.setter
    def available(self, is_available: bool) -> None:
        self.status = None if is_available else HTTPStatus.SERVICE_UNAVAILABLE

    @property
    def requests(self) -> tuple[str, ...]:
        """The requests so far, in order: method and path, without the query."""
        return tuple(self._requests)

    def register(self, subject: str, schema: str, **more: Any) -> int:
        """Register a schema and return its id; `more` are the API's other keys (`schemaType`)."""
        return self._schemas.register(subject, {"schema": schema, **more})

    def answer(self, method: str, target: str, authorization: str, body: bytes) -> tuple[int, Any]:
        """The status and the JSON that answer one request."""
        path = urlsplit(target).path
        self._requests.append(f"{method} {path}")
        status = self.status
        if status is not None:
            return status, {"error_code": int(status), "message": status.phrase}
        if self._authorization not in ("", authorization):
            return 401, {"error_code": 401, "message": "Unauthorized"}
        try:
            return 200, self._route(method, [unquote(part) for part in path.split("/")[1:]], body)
        except _AnswerError as error:
            return error.status, {"error_code": error.code, "message": str(error)}

    def _route(self, method: str, path: list[str], body: bytes) -> Any:
        match method, path:
            case "GET", ["schemas", "ids", schema_id]:
                return self._schemas.schema(schema_id)
            case "GET", ["schemas", "guids", guid]:
                return self._schemas.schema_of_guid(guid)
            case "GET", ["schemas", "types"]:
                return ["AVRO"]
            case "GET", ["subjects"]:
                return sorted(self._schemas.subjects)
            case "GET", ["subjects", subject, "versions"]:
                return self._schemas.versions(subject)
            case "GET", ["subjects", subject, "versions", version]:
                return self._schemas.version(subject, version)
            case "POST", ["subjects", subject, "versions"]:
                entry = _entry(body)
                return {
                    "id": self._schemas.register(subject, entry),
                    "guid": _guid_of(_kept(entry)),
                }
            case "POST", ["subjects", subject]:
                return self._schemas.look_up(subject, _entry(body))
            case _:
                raise _AnswerError(404, 404, "HTTP 404 Not Found")


class _AnswerError(Exception):
    """An error to answer, in Confluent's form."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


@dataclass(slots=True)
class _Schemas:
    """The registered schemas by id, and for each subject its ids in order of version."""

    by_id: dict[int, dict[str, Any]] = field(default_factory=dict)
    subjects: dict[str, list[int]] = field(default_factory=dict)
    lock: Lock = field(default_factory=Lock)

    def register(self, subject: str, entry: Mapping[str, Any]) -> int:
        kept = _kept(entry)
        with self.lock:
            schema_id = self._id_of(kept)
            self.by_id[schema_id] = kept
            versions = self.subjects.setdefault(subject, [])
            if schema_id not in versions:
                versions.append(schema_id)
            return schema_id

    def look_up(self, subject: str, entry: Mapping[str, Any]) -> dict[str, Any]:
        kept = _kept(entry)
        with self.lock:
            versions = self._versions(subject)
            schema_id = self._id_of(kept)
            if schema_id not in versions:
                raise _AnswerError(404, _SCHEMA_NOT_FOUND, "Schema not found")
            return self._registered(subject, versions.index(schema_id))

    def version(self, subject: str, version: str) -> dict[str, Any]:
        with self.lock:
            versions = self._versions(subject)
            wanted = len(versions) if version in ("latest", "-1") else _number(version)
            if not 1 <= wanted <= len(versions):
                raise _AnswerError(404, _VERSION_NOT_FOUND, f"Version {version} not found.")
            return self._registered(subject, wanted - 1)

    def schema(self, schema_id: str) -> dict[str, Any]:
        with self.lock:
            found = self.by_id.get(_number(schema_id))
        if found is None:
            raise _AnswerError(404, _SCHEMA_NOT_FOUND, f"Schema {schema_id} not found")
        return {"guid": _guid_of(found), **found}

    def schema_of_guid(self, guid: str) -> dict[str, Any]:
        with self.lock:
            for schema_id, kept in self.by_id.items():
                if _guid_of(kept) == guid.lower():
                    return {"id": schema_id, "guid": guid.lower(), **kept}
        raise _AnswerError(404, _SCHEMA_NOT_FOUND, f"Schema {guid} not found")

    def versions(self, subject: str) -> list[int]:
        with self.lock:
            return list(range(1, len(self._versions(subject)) + 1))

    def _versions(self, subject: str) -> list[int]:
        if subject not in self.subjects:
            raise _AnswerError(404, _SUBJECT_NOT_FOUND, f"Subject '{subject}' not found.")
        return self.subjects[subject]

    def _registered(self, subject: str, index: int) -> dict[str, Any]:
        schema_id = self.subjects[subject][index]
        return {
            "subject": subject,
            "version": index + 1,
            "id": schema_id,
            "guid": _guid_of(self.by_id[schema_id]),
            **self.by_id[schema_id],
        }

    def _id_of(self, kept: Mapping[str, Any]) -> int:
        text = json.dumps(kept, sort_keys=True).encode()
        schema_id = int.from_bytes(blake2b(text, digest_size=4).digest(), "big") >> 1 or 1
        while self.by_id.get(schema_id, kept) != kept:
            schema_id += 1
        return schema_id


def _kept(entry: Mapping[str, Any]) -> dict[str, Any]:
    schema, kind = entry.get("schema"), entry.get("schemaType") or "AVRO"
    if not isinstance(schema, str) or not (kind == "PROTOBUF" or _is_json(schema)):
        raise _AnswerError(422, _INVALID_SCHEMA, "Invalid schema")
    kept: dict[str, Any] = {"schema": schema}
    if kind != "AVRO":
        kept["schemaType"] = kind
    if entry.get("references"):
        kept["references"] = entry["references"]
    return kept


def _guid_of(kept: Mapping[str, Any]) -> str:
    text = json.dumps(kept, sort_keys=True).encode()
    return str(UUID(bytes=blake2b(text, digest_size=16).digest(), version=4))


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _number(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise _AnswerError(404, 404, "HTTP 404 Not Found")
    return int(text)


def _entry(body: bytes) -> Mapping[str, Any]:
    try:
        entry = json.loads(body)
    except ValueError:
        entry = None
    if not isinstance(entry, dict):
        raise _AnswerError(422, _INVALID_SCHEMA, "Invalid schema")
    return entry


class _RegistryHttpServer(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, address: tuple[str, int], registry: RegistryServer) -> None:
        super().__init__(address, _RegistryHandler)
        self.registry = registry


class _RegistryHandler(BaseHTTPRequestHandler):
    timeout = 10

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def _answer(self) -> None:
        length = self.headers.get("Content-Length", "0")
        size = min(int(length), _MAX_BODY_BYTES) if length.isdecimal() else 0
        registry = cast("_RegistryHttpServer", self.server).registry
        status, answer = registry.answer(
            self.command, self.path, self.headers.get("Authorization", ""), self.rfile.read(size)
        )
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", _CONTENT_TYPE)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Requests are not logged."""
