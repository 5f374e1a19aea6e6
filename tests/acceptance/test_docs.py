"""The documentation is true: every snippet runs, every command line is one, every link leads on."""

from __future__ import annotations

import argparse
import json
import shlex
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from channels.alert import Reason
from channels.targets.webhook import payload, signature
from engine.cli.main import build_parser
from engine.demo.servers import RegistryServer
from engine.settings import VARIABLES, Settings
from engine.store import DeliveryState, NewAlert, OpenMode, Silence, open_store
from engine.stream.record import DeadLetter, DeadLetterType, Record
from tests.support.avro import plate_schema
from tests.support.certificates import Certificates
from tests.support.handbook import (
    CHANNELS,
    OPERATIONS,
    PAGES,
    PATHS,
    REPLICAS,
    ROOT,
    SNIPPETS,
    shown_alert,
    snippet_like,
)
from tests.support.http_receiver import HttpReceiver
from tests.support.kafka import Broker
from tests.support.mock_cluster import MockCluster
from tests.support.passing_car import let_a_car_pass
from tests.support.patience import await_that
from tests.support.snippets import commands, read_page, slug
from tests.support.stored import finish, save
from tests.support.stream import unique
from tests.support.walkthrough import (
    CA_FILE,
    KAFKA,
    POSTGRESQL,
    RECEIVER,
    REGISTRY,
    Walkthrough,
)


@pytest.fixture(scope="module")
def addresses(certificates: Certificates) -> Iterator[dict[str, str]]:
    """What stands on localhost in the pages, on free ports."""
    with (
        MockCluster(Settings().kafka_topics) as broker,
        RegistryServer() as registry,
        HttpReceiver() as receiver,
    ):
        yield {
            KAFKA: broker.bootstrap_servers,
            REGISTRY: registry.url,
            CA_FILE: str(certificates.bundle),
            RECEIVER: f"http://localhost:{receiver.port}",
        }


@pytest.fixture
def reader(
    tmp_path: Path, addresses: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Walkthrough]:
    """Somebody who follows a page in a folder of their own, with only their secrets set."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    with Walkthrough(tmp_path, addresses) as walkthrough:
        yield walkthrough


@pytest.mark.parametrize("name", PAGES)
def test_every_snippet_runs_and_shows_what_it_says(
    name: str, reader: Walkthrough, request: pytest.FixtureRequest
) -> None:
    if PAGES[name] in (CHANNELS, OPERATIONS, REPLICAS):
        store_the_dead_alert(reader.folder)
    if PAGES[name] is OPERATIONS:
        silence_the_guest(reader.folder)
    if PAGES[name] is REPLICAS:
        reader.addresses[POSTGRESQL] = request.getfixturevalue("database")
    for snippet in PAGES[name].snippets:
        if snippet.text.startswith("$ RULES_PATH=stolen.yaml"):
            let_the_car_pass(reader, request.getfixturevalue("broker"))
        if snippet.text.startswith("alert-engine dlq list"):
            keep_the_letter(reader.folder)
            reader.given(KAFKA_BOOTSTRAP_SERVERS=reader.addresses[KAFKA])
        reader.follow(snippet)
        if snippet.attributes.get("like") == "readyz":
            shown, found = json.loads(snippet.text), reader.running().wait_ready
            await_that(partial(is_found, shown, found), found)


def is_found(shown: Any, found: Callable[[], Any]) -> bool:
    """Whether it is what can be found now."""
    return bool(found() == shown)


def let_the_car_pass(reader: Walkthrough, broker: Broker) -> None:
    """The car that the page asks about, on a Kafka that knows the times of records."""
    topic = unique("plates")
    broker.create_topic(topic)
    servers, registry = broker.bootstrap_servers, reader.addresses[REGISTRY]
    reader.given(KAFKA_BOOTSTRAP_SERVERS=servers, KAFKA_TOPIC=topic, SCHEMA_REGISTRY_URL=registry)
    folder = reader.folder
    let_a_car_pass(servers, registry, topic, folder / "stolen.yaml", folder / "state")


def store_the_dead_alert(folder: Path) -> None:
    """The alert that the pages speak of, in the store, its one delivery dead."""
    alert = shown_alert()
    with open_store(f"sqlite:///{folder}/state/alerts.db") as store:
        target = ("guards", "guards:gate@example.com")
        save(store, [NewAlert(alert, bytes(16), None, 0, (target,))])
        finish(
            store,
            target[1],
            DeliveryState.DEAD,
            reason=Reason.RETRIES_EXHAUSTED,
            detail="timeout",
        )


def silence_the_guest(folder: Path) -> None:
    """The silence that the page expires, by the id that it has there."""
    hour_us = 3_600 * 1_000_000
    with open_store(f"sqlite:///{folder}/state/alerts.db") as store:
        now_us = store.deliveries.now_us()
        store.silences.add(
            Silence(
                plate="XYZ89",
                starts_us=now_us - hour_us,
                ends_us=now_us + hour_us,
                created_by="ann",
                comment="a guest",
            )
        )
    with closing(sqlite3.connect(folder / "state" / "alerts.db")) as connection, connection:
        connection.execute("UPDATE silences SET silence_id = '7c1e09ab'")


def keep_the_letter(folder: Path) -> None:
    """The dead letter that the page shows: its id goes by its record and the engine's group."""
    value = b"\0\0\0\0\1\2"
    record = Record("alpr.plates.detected", 0, 4711, 1_766_678_400_123, b"gate-north", value)
    letter = DeadLetter(record, DeadLetterType.SCHEMA_VALIDATION, "the body is cut off")
    with open_store(f"sqlite:///{folder}/state/alerts.db", OpenMode.TOOL) as store:
        store.letters.keep([letter])


def test_a_webhook_receives_what_is_shown() -> None:
    document = snippet_like("webhook")
    assert plate_schema().complete(document["event"]) == document["event"]
    assert json.loads(payload(shown_alert())) == document


def test_the_shown_check_of_a_signature_accepts_ours_and_no_other() -> None:
    (snippet,) = [each for each in CHANNELS.snippets if each.language == "python"]
    namespace: dict[str, Any] = {}
    exec(compile(snippet.text, snippet.place, "exec", dont_inherit=True), namespace)
    body = payload(shown_alert())
    header = signature(body, "our secret")
    assert namespace["is_genuine"](body, header, "our secret")
    assert not namespace["is_genuine"](body, header, "their secret")
    assert not namespace["is_genuine"](body + b" ", header, "our secret")


# The command line


def parsers(
    parser: argparse.ArgumentParser, words: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], argparse.ArgumentParser]]:
    """Every command of the command line, with its parser."""
    yield words, parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, child in action.choices.items():
                yield from parsers(child, (*words, name))


def options(parser: argparse.ArgumentParser) -> set[str]:
    """The long options of one parser."""
    return {name for action in parser._actions for name in action.option_strings if name[1] == "-"}


def told_lines() -> Iterator[tuple[str, list[str]]]:
    """Every command line of ours in the pages, and where it stands."""
    for page in PAGES.values():
        for code in page.codes:
            if code.startswith("alert-engine "):
                yield page.path.name, shlex.split(code)
    for snippet in SNIPPETS:
        if snippet.language in ("sh", "console"):
            for command in commands(snippet):
                if command.words[0] == "alert-engine":
                    yield snippet.place, list(command.words)


def test_every_command_line_is_one(capsys: pytest.CaptureFixture[str]) -> None:
    for place, words in told_lines():
        try:
            build_parser().parse_args(words[1:])
        except SystemExit:
            is_group = any(words[1:] == [*path] for path, _ in parsers(build_parser()))
            is_sentence_about_one = is_group or words[1:] == ["alerts", "show"]
            assert is_sentence_about_one, f"{place}: {shlex.join(words)}\n{capsys.readouterr().err}"


def test_every_command_and_option_is_told() -> None:
    lines = [(tuple(words[1:]), set(words)) for _, words in told_lines()]
    for path, parser in parsers(build_parser()):
        if not path or path == ("alerts",):
            continue
        used = [words for line, words in lines if line[: len(path)] == path]
        assert used, path
        missing = options(parser) - set().union(*used) - {"--help"}
        assert missing <= {"--seconds", "--rate"} if path == ("demo",) else not missing, path


# Pages


def test_every_link_leads_somewhere() -> None:
    for page in PAGES.values():
        for link in page.links:
            if link.startswith("https://"):
                continue
            file, _, anchor = link.partition("#")
            target = (page.path.parent / file).resolve() if file else page.path
            assert target.exists(), f"{page.path.name}: {link}"
            if anchor:
                assert anchor in read_page(target).anchors, f"{page.path.name}: {link}"


def test_headings_of_a_page_are_told_apart() -> None:
    for page in PAGES.values():
        assert len(page.anchors) == len(page.headings), page.path.name


def test_drawings_hold_no_command() -> None:
    for snippet in SNIPPETS:
        if snippet.language == "text":
            words = {line.split()[0] for line in snippet.text.splitlines() if line.split()}
            assert not words & {"$", "alert-engine", "curl", "docker", "make"}, snippet.place


def test_every_page_is_reached_from_the_first() -> None:
    links = {(ROOT / link.partition("#")[0]).resolve() for link in PAGES["README.md"].links}
    assert {*PATHS[1:]} <= links


def test_anchors_are_made_as_on_the_forge() -> None:
    assert slug("`when`: any expression") == "when-any-expression"
