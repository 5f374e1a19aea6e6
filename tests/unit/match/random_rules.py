"""Random conditions and events: every operator, nulls, failures, not-a-number, odd letters."""

from __future__ import annotations

import math
import random
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from hypothesis import strategies as st

from channels.alert import Priority
from engine.cel import Expression, compile_condition, compile_expression, compile_template
from engine.cel.expression import conjunction
from engine.errors import Place
from engine.rules import Rule
from engine.schema.event import Event
from tests.unit.cel.plate_variables import NOON, VARIABLES

TEXTS: Final = (
    "", "a", "ab", "abc", "ABC", "aBc", "AB12", "ab12", "12", "3.5", "-7", "nan", "1e3", "vip",
    "us-fl", "US-FL", "stra\u00dfe", "\u0130x", "\u017f", "\u212a1", "K1", "sk", "\U0001f697a",
    "a\nb", "left", "ABAB12", "xab", "1",
)  # fmt: skip
NUMBERS: Final = ("0", "1", "-1", "2.5", "0.5", "0.8", "1.0", "40", "3", "-0.0", "9007199254740993",
                  "0.0/0.0", "1.0/0.0", "3u")  # fmt: skip
PATTERNS: Final = (
    "^AB", "12$", "^AB.*[0-4]?12$", "(?i)^ab", "(?i)s", "(?i)k1?$", "(?i)^a(b|c)+", "b|^$",
    "[a-c]2", "(?i)us-(fl|ga)$", "^(?:ABC|AB12)$", "\\\\d+", "(?m)^b", "a.*2", "\\\\bab",
    "(?i)\u0130", "^.{3}$", "a*^b", "$^", "x{0,2}", "(ab){2}", "(?i)STRASSE|stra\u00dfe",
    "[^a]", "\\\\x41",
)  # fmt: skip
TEXT_FIELDS: Final = (
    "camera_id", "plate.text", "plate.normalized_text", "plate.region", "vehicle.make",
    "extras.direction",
)  # fmt: skip
TEXT_KEYS: Final = (
    *TEXT_FIELDS, *(f"lower({field})" for field in TEXT_FIELDS), "plate.text.lower()",
    "plate.text.lowerAscii()", 'labels["lane"]', "labels.lane", "tags[0]", 'plate.region + "x"',
    "string(latency_ms)", "dyn(plate.text)", "plate.text.substring(0, 2)", "string(plate.region)",
    "lower(lower(plate.region))", '(is_test ? "a" : plate.text)',
)  # fmt: skip
NUMBER_KEYS: Final = (
    "plate.confidence", "latency_ms", "extras.lane", "extras.quality_score", "double(plate.text)",
    "double(plate.region)", "int(plate.text)", "size(plate.text)", "size(plate.region)",
    "10 / latency_ms", "-latency_ms", "plate.confidence * 2.0", "time.getHours()", "size(tags)",
    "dyn(plate.text)", "extras.seen.getMonth()", "dyn(latency_ms)", "math.ceil(plate.confidence)",
    "math.greatest(plate.confidence, extras.quality_score)", "math.abs(latency_ms)",
)  # fmt: skip
BOOLS: Final = (
    "true", "false", "is_test", "isNumber(plate.text)", "isNumber(plate.region)", "1 == 1",
    "has(extras.direction)", "has(labels.lane)", "has(vehicle.make)", "has(plate.region)",
    "has(plate.text)", "extras == null", "extras != null", '"vip" in tags', "dyn(latency_ms)",
    'tags.exists(t, t == "vip")', 'tags.all(t, t.startsWith("v"))', "1 / 0 == 1", "dyn(is_test)",
    'time > timestamp("2025-12-25T12:00:00Z")', 'time == timestamp("2025-12-25T12:30:00Z")',
    'plate.text == plate.normalized_text', 'bool(plate.text)', 'type(plate.region) == string',
    'type(extras.quality_score) == double', 'extras.seen != null', 'tags == ["vip"]',
    'tags.map(t, t + "x") == ["ax"]', "plate.confidence == dyn(latency_ms)", "true || 1/0 == 1",
)  # fmt: skip


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace("\n", "\\n") + '"'


_text_keys: Final = st.sampled_from(TEXT_KEYS)
_number_keys: Final = st.sampled_from(NUMBER_KEYS)
_texts: Final = st.sampled_from(TEXTS).map(_quoted)
_numbers: Final = st.sampled_from(NUMBERS)
_any_keys: Final = _text_keys | _number_keys
_constants: Final = _texts | _numbers | st.sampled_from(("null", "true", "false"))
_lists: Final = st.lists(_constants, max_size=4).map(lambda items: f"[{', '.join(items)}]")
_text_lists: Final = st.lists(_texts, max_size=3).map(lambda items: f"[{', '.join(items)}]")


def _put(form: str, *parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.tuples(*parts).map(lambda values: form.format(*values))


_orderings: Final = st.sampled_from(("<", "<=", ">", ">="))
_dynamic: Final = _any_keys.map(lambda key: f"dyn({key})")
LEAVES: Final = st.one_of(
    st.sampled_from(BOOLS),
    _put("{} {} {}", _text_keys, st.sampled_from(("==", "!=")), _texts),
    _put("{} {} {}", _number_keys, st.sampled_from(("==", "!=")), _numbers),
    _put("{} {} null", _any_keys, st.sampled_from(("==", "!="))),
    _put("{} {} {}", _dynamic, st.sampled_from(("==", "!=")), _constants),
    _put("{} == {}", _constants.map(lambda text: f"dyn({text})"), _any_keys),
    _put("{} in {}", _any_keys, _lists),
    _put("{} in {}", _text_keys, _text_lists),
    _put("{} {} {}", _number_keys, _orderings, _numbers),
    _put("{} {} {}", _numbers, _orderings, _number_keys),
    _put("{} {} {}", _text_keys, _orderings, _texts),
    _put("{}.{}({})", _text_keys, st.sampled_from(("contains", "startsWith", "endsWith")), _texts),
    _put("{}.matches({})", _text_keys, st.sampled_from(PATTERNS).map(lambda text: f'"{text}"')),
    _put("{0}.exists(v, {1} == v)", _text_lists, _text_keys),
    _put("{0}.all(v, {1}.contains(v))", _text_lists, _text_keys),
    _put("{0}.exists_one(v, {1}.startsWith(v))", _text_lists, _text_keys),
    _put("cel.bind(v, {}, v == {} || v.startsWith({}))", _text_keys, _texts, _texts),
    _put("cel.bind(v, {}, v > {} && v != {})", _number_keys, _numbers, _numbers),
    _put("cel.bind(l, {0}, l.exists(v, {1} == v) || {1} in l)", _text_lists, _text_keys),
    _put("[0.5, 0.8].exists(v, v < {} && {}.endsWith({}))", _number_keys, _text_keys, _texts),
)
CONDITIONS: Final = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        _put("({} && {})", inner, inner),
        _put("({} && {} && {})", inner, inner, inner),
        _put("({} || {})", inner, inner),
        _put("!({})", inner),
        _put("({} ? {} : {})", inner, inner, inner),
        _put('["ab", "US-FL"].exists(w, {} || w == plate.region)', inner),
        _put("cel.bind(u, {}, {} || u && {})", inner, inner, inner),
        _put('["ab", "a"].exists(w, cel.bind(u, w + plate.text, u == camera_id || {}))', inner),
        _put("({0} != null && {1}({0}) == {2})", st.sampled_from(TEXT_FIELDS),
             st.sampled_from(("lower", "string", "dyn")), _texts),
        _put("(isNumber({0}) && double({0}) > {1})", st.sampled_from(TEXT_FIELDS), _numbers),
    ),
    max_leaves=6,
)  # fmt: skip


@st.composite
def operator_conditions(draw: st.DrawFn) -> Expression:
    """One to three conditions as rule files have them."""
    parts = [draw(_operator_condition()) for _ in range(draw(st.integers(1, 3)))]
    return conjunction(parts)


@st.composite
def _operator_condition(draw: st.DrawFn) -> Expression:
    field = draw(st.sampled_from(TEXT_FIELDS))
    operator = draw(st.sampled_from(("equals", "contains", "regex", "in_list", "greater_than")))
    value: object = draw(st.sampled_from(TEXTS))
    match operator:
        case "in_list":
            value = draw(st.lists(st.sampled_from((*TEXTS, None)), max_size=4))
        case "regex":
            value = draw(st.sampled_from(PATTERNS)).replace("\\\\", "\\")
        case "greater_than":
            field = draw(st.sampled_from(("plate.confidence", "latency_ms", "plate.text")))
            operator = draw(st.sampled_from((operator, "less_than")))
            value = draw(st.sampled_from((0.5, 1, 40, -1.5)))
    return compile_condition(field, operator, value, VARIABLES)


def _compiled(text: str) -> Expression:
    return compile_expression(text, VARIABLES)


def a_rule(rule_id: str, condition: Expression | str) -> Rule:
    """A rule of that condition, with nothing else to it."""
    return Rule(
        rule_id=rule_id,
        name=rule_id,
        description="",
        priority=Priority.LOW,
        condition=_compiled(condition) if isinstance(condition, str) else condition,
        notify=(),
        rate_limit=None,
        template=_TEMPLATE,
        tests=(),
        place=_PLACE,
    )


_TEMPLATE: Final = compile_template("x", VARIABLES)
_PLACE: Final = Place("rules.yaml", 1, 1)


def events(count: int, seed: int) -> list[Event]:
    """So many events, the same for one seed; their values meet those of the conditions."""
    chance = random.Random(seed)
    return [an_event(_values(chance), chance) for _ in range(count)]


def an_event(values: dict[str, Any], chance: random.Random) -> Event:
    """The event of those values, in the hours around noon."""
    moment = NOON + timedelta(minutes=chance.choice((0, -60, 600)))
    return Event(values, moment, b"")


def _text(chance: random.Random) -> str:
    if chance.random() < 0.8:
        return chance.choice(TEXTS)
    letters = "aAbBcC12 \u017f\u212a\u0130"
    return "".join(chance.choices(letters, k=chance.randrange(7))) + chance.choice(("", "\ud800"))


def _maybe(chance: random.Random) -> str | None:
    return None if chance.random() < 0.4 else _text(chance)


def _number(chance: random.Random) -> float:
    return chance.choice(
        (0.0, -0.0, 0.5, 0.8, 0.81, 1.0, 2.5, -1.0, 1e300, math.nan, math.inf, 40.0)
    )


def _values(chance: random.Random) -> dict[str, Any]:
    extras = {
        "direction": _maybe(chance),
        "lane": chance.choice((0, 1, -1, 3)),
        "quality_score": chance.choice((None, _number(chance))),
        "seen": chance.choice((None, datetime(2025, 2, 3, tzinfo=UTC))),
    }
    text = _text(chance)
    return {
        "camera_id": _text(chance),
        "plate": {
            "text": text,
            "normalized_text": text if chance.random() < 0.3 else _text(chance),
            "confidence": _number(chance),
            "region": _maybe(chance),
        },
        "vehicle": {"make": _maybe(chance), "color": None},
        "latency_ms": chance.choice((0, 1, -1, 3, 40, 2**53 + 1, 2**63 - 1, -(2**63))),
        "extras": None if chance.random() < 0.4 else extras,
        "is_test": chance.random() < 0.5,
        "tags": chance.choice(([], ["vip"], ["a", "vip"], ["v", "vip", "x"])),
        "labels": chance.choice(({}, {"lane": "left"}, {"lane": _text(chance)})),
    }
