"""The schema registry: writer schemas by id or GUID, asked for once."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final
from urllib.parse import unquote, urlsplit
from uuid import UUID

from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from confluent_kafka.schema_registry.error import SchemaRegistryError

from engine.errors import DecodeError, RegistryUnavailableError, SettingsError
from engine.stream.framing import SchemaName

UNKNOWN_SECONDS: Final = 60.0
_MAX_UNKNOWN: Final = 10_000
# Ids are Java ints. A registry that is asked for more answers that there is no such address.
_MAX_SCHEMA_ID: Final = 2**31 - 1
# No such subject, version, schema: what only a registry that has looked says.
_NOT_FOUND: Final = frozenset({40401, 40402, 40403})
_NO_SUCH_ADDRESS: Final = frozenset({404, 405})
#: Most schemas that one refers to, directly or by others.
MAX_REFERENCES: Final = 64
# Two tries of two seconds: the caller pauses and asks again, so the client must not go on for long.
_BOUNDS: Final[Mapping[str, object]] = MappingProxyType(
    {"timeout": 2.0, "max.retries": 1, "retries.wait.ms": 200, "retries.max.wait.ms": 500}
)
_NUMERIC_OPTIONS: Final = frozenset({*_BOUNDS, "cache.capacity", "cache.latest.ttl.sec"})
_SECRET_WORDS: Final = ("auth", "password", "secret", "token", "proxy")
_MAX_REASON: Final = 300

Options = Mapping[str, str | int | float]
NO_OPTIONS: Final[Options] = MappingProxyType({})
_Version = tuple[str, int]
"""A subject and the number of one of its versions."""


class UnknownSchemaError(DecodeError):
    """The schema registry knows no schema of this id, or not all that it refers to."""

    code = "unknown-schema"


@dataclass(frozen=True, slots=True)
class WriterSchema:
    """What records are written with: a schema's JSON, and that of the schemas that it refers to.

    Each of the `references` comes after those that it refers to itself.
    """

    text: str
    references: tuple[str, ...] = ()


class SchemaRegistry:
    """Writer schemas by id or GUID, remembered for ever; unknown ones for a minute by `timer`.

    `url` is one address or several, separated by commas, and may hold a user and a password.
    `options` go to confluent_kafka's client; SettingsError for those that it does not take.
    `timer` gives seconds.
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
        self._schemas: dict[SchemaName, Schema] = {}
        self._writers: dict[SchemaName, WriterSchema] = {}
        #: Until when nobody asks for it again, and why it is unknown.
        self._unknown: dict[SchemaName, tuple[float, str]] = {}

    def writer_schema(self, name: SchemaName) -> WriterSchema:
        """The Avro schema of this id or GUID, with all that it refers to.

        UnknownSchemaError only where the registry itself says that there is none, or that one which
        it refers to is not there; a DecodeError for a schema that is not Avro or that refers to too
        many; RegistryUnavailableError, within seconds, for everything else that may go wrong.
        """
        writer = self._writers.get(name)
        if writer is None:
            self._refuse_unknown(name)
            writer = self._writers[name] = self._gather(name)
        return writer

    def close(self) -> None:
        """Close the connections to the registry."""
        self._client.close()

    def _refuse_unknown(self, name: SchemaName) -> None:
        if isinstance(name, int) and not 0 <= name <= _MAX_SCHEMA_ID:
            raise UnknownSchemaError(f"no schema can have the id {name}")
        until, reason = self._unknown.get(name, (0.0, ""))
        if not reason:
            return
        if self._timer() < until:
            raise UnknownSchemaError(reason)
        del self._unknown[name]

    def _gather(self, name: SchemaName) -> WriterSchema:
        schema = self._schemas.get(name)
        if schema is None:
            schema = self._schemas[name] = self._fetch(name)
        what = f"schema {name}"
        _check_is_avro(schema, what)
        found: dict[_Version, str] = {}
        self._add_references(schema, what, name, found, set())
        return WriterSchema(str(schema.schema_str), tuple(found.values()))

    def _add_references(
        self,
        schema: Schema,
        what: str,
        name: SchemaName,
        found: dict[_Version, str],
        asked: set[_Version],
    ) -> None:
        """Put what `schema` refers to into `found`, each after those that it refers to itself."""
        for reference in schema.references or ():
            version = (str(reference.subject), int(reference.version or 0))
            if version in asked:
                continue
            asked.add(version)
            if len(asked) > MAX_REFERENCES:
                raise DecodeError(f"schema {name} refers to more than {MAX_REFERENCES} schemas")
            told = f"{reference.name} ({version[0]}, version {version[1]})"
            referred = self._fetch_version(version, f"{what} refers to {told}", name)
            _check_is_avro(referred, f"{told}, which {what} refers to,")
            self._add_references(referred, told, name, found, asked)
            found[version] = str(referred.schema_str)

    def _fetch(self, name: SchemaName) -> Schema:
        if isinstance(name, int):
            reason = f"the schema registry knows no schema of the id {name}"
            return self._ask(name, lambda: self._client.get_schema(name), reason)
        reason = f"the schema registry knows no schema of the GUID {name}"
        return self._ask(
            name, lambda: self._client.get_schema_by_guid(str(name)), reason, guid=name
        )

    def _fetch_version(self, version: _Version, what: str, name: SchemaName) -> Schema:
        reason = f"{what}, which the schema registry does not have"
        # One that was deleted since goes on being referred to.
        return self._ask(
            name, lambda: self._client.get_version(*version, deleted=True).schema, reason
        )

    def _ask(
        self, name: SchemaName, ask: Callable[[], Schema], reason: str, guid: UUID | None = None
    ) -> Schema:
        """What the registry answers; `reason` is why `name` is unknown where it has no answer.

        `guid` is what it is asked for, if for one.
        """
        try:
            schema = ask()
        except SchemaRegistryError as error:
            if error.http_status_code == 404 and error.error_code in _NOT_FOUND:
                raise self._unknown_now(name, reason) from None
            if guid is not None and error.http_status_code in _NO_SUCH_ADDRESS:
                self._refuse_guid(guid)
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

    def _refuse_guid(self, guid: UUID) -> None:
        """UnknownSchemaError where the registry is well, but does not know what a GUID is.

        Else one record with a GUID would halt the stream at such a registry for ever.
        """
        try:
            self._client.get_schema_types()
        # Whatever it is: then the registry is away.
        except Exception:  # noqa: BLE001
            return
        raise self._unknown_now(
            guid,
            f"the schema is named by the GUID {guid}, and this schema registry answers no GUIDs "
            "(Confluent's does from version 8 on); let the producer write ids",
        )

    def _unknown_now(self, name: SchemaName, reason: str) -> UnknownSchemaError:
        if len(self._unknown) >= _MAX_UNKNOWN:
            self._unknown.clear()
        self._unknown[name] = (self._timer() + UNKNOWN_SECONDS, reason)
        return UnknownSchemaError(reason)


def _check_is_avro(schema: Schema, what: str) -> None:
    if schema.schema_type not in (None, "AVRO"):
        raise DecodeError(
            f"{what} is {schema.schema_type}, not Avro: let the producer write Avro, or read "
            "another topic (KAFKA_TOPIC)"
        )


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
