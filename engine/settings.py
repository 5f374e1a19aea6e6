"""The environment, read once into frozen `Settings`; no other module reads it.

Unknown names that are nearly one of ours, and addresses of brokers that librdkafka would look for
in vain, are errors at the start.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Generic, TypeVar
from urllib.parse import SplitResult, urlsplit
from zoneinfo import ZoneInfo

from engine.environment import FILE_SUFFIX, folder, value_of
from engine.errors import SettingsError, VariableError

T = TypeVar("T")
DEFAULT_RULES: Final = Path("rules")


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
    """How much is kept, and for how long: what is older or beyond the size is dropped."""

    size_bytes: int = 256_000_000
    age_seconds: float = 2_592_000.0


@dataclass(frozen=True, slots=True)
class Settings:
    """What the environment says; durations in seconds. `docs/configuration.md` tells each."""

    kafka_bootstrap_servers: str = "localhost:9092"
    kafka_topics: tuple[str, ...] = ("alpr.plates.detected",)
    kafka_group_id: str = "alpr-alert-engine"
    kafka_options: Secret[Mapping[str, str]] = field(default_factory=lambda: Secret({}))
    schema_registry_url: Secret[str] = field(default_factory=lambda: Secret(DEFAULT_REGISTRY))
    schema_registry_options: Secret[Mapping[str, str]] = field(default_factory=lambda: Secret({}))
    auto_offset_reset: str = "earliest"
    dlq_topic: str = "alpr.dlq"
    enable_dlq: bool = True
    dlq_keep: Keep = field(default_factory=Keep)
    rules_path: Path = DEFAULT_RULES
    schemas_path: Path = field(default_factory=lambda: _default_schemas())
    event_timezone: ZoneInfo = field(default_factory=lambda: ZoneInfo("UTC"))
    max_alert_age_seconds: float = 86_400.0
    max_retries: int = 3
    retry_delay_base_seconds: float = 5.0
    hold_seconds: float = 86_400.0
    retention_seconds: float = 2_592_000.0
    state_url: str = "sqlite:///state/alerts.db"
    metrics_host: str = "0.0.0.0"  # noqa: S104 - scraped from outside the container
    metrics_port: int = 8003
    log_level: str = "info"
    log_format: str = "auto"
    log_plates: bool = False
    batch_size: int = 500
    kill_point: str = ""
    variables: Secret[Mapping[str, str]] = field(default_factory=lambda: Secret({}))

    @property
    def event_schema_path(self) -> Path:
        """The Avro schema of the events that rules are checked against."""
        return self.schemas_path / EVENT_SCHEMA

    @property
    def dlq_schema_path(self) -> Path:
        """The Avro schema of dead letters; ours where the site's folder has none of its own."""
        own = self.schemas_path / DLQ_SCHEMA
        return own if own.exists() else folder("schemas") / DLQ_SCHEMA

    @classmethod
    def from_environment(
        cls, environment: Mapping[str, str] | None = None, further: FurtherCheck = lambda _: ()
    ) -> Settings:
        """Read `environment` (default: the process's own); an empty variable counts as unset.

        Each may be given by a file that `NAME_FILE` names. `variables` is the whole environment.
        `further` says what else is wrong with settings, of which those that are malformed have
        their defaults. Raises SettingsError with every malformed or contradictory value at once.
        """
        given = dict(os.environ if environment is None else environment)
        problems: list[str] = []
        values: dict[str, object] = {"variables": Secret(given)}
        texts = {name: _value(name, given, problems).strip() for name in VARIABLES}
        for name, (attribute, parse) in VARIABLES.items():
            if not texts[name]:
                continue
            try:
                values[attribute] = parse(texts[name])
            except ValueError as error:
                problems.append(f"{name}: {error}")
        for attribute, prefix in OPTION_PREFIXES.items():
            values[attribute] = Secret(_options(given, prefix, problems))
        settings = cls(**values)  # type: ignore[arg-type]
        problems += [*_contradictions(settings, texts), *further(settings)]
        if problems:
            raise SettingsError(tuple(sorted(problems)))
        return settings


@dataclass(frozen=True, slots=True)
class Misspelt:
    """A variable that is no setting, and the setting whose name it nearly has."""

    name: str
    meant: str


def misspelt_settings(environment: Mapping[str, str] | None = None) -> list[Misspelt]:
    """Variables that are set and have no effect, but nearly have a setting's name; by name.

    `environment` is by default the process's own.
    """
    given = os.environ if environment is None else environment
    prefixes = tuple(OPTION_PREFIXES.values())
    found: list[Misspelt] = []
    for name, value in sorted(given.items()):
        of_file = FILE_SUFFIX if name.endswith(FILE_SUFFIX) else ""
        setting = name.removesuffix(FILE_SUFFIX)
        if not value.strip() or setting in VARIABLES or name.startswith(prefixes):
            continue
        meant = nearest(setting, VARIABLES) or nearest_prefix(setting, prefixes)
        if not meant and name.startswith(_OURS):
            meant = nearest(setting.removeprefix(_OURS), VARIABLES)
        if meant:
            found.append(Misspelt(name, meant + of_file))
    return found


PROTOCOLS: Final = ("plaintext", "ssl", "sasl_plaintext", "sasl_ssl")
_SCHEME: Final = re.compile(r"([^:/]*)://(.*)")
_ADDRESS: Final = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[\w.-]+):(?P<port>[0-9]{1,5})")
_HOST: Final = re.compile(r"\[[0-9A-Fa-f:.]+\]|[\w.-]+:?")
_LAST_PORT: Final = 65_535


def read_brokers(text: str) -> str:
    """The addresses without blanks around them; ValueError says what is wrong with the first.

    Each is `host:port`, perhaps with a protocol of Kafka's in front: `SASL_SSL://host:port`.
    """
    return ",".join(_address(part.strip()) for part in text.split(","))


def protocols_in(brokers: str) -> tuple[str, ...]:
    """The protocols that stand in front of the addresses, in small letters, each once."""
    found = (_SCHEME.fullmatch(part) for part in brokers.split(","))
    return tuple(dict.fromkeys(each[1].lower() for each in found if each))


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


FurtherCheck = Callable[[Settings], Iterable[str]]
EVENT_SCHEMA: Final = "plate_event.avsc"
DLQ_SCHEMA: Final = "dlq_message.avsc"
DEFAULT_REGISTRY: Final = "http://localhost:8081"
OPTION_PREFIXES: Final = {
    "kafka_options": "KAFKA_CONFIG_",
    "schema_registry_options": "SCHEMA_REGISTRY_CONFIG_",
}
#: Options of librdkafka whose own names end so.
OPTIONS_OF_FILES: Final = frozenset(
    f"KAFKA_CONFIG_SASL_OAUTHBEARER_ASSERTION_{name}FILE"
    for name in ("", "PRIVATE_KEY_", "JWT_TEMPLATE_")
)
#: What some expect before the name of every setting.
_OURS: Final = "ALERT_ENGINE_"
# The service owns these: another value would break one of its promises.
OWNED_OPTIONS: Final = {
    "enable.auto.commit": "offsets are committed only after the alerts are stored; remove it",
    "enable.auto.offset.store": "offsets are committed only after the alerts are stored; remove it",
    "bootstrap.servers": "set KAFKA_BOOTSTRAP_SERVERS instead",
    "group.id": "set KAFKA_GROUP_ID instead",
    "auto.offset.reset": "set AUTO_OFFSET_RESET instead",
    "url": "set SCHEMA_REGISTRY_URL instead",
}


def _default_schemas() -> Path:
    """`schemas` in the working directory if it has the event's schema, else the package's own."""
    own = Path("schemas")
    return own if (own / EVENT_SCHEMA).is_file() else folder("schemas")


_UNITS: Final = {"": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
# 50 years: an instant so long ago still has a date, and a number in every store.
LONGEST_SECONDS: Final = 50 * 365 * 86_400.0
LONGEST_RETRY_DELAY_SECONDS: Final = 3_600.0
_SIZES: Final = {"kb": 1_000, "mb": 1_000_000, "gb": 1_000_000_000}
_SIZE: Final = re.compile(r"(\d{1,6}(?:\.\d{1,6})?)\s*(kb|mb|gb)", re.IGNORECASE)
_KEEP: Final = "write 256MB,30d"
_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d|)", re.IGNORECASE)


def parse_duration(text: str, longest_seconds: float = LONGEST_SECONDS) -> float:
    """Seconds of `90`, `90s`, `10m`, `24h` or `7d`; ValueError says what is wrong."""
    found = _DURATION.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is not a duration, write seconds or 90s, 10m, 24h, 7d")
    seconds = float(found[1]) * _UNITS[found[2].lower()]
    if seconds > longest_seconds:
        raise ValueError(f"{text!r} is too long, at most {longest_seconds:.0f} seconds")
    return seconds


def _keep(text: str) -> Keep:
    """`256MB`, `30d` or both, in any order; what is not given has its default."""
    size_bytes: int | None = None
    age_seconds: float | None = None
    for part in (each.strip() for each in text.split(",")):
        size = _SIZE.fullmatch(part)
        if size is not None and size_bytes is None:
            size_bytes = int(float(size[1]) * _SIZES[size[2].lower()])
        elif size is None and not part.isdigit() and age_seconds is None:
            try:
                age_seconds = _positive_duration(part)
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


def _positive_duration(text: str) -> float:
    seconds = parse_duration(text)
    if seconds <= 0:
        raise ValueError(f"{text!r} must be more than 0")
    return seconds


def _retry_delay(text: str) -> float:
    return parse_duration(text, LONGEST_RETRY_DELAY_SECONDS)


def _whole(low: int, high: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not re.fullmatch(r"[+-]?\d{1,18}", text) or not low <= int(text) <= high:
            raise ValueError(f"{text!r} is not a whole number from {low} to {high}")
        return int(text)

    return parse


def _flag(text: str) -> bool:
    known = {"true": True, "1": True, "yes": True, "on": True}
    known |= {"false": False, "0": False, "no": False, "off": False}
    try:
        return known[text.lower()]
    except KeyError:
        raise ValueError(f"{text!r} is neither true nor false") from None


def _one_of(*choices: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text.lower() in choices:
            return text.lower()
        near = difflib.get_close_matches(text.lower(), choices, n=1)
        hint = f", did you mean {near[0]}" if near else ""
        raise ValueError(f"{text!r} is not one of {', '.join(choices)}{hint}")

    return parse


def _topic(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,249}", text):
        raise ValueError(f"{text!r} is not a Kafka topic name (letters, digits, '.', '_', '-')")
    return text


def _topics(text: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(_topic(part.strip()) for part in text.split(",") if part.strip()))
    if not names:
        raise ValueError("names no topic, write one or several separated by commas")
    return names


def _registry(text: str) -> Secret[str]:
    # A value may hold a password, so it is not shown.
    addresses = [part.strip() for part in text.split(",")]
    for address in addresses:
        parts = urlsplit(address)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("is not an http:// or https:// URL")
        if re.search(r"\s", address) or not _is_port(parts):
            raise ValueError("has a blank in it, or no port after a `:`, write http://host:8081")
    return Secret(",".join(addresses))


def _is_port(parts: SplitResult) -> bool:
    try:
        return parts.port is not None or not parts.netloc.endswith(":")
    except ValueError:
        return False


def _zone(text: str) -> ZoneInfo:
    try:
        return ZoneInfo(text)
    except (OSError, ValueError, LookupError):
        raise ValueError(
            f"{text!r} is no IANA time zone, write one such as Europe/Berlin"
        ) from None


def _state_url(text: str) -> str:
    # The store reads it; a value may hold a password, so it is not shown.
    if not text.lower().startswith("sqlite:///"):
        raise ValueError("does not name a SQLite file, write sqlite:///folder/alerts.db")
    return text


def _text(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("is not UTF-8") from None
    return text


VARIABLES: Final[Mapping[str, tuple[str, Callable[[str], object]]]] = {
    "KAFKA_BOOTSTRAP_SERVERS": ("kafka_bootstrap_servers", read_brokers),
    "KAFKA_TOPIC": ("kafka_topics", _topics),
    "KAFKA_GROUP_ID": ("kafka_group_id", _text),
    "SCHEMA_REGISTRY_URL": ("schema_registry_url", _registry),
    "AUTO_OFFSET_RESET": ("auto_offset_reset", _one_of("earliest", "latest")),
    "DLQ_TOPIC": ("dlq_topic", _topic),
    "ENABLE_DLQ": ("enable_dlq", _flag),
    "DLQ_KEEP": ("dlq_keep", _keep),
    "RULES_PATH": ("rules_path", Path),
    "RULES_CONFIG_PATH": ("rules_path", Path),
    "SCHEMAS_PATH": ("schemas_path", Path),
    "EVENT_TIMEZONE": ("event_timezone", _zone),
    "MAX_ALERT_AGE": ("max_alert_age_seconds", _positive_duration),
    "MAX_RETRIES": ("max_retries", _whole(0, 20)),
    "RETRY_DELAY_BASE": ("retry_delay_base_seconds", _retry_delay),
    "HOLD_SECONDS": ("hold_seconds", _positive_duration),
    "RETENTION": ("retention_seconds", _positive_duration),
    "STATE_URL": ("state_url", _state_url),
    "METRICS_HOST": ("metrics_host", _text),
    "METRICS_PORT": ("metrics_port", _whole(0, 65_535)),
    "LOG_LEVEL": ("log_level", _one_of("debug", "info", "warning", "error")),
    "LOG_FORMAT": ("log_format", _one_of("auto", "json", "console")),
    "LOG_PLATES": ("log_plates", _flag),
    "BATCH_SIZE": ("batch_size", _whole(1, 10_000)),
    "ALERT_ENGINE_FAULT_POINT": ("kill_point", _text),
}


def _value(name: str, given: Mapping[str, str], problems: list[str]) -> str:
    try:
        return value_of(name, given)
    except VariableError as error:
        problems.append(f"{name}: {error}")
        return ""


def _options(given: Mapping[str, str], prefix: str, problems: list[str]) -> dict[str, str]:
    """`KAFKA_CONFIG_SASL_PASSWORD=x` → `{"sasl.password": "x"}`, as librdkafka names it."""
    options: dict[str, str] = {}
    names = (
        name if name in OPTIONS_OF_FILES else name.removesuffix(FILE_SUFFIX)
        for name in given
        if name.startswith(prefix)
    )
    for name in dict.fromkeys(names):
        value = _value(name, given, problems)
        if not value:
            continue
        option = name.removeprefix(prefix).lower().replace("_", ".")
        if option in OWNED_OPTIONS:
            problems.append(f"{name}: {OWNED_OPTIONS[option]}")
        else:
            options[option] = value
    return options


def _without_options(protocol: str) -> str:
    """What is wrong with a protocol in front of an address, which the options don't name."""
    options = f"KAFKA_CONFIG_SECURITY_PROTOCOL={protocol.upper()}"
    if protocol.startswith("sasl"):
        options += ", KAFKA_CONFIG_SASL_MECHANISM, KAFKA_CONFIG_SASL_USERNAME and "
        options += "KAFKA_CONFIG_SASL_PASSWORD"
    return f"{protocol.upper()}:// needs its options, write host:port, and set {options}"


def _contradictions(settings: Settings, texts: Mapping[str, str]) -> list[str]:
    problems = []
    rules, config = texts["RULES_PATH"], texts["RULES_CONFIG_PATH"]
    if rules and config and Path(rules) != Path(config):
        # The image sets one of them, which can't be unset but by an empty value.
        problems.append(
            f"RULES_PATH: {rules} differs from RULES_CONFIG_PATH, which is {config}: "
            "let one of them be empty"
        )
    protocol = settings.kafka_options.reveal().get("security.protocol", "plaintext").lower()
    for given in protocols_in(settings.kafka_bootstrap_servers):
        if given != protocol:
            problems.append(f"KAFKA_BOOTSTRAP_SERVERS: {_without_options(given)}")
    if settings.dlq_topic in settings.kafka_topics:
        problems.append("DLQ_TOPIC: is also in KAFKA_TOPIC, dead letters would be read as events")
    return problems


_SHORTEST: Final = 5
#: In shorter words one other letter makes another word: STATE and STATS.
_SHORTEST_WITH_ANOTHER_LETTER: Final = 6
_MOST_SLIPS: Final = 2


def nearest(name: str, known: Iterable[str]) -> str:
    """The one of `known` that `name` means; empty where it is none of them or means none."""
    given = _words(name)
    best, fewest = "", _MOST_SLIPS + 1
    for each in known:
        slips = _slips(given, _words(each))
        if slips < fewest:
            best, fewest = each, slips
    return best


def nearest_prefix(name: str, prefixes: Iterable[str]) -> str:
    """The name with the one of `prefixes` that its beginning means; empty where it means none."""
    given = _words(name)
    for prefix in prefixes:
        count = len(_words(prefix))
        beginning = given[:count]
        if len(given) > count and _slips(beginning, _words(prefix)) <= _MOST_SLIPS:
            return prefix + "_".join(given[count:])
    return ""


def _words(name: str) -> list[str]:
    return [word for word in name.upper().replace("-", "_").split("_") if word]


def _slips(given: list[str], meant: list[str]) -> int:
    """How many words differ; more than are forgiven where one of them is another word."""
    if "".join(map(_singular, given)) == "".join(map(_singular, meant)):
        return 0
    if len(given) != len(meant):
        return _MOST_SLIPS + 1
    slips = 0
    for word, right in zip(given, meant, strict=True):
        if _singular(word) != _singular(right):
            slips += 1 if _is_slip(word, right) else _MOST_SLIPS + 1
    return slips


def _singular(word: str) -> str:
    if word.endswith("IES"):
        return f"{word[:-3]}Y"
    if word.endswith(("CHES", "SHES", "XES", "SSES")):
        return word[:-2]
    return word[:-1] if word.endswith("S") and not word.endswith("SS") else word


def _is_slip(word: str, right: str) -> bool:
    """Whether the word is the right one but for one letter: missing, too many, swapped, another."""
    if len(right) < _SHORTEST or word[:1] != right[:1]:
        return False
    start = 0
    while start < min(len(word), len(right)) and word[start] == right[start]:
        start += 1
    rest, right_rest = word[start:], right[start:]
    if len(word) != len(right):
        return rest[1:] == right_rest or rest == right_rest[1:]
    if rest[:2] == right_rest[1::-1] and rest[2:] == right_rest[2:]:
        return True
    return len(right) >= _SHORTEST_WITH_ANOTHER_LETTER and rest[1:] == right_rest[1:]
