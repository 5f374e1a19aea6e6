"""The made-up rule sets of the measurements, and the events that they are measured on.

Both are the same in every run.
"""

from __future__ import annotations

import json
import random
import string
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from engine.demo.cameras import make_plate, make_reading, overlay
from engine.errors import BenchError
from engine.schema import EventSchema, FieldType
from engine.schema.event import Event, make_event

PROCESS_MB: Final = 100.0
MB_A_RULE: Final = 0.013
# Every container can write here, also where all its file systems are read-only.
SHARED_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - a folder of our own is made in it
LIST_FILE: Final = "wanted.csv"
# A rule file may not be larger than the loader allows.
RULES_A_FILE: Final = 10_000
PLATES_A_LIST: Final = 10
SITE_RULES: Final = 50
SITE_PLATES: Final = 100_000
PLATE: Final = "plate.normalized_text"
# The fields of the event in the conditions.
FIELDS: Final = (PLATE, "plate.confidence", "camera_id")
CAMERAS: Final = 500
# One of so many events is made to match, where the rules have tests of their own.
EVENTS_AN_EXAMPLE: Final = 100


class SetKind(StrEnum):
    """Where a set of rules comes from."""

    MIXED = "mixed"
    SITE = "site"
    OWN = "own"


@dataclass(frozen=True, slots=True)
class MeasuredSet:
    """A rule set to measure: its files or folders, and about how many rules they hold."""

    kind: SetKind
    rules: int
    paths: tuple[Path, ...]

    @property
    def needed_mb(self) -> float:
        """An upper estimate of the memory that measuring it needs."""
        return PROCESS_MB + MB_A_RULE * self.rules


@contextmanager
def written_set(kind: SetKind, rules: int) -> Iterator[MeasuredSet]:
    """A made-up set of this kind in temporary files, which go at the end of the context.

    `rules` is the number of mixed rules; a site's number is fixed. Raises BenchError when the files
    can't be written.
    """
    try:
        folder = _folder()
    except OSError as error:
        raise BenchError(_unwritten(error)) from error
    with folder as name:
        try:
            paths = _write(kind, rules, Path(name))
        except OSError as error:
            raise BenchError(_unwritten(error)) from error
        yield MeasuredSet(kind, rules, paths)


@dataclass(frozen=True, slots=True)
class PlainCondition:
    """A condition as a rule file has it."""

    field: str
    operator: str
    value: Any


@dataclass(frozen=True, slots=True)
class PlainRule:
    """A rule as a rule file has it: all conditions must hold."""

    rule_id: str
    conditions: tuple[PlainCondition, ...]
    notify: tuple[str, ...] = ()


def mixed_rules(count: int) -> list[PlainRule]:
    """`count` rules; of ten, seven have lists, one a regex, one `contains`, one a range."""
    chance = random.Random(7)  # noqa: S311 - no secret
    return [
        PlainRule(f"rule-{number}", _conditions(number % 10, chance)) for number in range(count)
    ]


def site_plates(count: int = SITE_PLATES) -> list[str]:
    """`count` plates for the one long list of a site."""
    chance = random.Random(99)  # noqa: S311 - no secret
    return [make_plate(chance) for _ in range(count)]


def site_rules(plates: Sequence[str]) -> list[PlainRule]:
    """The rules of a site: the first matches the plates anywhere, each other one at a camera."""
    listed = PlainCondition(PLATE, "in_list", plates)
    at_cameras = [
        PlainRule(
            f"rule-{number}", (listed, PlainCondition("camera_id", "equals", camera_name(number)))
        )
        for number in range(1, SITE_RULES)
    ]
    return [PlainRule("rule-0", (listed,)), *at_cameras]


def site_file(rules: Iterable[PlainRule], list_file: str) -> str:
    """The rules of a site as YAML, with their plates in the list file of this name."""
    return f"watchlists: {{wanted: {{file: {list_file}}}}}\nrules:\n" + "".join(
        _head(rule.rule_id)
        + _conditions_key(rule.conditions[1:])
        + '    when: plate.normalized_text in watchlist("wanted")\n'
        + _tail(rule.rule_id)
        for rule in rules
    )


def rule_file(rules: Iterable[PlainRule]) -> str:
    """The rules as YAML, each with its own message, and the channels that they name."""
    rules = list(rules)
    names = dict.fromkeys(name for rule in rules for name in rule.notify)
    channels = json.dumps({name: f"https://{name}.example/" for name in names})
    return f"channels: {channels}\nrules:\n" + "".join(map(_entry, rules))


def make_camera(chance: random.Random) -> str:
    """The name of a random camera of `CAMERAS`."""
    return camera_name(chance.randrange(CAMERAS))


def camera_name(number: int) -> str:
    """The name of the camera of this number."""
    return f"cam-{number:03}"


def readings(
    count: int, start: datetime, watched: Sequence[str] = (), share: float = 0.0, seed: int = 1
) -> Iterator[dict[str, Any]]:
    """`count` events of the shipped schema, a millisecond apart from `start` (UTC) on.

    The `share` of them (0 to 1), evenly spread, has the plates of `watched`, in turn.
    """
    chance = random.Random(seed)  # noqa: S311 - no secret
    hits = 0
    for number in range(count):
        is_hit = int((number + 1) * share) > hits
        plate = watched[hits % len(watched)] if is_hit else make_plate(chance)
        hits += is_hit
        yield make_reading(
            chance,
            plate=plate,
            camera=make_camera(chance),
            confidence=round(chance.uniform(0.7, 1.0), 2),
            captured_at=start + timedelta(milliseconds=number),
            site="north",
        )


def traffic(
    count: int,
    schema: EventSchema,
    zone: tzinfo,
    start: datetime,
    examples: Sequence[Mapping[str, Any]] = (),
) -> list[Event]:
    """`count` decoded events of `schema`; fields that a reading lacks have their defaults.

    Every `EVENTS_AN_EXAMPLE`th event has the fields of one of `examples`, in turn. Raises
    EventError where a field of the schema has the name of a reading's field but another type.
    """
    events = []
    for number, reading in enumerate(readings(count, start)):
        values = known_fields(reading, schema.variables)
        if examples and number % EVENTS_AN_EXAMPLE == EVENTS_AN_EXAMPLE - 1:
            values = overlay(values, examples[number // EVENTS_AN_EXAMPLE % len(examples)])
        events.append(make_event(schema.complete(values), zone=zone))
    return events


def known_fields(values: Mapping[str, Any], types: Mapping[str, FieldType]) -> dict[str, Any]:
    """`values` without the fields that are not in `types`, at every depth."""
    return {
        name: known_fields(value, types[name].fields) if isinstance(value, Mapping) else value
        for name, value in values.items()
        if name in types
    }


def _folder() -> tempfile.TemporaryDirectory[str]:
    try:
        return tempfile.TemporaryDirectory(prefix="alert-engine-bench-")
    except FileNotFoundError:
        # None of the usual folders for temporary files can be written.
        return tempfile.TemporaryDirectory(prefix="alert-engine-bench-", dir=SHARED_MEMORY)


def _unwritten(error: OSError) -> str:
    reason = error.strerror or error
    return f"the rules to measure can't be written: {reason}; set TMPDIR to a folder with room"


def _write(kind: SetKind, rules: int, folder: Path) -> tuple[Path, ...]:
    if kind is SetKind.SITE:
        plates = site_plates()
        (folder / LIST_FILE).write_text("\n".join(["plate", *plates, ""]), encoding="utf-8")
        texts = [site_file(site_rules(plates), LIST_FILE)]
    else:
        made = mixed_rules(rules)
        firsts = range(0, rules, RULES_A_FILE)
        texts = [rule_file(made[first : first + RULES_A_FILE]) for first in firsts]
    paths = []
    for number, text in enumerate(texts):
        paths.append(folder / f"rules-{number}.yaml")
        paths[-1].write_text(text, encoding="utf-8")
    return tuple(paths)


def _conditions(kind: int, chance: random.Random) -> tuple[PlainCondition, ...]:
    letters = "".join(chance.choices(string.ascii_uppercase, k=3))
    digits = f"{chance.randrange(100):02}"
    match kind:
        case 7:
            return (PlainCondition(PLATE, "regex", f"^{letters[:2]}.*[0-4]{digits}$"),)
        case 8:
            return (PlainCondition(PLATE, "contains", f"{letters[:2]}{digits}"),)
        case 9:
            return (
                PlainCondition("plate.confidence", "greater_than", 0.99),
                PlainCondition("camera_id", "equals", make_camera(chance)),
            )
    return (PlainCondition(PLATE, "in_list", [make_plate(chance) for _ in range(PLATES_A_LIST)]),)


def _entry(rule: PlainRule) -> str:
    return _head(rule.rule_id) + _conditions_key(rule.conditions) + _tail(rule.rule_id, rule.notify)


def _conditions_key(conditions: Sequence[PlainCondition]) -> str:
    lines = [
        f"      - {{field: {each.field}, operator: {each.operator}, "
        f"value: {json.dumps(each.value)}}}\n"
        for each in conditions
    ]
    return "".join(["    conditions:\n", *lines]) if lines else ""


def _head(rule_id: str) -> str:
    return f"  - id: {rule_id}\n    name: Rule {rule_id}\n    priority: high\n"


def _tail(rule_id: str, notify: Sequence[str] = ()) -> str:
    return (
        f"    notify: {json.dumps(notify)}\n"
        "    rate_limit: {cooldown_seconds: 300, dedup_key: plate.normalized_text}\n"
        f"    message_template: '{rule_id}: {{plate.normalized_text}} "
        "({plate.confidence:.0%}) at {camera_id}, {captured_at}'\n"
    )
