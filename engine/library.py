"""The engine as a library: open rules, match events given as dicts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.errors import EvaluationError
from engine.match import IndexedMatcher, Match
from engine.rules import Rule, load_rules
from engine.schema import EventSchema, load_event_schema
from engine.schema.event import Event, make_event
from engine.settings import Settings
from engine.watchlist import costs_of

OnError = Callable[[Rule, EvaluationError], None]


@dataclass(frozen=True, slots=True)
class RenderedMatch(Match):
    """A rule that held on an event, and the message of its alert."""

    event: Event = field(repr=False)

    @property
    def message(self) -> str:
        """The rule's message on the event, as an alert has it; rendered at each call.

        Moments are shown in `EVENT_TIMEZONE`. A placeholder that fails reads `?`.
        """
        bindings = self.event.bindings
        return self.rule.message(bindings, 0, self.rule.near_plate(bindings))[0]


class OpenRules:
    """Checked rules, ready to match."""

    def __init__(
        self,
        rules: Sequence[Rule],
        schema: EventSchema,
        settings: Settings,
        on_error: OnError | None,
    ) -> None:
        self._matcher = IndexedMatcher(rules)
        self._on_error = on_error
        self._schema = schema
        self._zone = settings.event_timezone

    def match(self, event: Mapping[str, Any]) -> list[RenderedMatch]:
        """The rules that hold on `event`, a dict in the shape of the event schema, in rule order.

        Rules that don't count at the event's time, by their time intervals, are left out. Each
        match has the `rule_id`, the `rule` and the `message`; there is no cooldown here.
        Missing fields are filled with their defaults. Raises EventError for unknown fields and
        values of the wrong type. A rule whose evaluation fails does not match; `on_error` of
        `open_rules` is called with the rule and its error.
        """
        made = make_event(self._schema.complete(event), zone=self._zone)
        found = self._matcher.match(made)
        if self._on_error is not None:
            for failed in found.errors:
                self._on_error(*failed)
        return [
            RenderedMatch(match.rule, made)
            for match in found.matches
            if match.rule.schedule is None or match.rule.schedule.counts(made.time)
        ]

    def all_rules(self) -> tuple[Rule, ...]:
        """Every enabled rule, in order."""
        return self._matcher.all_rules()


def open_rules(
    path: str | Path | Sequence[str | Path], *, on_error: OnError | None = None
) -> OpenRules:
    """Load and check the rules of a file or folder, or of several.

    The event schema is found by `SCHEMAS_PATH` (default `schemas/`), the zone of naive times
    and of messages by `EVENT_TIMEZONE`, the costs of misread plates by `PLATE_COSTS`. Channels are
    not made, so their `${VAR}`s need not be set.
    `on_error` is called with each rule whose evaluation fails, and the error. Raises RulesError
    with all faults of all files, SchemaError, CostsError and SettingsError.
    """
    settings = Settings.from_environment()
    schema = load_event_schema(settings.event_schema_path)
    paths = [path] if isinstance(path, str | Path) else path
    rule_set = load_rules(
        [Path(each) for each in paths],
        schema,
        None,
        zone=settings.event_timezone,
        costs=costs_of(settings.plate_costs_path),
    )
    return OpenRules(rule_set.rules, schema, settings, on_error)
