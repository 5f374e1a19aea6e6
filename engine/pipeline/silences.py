"""Silences in force: which of them, if any, keeps a match from being sent."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, NamedTuple

import structlog

from engine.cel import Expression, compile_expression
from engine.cel.check.remedies import remedy_to_condition
from engine.cel.check.watchlists import lists_of_silences
from engine.cel.types.kinds import with_article
from engine.errors import EvaluationError, ExpressionError, SilenceError
from engine.schema import CAMERA_ID, NORMALIZED_PLATE, EventSchema, Kind, value_at
from engine.schema.event import Event
from engine.store import Silence, Silences
from engine.watchlist import PlateCosts, normalise, plate_of

log = structlog.get_logger(__name__)

#: How old the silences are, at most, that a match is judged by.
REFRESH_SECONDS: Final = 0.5


class CompiledSilence(NamedTuple):
    """A silence, ready to be asked."""

    silence: Silence
    plate: str
    condition: Expression | None


def compile_silence(
    silence: Silence, schema: EventSchema, costs: PlateCosts | None = None
) -> CompiledSilence:
    """Make a silence ready for events of `schema`.

    `costs` are those of misreadings of plates, the package's unless given.

    SilenceError says what of it can't be used: no matcher, no plate, or a condition that is none.
    """
    if not (silence.rule_id or silence.plate or silence.camera_id or silence.condition.strip()):
        raise SilenceError("it would silence everything, give a rule, a plate, a camera or `when`")
    plate = normalise(silence.plate)
    if silence.plate and not plate:
        raise SilenceError(f"the plate {silence.plate!r} holds no letter A to Z and no digit")
    return CompiledSilence(silence, plate, _condition(silence.condition, schema, costs))


class SilencesInForce:
    """All silences at one moment; it never changes, and any thread may ask it."""

    def __init__(
        self,
        silences: Iterable[Silence],
        schema: EventSchema,
        before: SilencesInForce | None = None,
        costs: PlateCosts | None = None,
    ) -> None:
        """One that can't be used with this schema is logged and left out.

        What is in `before` too, of the same schema and costs, is not compiled again. `costs` are
        those of misreadings of plates, the package's unless given.
        """
        known: Mapping[Silence, CompiledSilence] = {} if before is None else before._compiled
        self._compiled: dict[Silence, CompiledSilence] = {}
        self._by_plate = defaultdict[str, list[CompiledSilence]](list)
        self._by_rule = defaultdict[str, list[CompiledSilence]](list)
        self._others = list[CompiledSilence]()
        self._failed = set[str]()
        for silence in silences:
            try:
                self._add(known.get(silence) or compile_silence(silence, schema, costs))
            except SilenceError as error:
                log.warning(
                    "silence.unusable",
                    silence_id=silence.silence_id,
                    error=str(error),
                    remedy="expire it, and add it anew as the event schema is now",
                )

    def _add(self, compiled: CompiledSilence) -> None:
        self._compiled[compiled.silence] = compiled
        # There may be thousands of single cars and rules; what is left is asked one by one.
        if compiled.plate:
            self._by_plate[compiled.plate].append(compiled)
        elif compiled.silence.rule_id:
            self._by_rule[compiled.silence.rule_id].append(compiled)
        else:
            self._others.append(compiled)

    def find(self, rule_id: str, event: Event, meant: Callable[[], str] = str) -> Silence | None:
        """A silence that a match of this rule on this event falls under; None where there is none.

        It goes by the time of the event. A condition that fails on the event silences nothing.
        `meant` gives the plate of which a near match is, "" for others; it is asked only where
        there are silences of plates. Both this plate and the one that was read are silenced.
        """
        if not self._compiled:
            return None
        plate = plate_of(value_at(event.values, NORMALIZED_PLATE))
        for found in (
            self._by_plate.get(plate, ()),
            self._by_rule.get(rule_id, ()),
            self._others,
        ):
            for each in found:
                if self._fits(each, rule_id, event):
                    return each.silence
        of_meant = self._by_plate.get(meant(), ()) if self._by_plate else ()
        return next((each.silence for each in of_meant if self._fits(each, rule_id, event)), None)

    def _fits(self, compiled: CompiledSilence, rule_id: str, event: Event) -> bool:
        silence, _, condition = compiled
        if not silence.starts_us <= event.time_us < silence.ends_us:
            return False
        if silence.rule_id not in ("", rule_id):
            return False
        if silence.camera_id and silence.camera_id != value_at(event.values, CAMERA_ID):
            return False
        try:
            return condition is None or condition.evaluate(event.bindings) is True
        except EvaluationError as error:
            if silence.silence_id not in self._failed:
                self._failed.add(silence.silence_id)
                # Without the error's own text, which may quote a plate.
                log.warning(
                    "silence.error",
                    silence_id=silence.silence_id,
                    error_type=error.error_type,
                    remedy="the match is not silenced: guard the condition, as by has()",
                )
            return False


class StoredSilences:
    """Reads the silences of the store for the loop, as often as they must be known anew.

    It is asked where something has matched. So there is no thread that could lag behind, and while
    the store is away no match is judged by what it said before.
    """

    def __init__(
        self,
        stored: Silences,
        schema: EventSchema,
        timer: Callable[[], float],
        costs: PlateCosts | None = None,
    ) -> None:
        """`timer` gives monotonic seconds, `costs` are as for `SilencesInForce`."""
        self._stored = stored
        self._schema = schema
        self._timer = timer
        self._costs = costs
        self._due = timer()
        self._version = -1
        self._in_force = SilencesInForce((), schema)

    def current(self) -> SilencesInForce:
        """The silences as they were stored half a second ago, or later.

        StoreUnavailableError where they are older and the store can't be read.
        """
        # Before it is read: what is stored meanwhile must not be taken for younger than it is.
        now = self._timer()
        if now >= self._due:
            found = self._stored.since(self._version)
            if found is not None:
                self._take_over(*found)
            self._due = now + REFRESH_SECONDS
        return self._in_force

    def _take_over(self, version: int, silences: Sequence[Silence]) -> None:
        self._in_force = SilencesInForce(silences, self._schema, self._in_force, self._costs)
        if silences or self._version >= 0:
            log.info("silences.read", count=len(silences))
        self._version = version


def _condition(text: str, schema: EventSchema, costs: PlateCosts | None) -> Expression | None:
    if not text.strip():
        return None
    try:
        condition = compile_expression(text, schema.variables, lists_of_silences(costs))
    except ExpressionError as error:
        raise SilenceError(
            "\n".join(f"`when`, at character {problem}" for problem in error.problems)
        ) from error
    # Where the type is not known before the event, only `true` silences.
    if condition.type is not None and condition.type.kind is not Kind.BOOL:
        raise SilenceError(
            f"`when` must be true or false, but this is {with_article(condition.type)}, "
            f"{remedy_to_condition(condition.type)}"
        )
    return condition
