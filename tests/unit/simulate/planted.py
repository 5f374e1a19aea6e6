"""A small site whose past is planted: what cameras saw, what the engine stored, what it sent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from engine.pipeline.active_rules import prepare, targets_of
from engine.pipeline.outcome import RuleOutcome
from engine.reload.loader import RuleSource
from engine.reload.recorder import RuleRecorder
from engine.rules import RuleSet
from engine.simulate import Simulation
from engine.simulate.answer_text import Sentence
from engine.simulate.former_rules import FormerRules
from engine.simulate.plate_search import PlateSearch
from engine.simulate.why_not import Answer, Question, Surroundings, why_not
from engine.store import DeliveryState, Mark, Silence, Turn
from engine.store.temporary import open_temporary
from engine.stream.decoder import Decoder
from engine.stream.record import DeadLetter, Partition, Record
from tests.support.avro import plate_schema
from tests.unit.plate import NOON, Writers, plate_record

OWNER = "engine"
CHANNELS = """\
channels:
  guards: "mailto://user:word@127.0.0.1:9?from=engine@example.org&to=gate@example.org"
  desk: "mailto://user:word@127.0.0.1:9?from=engine@example.org&to=desk@example.org"
"""
STOLEN = """\
rules:
  - id: stolen
    conditions:
      - {field: plate.normalized_text, operator: in_list, value: [ABC123, XYZ789]}
      - {field: plate.region, operator: equals, value: US-FL}
    when: plate.confidence > 0.8
    notify: [guards]
    rate_limit: {cooldown_seconds: 300}
"""
FLORIDA = {"confidence": 0.95, "region": "US-FL"}


@dataclass
class PlantedSite:
    """Its clock goes with the events; `records` are what the topic has kept.

    `today` is the rule set of the files.
    """

    folder: Path
    text: str = STOLEN
    seconds: float = NOON.timestamp()
    records: list[Record] = field(default_factory=list)
    letters: list[DeadLetter] = field(default_factory=list)
    silences: list[Silence] = field(default_factory=list)
    committed: dict[Partition, int] | None = None
    max_alert_age_seconds: float = 86_400.0

    today: RuleSet = field(init=False)

    def __post_init__(self) -> None:
        self.store = open_temporary(lambda: self.seconds)
        self.writers = Writers()
        self.decoder = Decoder(plate_schema(), self.writers, UTC)
        self.write_rules(self.text)

    def write_rules(self, text: str) -> None:
        """The engine has these rules in force from now on."""
        (self.folder / "rules.yaml").write_text(CHANNELS + text)
        source = RuleSource(self.folder / "rules.yaml", plate_schema(), {}, UTC)
        rule_set = source.attempt(source.files.look(), {}).result
        assert isinstance(rule_set, RuleSet), rule_set
        self.today = rule_set
        recorder = RuleRecorder(self.store.rule_sets, OWNER)
        recorder.use(rule_set)
        recorder.record()
        targets = targets_of(rule_set)
        self.store.deliveries.register({key: (each.channel, 1) for key, each in targets.items()})

    def seen(self, seconds: float, *, late: float = 0.0, **fields: Any) -> Record:
        """A reading at noon and so many seconds, which nobody has processed."""
        record = plate_record(seconds, **{"plate": FLORIDA, **fields})
        if late:
            at = NOON + timedelta(seconds=seconds + late)
            record = Record(
                record.topic,
                record.partition,
                record.offset,
                int(at.timestamp() * 1_000),
                record.key,
                record.value,
            )
        self.records.append(record)
        return record

    def read(self, seconds: float, **fields: Any) -> Record:
        """A reading at noon and so many seconds, which the engine has processed."""
        record = self.seen(seconds, **fields)
        self.process(record)
        return record

    def process(self, record: Record) -> list[RuleOutcome]:
        """What the engine made of a record, when it came."""
        self.seconds = record.timestamp_ms / 1_000
        with Simulation(
            prepare(self.today),
            self.decoder,
            remembers=False,
            past=self.store.stream,
            silences=self.silences,
            max_alert_age_seconds=self.max_alert_age_seconds,
        ) as live:
            return live.process([record]).outcomes

    def mark(
        self,
        state: DeliveryState,
        tries: int = 1,
        reason: str = "",
        detail: str = "",
        channel: str = "",
    ) -> None:
        """This has become of what waits, for one channel or for all; a second later."""
        self.seconds += 1

        def work(turn: Turn) -> None:
            for each in turn.due_targets()():
                if channel in ("", each.channel):
                    turn.claim(each, 100, OWNER, 60.0)
            claims = turn.claims()()
            marks = [Mark(one, state, tries, reason=reason, detail=detail) for one in claims]
            turn.mark(marks, OWNER)

        self.store.deliveries.turn(work)

    def ask(
        self,
        plate: str = "ABC123",
        at: float | None = 0.0,
        rule_id: str = "",
        until: float = 1_800.0,
    ) -> Answer:
        """Why not? The window is from half an hour before noon on."""
        since = NOON - timedelta(minutes=30)
        end = NOON + timedelta(seconds=until)
        moment = None if at is None else NOON + timedelta(seconds=at)
        search = PlateSearch(
            plate, since, end, self.decoder, self.today.costs, wait=lambda seconds: None
        )
        search.take(self.records)
        return why_not(
            Question(plate, since, end, moment, rule_id),
            search.end(),
            Surroundings(
                self.committed,
                self.letters,
                self.store.deliveries.held(),
                self.silences,
                self.max_alert_age_seconds,
            ),
            FormerRules(self.store.rule_sets, self.today, plate_schema(), UTC),
            plate_schema(),
            self.store.archive,
        )

    def sentence(self, answer: Answer, day: datetime = NOON) -> str:
        """The answer's first sentence."""
        return Sentence(UTC, day).of(answer)


def reasons(answer: Answer) -> Sequence[tuple[str, str]]:
    """Each rule with its reason."""
    return [(each.rule_id, str(each.reason)) for each in answer.rules]
