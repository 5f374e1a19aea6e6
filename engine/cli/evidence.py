"""What `explain` and `why-not` go by: the rules, those of then, and what the store knows."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from engine.cel.trace import Skipped, Trace, value_text
from engine.cel.values.values import MISSING
from engine.cli.stored import open_tool
from engine.errors import AlertEngineError, RulesError, StoreError
from engine.reload.loader import RuleSource
from engine.rules import RuleSet
from engine.rules.channel_reader import hold_any
from engine.rules.faults import suggestion
from engine.schema import EventSchema, load_event_schema
from engine.settings import Settings
from engine.simulate.answer_text import facts
from engine.simulate.former_rules import FormerRules
from engine.store import Silence, Store
from engine.watchlist import costs_of

#: The longest text of a condition on one line.
_SHOWN: Final = 160


@dataclass(frozen=True, slots=True)
class Evidence:
    """The rules of the files, those of then, and the store; `missing` says why there is none."""

    schema: EventSchema
    today: RuleSet
    rules: FormerRules
    store: Store | None
    silences: Sequence[Silence]
    missing: str = ""


def add_rules(parser: argparse.ArgumentParser) -> None:
    """Add `--rules`, `--rule` and `--format`."""
    parser.add_argument(
        "--rules",
        type=Path,
        metavar="PATH",
        help="go by these rules, and not by those of then (default: RULES_PATH, else rules/)",
    )
    parser.add_argument("--rule", metavar="ID", default="", help="only this rule")
    parser.add_argument(
        "--format", choices=["text", "json"], default="text", help="text for people, json for tools"
    )


def gather(
    settings: Settings, rules: Path | None, stack: ExitStack, *, needs_store: bool
) -> Evidence:
    """Open what there is; the stack closes it.

    Raises RulesError, SchemaError and CostsError, and StoreError where the store is needed. With
    `rules` there are no others, today's and those of then.
    """
    schema = load_event_schema(settings.event_schema_path)
    source = RuleSource(
        rules or settings.rules_path,
        schema,
        settings.variables.reveal(),
        settings.event_timezone,
        costs_of(settings.plate_costs_path),
    )
    today = source.attempt(source.files.look(), {}, may_hold=hold_any).result
    if isinstance(today, RulesError):
        raise today
    store: Store | None = None
    silences: Sequence[Silence] = ()
    missing = ""
    try:
        store = stack.enter_context(open_tool(settings))
        silences = store.silences.all()
    except StoreError as error:
        if needs_store:
            raise
        missing = str(error)
    kept = store.rule_sets if store is not None and rules is None else None
    former = FormerRules(kept, today, schema, settings.event_timezone)
    return Evidence(schema, today, former, store, silences, missing)


def check_rule(rule_id: str, rule_sets: Sequence[RuleSet]) -> None:
    """AlertEngineError where none of the sets has the rule."""
    known = sorted({rule.rule_id for each in rule_sets for rule in each.rules})
    if not rule_id or rule_id in known:
        return
    if any(rule_id in each.disabled for each in rule_sets):
        raise AlertEngineError(f"the rule {rule_id} is disabled, set `enabled: true` to try it")
    hint = suggestion(rule_id, known, "see `alert-engine check`")
    raise AlertEngineError(f"there is no rule {rule_id!r}, {hint}")


def condition_lines(whole: Trace) -> list[str]:
    """The conditions of a rule with their values, for people."""
    lines: list[str] = []
    for each in whole.conditions:
        _add_lines(each, 0, lines)
    return lines


def _add_lines(part: Trace, depth: int, lines: list[str]) -> None:
    text = part.words or part.text
    if len(text) > _SHOWN:
        text = f"{text[: _SHOWN - 1]}…"
    if part.item is not None:
        text = f"{part.item[0]} is {value_text(part.item[1])}: {text}"
    indent = "  " * depth
    if part.skipped is not None:
        lines.append(f"{'-':7}{indent}{text}   (not evaluated: {part.skipped})")
        return
    found = "error" if part.error is not None else value_text(part.value)
    inner = [] if part.words else [each for each in part.parts if _is_logical(each)]
    known = facts(part)
    why = ""
    if part.error is not None and not inner:
        why = f"   ({part.error})"
    elif known and not inner:
        why = f"   ({', '.join(f'{name} is {value}' for name, value in known)})"
    lines.append(f"{found:7}{indent}{text}{why}")
    if part.words and part.words != part.text:
        lines.append(f"{'':7}{indent}as CEL: {part.text[:_SHOWN]}")
    for near in _near_plates(part, inner):
        lines.append(f"{'':7}{indent}nearest: {near}")
    for each in inner:
        _add_lines(each, depth + 1, lines)
    if part.hidden_items:
        lines.append(f"{'':7}{indent}  and {part.hidden_items:,} items between")


def _near_plates(part: Trace, inner: Sequence[Trace]) -> list[str]:
    """The nearest plates that a part has found, without those of parts with lines of their own."""
    of_others = {id(each) for one in inner for each in one.walk()}
    mine = [each.near for each in part.walk() if id(each) not in of_others and each.near]
    return list(dict.fromkeys(mine))


def _is_logical(part: Trace) -> bool:
    """Whether a part is true or false, or would have been, and so worth a line of its own."""
    if part.skipped is not None:
        return part.skipped is not Skipped.FAILED_BEFORE
    is_failed = part.value is MISSING and bool(part.parts)
    return part.item is not None or isinstance(part.value, bool) or is_failed


def trace_json(part: Trace) -> dict[str, Any]:
    """A part for JSON: its value, or its error, or why it was not evaluated."""
    found: dict[str, Any] = {"text": part.text}
    if part.words:
        found["words"] = part.words
    if part.item is not None:
        found["item"] = {part.item[0]: _plain(part.item[1])}
    if part.skipped is not None:
        found["skipped"] = str(part.skipped)
    elif part.error is not None:
        found["error"] = {"type": part.error.error_type, "message": str(part.error)}
    else:
        found["value"] = _plain(part.value)
    if part.near:
        found["near"] = part.near
    if part.hidden_items:
        found["hidden_items"] = part.hidden_items
    if part.parts:
        found["parts"] = [trace_json(each) for each in part.parts]
    return found


def _plain(value: object) -> object:
    """A value as JSON has it; what JSON lacks is CEL text."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float) and value - value == 0:
        return value
    return value_text(value)


def event_json(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """An event's values for JSON."""
    return {
        name: event_json(value) if isinstance(value, Mapping) else _json_value(value)
        for name, value in values.items()
    }


def _json_value(value: object) -> object:
    if isinstance(value, list):
        return [_json_value(each) for each in value]
    return _plain(value)
