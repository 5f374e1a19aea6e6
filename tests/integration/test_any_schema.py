"""A valid record of any valid schema goes the whole way, or becomes a dead letter."""

from __future__ import annotations

import contextlib
import io
import json
import tempfile
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from channels.alert import Alert
from channels.render import Style, render
from channels.targets.webhook import payload
from engine.cli.alerts import alert_table, fact_table
from engine.dead_letters.producer import recover, to_message
from engine.logs.setup import configure_logs
from engine.metrics import Metrics
from engine.pipeline.active_rules import prepare
from engine.pipeline.cooldown import Cooldown
from engine.pipeline.event_log import EventLog
from engine.pipeline.pipeline import BatchResult, Pipeline
from engine.rules import RuleSet, load_rules
from engine.schema import EventSchema, load_event_schema
from engine.simulate.rule_tests import run_tests
from engine.store import Store, open_store
from engine.stream.decoder import Decoder
from engine.stream.record import DeadLetterType
from tests.support.any_schema import schemas, written
from tests.support.random_cases import examples
from tests.support.rule_files import Mailbox
from tests.unit.manual_time import ManualTime
from tests.unit.plate import SCHEMA_ID, Writers, record_of

ZONE: Final = ZoneInfo("Europe/Berlin")
RULES: Final = """
channels: {{ops: 'json://localhost'}}
rules:
  - {{id: every, when: 'true', notify: [ops], rate_limit: {{enabled: false}}}}
  - {{id: by-default, when: 'true', notify: [ops]}}
  - id: by-track
    when: 'time > timestamp("1990-01-01T00:00:00Z") || string(plate.confidence) == "x"'
    notify: [ops]
    rate_limit: {{dedup_key: [camera_id, time]}}
    tests: [{{event: {{}}, expect: no_match}}]
{more}
"""
OWN: Final = """\
  - id: of-{name}
    when: '{name} == {name} || {name} != {name}'
    notify: [ops]
    rate_limit: {{dedup_key: '{name}'}}
    message_template: '{{{name}}} {{captured_at}} {{time:%c}} {{{name} == null}}'
"""


@contextlib.contextmanager
def site(schema: EventSchema, rules: RuleSet, folder: Path) -> Iterator[tuple[Pipeline, Store]]:
    """The pipeline on a real store, with a registry that has the schema itself."""
    writers, time = Writers(), ManualTime()
    writers.schemas = {SCHEMA_ID: schema.text}
    with open_store(f"sqlite:///{folder}/alerts.db") as store:
        pipeline = Pipeline(
            Decoder(schema, writers, ZONE),
            Cooldown(timer=time.monotonic),
            store.stream,
            Metrics(),
            time,
            max_alert_age_seconds=3600,
            write_log=EventLog(time, log_plates=False).write,
            kill_point=lambda name: None,
        )
        pipeline.use(prepare(rules))
        yield pipeline, store


def loaded(text: str, names: Sequence[str], folder: Path) -> tuple[EventSchema, RuleSet]:
    """The schema and its rules, as `check` and `run` load them."""
    path = folder / "plate_event.avsc"
    path.write_text(text, encoding="utf-8")
    schema = load_event_schema(path)
    file = folder / "rules.yaml"
    file.write_text(RULES.format(more="".join(OWN.format(name=name) for name in names)), "utf-8")
    rules = load_rules([file], schema, {}, targets_by_name=lambda name: (Mailbox(name),), zone=ZONE)
    return schema, rules


def check_letters(batch: BatchResult) -> None:
    """A value that the schema's types can't hold is no event; nothing fails beyond that."""
    for letter in batch.dead_letters:
        assert letter.error_type is DeadLetterType.SCHEMA_VALIDATION, letter.stack_trace
        assert "out of range" in letter.message
        whole = recover(to_message(letter, "group", datetime.now(UTC)))
        assert whole.value == letter.record.value


def check_alert(alert: Alert, now: datetime) -> None:
    """A stored alert can be sent by every kind of channel."""
    document = json.loads(payload(alert))
    assert document["alert"]["timestamp"] == alert.captured_at
    event = document["event"]
    # The same text everywhere, where the event has a time of its own.
    own = event["captured_at"]
    assert own is None or own.replace("\0", "\ufffd") == alert.captured_at
    for style in Style:
        message = render(alert, style, now)
        assert message.body
        message.body.encode()


def take(text: str, names: Sequence[str], values: Sequence[Any]) -> int:
    """Bring the values the whole way; how many alerts they made."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        schema, rules = loaded(text, names, folder)
        assert all(result.test for result in run_tests(rules.rules, schema, ZONE))
        header = b"\0" + SCHEMA_ID.to_bytes(4, "big")
        records = [record_of(header + written(text, value)) for value in values]
        with site(schema, rules, folder) as (pipeline, store):
            batch = pipeline.process(records)
            assert len(batch.processed) == len(records)
            check_letters(batch)
            bodies = {record.value for record in records}
            bodies -= {letter.record.value for letter in batch.dead_letters}
            stored = store.archive.alerts(1000)
            every = [each for each in stored if each.alert.rule_id == "every"]
            assert len(every) == len(bodies)
            for each in stored:
                check_alert(each.alert, datetime.now(UTC))
            console = Console(file=io.StringIO(), width=200)
            console.print(alert_table(stored))
            for each in stored:
                console.print(fact_table(each))
            # Read once more, it is known.
            assert pipeline.process(records).fresh == []
            return len(stored)


@pytest.fixture(params=["json", "console"])
def logs(request: pytest.FixtureRequest) -> Iterator[io.StringIO]:
    """Logs as the engine writes them."""
    stream = io.StringIO()
    configure_logs("debug", request.param, stream)
    yield stream
    structlog.reset_defaults()


@examples(40)
@given(st.data())
def test_any_record_of_any_schema_goes_the_whole_way(
    logs: io.StringIO, data: st.DataObject
) -> None:
    text, kind, names = data.draw(schemas())
    values = data.draw(st.lists(kind.values, min_size=1, max_size=4))
    before = logs.getvalue().count("alert.stored")
    count = take(text, names, values)
    assert logs.getvalue().count("alert.stored") == before + count
