"""The schema registry: writer schemas by id, asked for once."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final
from urllib.parse import unquote, urlsplit

from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from confluent_kafka.schema_registry.error import SchemaRegistryError

from engine.errors import DecodeError, RegistryUnavailableError, SettingsError

UNKNOWN_SECONDS: Final = 60.0
_MAX_UNKNOWN: Final = 10_000
# Ids are Java ints. A registry that is asked for more answers that there is no such address.
_MAX_SCHEMA_ID: Final = 2**31 - 1
_NO_SUBJECT, _NO_SCHEMA = 40401, 40403
# Two tries of two seconds: the caller pauses and asks again, so the client must not go on for long.
_BOUNDS: Final[Mapping[str, object]] = MappingProxyType(
    {"timeout": 2.0, "max.retries": 1, "retries.wait.ms": 200, "retries.max.wait.ms": 500}
)
_NUMERIC_OPTIONS: Final = frozenset({*_BOUNDS, "cache.capacity", "cache.latest.ttl.sec"})
_SECRET_WORDS: Final = ("auth", "password", "secret", "token", "proxy")
_MAX_REASON: Final = 300

Options = Mapping[str, str | int | float]
NO_OPTIONS: Final[Options] = MappingProxyType({})


class UnknownSchemaError(DecodeError):
    """The schema registry knows no schema of this id."""

    code = "unknown-schema"


class SchemaRegistry:
    """Writer schemas by id, remembered for ever; unknown ids for a minute by `timer` (seconds).

    `url` is one address or several, separated by commas, and may hold a user and a password.
    `options` go to confluent_kafka's client; SettingsError for those that it does not take.
    """

    def __init__(
        self,
        url: str,
        options: Options = NO_OPTIONS,
        *,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = registry_client(url, options)
        self._redact = Redaction(url, options)
        self._timer = timer
        self._schemas: dict[int, Schema] = {}
        self._unknown: dict[int, float] = {}

    def writer_schema(self, schema_id: int) -> str:
        """The Avro schema of this id, as JSON text.

        UnknownSchemaError only where the registry itself says that there is none; a DecodeError
        for a schema that is not Avro or that needs others; RegistryUnavailableError, within
        seconds, for everything else that may go wrong.
        """
        schema = self._schemas.get(schema_id)
        if schema is None:
            self._refuse_unknown(schema_id)
            schema = self._schemas[schema_id] = self._fetch(schema_id)
        if schema.schema_type not in (None, "AVRO"):
            raise DecodeError(f"schema {schema_id} is {schema.schema_type}, not Avro")
        if schema.references:
            raise DecodeError(f"schema {schema_id} refers to other schemas, which is not supported")
        return str(schema.schema_str)

    def close(self) -> None:
        """Close the connections to the registry."""
        self._client.close()

    def _refuse_unknown(self, schema_id: int) -> None:
        if not 0 <= schema_id <= _MAX_SCHEMA_ID:
            raise UnknownSchemaError(f"no schema can have the id {schema_id}")
        until = self._unknown.get(schema_id)
        if until is None:
            return
        if self._timer() < until:
            raise _unknown(schema_id)
        del self._unknown[schema_id]

    def _fetch(self, schema_id: int) -> Schema:
        try:
            schema = self._client.get_schema(schema_id)
        except SchemaRegistryError as error:
            if error.http_status_code == 404 and error.error_code in (_NO_SUBJECT, _NO_SCHEMA):
                self._remember_unknown(schema_id)
                raise _unknown(schema_id) from None
            raise RegistryUnavailableError(self._redact(explain(error))) from None
        # The client lets its HTTP library's errors through, and whatever a broken answer causes.
        # None may pass for the fault of a record. Their texts may hold the address: no cause.
        except Exception as error:  # noqa: BLE001
            raise RegistryUnavailableError(self._redact(explain(error))) from None
        if not isinstance(schema.schema_str, str):
            # The client would remember this answer for ever.
            self._client.clear_caches()  # type: ignore[no-untyped-call]
            raise RegistryUnavailableError("the schema registry gave an answer without a schema")
        return schema

    def _remember_unknown(self, schema_id: int) -> None:
        if len(self._unknown) >= _MAX_UNKNOWN:
            self._unknown.clear()
        self._unknown[schema_id] = self._timer() + UNKNOWN_SECONDS


def registry_client(url: str, options: Options = NO_OPTIONS) -> SchemaRegistryClient:
    """A client that gives up within seconds; SettingsError, without values, for bad options.

    Options may be given as text. It connects only when it is asked for something.
    """
    try:
        for address in url.split(","):
            _check_address(address)
        given = {key: _typed(key, value) for key, value in options.items()}
        return SchemaRegistryClient({**_BOUNDS, **given, "url": url})
    except (ValueError, TypeError, OSError) as error:
        reason = Redaction(url, options)(str(error))
        raise SettingsError((f"the schema registry's settings can't be used: {reason}",)) from None


def explain(error: Exception) -> str:
    """Why the registry did not answer, for people; redact it before it is shown."""
    if isinstance(error, SchemaRegistryError):
        status, code = error.http_status_code, error.error_code
        if status in (401, 403):
            return f"the schema registry refused the credentials (HTTP {status})"
        told = f", {code}: {error.error_message}" if code not in (-1, None) else ""
        return f"the schema registry answered HTTP {status}{told}"
    return f"the schema registry can't be reached: {type(error).__name__}: {error}"


class Redaction:
    """Takes the secrets of an address and of options out of a text, and cuts it short."""

    def __init__(self, url: str, options: Options = NO_OPTIONS) -> None:
        secrets = {
            str(value)
            for key, value in options.items()
            if any(word in key.lower() for word in _SECRET_WORDS)
        }
        secrets |= {secret.partition(":")[2] for secret in secrets}
        for address in url.split(","):
            login = address.partition("://")[2].rpartition("@")[0]
            secrets |= {login, login.partition(":")[2]}
        secrets |= {unquote(secret) for secret in secrets}
        self._secrets = sorted(filter(None, secrets), key=len, reverse=True)

    def __call__(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text[:_MAX_REASON]


def _check_address(address: str) -> None:
    """ValueError, without a word of it, for an address that the HTTP library would quote."""
    try:
        parts = urlsplit(address)
        is_whole = parts.scheme in ("http", "https") and bool(parts.hostname)
        is_whole = is_whole and (parts.port is None or parts.port > 0)
    except ValueError:
        is_whole = False
    if not is_whole or parts.query or parts.fragment or "@" in parts.path:
        raise ValueError("the address must be a URL, whose user and password are URL-quoted")


def _typed(key: str, value: str | float) -> str | float:
    if key not in _NUMERIC_OPTIONS or not isinstance(value, str):
        return value
    try:
        return float(value)
    except ValueError:
        raise ValueError(f"{key} must be a number") from None


def _unknown(schema_id: int) -> UnknownSchemaError:
    return UnknownSchemaError(f"the schema registry knows no schema of the id {schema_id}")
