from __future__ import annotations

import json
from collections.abc import Iterator
from http.client import HTTPConnection
from typing import Any

import pytest
from confluent_kafka.schema_registry import Schema, SchemaReference, SchemaRegistryClient
from confluent_kafka.schema_registry.error import SchemaRegistryError

from engine.demo.servers import RegistryServer

pytestmark = pytest.mark.waits

TEXT = '{"type": "string"}'
NUMBER = '{"type": "long"}'


@pytest.fixture
def server() -> Iterator[RegistryServer]:
    with RegistryServer() as running:
        yield running


@pytest.fixture
def client(server: RegistryServer) -> Iterator[SchemaRegistryClient]:
    with SchemaRegistryClient({"url": server.url, "max.retries": 0}) as opened:
        yield opened


def _ask(server: RegistryServer, method: str, path: str, body: str = "") -> tuple[int, Any]:
    connection = HTTPConnection("127.0.0.1", int(server.url.rpartition(":")[2]), timeout=5)
    try:
        connection.request(method, path, body)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def test_confluents_client_registers_and_reads(
    server: RegistryServer, client: SchemaRegistryClient
) -> None:
    schema_id = client.register_schema("t-value", Schema(TEXT, "AVRO"))
    assert client.get_schema(schema_id).schema_str == TEXT
    assert client.lookup_schema("t-value", Schema(TEXT, "AVRO")).schema_id == schema_id
    latest = client.get_latest_version("t-value")
    assert (latest.schema_id, latest.version, latest.subject) == (schema_id, 1, "t-value")
    assert client.get_subjects() == ["t-value"]


def test_confluents_client_reads_by_guid_and_follows_references(
    client: SchemaRegistryClient,
) -> None:
    client.register_schema("other", Schema(NUMBER, "AVRO"))
    referring = Schema(TEXT, "AVRO", [SchemaReference("Other", "other", 1)])
    registered = client.register_schema_full_response("t-value", referring)
    assert registered.guid
    client.clear_caches()  # type: ignore[no-untyped-call]
    found = client.get_schema_by_guid(registered.guid)
    assert found.schema_str == TEXT
    assert found.references
    (reference,) = found.references
    assert (reference.name, reference.subject, reference.version) == ("Other", "other", 1)
    assert client.get_version("other", 1, deleted=True).schema.schema_str == NUMBER
    plain = client.register_schema_full_response("t-value", Schema(TEXT, "AVRO"))
    assert plain.guid != registered.guid


def test_subjects_with_slashes_and_spaces_work(client: SchemaRegistryClient) -> None:
    client.register_schema("a/b c-value", Schema(TEXT, "AVRO"))
    assert client.get_versions("a/b c-value") == [1]


def test_versions_count_up_and_registering_again_changes_nothing(server: RegistryServer) -> None:
    first, second = server.register("s", TEXT), server.register("s", NUMBER)
    assert server.register("s", TEXT) == first
    assert _ask(server, "GET", "/subjects/s/versions") == (200, [1, 2])
    assert _ask(server, "GET", "/subjects/s/versions/2")[1]["id"] == second
    assert _ask(server, "GET", "/subjects/s/versions/latest")[1]["id"] == second


def test_ids_are_the_same_in_every_registry(server: RegistryServer) -> None:
    with RegistryServer() as other:
        other.register("first", NUMBER)
        assert other.register("s", TEXT) == server.register("s", TEXT)
    assert server.register("s", TEXT) != server.register("s", NUMBER)


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("GET", "/schemas/ids/5", "", 404, 40403),
        ("GET", "/schemas/ids/x", "", 404, 404),
        ("GET", "/schemas/guids/00000000-0000-0000-0000-000000000005", "", 404, 40403),
        ("GET", "/subjects/none/versions", "", 404, 40401),
        ("GET", "/subjects/none/versions/latest", "", 404, 40401),
        ("GET", "/subjects/s/versions/9", "", 404, 40402),
        ("POST", "/subjects/none", json.dumps({"schema": TEXT}), 404, 40401),
        ("POST", "/subjects/s", json.dumps({"schema": NUMBER}), 404, 40403),
        ("POST", "/subjects/s/versions", "{", 422, 42201),
        ("POST", "/subjects/s/versions", "[]", 422, 42201),
        ("POST", "/subjects/s/versions", json.dumps({"schema": "{"}), 422, 42201),
        ("POST", "/subjects/s/versions", json.dumps({"schema": 7}), 422, 42201),
        ("GET", "/associations/resources/-/t", "", 404, 404),
        ("GET", "/", "", 404, 404),
    ],
)
def test_errors_are_told_as_confluents_registry_does(
    server: RegistryServer, method: str, path: str, body: str, status: int, code: int
) -> None:
    server.register("s", TEXT)
    found, answer = _ask(server, method, path, body)
    assert (found, answer["error_code"]) == (status, code)
    assert answer["message"]


def test_an_unavailable_registry_answers_503(
    server: RegistryServer, client: SchemaRegistryClient
) -> None:
    server.available = False
    assert not server.available
    with pytest.raises(SchemaRegistryError) as caught:
        client.get_subjects()
    assert caught.value.http_status_code == 503
    server.available = True
    assert client.get_subjects() == []


def test_requests_are_remembered_in_order(server: RegistryServer) -> None:
    _ask(server, "GET", "/subjects?deleted=false")
    _ask(server, "GET", "/schemas/types")
    assert server.requests == ("GET /subjects", "GET /schemas/types")


def test_wrong_credentials_are_refused() -> None:
    with RegistryServer(credentials="me:right") as server:
        assert _ask(server, "GET", "/subjects")[0] == 401
        good = {"url": server.url, "basic.auth.user.info": "me:right"}
        with SchemaRegistryClient(good) as client:
            assert client.get_subjects() == []
