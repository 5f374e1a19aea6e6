from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import pytest

from engine.errors import DecodeError, RegistryUnavailableError, SettingsError
from engine.stream.registry import UNKNOWN_SECONDS, SchemaRegistry, UnknownSchemaError
from engine.stream.registry_server import RegistryServer

SCHEMA = '{"type": "string"}'
PASSWORD = "s3cret@/#?%41&"
LOGIN = f"me:{quote(PASSWORD, safe='')}@"
# Fast, but as many tries as the engine makes.
QUICK = {"retries.wait.ms": 1, "retries.max.wait.ms": 1}


class Timer:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def server() -> Iterator[RegistryServer]:
    with RegistryServer() as running:
        yield running


@pytest.fixture
def timer() -> Timer:
    return Timer()


@pytest.fixture
def registry(server: RegistryServer, timer: Timer) -> Iterator[SchemaRegistry]:
    opened = SchemaRegistry(server.url, QUICK, timer=timer)
    yield opened
    opened.close()


def _failure(url: str, options: dict[str, Any] | None = None) -> Exception:
    registry = SchemaRegistry(url, {**QUICK, **(options or {})})
    try:
        registry.writer_schema(1)
    except DecodeError as error:
        return error
    except RegistryUnavailableError as error:
        return error
    finally:
        registry.close()
    raise AssertionError("an answer")


def test_a_schema_is_fetched_once(server: RegistryServer, registry: SchemaRegistry) -> None:
    schema_id = server.register("t-value", SCHEMA)
    assert [registry.writer_schema(schema_id) for _ in range(3)] == [SCHEMA] * 3
    assert server.requests == (f"GET /schemas/ids/{schema_id}",)


def test_a_known_schema_needs_no_registry(server: RegistryServer, registry: SchemaRegistry) -> None:
    schema_id = server.register("t-value", SCHEMA)
    registry.writer_schema(schema_id)
    server.available = False
    assert registry.writer_schema(schema_id) == SCHEMA


def test_an_unknown_schema_is_asked_for_again_after_a_minute(
    server: RegistryServer, registry: SchemaRegistry, timer: Timer
) -> None:
    for _ in range(3):
        with pytest.raises(UnknownSchemaError, match="knows no schema of the id 5"):
            registry.writer_schema(5)
    assert len(server.requests) == 1
    timer.now += UNKNOWN_SECONDS
    with pytest.raises(UnknownSchemaError):
        registry.writer_schema(5)
    assert len(server.requests) == 2


@pytest.mark.parametrize("schema_id", [2**31, 2**32 - 1, -1])
def test_an_impossible_id_is_unknown_without_asking(
    server: RegistryServer, registry: SchemaRegistry, schema_id: int
) -> None:
    with pytest.raises(UnknownSchemaError):
        registry.writer_schema(schema_id)
    assert server.requests == ()


@pytest.mark.parametrize("status", [200, 302, 400, 401, 403, 404, 408, 409, 422, 429, 500, 503])
def test_every_other_answer_means_that_the_registry_is_away(
    server: RegistryServer, registry: SchemaRegistry, status: int
) -> None:
    schema_id = server.register("t-value", SCHEMA)
    server.status = HTTPStatus(status)
    with pytest.raises(RegistryUnavailableError):
        registry.writer_schema(schema_id)
    server.available = True
    assert registry.writer_schema(schema_id) == SCHEMA


def test_a_registry_that_is_down_is_away() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{bound.getsockname()[1]}"
        error = _failure(url)
    assert isinstance(error, RegistryUnavailableError)
    assert "can't be reached: ConnectError" in str(error)


def test_a_registry_that_never_answers_is_away() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        url = f"http://127.0.0.1:{mute.getsockname()[1]}"
        error = _failure(url, {"timeout": "0.05"})
    assert isinstance(error, RegistryUnavailableError)
    assert "timed out" in str(error)


def test_schemas_that_are_not_plain_avro_are_decode_errors(
    server: RegistryServer, registry: SchemaRegistry
) -> None:
    protobuf = server.register("p", 'syntax = "proto3";', schemaType="PROTOBUF")
    references = [{"name": "Other", "subject": "o", "version": 1}]
    referring = server.register("r", '"Other"', references=references)
    for _ in range(2):
        with pytest.raises(DecodeError, match="is PROTOBUF, not Avro"):
            registry.writer_schema(protobuf)
        with pytest.raises(DecodeError, match="refers to other schemas"):
            registry.writer_schema(referring)
    assert len(server.requests) == 2


def test_user_and_password_in_the_address_are_used() -> None:
    with RegistryServer(credentials=f"me:{PASSWORD}") as server:
        schema_id = server.register("t-value", SCHEMA)
        registry = SchemaRegistry(server.url.replace("://", f"://{LOGIN}"))
        assert registry.writer_schema(schema_id) == SCHEMA
        registry.close()


def test_user_and_password_as_an_option_are_used() -> None:
    with RegistryServer(credentials=f"me:{PASSWORD}") as server:
        schema_id = server.register("t-value", SCHEMA)
        registry = SchemaRegistry(server.url, {"basic.auth.user.info": f"me:{PASSWORD}"})
        assert registry.writer_schema(schema_id) == SCHEMA
        registry.close()


def test_wrong_credentials_mean_that_the_registry_is_away() -> None:
    with RegistryServer(credentials="me:other") as server:
        error = _failure(server.url.replace("://", f"://{LOGIN}"))
    assert isinstance(error, RegistryUnavailableError)
    assert str(error) == "the schema registry refused the credentials (HTTP 401)"


def test_the_next_address_is_asked_when_one_is_down(server: RegistryServer) -> None:
    schema_id = server.register("t-value", SCHEMA)
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        down = f"http://127.0.0.1:{bound.getsockname()[1]}"
        registry = SchemaRegistry(f"{down},{server.url}", QUICK)
        assert registry.writer_schema(schema_id) == SCHEMA
        registry.close()


@pytest.mark.parametrize(
    ("url", "options"),
    [
        (f"http://me:{PASSWORD}@localhost:8081", {}),
        ("http://me:12#s3cret@localhost:8081", {}),
        ("http://me:12/s3cret@localhost:8081", {}),
        ("http://me:s3cret@localhost:99999999", {}),
        ("s3cret", {}),
        ("http://me:s3cret@localhost", {"basic.auth.user.info": "me:s3cret"}),
        ("http://localhost", {"basic.auth.user.info": "s3cret"}),
        ("http://localhost", {"bogus": "s3cret"}),
        ("http://localhost", {"timeout": "s3cret"}),
        ("http://localhost", {"ssl.ca.location": "/nowhere"}),
    ],
)
def test_unusable_settings_are_an_error_without_the_secret(
    url: str, options: dict[str, str]
) -> None:
    with pytest.raises(SettingsError) as caught:
        SchemaRegistry(url, options)
    assert "the schema registry's settings can't be used" in str(caught.value)
    assert "s3cret" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_an_error_that_echoes_the_password_is_redacted() -> None:
    class Echo(RegistryServer):
        def answer(
            self, method: str, target: str, authorization: str, body: bytes
        ) -> tuple[int, Any]:
            told = f"can't serve {LOGIN} nor {PASSWORD}"
            return 500, json.loads(json.dumps({"error_code": 50001, "message": told}))

    with Echo() as server:
        error = _failure(server.url.replace("://", f"://{LOGIN}"))
    assert "HTTP 500, 50001: can't serve" in str(error)
    assert "s3cret" not in str(error)
