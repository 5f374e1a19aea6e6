"""The documentation is whole: its tables name what there is, nothing less and nothing more."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from typing import Final

import pytest
import yaml
from prometheus_client.metrics import MetricWrapperBase

from channels.alert import Reason, Status
from channels.definitions import webhook_settings
from channels.definitions.keys import CHANNEL, GROUPING, NOTIFICATION_BLOCKS
from channels.targets.webhook import KEY_HEADER, SIGNATURE_HEADER
from engine.cel import Operator, compile_expression, evaluate
from engine.cel.check.likeness import FUNCTIONS as BY_LIKENESS
from engine.cel.check.watchlists import Lists
from engine.cel.syntax.tree import IN, INDEX, ROWS, Call, Macro, Select
from engine.cel.types.findings import watchlist_lookup
from engine.cel.types.functions import FUNCTIONS
from engine.metrics import Metrics
from engine.rules import Expect
from engine.rules.keys import (
    ALERT,
    CONDITION,
    FILE,
    INTERVAL,
    RATE_LIMIT,
    RULE,
    SILENCE,
    TEST,
    WATCHLIST,
)
from engine.schema import ENGINE_FIELDS, EventSchema, FieldType, Kind
from engine.settings import OPTION_PREFIXES, OWNED_OPTIONS, VARIABLES, Secret, Settings
from engine.settings.values import FILE_SUFFIX
from engine.stream.options import OWNED_BY_CLIENTS
from engine.stream.record import DeadLetterType
from engine.watchlist import STANDARD_COLUMNS
from tests.support.avro import plate_schema, record_schema
from tests.support.handbook import (
    CHANNELS,
    CONFIGURATION,
    OPERATIONS,
    PAGES,
    ROOT,
    RULES,
    SNIPPETS,
    TESTING,
    WATCHLISTS,
    snippet_like,
    table,
)
from tests.support.snippets import Snippet, Table, codes, commands
from tests.support.walkthrough import SECRETS
from tests.unit.cel.plate_lists import watchlist
from tests.unit.cel.plate_variables import NOON
from tests.unit.cel.plate_variables import VARIABLES as PLATE_VARIABLES

EXPRESSION: Final = re.compile(r"alert_engine_[a-z_]+")
METRIC: Final = re.compile(r"alert_engine_[a-z_]+|\bup\b")
# Variables that requests and OpenSSL read.
OF_LIBRARIES: Final = ("HTTPS_PROXY", "NO_PROXY", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE")
# Labels of the target, which Prometheus adds.
OF_PROMETHEUS: Final = ("job", "instance")
FUNCTIONS_OF_PROMETHEUS: Final = frozenset(
    [
        *("sum", "max", "rate", "increase", "deriv", "absent", "histogram_quantile"),
        *("min_over_time", "max_over_time"),
    ]
)


# Metrics


def samples() -> Iterator[tuple[str, tuple[str, ...], str]]:
    """Every sample's name that `/metrics` can show, its labels, and its metric's type."""
    suffixes = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "gauge": ("",)}
    for name, labels, kind in families():
        for suffix in suffixes[kind]:
            yield f"{name}{suffix}", labels, kind


def families() -> Iterator[tuple[str, tuple[str, ...], str]]:
    """Every metric of ours: name without suffix, labels, type."""
    collectors = {*Metrics().registry._names_to_collectors.values()}
    for metric in collectors:
        if isinstance(metric, MetricWrapperBase):
            (described,) = metric.describe()
            yield described.name, tuple(metric._labelnames), described.type


def test_the_table_of_metrics_is_whole_and_right() -> None:
    rows = table(OPERATIONS, "Metric").rows
    told = {
        (name.strip("`"), tuple(re.findall(r"`(\w+)`", labels)), kind)
        for name, kind, labels, _ in rows
    }
    assert len(rows) == len(told)
    assert told == {
        (f"{name}_total" if kind == "counter" else name, labels, kind)
        for name, labels, kind in families()
    }


def test_every_metric_named_exists() -> None:
    known = {name for name, _, _ in samples()} | {name for name, _, _ in families()}
    for page in PAGES.values():
        for name in EXPRESSION.findall(page.path.read_text()):
            assert name in known, page.path.name


@pytest.mark.parametrize(
    "snippet", [each for each in SNIPPETS if each.language == "promql"], ids=lambda s: s.place
)
def test_every_query_speaks_of_metrics_that_exist(snippet: Snippet) -> None:
    names = {name: {*labels, *OF_PROMETHEUS} for name, labels, _ in samples()} | {"up": {"job"}}
    for query in re.split(r"^# .*\n|\n\n", snippet.text.strip(), flags=re.MULTILINE):
        if not query:
            continue
        found = METRIC.findall(query)
        assert found, query
        assert {*found} <= {*names}, query
        assert query.count("(") == query.count(")"), query
        told = re.findall(r"by \(([^)]*)\)|\{([^}=]*)=", query)
        labels = {word for pair in told for word in re.findall(r"\w+", " ".join(pair))}
        assert labels <= {"le"}.union(*(names[name] for name in found)), query
        words = {*re.findall(r"\b[a-z_]+(?=\()|\b(?:sum|max)\b", query)}
        assert words <= FUNCTIONS_OF_PROMETHEUS, query


def test_every_shipped_alert_has_its_section() -> None:
    shipped = yaml.safe_load((ROOT / "deploy/prometheus/alert-engine.rules.yml").read_text())
    for rule in (rule for group in shipped["groups"] for rule in group["rules"]):
        page, _, anchor = rule["annotations"]["runbook"].partition("#")
        assert (page, anchor) == ("docs/operations.md", rule["alert"].lower())
        section = OPERATIONS.path.read_text().partition(f"### {rule['alert']}\n")[2]
        queries = re.findall(r"```promql\n(.*?)```", section.partition("\n### ")[0], re.DOTALL)
        assert [query.split() for query in queries] == [rule["expr"].split()], rule["alert"]


# Settings


def default_of(text: str) -> str:
    return "" if text == "none" else text.strip("`")


@pytest.mark.parametrize(
    "found",
    [each for page in PAGES.values() for each in page.tables_of("Variable")],
    ids=lambda found: found.codes()[0],
)
def test_every_default_told_is_the_default(found: Table) -> None:
    defaults = Settings()
    for variable, default, _ in found.rows:
        attribute, parse = VARIABLES[variable.strip("`")]
        value = parse(default_of(default))
        expected = getattr(defaults, attribute)
        if isinstance(value, Secret):
            value, expected = value.reveal(), expected.reveal()
        assert value == expected, variable


def test_the_tables_of_settings_are_whole() -> None:
    told = [name for each in CONFIGURATION.tables_of("Variable") for name in each.codes()]
    assert sorted(told) == sorted(VARIABLES)


def test_the_tables_of_owned_options_are_whole() -> None:
    told = [code for each in CONFIGURATION.tables_of("Owned option") for code in each.codes()]
    kafka, registry = OPTION_PREFIXES["kafka_options"], OPTION_PREFIXES["schema_registry_options"]
    owned = {option for option in {*OWNED_OPTIONS, *OWNED_BY_CLIENTS} if option != "url"}
    expected = {f"{kafka}{option.upper().replace('.', '_')}" for option in owned}
    assert sorted(told) == sorted({*expected, f"{registry}URL"})


def test_every_variable_named_exists() -> None:
    in_rules = "".join(path.read_text() for path in (ROOT / "rules").rglob("*.yaml"))
    in_pages = "".join(snippet.text for snippet in SNIPPETS if snippet.language == "yaml")
    known = {*VARIABLES, *SECRETS, *DeadLetterType, *re.findall(r"\$\{(\w+)", in_rules + in_pages)}
    # Of Kafka, of requests and of OpenSSL.
    known |= {"SASL_SSL", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR"}
    # Of `make chaos`.
    known |= {f"CHAOS_{name}" for name in ("FAULTS", "STORE", "REPLICAS", "SEED", "ONLY")}
    # The variables of the compose files.
    example = (ROOT / ".env.example").read_text()
    known |= {
        "NAME",
        "PYTHON_IMAGE",
        *OF_LIBRARIES,
        *re.findall(r"^#?([A-Z0-9_]+)=", example, re.MULTILINE),
    }
    prefixes = tuple(OPTION_PREFIXES.values())
    for page in PAGES.values():
        for code in page.codes:
            # What looks like a shell's variable, `${NAME}` too.
            for name in re.findall(r"(?<![\w-])\$?\{?([A-Z][A-Z0-9]*_[A-Z0-9_]+)\b", code):
                is_known = name in known or name.removesuffix(FILE_SUFFIX) in known
                assert is_known or name.startswith(prefixes), f"{page.path.name}: {name}"
    for snippet in SNIPPETS:
        if snippet.language in ("sh", "console"):
            for command in commands(snippet):
                names = {word.partition("=")[0] for word in command.words if "=" in word}
                for name in names | {*command.variables}:
                    is_known = name in known or name.startswith((*prefixes, "--"))
                    assert is_known, f"{snippet.place}: {name}"


def test_every_default_of_settings_can_be_told() -> None:
    told = {attribute for attribute, _ in VARIABLES.values()}
    others = {field.name for field in dataclasses.fields(Settings)} - told
    assert others == {"kafka_options", "schema_registry_options", "variables"}


# Rules and expressions


@pytest.mark.parametrize(
    ("heading", "keys"),
    [
        ("File key", FILE.names),
        ("Rule key", RULE.names),
        ("Operator", tuple(Operator)),
        ("`rate_limit` key", RATE_LIMIT.names),
        ("Interval key", INTERVAL.names),
    ],
)
def test_the_tables_of_keys_are_whole(heading: str, keys: tuple[str, ...]) -> None:
    assert sorted(table(RULES, heading).codes()) == sorted(keys)


@pytest.mark.parametrize(
    ("heading", "keys"),
    [
        ("Test key", TEST.names),
        ("Expectation", tuple(Expect)),
        ("Key of `alert`", ALERT.names),
        ("Silence key", SILENCE.names),
    ],
)
def test_the_tables_of_tests_are_whole(heading: str, keys: tuple[str, ...]) -> None:
    assert sorted(table(TESTING, heading).codes()) == sorted(keys)


def test_the_table_of_a_watchlists_keys_is_whole() -> None:
    assert table(WATCHLISTS, "Watchlist key").codes() == list(WATCHLIST.names)
    standing = table(WATCHLISTS, "Column").codes()
    assert {*STANDARD_COLUMNS} == {*standing} - {"plate"}


def test_the_keys_of_a_condition_are_told() -> None:
    assert {*CONDITION.names} <= {*RULES.codes}


def fields(
    kinds: dict[str, FieldType], prefix: str = "", is_nullable: bool = False
) -> Iterator[tuple[str, str, str]]:
    """Every field without fields of its own: path, type in words, whether it may be absent."""
    words = {Kind.STRING: "text", Kind.DOUBLE: "number", Kind.INT: "whole number"}
    for name, kind in kinds.items():
        may_miss = is_nullable or kind.nullable
        if kind.kind is Kind.RECORD:
            yield from fields(dict(kind.fields), f"{prefix}{name}.", may_miss)
        else:
            word = words.get(kind.kind, "time")
            yield f"`{prefix}{name}`", word, "yes" if may_miss else ""


def test_the_table_of_fields_is_whole_and_right() -> None:
    assert sorted(table(RULES, "Field").rows) == sorted(fields(dict(plate_schema().variables)))


def test_the_table_of_functions_is_whole() -> None:
    told = [call.split("(", 1)[0] for call in table(RULES, "Function").codes()]
    names = [call if call in FUNCTIONS else call.rpartition(".")[2] for call in told]
    assert sorted(names) == sorted(FUNCTIONS)
    for call, name in zip(told, names, strict=True):
        function = FUNCTIONS[name]
        assert function.is_global if call == name else function.is_member, call


def test_the_functions_of_both_styles_are_told() -> None:
    both = {name for name, each in FUNCTIONS.items() if each.is_global and each.is_member}
    (sentence,) = re.findall(r"((?:`\w+`(?:,\s| and\s)?)+)\smay be written both ways", RULES.prose)
    assert {*re.findall(r"`(\w+)`", sentence)} == both


def test_the_table_of_macros_is_whole() -> None:
    told = [call.split("(", 1)[0].rpartition(".")[2] for call in table(RULES, "Macro").codes()]
    assert sorted(told) == sorted([*Macro, "has"])


def test_the_table_of_questions_to_a_watchlist_is_whole() -> None:
    lists = Lists({"stolen": watchlist("noted")})
    told = [
        compile_expression(text, PLATE_VARIABLES, lists).root
        for text in table(WATCHLISTS, "Question").codes()
    ]
    nodes = [node.operand if isinstance(node, Select) else node for node in told]
    calls = [
        node for node in nodes if isinstance(node, Call) and watchlist_lookup(node) is not None
    ]
    assert [call.function for call in calls] == [IN, INDEX, ROWS]
    stolen = 'watchlist("stolen")'
    forms = {f"plate in {stolen}", f"{stolen}[plate]", f"{stolen}.rows(plate)"}
    assert forms <= {*RULES.codes}


@pytest.mark.parametrize(
    ("example", "result"),
    [row[1:] for heading in ("Function", "Macro") for row in table(RULES, heading).rows],
)
def test_an_example_gives_what_is_told(example: str, result: str) -> None:
    assert evaluate(example.strip("`")) == evaluate(result.strip("`"))


@pytest.mark.parametrize(
    ("example", "result"), [row[1:] for row in table(RULES, "Comparison").rows]
)
def test_a_comparison_of_plates_gives_what_is_told(example: str, result: str) -> None:
    lists = Lists({"stolen": watchlist("noted")})
    expression = compile_expression(example.strip("`"), PLATE_VARIABLES, lists)
    assert expression.evaluate({"time": NOON}) == evaluate(result.strip("`"))


def test_the_table_of_comparisons_is_whole() -> None:
    told = {code.split("(", 1)[0] for code in table(RULES, "Comparison").codes()}
    assert told == {*BY_LIKENESS}


# Channels


def test_the_tables_of_channel_keys_are_whole() -> None:
    assert sorted(table(CHANNELS, "Webhook key").codes()) == sorted(CHANNEL.names)
    assert sorted(table(CHANNELS, "`group` key").codes()) == sorted(GROUPING.names)
    for block, keys in NOTIFICATION_BLOCKS.items():
        assert sorted(table(CHANNELS, f"`{block}` key").codes()) == sorted(keys.names), block


def test_every_outcome_and_reason_is_told_once() -> None:
    what, reasons = CHANNELS.tables_of("Outcome")
    assert what.codes() == [str(status) for status in Status]
    assert sorted(reasons.codes(1)) == sorted(Reason)


def test_our_headers_are_told() -> None:
    assert {KEY_HEADER, SIGNATURE_HEADER} <= {*table(CHANNELS, "Header").codes()}
    assert {*webhook_settings.WEBHOOK_KEYS} <= {*table(CHANNELS, "Webhook key").codes()}


# Operations


def test_the_checks_of_readiness_are_told() -> None:
    assert table(OPERATIONS, "Check").codes() == list(snippet_like("readyz")["checks"])


def test_every_log_line_named_is_logged_somewhere() -> None:
    source = "".join(path.read_text() for path in (ROOT / "engine").rglob("*.py"))
    events = table(OPERATIONS, "Log line").codes()
    assert len({*events}) == len(events)
    for event in events:
        assert f'"{event}"' in source, event
    told = {snippet.attributes["logs"] for snippet in SNIPPETS if "logs" in snippet.attributes}
    assert told <= {*table(OPERATIONS, "Log line").codes()}


def test_the_table_of_what_the_engine_reads_is_its_declaration() -> None:
    rows = {name.strip("`"): rest for name, *rest in table(RULES, "The engine reads").rows}
    assert list(rows) == [each.path for each in ENGINE_FIELDS]
    for each in ENGINE_FIELDS:
        kind, must, use = rows[each.path]
        assert (kind == "string") == (each.kinds == {Kind.STRING})
        assert (must, use) == ("yes" if each.is_required else "", each.use)


def test_the_table_of_avro_types_is_right() -> None:
    kinds = {"text": Kind.STRING, "time": Kind.TIMESTAMP, "bytes": Kind.BYTES}
    fields = {
        "timestamp-nanos": ("long", "time"),
        "local-timestamp-millis": ("long", "text"),
        "uuid": ("string", "text"),
        "decimal": ("bytes", "bytes"),
        "date": ("int", "whole number"),
        "time-micros": ("long", "whole number"),
    }
    told = {
        name: seen for names, seen, *_ in table(RULES, "Avro type").rows for name in codes(names)
    }
    for logical, (avro, seen) in fields.items():
        kind = {"type": avro, "logicalType": logical, "precision": 4}
        schema = EventSchema.parse(record_schema({"name": "x", "type": kind}))
        assert schema.variables["x"].kind is kinds.get(seen, Kind.INT)
        assert seen in (told[logical] if logical != "uuid" else "text")
