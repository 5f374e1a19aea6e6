from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any
from urllib.parse import quote
from uuid import UUID

import pytest

from engine.demo.servers import RegistryServer
from engine.errors import DecodeError, RegistryUnavailableError, SettingsError
from engine.stream.record import SchemaName
from engine.stream.registry import (
    ANEW_SECONDS,
    MAX_REFERENCES,
    MISFIT_SECONDS,
    RECHECK_SECONDS,
    RETRY_SECONDS,
    UNKNOWN_SECONDS,
    SchemaRegistry,
    UnknownSchemaError,
    WriterSchema,
)
from engine.stream.registry_call import DEADLINE_SECONDS
from tests.support.odd_registry import Oddity, OddRegistry

pytestmark = pytest.mark.waits

SCHEMA = '{"type": "string"}'
PASSWORD = "s3cret@/#?%41&"
LOGIN = f"me:{quote(PASSWORD, safe='')}@"
# Fast, but as many tries as the engine makes.
ANSWER_SECONDS = 20.0
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
    server.register("any", '"int"')
    opened = SchemaRegistry(server.url, QUICK, timer=timer, patience_seconds=ANSWER_SECONDS)
    yield opened
    opened.close()


def ask(registry: SchemaRegistry, timer: Timer, name: SchemaName) -> WriterSchema:
    """What the registry says when it is asked anew, though it was away the last time."""
    timer.now += RETRY_SECONDS
    with contextlib.suppress(RegistryUnavailableError, DecodeError):
        return registry.writer_schema(name)
    if name in registry._asked:
        registry._asked[name].call.wait(ANSWER_SECONDS)
    return registry.writer_schema(name)


def insist(registry: SchemaRegistry, timer: Timer, name: SchemaName, seconds: float) -> None:
    """Ask for so long as the engine does until it believes a refusal."""
    until = timer.now + seconds
    while timer.now < until:
        with pytest.raises(RegistryUnavailableError):
            registry.writer_schema(name)
        timer.now += RECHECK_SECONDS


def _failure(url: str, options: dict[str, Any] | None = None) -> Exception:
    options = {**QUICK, **(options or {})}
    registry = SchemaRegistry(url, options, patience_seconds=ANSWER_SECONDS)
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
    assert [registry.writer_schema(schema_id) for _ in range(3)] == [WriterSchema(SCHEMA)] * 3
    assert server.requests == (f"GET /schemas/ids/{schema_id}",)


def test_a_known_schema_needs_no_registry(server: RegistryServer, registry: SchemaRegistry) -> None:
    schema_id = server.register("t-value", SCHEMA)
    registry.writer_schema(schema_id)
    server.available = False
    assert registry.writer_schema(schema_id).text == SCHEMA


def test_an_unknown_schema_is_asked_for_again_after_a_minute(
    server: RegistryServer, registry: SchemaRegistry, timer: Timer
) -> None:
    insist(registry, timer, 5, UNKNOWN_SECONDS)
    for _ in range(3):
        with pytest.raises(UnknownSchemaError, match="knows no schema of the id 5"):
            registry.writer_schema(5)
    asked = server.requests.count("GET /schemas/ids/5")
    assert asked == UNKNOWN_SECONDS / RECHECK_SECONDS + 1
    timer.now += ANEW_SECONDS
    with pytest.raises(UnknownSchemaError):
        registry.writer_schema(5)
    assert server.requests.count("GET /schemas/ids/5") == asked + 1


@pytest.mark.parametrize("schema_id", [2**31, 2**32 - 1, -1])
def test_an_impossible_id_is_unknown_without_asking(
    server: RegistryServer, registry: SchemaRegistry, schema_id: int
) -> None:
    with pytest.raises(UnknownSchemaError):
        registry.writer_schema(schema_id)
    assert server.requests == ()


@pytest.mark.parametrize("status", [200, 302, 400, 401, 403, 404, 408, 409, 422, 429, 500, 503])
def test_every_other_answer_means_that_the_registry_is_away(
    server: RegistryServer, registry: SchemaRegistry, timer: Timer, status: int
) -> None:
    schema_id = server.register("t-value", SCHEMA)
    server.status = HTTPStatus(status)
    with pytest.raises(RegistryUnavailableError):
        registry.writer_schema(schema_id)
    server.available = True
    assert ask(registry, timer, schema_id).text == SCHEMA


def test_a_registry_that_is_down_is_away() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{bound.getsockname()[1]}"
        error = _failure(url)
    assert isinstance(error, RegistryUnavailableError)
    assert "can't be reached, start it, or correct SCHEMA_REGISTRY_URL: ConnectError" in str(error)


def test_a_registry_that_never_answers_is_away() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        url = f"http://127.0.0.1:{mute.getsockname()[1]}"
        error = _failure(url, {"timeout": "0.05"})
    assert isinstance(error, RegistryUnavailableError)
    assert "timed out" in str(error)


@pytest.mark.parametrize("kind", ["PROTOBUF", "JSON"])
def test_schemas_that_are_not_avro_are_decode_errors(
    server: RegistryServer, registry: SchemaRegistry, timer: Timer, kind: str
) -> None:
    schema_id = server.register("p", "{}", schemaType=kind)
    insist(registry, timer, schema_id, MISFIT_SECONDS)
    for _ in range(2):
        with pytest.raises(DecodeError, match=f"is {kind}, not Avro: let the producer write Avro"):
            registry.writer_schema(schema_id)
    assert len(server.requests) == MISFIT_SECONDS / RECHECK_SECONDS + 1


def guid_of(server: RegistryServer, subject: str, version: int = 1) -> UUID:
    """The GUID of what is registered."""
    status, answer = server.answer("GET", f"/subjects/{subject}/versions/{version}", "", b"")
    assert status == 200
    return UUID(answer["guid"])


def test_a_schema_is_fetched_by_its_guid_once(
    server: RegistryServer, registry: SchemaRegistry
) -> None:
    server.register("t-value", SCHEMA)
    guid = guid_of(server, "t-value")
    assert [registry.writer_schema(guid).text for _ in range(3)] == [SCHEMA] * 3
    assert server.requests[1:] == (f"GET /schemas/guids/{guid}",)


def test_an_unknown_guid_is_asked_for_again_after_a_minute(
    server: RegistryServer, registry: SchemaRegistry, timer: Timer
) -> None:
    guid = UUID(int=5)
    insist(registry, timer, guid, UNKNOWN_SECONDS)
    for _ in range(3):
        with pytest.raises(UnknownSchemaError, match=f"knows no schema of the GUID {guid}"):
            registry.writer_schema(guid)
    asked = server.requests.count(f"GET /schemas/guids/{guid}")
    timer.now += ANEW_SECONDS
    with pytest.raises(UnknownSchemaError):
        registry.writer_schema(guid)
    assert server.requests.count(f"GET /schemas/guids/{guid}") == asked + 1


@pytest.mark.parametrize("status", [200, 401, 404, 405, 429, 500, 503])
def test_a_registry_that_answers_nothing_is_away_for_a_guid_too(
    server: RegistryServer, registry: SchemaRegistry, timer: Timer, status: int
) -> None:
    server.register("t-value", SCHEMA)
    guid = guid_of(server, "t-value")
    server.status = HTTPStatus(status)
    with pytest.raises(RegistryUnavailableError):
        registry.writer_schema(guid)
    server.available = True
    assert ask(registry, timer, guid).text == SCHEMA


def test_a_registry_that_knows_no_guids_does_not_halt_the_stream(timer: Timer) -> None:
    class Old(RegistryServer):
        def answer(
            self, method: str, target: str, authorization: str, body: bytes
        ) -> tuple[int, Any]:
            if target.startswith("/schemas/guids/"):
                return 404, {"error_code": 404, "message": "HTTP 404 Not Found"}
            return super().answer(method, target, authorization, body)

    with Old() as server:
        server.register("any", '"int"')
        registry = SchemaRegistry(server.url, QUICK, timer=timer, patience_seconds=ANSWER_SECONDS)
        insist(registry, timer, UUID(int=5), UNKNOWN_SECONDS)
        for _ in range(2):
            with pytest.raises(UnknownSchemaError, match=r"answers no GUIDs .* write ids"):
                registry.writer_schema(UUID(int=5))
        assert "GET /schemas/types" in server.requests
        registry.close()


def refer(*others: tuple[str, int]) -> dict[str, Any]:
    """What a schema that refers to these subjects' versions is registered with."""
    named = [{"name": name, "subject": name, "version": version} for name, version in others]
    return {"references": named}


def test_a_schema_comes_with_all_that_it_refers_to_each_once_and_in_order(
    server: RegistryServer, registry: SchemaRegistry
) -> None:
    server.register("c", '"int"')
    server.register("b", '"string"', **refer(("c", 1)))
    server.register("a", '"long"', **refer(("c", 1), ("b", 1)))
    schema_id = server.register("t-value", SCHEMA, **refer(("a", 1), ("b", 1)))
    expected = WriterSchema(SCHEMA, ('"int"', '"string"', '"long"'))
    assert [registry.writer_schema(schema_id) for _ in range(2)] == [expected] * 2
    assert len(server.requests) == 4


def test_schemas_that_refer_to_each_other_are_fetched_once(
    server: RegistryServer, registry: SchemaRegistry
) -> None:
    server.register("a", '"int"', **refer(("b", 1)))
    server.register("b", '"long"', **refer(("a", 1)))
    schema_id = server.register("t-value", SCHEMA, **refer(("a", 1)))
    assert registry.writer_schema(schema_id).references == ('"long"', '"int"')


def test_a_reference_that_is_not_there_is_asked_for_again_after_a_minute(
    server: RegistryServer, registry: SchemaRegistry, timer: Timer
) -> None:
    schema_id = server.register("t-value", SCHEMA, **refer(("a", 1)))
    what = rf"schema {schema_id} refers to a \(a, version 1\), which the schema registry does not"
    insist(registry, timer, schema_id, UNKNOWN_SECONDS)
    with pytest.raises(UnknownSchemaError, match=what):
        registry.writer_schema(schema_id)
    server.register("a", '"int"')
    timer.now += ANEW_SECONDS
    assert registry.writer_schema(schema_id).references == ('"int"',)


def test_a_registry_that_goes_away_between_references_is_away(timer: Timer) -> None:
    class Failing(RegistryServer):
        def answer(
            self, method: str, target: str, authorization: str, body: bytes
        ) -> tuple[int, Any]:
            if self.status is None and target.startswith("/subjects/"):
                return 503, {"error_code": 50301, "message": "away"}
            self.status = None
            return super().answer(method, target, authorization, body)

    with Failing() as server:
        server.register("a", '"int"')
        schema_id = server.register("t-value", SCHEMA, **refer(("a", 1)))
        registry = SchemaRegistry(server.url, QUICK, timer=timer, patience_seconds=ANSWER_SECONDS)
        with pytest.raises(RegistryUnavailableError):
            registry.writer_schema(schema_id)
        server.status = HTTPStatus.OK
        assert ask(registry, timer, schema_id).references == ('"int"',)
        registry.close()


def test_too_many_references_are_a_decode_error(
    server: RegistryServer, registry: SchemaRegistry, timer: Timer
) -> None:
    for number in range(MAX_REFERENCES + 1):
        server.register("a", json.dumps({"type": "string", "doc": str(number)}))
    many = [("a", number) for number in range(1, MAX_REFERENCES + 2)]
    allowed = server.register("t-value", SCHEMA, **refer(*many[:-1]))
    refused = server.register("t-value", SCHEMA, **refer(*many))
    assert len(registry.writer_schema(allowed).references) == MAX_REFERENCES
    insist(registry, timer, refused, MISFIT_SECONDS)
    with pytest.raises(DecodeError, match=f"refers to more than {MAX_REFERENCES} schemas"):
        registry.writer_schema(refused)


def test_a_reference_to_what_is_not_avro_is_a_decode_error(
    server: RegistryServer, registry: SchemaRegistry, timer: Timer
) -> None:
    server.register("a", "{}", schemaType="JSON")
    schema_id = server.register("t-value", SCHEMA, **refer(("a", 1)))
    insist(registry, timer, schema_id, MISFIT_SECONDS)
    with pytest.raises(DecodeError, match=rf"which schema {schema_id} refers to, is JSON, not"):
        registry.writer_schema(schema_id)


def test_user_and_password_in_the_address_are_used() -> None:
    with RegistryServer(credentials=f"me:{PASSWORD}") as server:
        schema_id = server.register("t-value", SCHEMA)
        registry = SchemaRegistry(server.url.replace("://", f"://{LOGIN}"))
        assert registry.writer_schema(schema_id).text == SCHEMA
        registry.close()


def test_user_and_password_as_an_option_are_used() -> None:
    with RegistryServer(credentials=f"me:{PASSWORD}") as server:
        schema_id = server.register("t-value", SCHEMA)
        registry = SchemaRegistry(server.url, {"basic.auth.user.info": f"me:{PASSWORD}"})
        assert registry.writer_schema(schema_id).text == SCHEMA
        registry.close()


def test_wrong_credentials_mean_that_the_registry_is_away() -> None:
    with RegistryServer(credentials="me:other") as server:
        error = _failure(server.url.replace("://", f"://{LOGIN}"))
    assert isinstance(error, RegistryUnavailableError)
    assert str(error) == (
        "the schema registry refused the credentials (HTTP 401): correct "
        "SCHEMA_REGISTRY_CONFIG_BASIC_AUTH_USER_INFO"
    )


def test_the_next_address_is_asked_when_one_is_down(server: RegistryServer) -> None:
    schema_id = server.register("t-value", SCHEMA)
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        down = f"http://127.0.0.1:{bound.getsockname()[1]}"
        registry = SchemaRegistry(f"{down},{server.url}", QUICK)
        assert registry.writer_schema(schema_id).text == SCHEMA
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


@pytest.mark.parametrize("oddity", [Oddity.MUTE, Oddity.DRIPPING_BODY])
def test_the_next_address_is_asked_when_one_never_ends(
    server: RegistryServer, timer: Timer, oddity: Oddity
) -> None:
    schema_id = server.register("t-value", SCHEMA)
    with OddRegistry(oddity) as odd:
        registry = SchemaRegistry(
            f"{odd.url},{server.url}", {**QUICK, "timeout": "60"}, timer=timer, patience_seconds=0
        )
        with pytest.raises(RegistryUnavailableError):
            registry.writer_schema(schema_id)
        assert odd.begun.wait(ANSWER_SECONDS)
        timer.now += DEADLINE_SECONDS
        with pytest.raises(RegistryUnavailableError):
            registry.writer_schema(schema_id)
        assert ask(registry, timer, schema_id).text == SCHEMA
        odd.oddity = None
        registry.close()
