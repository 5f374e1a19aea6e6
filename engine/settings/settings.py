"""The settings of the engine: which variables there are, and their checked values.

`Settings.from_environment` reads the environment once. `misspelt_settings` finds variables that are
no setting, but whose names are nearly those of one.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from engine.errors import SettingsError, VariableError
from engine.settings.values import (
    FILE_SUFFIX,
    Keep,
    Secret,
    one_of,
    protocols_in,
    read_brokers,
    read_claim,
    read_flag,
    read_keep,
    read_path,
    read_positive_duration,
    read_registry,
    read_retry_delay,
    read_secret,
    read_state_url,
    read_text,
    read_topic,
    read_topics,
    read_zone,
    value_of,
    whole_number,
)

DEFAULT_RULES: Final = Path("rules")
DEFAULT_REGISTRY: Final = "http://localhost:8081"
EVENT_SCHEMA: Final = "plate_event.avsc"
DLQ_SCHEMA: Final = "dlq_message.avsc"
OPTION_PREFIXES: Final = {
    "kafka_options": "KAFKA_CONFIG_",
    "schema_registry_options": "SCHEMA_REGISTRY_CONFIG_",
}

#: Options of librdkafka whose own names end in `_FILE`: they name no file with the value.
OPTIONS_OF_FILES: Final = frozenset(
    f"KAFKA_CONFIG_SASL_OAUTHBEARER_ASSERTION_{name}FILE"
    for name in ("", "PRIVATE_KEY_", "JWT_TEMPLATE_")
)

#: Options that the service sets itself, each with the remedy for a site that sets it too.
OWNED_OPTIONS: Final = {
    "enable.auto.commit": "offsets are committed only after the alerts are stored; remove it",
    "enable.auto.offset.store": "offsets are committed only after the alerts are stored; remove it",
    "bootstrap.servers": "set KAFKA_BOOTSTRAP_SERVERS instead",
    "group.id": "set KAFKA_GROUP_ID instead",
    "auto.offset.reset": "set AUTO_OFFSET_RESET instead",
    "url": "set SCHEMA_REGISTRY_URL instead",
}

#: Each variable with its attribute of `Settings` and the function that reads its text.
VARIABLES: Final[Mapping[str, tuple[str, Callable[[str], object]]]] = {
    "KAFKA_BOOTSTRAP_SERVERS": ("kafka_bootstrap_servers", read_brokers),
    "KAFKA_TOPIC": ("kafka_topics", read_topics),
    "KAFKA_GROUP_ID": ("kafka_group_id", read_text),
    "SCHEMA_REGISTRY_URL": ("schema_registry_url", read_registry),
    "AUTO_OFFSET_RESET": ("auto_offset_reset", one_of("earliest", "latest")),
    "DLQ_TOPIC": ("dlq_topic", read_topic),
    "ENABLE_DLQ": ("enable_dlq", read_flag),
    "DLQ_KEEP": ("dlq_keep", read_keep),
    "RULES_PATH": ("rules_path", Path),
    "RULES_CONFIG_PATH": ("rules_path", Path),
    "SCHEMAS_PATH": ("schemas_path", Path),
    "PLATE_COSTS": ("plate_costs_path", read_path),
    "EVENT_TIMEZONE": ("event_timezone", read_zone),
    "MAX_ALERT_AGE": ("max_alert_age_seconds", read_positive_duration),
    "MAX_RETRIES": ("max_retries", whole_number(0, 20)),
    "RETRY_DELAY_BASE": ("retry_delay_base_seconds", read_retry_delay),
    "DELIVERY_WORKERS": ("delivery_workers", whole_number(1, 256)),
    "CLAIM_SECONDS": ("claim_seconds", read_claim),
    "HOLD_SECONDS": ("hold_seconds", read_positive_duration),
    "RETENTION": ("retention_seconds", read_positive_duration),
    "STATE_URL": ("state_url", read_state_url),
    "STATE_PASSWORD": ("state_password", read_secret),
    "LAST_GOOD_PATH": ("last_good_path", read_path),
    "METRICS_HOST": ("metrics_host", read_text),
    "METRICS_PORT": ("metrics_port", whole_number(0, 65_535)),
    "LOG_LEVEL": ("log_level", one_of("debug", "info", "warning", "error")),
    "LOG_FORMAT": ("log_format", one_of("auto", "json", "console")),
    "LOG_PLATES": ("log_plates", read_flag),
    "BATCH_SIZE": ("batch_size", whole_number(1, 10_000)),
    "ALERT_ENGINE_FAULT_POINT": ("kill_point", read_text),
}
_PACKAGE: Final = Path(__file__).resolve().parents[1]
#: Some people write it before the name of every setting.
_ENGINE_PREFIX: Final = "ALERT_ENGINE_"
#: In shorter words one letter less may make another word.
_SHORTEST_NAME: Final = 5
#: In shorter words one other letter makes another word: STATE and STATS.
_SHORTEST_WITH_ANOTHER_LETTER: Final = 6
_MOST_SLIPS: Final = 2


def _default_schemas() -> Path:
    """`schemas` in the working directory if it has the event's schema, else the package's own."""
    own = Path("schemas")
    return own if (own / EVENT_SCHEMA).is_file() else folder("schemas")


@dataclass(frozen=True, slots=True)
class Settings:
    """The values of all settings; durations in seconds. `docs/configuration.md` explains each."""

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
    #: None: the costs of the package.
    plate_costs_path: Path | None = None
    event_timezone: ZoneInfo = field(default_factory=lambda: ZoneInfo("UTC"))
    max_alert_age_seconds: float = 86_400.0
    max_retries: int = 3
    retry_delay_base_seconds: float = 5.0
    delivery_workers: int = 16
    claim_seconds: float = 60.0
    hold_seconds: float = 86_400.0
    retention_seconds: float = 2_592_000.0
    # It may have a password.
    state_url: str = field(default="sqlite:///state/alerts.db", repr=False)
    state_password: Secret[str] = field(default_factory=lambda: Secret(""))
    #: None: beside the store's file, or with PostgreSQL in `state`.
    last_good_path: Path | None = None
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
        cls,
        environment: Mapping[str, str] | None = None,
        further: Callable[[Settings], Iterable[str]] = lambda _: (),
    ) -> Settings:
        """Read `environment` (default: the process's own); an empty variable counts as unset.

        `NAME_FILE` may name a file that holds the value of `NAME`. The attribute `variables` is
        the whole environment. `further` is called with the settings, a malformed one at its
        default, and returns further problems. Raises SettingsError with all problems at once.
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
    """A variable that is no setting, and the setting that was probably meant."""

    name: str
    meant: str


def misspelt_settings(environment: Mapping[str, str] | None = None) -> list[Misspelt]:
    """The variables that are set, are no setting, and nearly have a setting's name; sorted by name.

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
        meant = _nearest(setting, VARIABLES) or _nearest_prefix(setting, prefixes)
        if not meant and name.startswith(_ENGINE_PREFIX):
            meant = _nearest(setting.removeprefix(_ENGINE_PREFIX), VARIABLES)
        if meant:
            found.append(Misspelt(name, meant + of_file))
    return found


def folder(name: str) -> Path:
    """The folder `name` that comes with the package, such as `docs`.

    In a checkout, which an editable install refers to, it is the one beside `engine`.
    """
    installed = _PACKAGE / "_packaged" / name
    return installed if installed.is_dir() else _PACKAGE.parent / name


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


def _without_options(protocol: str) -> str:
    """The problem that an address begins with a protocol which no option asks for."""
    options = f"KAFKA_CONFIG_SECURITY_PROTOCOL={protocol.upper()}"
    if protocol.startswith("sasl"):
        options += ", KAFKA_CONFIG_SASL_MECHANISM, KAFKA_CONFIG_SASL_USERNAME and "
        options += "KAFKA_CONFIG_SASL_PASSWORD"
    return f"{protocol.upper()}:// needs its options, write host:port, and set {options}"


def _nearest(name: str, known: Iterable[str]) -> str:
    """The name in `known` that is nearest to `name`, "" where none is near enough."""
    given = _words(name)
    best, fewest = "", _MOST_SLIPS + 1
    for each in known:
        slips = _slips(given, _words(each))
        if slips < fewest:
            best, fewest = each, slips
    return best


def _nearest_prefix(name: str, prefixes: Iterable[str]) -> str:
    """`name` with its beginning replaced by the nearest of `prefixes`, "" where none is near."""
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
    """How many words are misspelt; more than `_MOST_SLIPS` where the words are others."""
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
    """Whether the words differ by one letter: missing, added, swapped, or another."""
    if len(right) < _SHORTEST_NAME or word[:1] != right[:1]:
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
