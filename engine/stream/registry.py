"""The schema registry: writer schemas by id or GUID, and which of its answers are believed."""

from __future__ import annotations

import math
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
from engine.stream.registry_call import DEADLINE_SECONDS, NO_WHOLE_ANSWER, RegistryCall, bound

# How long a registry must have answered the same before a record is refused for it. The likelier
# the fault is the registry's and not the producer's, the longer.
#: The schema is not Avro, or no record has fitted it: mostly the producer's fault.
MISFIT_SECONDS: Final = 10.0
#: There is no such schema, but there are others: one that is restored may not have come to it.
UNKNOWN_SECONDS: Final = 60.0
#: There is no schema at all: it has most likely not read its topic yet, or has lost it.
EMPTY_SECONDS: Final = 600.0
#: How often it is asked again until then.
RECHECK_SECONDS: Final = 2.0
#: How long a refusal that is believed holds, before the registry is asked again.
ANEW_SECONDS: Final = 60.0
#: How soon a registry that was away is asked the same again.
RETRY_SECONDS: Final = 0.4
PATIENCE_SECONDS: Final = 1.0
#: Most questions at a time, each in its thread.
MAX_CALLS: Final = 16
_MAX_KNOWN: Final = 10_000
# Most answers that nobody came for yet.
_MAX_UNREAD: Final = 256
_NO_ANSWER_YET: Final = "the schema registry has not answered yet"
# Ids are Java ints. A registry that is asked for more answers that there is no such address.
MAX_SCHEMA_ID: Final = 2**31 - 1
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


class EmptyRegistryError(UnknownSchemaError):
    """The schema registry knows no schema of this id, and names no other that it has."""


@dataclass(frozen=True, slots=True)
class WriterSchema:
    """What records are written with: a schema's JSON, and that of the schemas that it refers to.

    Each of the `references` comes after those that it refers to itself.
    """

    text: str
    references: tuple[str, ...] = ()


_Answer = WriterSchema | DecodeError
"""The schema, or why there is none for us."""


@dataclass(slots=True)
class _Known:
    """The registry's last answer for a name, and since when all its answers were the same."""

    answer: _Answer
    since: float
    asked_at: float
    times: int = 1

    @property
    def lasted_seconds(self) -> float:
        return self.asked_at - self.since


@dataclass(frozen=True, slots=True)
class _Asked:
    """A question that is under way, and since when."""

    call: RegistryCall[_Answer | RegistryUnavailableError]
    since: float


class SchemaRegistry:
    """Writer schemas by id or GUID, asked for beside the caller, who never waits for long.

    A schema is remembered for ever. A refusal is believed once the registry has said the same for
    some time, `MISFIT_SECONDS`, `UNKNOWN_SECONDS` or `EMPTY_SECONDS`: one that has just started, or
    that is being restored, does not know yet what it holds. It holds for `ANEW_SECONDS`, then the
    registry is asked again.

    `url` is one address or several, separated by commas, and may hold a user and a password.
    `options` go to confluent_kafka's client; SettingsError for those that it does not take.
    `timer` gives seconds. A registry that is well is waited for `patience_seconds` at most, so many
    of every two seconds. All calls are in one thread.
    """

    def __init__(
        self,
        url: str,
        options: Options = NO_OPTIONS,
        *,
        timer: Callable[[], float] = time.monotonic,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        self._client = registry_client(url, options)
        self._redact = Redaction(url, options)
        self._timer = timer
        self._patience_seconds = patience_seconds
        self._known: dict[SchemaName, _Known] = {}
        self._asked: dict[SchemaName, _Asked] = {}
        self._ended: list[RegistryCall[_Answer | RegistryUnavailableError]] = []
        #: Why the last question was not answered; "" when it was.
        self._trouble = ""
        self._retry_at: dict[SchemaName, float] = {}
        self._waited_since = -math.inf
        self._waited_seconds = 0.0
        #: What the registry said last of its subjects, see `_has_subjects`, and when.
        self._subjects: tuple[bool, float] = (False, -math.inf)

    def writer_schema(self, name: SchemaName) -> WriterSchema:
        """The Avro schema of this id or GUID, with all that it refers to.

        UnknownSchemaError only where the registry has said for a minute, and named others that it
        has, that there is none, or that one which it refers to is not there; for ten minutes where
        it names no others. A DecodeError where it has said for ten seconds that the schema is not
        Avro or refers to too many. RegistryUnavailableError for everything else, and while it is
        being asked.
        """
        known = self._known.get(name)
        if known is not None and isinstance(known.answer, WriterSchema):
            return known.answer
        if isinstance(name, int) and not 0 <= name <= MAX_SCHEMA_ID:
            raise UnknownSchemaError(f"no schema can have the id {name}")
        if known is None or self._is_due(known, _seconds_to_believe(known.answer)):
            known = self._renew(name)
        return self._believed(name, known, 0.0)

    def ask_again(self, name: SchemaName, seconds: float) -> WriterSchema:
        """The schema of this id or GUID, of which the registry was asked again; for a misfit.

        It is asked once a minute at most, and more often only until it has given the same answer
        for `seconds`; then it is believed. Raises as `writer_schema`; until then,
        RegistryUnavailableError.
        """
        known = self._known.get(name)
        if known is None or known.times == 1 or self._is_due(known, seconds):
            known = self._renew(name)
        return self._believed(name, known, seconds)

    def close(self) -> None:
        """Close the connections to the registry; what is still asked for is given up."""
        for asked in self._asked.values():
            asked.call.end()
        self._client.close()

    def _is_due(self, known: _Known, seconds: float) -> bool:
        is_believed = known.lasted_seconds >= seconds
        pause = ANEW_SECONDS if is_believed else RECHECK_SECONDS
        return self._timer() - known.asked_at >= pause

    def _believed(self, name: SchemaName, known: _Known, seconds: float) -> WriterSchema:
        answer = known.answer
        seconds = max(seconds, _seconds_to_believe(answer))
        if known.lasted_seconds < seconds:
            is_schema = _is_schema(answer)
            what = f"a record does not fit its schema, {name}" if is_schema else str(answer)
            raise RegistryUnavailableError(_in_doubt(what, seconds))
        if isinstance(answer, WriterSchema):
            return answer
        # One object that is raised again and again would gather their tracebacks.
        raise type(answer)(str(answer))

    def _renew(self, name: SchemaName) -> _Known:
        """Ask, and keep the answer; RegistryUnavailableError while there is none."""
        answer, asked_at = self._ask(name)
        known = self._known.get(name)
        if known is not None and _are_same(known.answer, answer):
            known.asked_at = asked_at
            known.times += 1
            return known
        if known is None and len(self._known) >= _MAX_KNOWN:
            self._forget_a_refusal()
        known = self._known[name] = _Known(answer, asked_at, asked_at)
        return known

    def _forget_a_refusal(self) -> None:
        for name, known in self._known.items():
            if not _is_schema(known.answer):
                del self._known[name]
                return

    def _ask(self, name: SchemaName) -> tuple[_Answer, float]:
        """The registry's answer, and when it was asked; RegistryUnavailableError."""
        self._give_up_late_ones()
        asked = self._asked.get(name)
        if asked is None:
            asked = self._asked[name] = self._begin(name)
            is_over = self._wait(asked.call)
        else:
            is_over = asked.call.wait(0)
        if not is_over:
            raise RegistryUnavailableError(self._trouble or _NO_ANSWER_YET)
        del self._asked[name]
        answer = asked.call.result()
        if isinstance(answer, RegistryUnavailableError):
            self._note_trouble(name, str(answer))
            raise answer
        self._trouble = ""
        return answer, asked.since

    def _begin(self, name: SchemaName) -> _Asked:
        """Ask; RegistryUnavailableError when too often, or for too many."""
        now = self._timer()
        is_early = now < self._retry_at.get(name, -math.inf)
        if is_early or len(self._asked) >= _MAX_UNREAD or self._calls_under_way() >= MAX_CALLS:
            raise RegistryUnavailableError(self._trouble or _NO_ANSWER_YET)
        is_again = name in self._known
        return _Asked(RegistryCall(lambda: self._inquire(name, is_again)), now)

    def _calls_under_way(self) -> int:
        return len(self._ended) + sum(not asked.call.wait(0) for asked in self._asked.values())

    def _wait(self, call: RegistryCall[_Answer | RegistryUnavailableError]) -> bool:
        """Whether the call is over; waits a little if that is likely to be soon."""
        now = self._timer()
        if now - self._waited_since >= RECHECK_SECONDS:
            self._waited_since, self._waited_seconds = now, 0.0
        # One that did not answer last time is looked at the next time.
        patience = 0.0 if self._trouble else self._patience_seconds - self._waited_seconds
        is_over = call.wait(max(0.0, patience))
        self._waited_seconds += self._timer() - now
        if not is_over:
            self._trouble = self._trouble or _NO_ANSWER_YET
        return is_over

    def _give_up_late_ones(self) -> None:
        now = self._timer()
        for name, asked in list(self._asked.items()):
            if now - asked.since < DEADLINE_SECONDS:
                continue
            del self._asked[name]
            if asked.call.wait(0):
                # Nobody came for the answer.
                continue
            asked.call.end()
            self._ended.append(asked.call)
            self._note_trouble(name, NO_WHOLE_ANSWER)
        self._ended = [call for call in self._ended if call.is_running]

    def _note_trouble(self, name: SchemaName, reason: str) -> None:
        self._trouble = reason
        if len(self._retry_at) >= _MAX_KNOWN:
            self._retry_at.clear()
        self._retry_at[name] = self._timer() + RETRY_SECONDS
        known = self._known.get(name)
        if known is not None and not _is_schema(known.answer):
            # A registry that was away may have started again: its time begins anew.
            del self._known[name]

    def _inquire(self, name: SchemaName, is_again: bool) -> _Answer | RegistryUnavailableError:
        """What the registry says; in a thread of its own."""
        try:
            if is_again:
                # The client remembers answers for ever. Of a first question it shall: what a schema
                # refers to may take several times of five seconds.
                self._forget_answers()
            return self._gather(name)
        except UnknownSchemaError as error:
            has_subjects = self._has_subjects()
            if has_subjects is None:
                return RegistryUnavailableError(f"{error}; nor does it say what else it holds")
            return error if has_subjects else EmptyRegistryError(f"{error}, nor names another")
        except (DecodeError, RegistryUnavailableError) as error:
            return error

    def _forget_answers(self) -> None:
        self._client.clear_caches()  # type: ignore[no-untyped-call]

    def _has_subjects(self) -> bool | None:
        """Whether the registry has any subject, so that it has read its topic; None: no answer.

        False also where it answers, but never says.
        """
        known, heard_at = self._subjects
        if self._timer() - heard_at < DEADLINE_SECONDS:
            return known
        try:
            # One is enough, and one that was deleted shows as much.
            has_subjects = bool(self._client.get_subjects(deleted=True, limit=1))
        except SchemaRegistryError as error:
            if error.http_status_code in (401, 403):
                # It is not for us to see, ever.
                has_subjects = True
            elif error.http_status_code in _NO_SUCH_ADDRESS and self._names_types():
                has_subjects = False
            else:
                return None
        # Whatever it is: then the registry is away.
        except Exception:  # noqa: BLE001
            return None
        self._subjects = (has_subjects, self._timer())
        return has_subjects

    def _names_types(self) -> bool:
        """Whether the registry answers what needs none of its schemas."""
        try:
            self._client.get_schema_types()
        # Whatever it is: then the registry is away.
        except Exception:  # noqa: BLE001
            return False
        return True

    def _gather(self, name: SchemaName) -> WriterSchema:
        schema = self._fetch(name)
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
            referred = self._fetch_version(version, f"{what} refers to {told}")
            _check_is_avro(referred, f"{told}, which {what} refers to,")
            self._add_references(referred, told, name, found, asked)
            found[version] = str(referred.schema_str)

    def _fetch(self, name: SchemaName) -> Schema:
        if isinstance(name, int):
            reason = f"the schema registry knows no schema of the id {name}"
            return self._get(lambda: self._client.get_schema(name), reason)
        reason = f"the schema registry knows no schema of the GUID {name}"
        return self._get(lambda: self._client.get_schema_by_guid(str(name)), reason, guid=name)

    def _fetch_version(self, version: _Version, what: str) -> Schema:
        reason = f"{what}, which the schema registry does not have"
        # One that was deleted since goes on being referred to.
        return self._get(lambda: self._client.get_version(*version, deleted=True).schema, reason)

    def _get(self, ask: Callable[[], Schema], reason: str, guid: UUID | None = None) -> Schema:
        """What the registry answers; UnknownSchemaError of this `reason` where it has no answer.

        `guid` is what it is asked for, if for one.
        """
        try:
            schema = ask()
        except SchemaRegistryError as error:
            if error.http_status_code == 404 and error.error_code in _NOT_FOUND:
                raise UnknownSchemaError(reason) from None
            if guid is not None and error.http_status_code in _NO_SUCH_ADDRESS:
                self._refuse_guid(guid)
            raise RegistryUnavailableError(self._redact(explain(error))) from None
        # The client lets its HTTP library's errors through, and whatever a broken answer causes.
        # None may pass for the fault of a record. Their texts may hold the address: no cause.
        except Exception as error:  # noqa: BLE001
            raise RegistryUnavailableError(self._redact(explain(error))) from None
        if not isinstance(schema.schema_str, str) or not schema.schema_str.strip():
            self._forget_answers()
            raise RegistryUnavailableError("the schema registry gave an answer without a schema")
        return schema

    def _refuse_guid(self, guid: UUID) -> None:
        """UnknownSchemaError where the registry is well, but does not know what a GUID is.

        Else one record with a GUID would halt the stream at such a registry for ever.
        """
        if self._names_types():
            raise UnknownSchemaError(
                f"the schema is named by the GUID {guid}, and this schema registry answers no "
                "GUIDs (Confluent's does from version 8 on); let the producer write ids",
            )


def _seconds_to_believe(answer: _Answer) -> float:
    """How long the registry must have said so before a record is refused for it."""
    if isinstance(answer, EmptyRegistryError):
        return EMPTY_SECONDS
    if isinstance(answer, UnknownSchemaError):
        return UNKNOWN_SECONDS
    return 0.0 if isinstance(answer, WriterSchema) else MISFIT_SECONDS


def _is_schema(answer: _Answer) -> bool:
    return isinstance(answer, WriterSchema)


def _are_same(one: _Answer, other: _Answer) -> bool:
    if isinstance(one, WriterSchema) or isinstance(other, WriterSchema):
        return one == other
    return type(one) is type(other) and str(one) == str(other)


def _in_doubt(what: str, seconds: float) -> str:
    return f"{what}: the schema registry is asked again, and believed after {seconds:.0f} s"


def _check_is_avro(schema: Schema, what: str) -> None:
    if schema.schema_type not in (None, "AVRO"):
        raise DecodeError(
            f"{what} is {schema.schema_type}, not Avro: let the producer write Avro, or read "
            "another topic (KAFKA_TOPIC)"
        )


def registry_client(url: str, options: Options = NO_OPTIONS) -> SchemaRegistryClient:
    """A client whose calls can be ended; SettingsError, without values, for bad options.

    Options may be given as text. It connects only when it is asked for something.
    """
    try:
        for address in url.split(","):
            _check_address(address)
        given = {key: _typed(key, value) for key, value in options.items()}
        return bound(SchemaRegistryClient({**_BOUNDS, **given, "url": url}))
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
    if isinstance(error, RegistryUnavailableError):
        return str(error)
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
