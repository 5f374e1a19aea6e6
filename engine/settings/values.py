"""The values of settings: from the variable or its file, and by the type of the setting.

A function that reads a text raises ValueError, whose message says what is wrong and what to write.
"""

from __future__ import annotations

import difflib
import re
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Generic, TypeVar
from urllib.parse import SplitResult, urlsplit
from zoneinfo import ZoneInfo

from engine.errors import VariableError

T = TypeVar("T")

FILE_SUFFIX: Final = "_FILE"
#: A bundle of certificates has some 250 kB.
MAX_FILE_BYTES: Final = 1 << 20
# 50 years: an instant so long ago still has a date, and a number in every store.
LONGEST_SECONDS: Final = 50 * 365 * 86_400.0
LONGEST_RETRY_DELAY_SECONDS: Final = 3_600.0
#: A claim is renewed every third of its time: a shorter one would end while the store is slow.
SHORTEST_CLAIM_SECONDS: Final = 5.0
LONGEST_CLAIM_SECONDS: Final = 3_600.0
PROTOCOLS: Final = ("plaintext", "ssl", "sasl_plaintext", "sasl_ssl")
_UNITS: Final = {"": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d|)", re.IGNORECASE)
_SIZES: Final = {"kb": 1_000, "mb": 1_000_000, "gb": 1_000_000_000}
_SIZE: Final = re.compile(r"(\d{1,6}(?:\.\d{1,6})?)\s*(kb|mb|gb)", re.IGNORECASE)
_KEEP: Final = "write 256MB,30d"
_STORES: Final = ("sqlite:///", "postgresql://", "postgres://")
_SCHEME: Final = re.compile(r"([^:/]*)://(.*)")
_ADDRESS: Final = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[\w.-]+):(?P<port>[0-9]{1,5})")
_HOST: Final = re.compile(r"\[[0-9A-Fa-f:.]+\]|[\w.-]+:?")
_LAST_PORT: Final = 65_535


@dataclass(frozen=True, slots=True)
class Secret(Generic[T]):
    """A value that prints as `***`; `reveal()` gives it."""

    _value: T

    def reveal(self) -> T:
        """The value itself."""
        return self._value

    def __repr__(self) -> str:
        return "***"


@dataclass(frozen=True, slots=True)
class Keep:
    """A bound on what is kept: its size in bytes, and its age in seconds."""

    size_bytes: int = 256_000_000
    age_seconds: float = 2_592_000.0


def value_of(name: str, variables: Mapping[str, str]) -> str:
    """The variable's value without the line ends at its end; "" where it is unset or empty.

    Where it is unset and `NAME_FILE` is set, the value is the content of the file that `NAME_FILE`
    names, read now. Raises VariableError where both are set, and for a file that is empty or can't
    be read.
    """
    value = variables.get(name, "").rstrip("\r\n")
    path = variables.get(name + FILE_SUFFIX, "").strip()
    if not path:
        return value
    if value:
        what = f"{name} and {name}{FILE_SUFFIX} are both set"
        raise VariableError(what, "unset one of them")
    return _file_content(f"{name}{FILE_SUFFIX}", Path(path))


def parse_duration(text: str, longest_seconds: float = LONGEST_SECONDS) -> float:
    """The seconds of `90`, `90s`, `10m`, `24h` or `7d`; ValueError for anything else or longer."""
    found = _DURATION.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is not a duration, write seconds or 90s, 10m, 24h, 7d")
    seconds = float(found[1]) * _UNITS[found[2].lower()]
    if seconds > longest_seconds:
        raise ValueError(f"{text!r} is too long, at most {longest_seconds:.0f} seconds")
    return seconds


def read_positive_duration(text: str) -> float:
    """The seconds of a duration that is not 0."""
    seconds = parse_duration(text)
    if seconds <= 0:
        raise ValueError(f"{text!r} must be more than 0")
    return seconds


def read_retry_delay(text: str) -> float:
    """The seconds of a duration of at most an hour."""
    return parse_duration(text, LONGEST_RETRY_DELAY_SECONDS)


def read_claim(text: str) -> float:
    """The seconds of a duration from 5 seconds to an hour."""
    seconds = parse_duration(text, LONGEST_CLAIM_SECONDS)
    if seconds < SHORTEST_CLAIM_SECONDS:
        raise ValueError(f"{text!r} is too short, at least {SHORTEST_CLAIM_SECONDS:.0f} seconds")
    return seconds


def read_keep(text: str) -> Keep:
    """`256MB`, `30d` or both, in any order; what is not given has its default."""
    size_bytes: int | None = None
    age_seconds: float | None = None
    for part in (each.strip() for each in text.split(",")):
        size = _SIZE.fullmatch(part)
        if size is not None and size_bytes is None:
            size_bytes = int(float(size[1]) * _SIZES[size[2].lower()])
        elif size is None and not part.isdigit() and age_seconds is None:
            try:
                age_seconds = read_positive_duration(part)
            except ValueError:
                raise ValueError(f"{part!r} is neither a size nor an age, {_KEEP}") from None
        else:
            raise ValueError(f"{text!r} is not one size and one age, {_KEEP}")
    if size_bytes == 0:
        raise ValueError(f"{text!r} keeps nothing, {_KEEP}")
    default = Keep()
    return Keep(
        default.size_bytes if size_bytes is None else size_bytes,
        default.age_seconds if age_seconds is None else age_seconds,
    )


def whole_number(low: int, high: int) -> Callable[[str], int]:
    """Returns a function that reads a whole number from `low` to `high`."""

    def parse(text: str) -> int:
        if not re.fullmatch(r"[+-]?\d{1,18}", text) or not low <= int(text) <= high:
            raise ValueError(f"{text!r} is not a whole number from {low} to {high}")
        return int(text)

    return parse


def read_flag(text: str) -> bool:
    """True of `true`, `1`, `yes` and `on`; False of `false`, `0`, `no` and `off`."""
    known = {"true": True, "1": True, "yes": True, "on": True}
    known |= {"false": False, "0": False, "no": False, "off": False}
    try:
        return known[text.lower()]
    except KeyError:
        raise ValueError(f"{text!r} is neither true nor false") from None


def one_of(*choices: str) -> Callable[[str], str]:
    """Returns a function that reads one of `choices`, in any case, and returns it in lower-case."""

    def parse(text: str) -> str:
        if text.lower() in choices:
            return text.lower()
        near = difflib.get_close_matches(text.lower(), choices, n=1)
        hint = f", did you mean {near[0]}" if near else ""
        raise ValueError(f"{text!r} is not one of {', '.join(choices)}{hint}")

    return parse


def read_text(text: str) -> str:
    """The text itself, if it can be written as UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("is not UTF-8") from None
    return text


def read_path(text: str) -> Path | None:
    """The path of a file or folder, None if it is empty."""
    return Path(text) if text else None


def read_zone(text: str) -> ZoneInfo:
    """The IANA time zone of that name."""
    try:
        return ZoneInfo(text)
    except (OSError, ValueError, LookupError):
        raise ValueError(
            f"{text!r} is no IANA time zone, write one such as Europe/Berlin"
        ) from None


def read_topic(text: str) -> str:
    """The name of one Kafka topic."""
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,249}", text):
        raise ValueError(f"{text!r} is not a Kafka topic name (letters, digits, '.', '_', '-')")
    return text


def read_topics(text: str) -> tuple[str, ...]:
    """The names of one or more Kafka topics, separated by commas, each once."""
    names = tuple(
        dict.fromkeys(read_topic(part.strip()) for part in text.split(",") if part.strip())
    )
    if not names:
        raise ValueError("names no topic, write one or several separated by commas")
    return names


def read_brokers(text: str) -> str:
    """The broker addresses, without blanks around them; ValueError for the first that is malformed.

    An address is `host:port`, or with a protocol of Kafka's `SASL_SSL://host:port`.
    """
    return ",".join(_address(part.strip()) for part in text.split(","))


def protocols_in(brokers: str) -> tuple[str, ...]:
    """The protocols in front of the addresses, in lower-case, each once."""
    found = (_SCHEME.fullmatch(part) for part in brokers.split(","))
    return tuple(dict.fromkeys(each[1].lower() for each in found if each))


def read_registry(text: str) -> Secret[str]:
    """One or more URLs of the schema registry, separated by commas; they may hold a password."""
    # A value may hold a password, so it is not shown.
    addresses = [part.strip() for part in text.split(",")]
    for address in addresses:
        parts = urlsplit(address)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("is not an http:// or https:// URL")
        if re.search(r"\s", address) or not _has_right_port(parts):
            raise ValueError("has a blank in it, or no port after a `:`, write http://host:8081")
    return Secret(",".join(addresses))


def read_secret(text: str) -> Secret[str]:
    """The text itself, which is not shown, if it can be written as UTF-8."""
    return Secret(read_text(text))


def read_state_url(text: str) -> str:
    """The URL of the store, whose scheme is checked here and the rest by the store."""
    # The value may hold a password, so it is not shown.
    if not text.lower().startswith(_STORES):
        raise ValueError(
            "does not name a store, write sqlite:///folder/alerts.db or"
            " postgresql://user@host/database"
        )
    return text


def _file_content(variable: str, path: Path) -> str:
    named = f"the file {path}, which {variable} names,"
    try:
        found = path.stat()
        # Reading a pipe would block, and find nothing at the next reload.
        if not stat.S_ISREG(found.st_mode):
            raise VariableError(f"{named} is not a file", "let it name a file with the value")
        if found.st_size > MAX_FILE_BYTES:
            raise VariableError(f"{named} is larger than 1 MiB", "let it hold the value alone")
        # -sig: some editors write a byte order mark.
        text = path.read_text(encoding="utf-8-sig").rstrip("\r\n")
    except UnicodeDecodeError:
        raise VariableError(f"{named} is not UTF-8", "save it as UTF-8") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "no such path"
        remedy = "make it readable for the engine, or correct the path"
        raise VariableError(f"{named} can't be read ({reason})", remedy) from None
    if not text:
        raise VariableError(f"{named} is empty", "write the value into it")
    return text


def _address(part: str) -> str:
    if not part:
        raise ValueError("has an empty entry, write host:port, separated by commas")
    if "@" in part:
        # It may hold a password.
        raise ValueError(
            "holds a login, write host:port, and set KAFKA_CONFIG_SASL_USERNAME and "
            "KAFKA_CONFIG_SASL_PASSWORD"
        )
    scheme = _SCHEME.fullmatch(part)
    if scheme is not None and scheme[1].lower() not in PROTOCOLS:
        raise ValueError(
            f"{part!r} is no address of Kafka's, write host:port without {scheme[1]}://"
        )
    address = scheme[2] if scheme is not None else part
    found = _ADDRESS.fullmatch(address)
    if found is None or not 0 < int(found["port"]) <= _LAST_PORT:
        raise ValueError(f"{part!r} is not host:port{_hint(address)}")
    return part


def _hint(address: str) -> str:
    if re.search(r"[\s;]", address):
        return ", separate addresses by commas"
    if _HOST.fullmatch(address):
        return f", write {address.rstrip(':')}:9092, or the port that your brokers listen on"
    if address.count(":") > 1:
        return ", write an IPv6 address in brackets, like [::1]:9092"
    return ", write it like kafka.example.org:9092"


def _has_right_port(parts: SplitResult) -> bool:
    try:
        return parts.port is not None or not parts.netloc.endswith(":")
    except ValueError:
        return False
