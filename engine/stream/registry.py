"""Gets writer schemas from the schema registry, and decides which of its answers are believed."""

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
from engine.stream.record import SchemaName
from engine.stream.registry_call import DEADLINE_SECONDS, NO_WHOLE_ANSWER, RegistryCall, bound

# How long a registry must have given the same answer before a record is refused for it. The time is
# the longer, the likelier the fault is the registry's and not the producer's.
#: The schema is not Avro, or no record has fitted it: mostly the producer's fault.
MISFIT_SECONDS: Final = 10.0
#: The schema is unknown, and others are known: a registry that is being restored may lack some.
UNKNOWN_SECONDS: Final = 60.0
#: No schema is known: the registry has most likely not read its topic yet, or has lost it.
EMPTY_SECONDS: Final = 600.0
#: How often the registry is asked again until then.
RECHECK_SECONDS: Final = 2.0
#: How long a refusal that is believed holds before the registry is asked again.
ANEW_SECONDS: Final = 60.0
#: How soon a registry that did not answer is asked the same again.
RETRY_SECONDS: Final = 0.4
#: How long the caller waits for answers, in each RECHECK_SECONDS.
PATIENCE_SECONDS: Final = 1.0
#: The most calls at a time, each in its thread.
MAX_CALLS: Final = 16
_MAX_KNOWN: Final = 10_000
# The most calls whose answers were not fetched yet.
_MAX_UNREAD: Final = 256
_NO_ANSWER_YET: Final = "the schema registry has not answered yet"
# Ids are Java ints. A registry that is asked for more answers that there is no such address.
MAX_SCHEMA_ID: Final = 2**31 - 1
# No such subject, version, schema: what only a registry that has looked says.
_NOT_FOUND: Final = frozenset({40401, 40402, 40403})
_NO_SUCH_ADDRESS: Final = frozenset({404, 405})
#: The most schemas that one may refer to, directly or through others.
MAX_REFERENCES: Final = 64
# Two tries of two seconds each: the caller asks again later, so the client need not go on for long.
_CLIENT_OPTIONS: Final[Mapping[str, object]] = MappingProxyType(
    {"timeout": 2.0, "max.retries": 1, "retries.wait.ms": 200, "retries.max.wait.ms": 500}
)
_NUMERIC_OPTIONS: Final = frozenset({*_CLIENT_OPTIONS, "cache.capacity", "cache.latest.ttl.sec"})
_SECRET_WORDS: Final = ("auth", "password", "secret", "token", "proxy")
_MAX_REASON: Final = 300
_LOGIN_REMEDY: Final = "correct SCHEMA_REGISTRY_CONFIG_BASIC_AUTH_USER_INFO"
_AUTHORITY_REMEDY: Final = (
    "name the file of its authority in SCHEMA_REGISTRY_CONFIG_SSL_CA_LOCATION, and its host as in "
    "its certificate in SCHEMA_REGISTRY_URL"
)
_URL_REMEDY: Final = "start it, or correct SCHEMA_REGISTRY_URL"

Options = Mapping[str, str | int | float]
NO_OPTIONS: Final[Options] = MappingProxyType({})
_Version = tuple[str, int]
"""A subject and the number of one of its versions."""


class UnknownSchemaError(DecodeError):
    """The schema registry knows no schema of this id, or not all that it refers to."""

    code = "unknown-schema"


class EmptyRegistryError(UnknownSchemaError):
    """The schema registry knows no schema of this id, and no other schema either."""


@dataclass(frozen=True, slots=True)
class WriterSchema:
    """A schema that records are written with: its JSON, and that of the schemas it refers to.

    Each of the `references` comes after those that it refers to itself.
    """

    text: str
    references: tuple[str, ...] = ()


_Answer = WriterSchema | DecodeError
"""The schema, or why there is none that can be used."""


@dataclass(slots=True)
class _Known:
    """The registry's last answer for a name, and since when its answers have been the same.

    Times are in the seconds of the registry's timer; `times` counts the answers.
    """

    answer: _Answer
    since: float
    asked_at: float
    times: int = 1

    @property
    def lasted_seconds(self) -> float:
        return self.asked_at - self.since


@dataclass(frozen=True, slots=True)
class _Asked:
    """A call in progress, and when it began."""

    call: RegistryCall[_Answer | RegistryUnavailableError]
    since: float


class SchemaRegistry:
    """Gives writer schemas by id or GUID; calls run in threads, so that no caller waits for long.

    A schema is kept for ever. A refusal is believed once the registry has given it for some time,
    `MISFIT_SECONDS`, `UNKNOWN_SECONDS` or `EMPTY_SECONDS`: a registry that has just started, or is
    being restored, does not have all its schemas yet. After `ANEW_SECONDS` the registry is asked
    again.

    `url` is one address or several, separated by commas, and may hold a user and a password.
    `options` go to confluent_kafka's client; SettingsError for those that it does not take.
    `timer` gives seconds. A registry that has answered so far is waited for, `patience_seconds` at
    most in every two seconds. All methods are called from one thread.
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
        # Why the last call had no answer; "" if it had one.
        self._trouble = ""
        self._retry_at: dict[SchemaName, float] = {}
        self._waited_since = -math.inf
        self._waited_seconds = 0.0
        # The last answer of `_has_subjects`, and when it was given.
        self._subjects: tuple[bool, float] = (False, -math.inf)

    def writer_schema(self, name: SchemaName) -> WriterSchema:
        """Returns the Avro schema of this id or GUID, with all schemas that it refers to.

        Raises UnknownSchemaError once the registry has said for a minute that it lacks the schema,
        or one that it refers to, though it has others; for ten minutes where it has none. Raises
        DecodeError once it has said for ten seconds that the schema is not Avro, or refers to too
        many. Raises RegistryUnavailableError in all other cases, and while a call is in progress.
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
        """Asks again for a schema that a record does not fit, and returns it.

        The registry is asked every two seconds until it has given the same answer for `seconds`,
        and once a minute from then on. Raises RegistryUnavailableError until then; otherwise as
        `writer_schema` does.
        """
        known = self._known.get(name)
        if known is None or known.times == 1 or self._is_due(known, seconds):
            known = self._renew(name)
        return self._believed(name, known, seconds)

    def close(self) -> None:
        """Close the connections to the registry, and end the calls in progress."""
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
        """Ask and keep the answer; RegistryUnavailableError while there is none."""
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
        """Returns the answer and when its call began; RegistryUnavailableError without one."""
        self._end_late_calls()
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
        """Begin a call; RegistryUnavailableError too soon after a failure, or beside too many."""
        now = self._timer()
        is_early = now < self._retry_at.get(name, -math.inf)
        if is_early or len(self._asked) >= _MAX_UNREAD or self._calls_in_progress() >= MAX_CALLS:
            raise RegistryUnavailableError(self._trouble or _NO_ANSWER_YET)
        is_again = name in self._known
        return _Asked(RegistryCall(lambda: self._answer(name, is_again)), now)

    def _calls_in_progress(self) -> int:
        return len(self._ended) + sum(not asked.call.wait(0) for asked in self._asked.values())

    def _wait(self, call: RegistryCall[_Answer | RegistryUnavailableError]) -> bool:
        """Whether the call is over; waits for it if the registry has answered so far."""
        now = self._timer()
        if now - self._waited_since >= RECHECK_SECONDS:
            self._waited_since, self._waited_seconds = now, 0.0
        patience = 0.0 if self._trouble else self._patience_seconds - self._waited_seconds
        is_over = call.wait(max(0.0, patience))
        self._waited_seconds += self._timer() - now
        if not is_over:
            self._trouble = self._trouble or _NO_ANSWER_YET
        return is_over

    def _end_late_calls(self) -> None:
        now = self._timer()
        for name, asked in list(self._asked.items()):
            if now - asked.since < DEADLINE_SECONDS:
                continue
            del self._asked[name]
            if asked.call.wait(0):
                # The answer was never fetched.
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
            # A registry that was away may have just started: what it refused counts from anew.
            del self._known[name]

    def _answer(self, name: SchemaName, is_again: bool) -> _Answer | RegistryUnavailableError:
        """Asks the registry, and waits for its answer; runs in a thread of its own."""
        try:
            if is_again:
                # The client caches answers for ever. A first call keeps its cache: the schemas that
                # a schema refers to may take more than one call of five seconds.
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
        """Whether the registry has any subject, and so has read its topic; None without an answer.

        False also for a registry that has no such request.
        """
        known, asked_at = self._subjects
        if self._timer() - asked_at < DEADLINE_SECONDS:
            return known
        try:
            # One is enough, and one that was deleted shows as much.
            has_subjects = bool(self._client.get_subjects(deleted=True, limit=1))
        except SchemaRegistryError as error:
            if error.http_status_code in (401, 403):
                # The credentials don't allow the request, and never will: it has to do without.
                has_subjects = True
            elif error.http_status_code in _NO_SUCH_ADDRESS and self._lists_types():
                has_subjects = False
            else:
                return None
        # Whatever the error is, the registry did not answer.
        except Exception:  # noqa: BLE001
            return None
        self._subjects = (has_subjects, self._timer())
        return has_subjects

    def _lists_types(self) -> bool:
        """Whether the registry answers a request for which it needs no schema."""
        try:
            self._client.get_schema_types()
        # Whatever the error is, the registry did not answer.
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
        """Add the schemas that `schema` refers to, each behind those that it refers to itself."""
        for reference in schema.references or ():
            version = (str(reference.subject), int(reference.version or 0))
            if version in asked:
                continue
            asked.add(version)
            if len(asked) > MAX_REFERENCES:
                raise DecodeError(f"schema {name} refers to more than {MAX_REFERENCES} schemas")
            title = f"{reference.name} ({version[0]}, version {version[1]})"
            referred = self._fetch_version(version, f"{what} refers to {title}")
            _check_is_avro(referred, f"{title}, which {what} refers to,")
            self._add_references(referred, title, name, found, asked)
            found[version] = str(referred.schema_str)

    def _fetch(self, name: SchemaName) -> Schema:
        if isinstance(name, int):
            reason = f"the schema registry knows no schema of the id {name}"
            return self._get(lambda: self._client.get_schema(name), reason)
        reason = f"the schema registry knows no schema of the GUID {name}"
        return self._get(lambda: self._client.get_schema_by_guid(str(name)), reason, guid=name)

    def _fetch_version(self, version: _Version, what: str) -> Schema:
        reason = f"{what}, which the schema registry does not have"
        # Other schemas may still refer to one that was deleted.
        return self._get(lambda: self._client.get_version(*version, deleted=True).schema, reason)

    def _get(self, ask: Callable[[], Schema], reason: str, guid: UUID | None = None) -> Schema:
        """Returns what the registry answers; UnknownSchemaError with `reason` for "not found".

        `guid` is the GUID that it is asked for, if any.
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
        # None of them may count as a record's fault. Their texts may hold the address with its
        # password, so they are not kept as the cause.
        except Exception as error:  # noqa: BLE001
            raise RegistryUnavailableError(self._redact(explain(error))) from None
        if not isinstance(schema.schema_str, str) or not schema.schema_str.strip():
            self._forget_answers()
            raise RegistryUnavailableError("the schema registry gave an answer without a schema")
        return schema

    def _refuse_guid(self, guid: UUID) -> None:
        """UnknownSchemaError where the registry answers, but has no request for GUIDs.

        Otherwise one record with a GUID would stop the stream for ever at such a registry.
        """
        if self._lists_types():
            raise UnknownSchemaError(
                f"the schema is named by the GUID {guid}, and this schema registry answers no "
                "GUIDs (Confluent's does from version 8 on); let the producer write ids",
            )


def _seconds_to_believe(answer: _Answer) -> float:
    """How long the registry must have given this answer before a record is refused for it."""
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
    """Returns a client whose calls can be ended; it connects with the first call.

    Numbers among the options may be texts. Raises SettingsError, without their values, for options
    that can't be used.
    """
    try:
        for address in url.split(","):
            _check_address(address)
        given = {key: _typed(key, value) for key, value in options.items()}
        return bound(SchemaRegistryClient({**_CLIENT_OPTIONS, **given, "url": url}))
    except (ValueError, TypeError, OSError) as error:
        reason = Redaction(url, options)(str(error))
        raise SettingsError((f"the schema registry's settings can't be used: {reason}",)) from None


def explain(error: Exception) -> str:
    """Says for people why the registry did not answer; to be redacted before it is shown."""
    if isinstance(error, SchemaRegistryError):
        status, code = error.http_status_code, error.error_code
        if status in (401, 403):
            return f"the schema registry refused the credentials (HTTP {status}): {_LOGIN_REMEDY}"
        detail = f", {code}: {error.error_message}" if code not in (-1, None) else ""
        return f"the schema registry answered HTTP {status}{detail}"
    if isinstance(error, RegistryUnavailableError):
        return str(error)
    remedy = _AUTHORITY_REMEDY if "CERTIFICATE_VERIFY_FAILED" in str(error) else _URL_REMEDY
    return f"the schema registry can't be reached, {remedy}: {type(error).__name__}: {error}"


class Redaction:
    """Replaces the secrets of an address and of options in a text, and shortens the text."""

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
    """ValueError for an address that is no URL; unlike the HTTP library's it quotes nothing."""
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
