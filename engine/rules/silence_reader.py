"""Reads the silences of a test of rules."""

from __future__ import annotations

from datetime import datetime, timedelta, tzinfo
from typing import Final

from engine.cel.check.watchlists import lists_of_silences
from engine.rules.expressions import Compiler, read_when
from engine.rules.faults import FaultCode, Faults, shown
from engine.rules.keys import SILENCE
from engine.rules.nodes import MappingNode, YamlNode, as_mapping, as_sequence, as_text, check_keys
from engine.rules.rule_test import GivenSilence
from engine.schema import EventSchema
from engine.schema.event import read_time
from engine.settings.values import parse_duration
from engine.watchlist import normalise

MATCHER_KEYS: Final = ("rule", "plate", "camera", "when")
_A_TIME: Final = "write it like '2025-12-25T16:00:00Z', or like +2m: so long after the first event"


def read_silences(
    node: YamlNode, schema: EventSchema, zone: tzinfo, first_at: datetime | None, faults: Faults
) -> tuple[GivenSilence, ...]:
    """The silences of a test; those with faults are left out.

    `first_at` is when its first event was captured, None where that can't be read.
    """
    if node.is_null:
        return ()
    sequence = as_sequence(node, "`silences`", faults)
    items = sequence.items if sequence is not None else []
    found = [_silence(item, schema, zone, first_at, faults) for item in items]
    return tuple(silence for silence in found if silence is not None)


def _silence(
    node: YamlNode, schema: EventSchema, zone: tzinfo, first_at: datetime | None, faults: Faults
) -> GivenSilence | None:
    mapping = as_mapping(node, "a silence", faults)
    if mapping is None:
        return None
    of_silence = Faults()
    check_keys(mapping, SILENCE.names, SILENCE.title, of_silence)
    if not any(key in mapping.values for key in MATCHER_KEYS):
        of_silence.error(
            mapping.place,
            FaultCode.MISSING_KEY,
            "the silence would silence everything",
            "give it a `rule`, a `plate`, a `camera` or `when`",
        )
    texts = {key: _text(mapping, key, of_silence) for key in ("rule", "plate", "camera")}
    if texts["plate"] and not normalise(texts["plate"]):
        of_silence.error(
            mapping.values["plate"].place,
            FaultCode.BAD_VALUE,
            f"the plate `{shown(texts['plate'])}` holds no letter A to Z and no digit",
            "write it as cameras read it, like ABC123",
        )
    condition = None
    if "when" in mapping.values:
        # Without lists and intervals: the silences of the store know none.
        compiler = Compiler(schema, of_silence, lists_of_silences(), zone)
        condition = read_when(mapping.values["when"], compiler, of_silence)
    starts, ends = (_time(mapping, key, zone, first_at, of_silence) for key in ("from", "until"))
    if starts is not None and ends is not None and ends <= starts:
        what, remedy = "the silence ends before it begins", "write a later time"
        of_silence.error(mapping.values["until"].place, FaultCode.BAD_VALUE, what, remedy)
    faults.extend(of_silence)
    if of_silence.has_errors:
        return None
    return GivenSilence(
        rule_id=texts["rule"],
        plate=texts["plate"],
        camera_id=texts["camera"],
        condition=condition.text if condition is not None else "",
        starts=starts,
        ends=ends,
    )


def _text(mapping: MappingNode, key: str, faults: Faults) -> str:
    node = mapping.values.get(key)
    scalar = as_text(node, f"`{key}`", faults) if node is not None else None
    return scalar.text if scalar is not None else ""


def _time(
    mapping: MappingNode, key: str, zone: tzinfo, first_at: datetime | None, faults: Faults
) -> datetime | None:
    node = mapping.values.get(key)
    scalar = as_text(node, f"`{key}`", faults) if node is not None else None
    if scalar is None:
        return None
    moment: datetime | None = None
    if not scalar.text.startswith("+"):
        moment = read_time(scalar.text, zone)
    elif first_at is not None:
        try:
            moment = first_at + timedelta(seconds=parse_duration(scalar.text[1:]))
        except (ValueError, OverflowError):
            moment = None
    if moment is None:
        what = f"`{key}` is no time: `{shown(scalar.text)}`"
        faults.error(scalar.place, FaultCode.BAD_VALUE, what, _A_TIME)
    return moment
