"""Hypothesis strategies: random expressions over `VARIABLES`, well typed, and random events.

Whatever can fail does so at times: nulls without a guard, divisions by zero, overflow, indexes.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from hypothesis import strategies as st

Texts = st.SearchStrategy[str]

BOOLS: Final = st.sampled_from(["is_test", "true", "false", "(1 / 0 == 1)"])
INTS: Final = st.sampled_from(
    ["latency_ms", "extras.lane", "0", "1", "-2", "40", "9223372036854775807", "size(tags)"]
)
DOUBLES: Final = st.sampled_from(
    ["plate.confidence", "extras.quality_score", "0.0", "-1.5", "0.9", "1e300", "double('nan')"]
)
STRINGS: Final = st.sampled_from(
    [
        "camera_id",
        "plate.text",
        "plate.normalized_text",
        "plate.region",
        "vehicle.make",
        "vehicle.color",
        "extras.direction",
        "labels.lane",
        "labels['lane']",
        "tags[0]",
        "tags[1]",
        "''",
        "'a'",
        "'ABC123'",
        "'Škoda'",
        "'1.5'",
    ]
)
TIMES: Final = st.sampled_from(
    ["time", "extras.seen", "timestamp('2025-12-25T12:30:00Z')", "timestamp(0)"]
)
DURATIONS: Final = st.sampled_from(["duration('1h')", "duration('-1.5s')"])
_NULLABLE: Final = ["plate.region", "vehicle.make", "extras.direction", "extras.quality_score"]
_COMPARISONS: Final = ["<", "<=", ">", ">=", "==", "!="]
_ZONES: Final = ["", "'UTC'", "'America/New_York'", "'-02:30'"]
_PARTS: Final = ["getHours", "getMinutes", "getDayOfWeek", "getMonth", "getDate", "getFullYear"]


def filled(template: str, *parts: Texts) -> Texts:
    """The template with texts of these strategies."""
    return st.tuples(*parts).map(lambda texts: template.format(*texts))


def one_of(signs: Sequence[str]) -> Texts:
    """One of these texts."""
    return st.sampled_from(list(signs))


def _chosen(operand: Texts, bools: Texts) -> Texts:
    return st.one_of(operand, filled("({0} ? {1} : {2})", bools, operand, operand))


def _ints(bools: Texts) -> Texts:
    simple = st.one_of(
        INTS,
        filled("({0} {1} {2})", INTS, one_of("+-*/%"), INTS),
        filled("(-{0})", INTS),
        filled("size({0})", STRINGS),
        filled("int({0})", DOUBLES),
        filled("{0}.{1}({2})", TIMES, one_of(_PARTS), one_of(_ZONES)),
        filled("{0}.indexOf({1})", STRINGS, STRINGS),
        filled("math.abs({0})", INTS),
        filled("math.bitXor({0}, {1})", INTS, INTS),
    )
    return _chosen(simple, bools)


def _doubles(bools: Texts) -> Texts:
    simple = st.one_of(
        DOUBLES,
        filled("({0} {1} {2})", DOUBLES, one_of("+-*/"), DOUBLES),
        filled("double({0})", INTS),
        filled("double({0})", STRINGS),
        filled("(-{0})", DOUBLES),
        filled("math.{0}({1})", one_of(["round", "ceil", "sign", "sqrt"]), DOUBLES),
        filled("math.greatest({0}, {1}, 0.5)", DOUBLES, DOUBLES),
    )
    return _chosen(simple, bools)


def _strings(bools: Texts) -> Texts:
    simple = st.one_of(
        STRINGS,
        filled("({0} + {1})", STRINGS, STRINGS),
        filled("{0}.{1}()", STRINGS, one_of(["lower", "upperAscii", "trim", "reverse"])),
        filled("string({0})", st.one_of(INTS, DOUBLES, STRINGS, TIMES, DURATIONS)),
        filled("{0}.substring({1})", STRINGS, one_of(["0", "1", "9"])),
        filled("{0}.replace({1}, 'x')", STRINGS, STRINGS),
        filled("tags.filter(t, t != {0}).join(',')", STRINGS),
    )
    return _chosen(simple, bools)


def _times() -> Texts:
    return st.one_of(TIMES, filled("({0} {1} {2})", TIMES, one_of("+-"), DURATIONS))


def _deeper(inner: Texts) -> Texts:
    """Conditions made of conditions and of operands."""
    ints, doubles, strings, times = _ints(inner), _doubles(inner), _strings(inner), _times()
    numbers = st.one_of(ints, doubles)
    compare = one_of(_COMPARISONS)
    quantifiers = one_of(["all", "exists", "exists_one"])
    tests = ["contains", "startsWith", "endsWith"]
    return st.one_of(
        filled("({0} {1} {2})", inner, one_of(["&&", "||"]), inner),
        filled("({0} {1} {2} {1} {3})", inner, one_of(["&&", "||"]), inner, inner),
        filled("!{0}", inner),
        filled("({0} ? {1} : {2})", inner, inner, inner),
        filled("({0} {1} {2})", numbers, compare, numbers),
        filled("({0} {1} {2})", strings, compare, strings),
        filled("({0} {1} {2})", times, compare, times),
        filled("({0} - {1} {2} {3})", times, times, compare, DURATIONS),
        filled("{0}.{1}({2})", strings, one_of(tests), strings),
        filled("{0}.matches({1})", strings, one_of(["'^A.*[0-9]$'", "'(?i)š'", "''"])),
        filled("({0} in {1})", strings, one_of(["tags", "labels", "['a', 'ABC123']", "[]"])),
        filled("({0} in {1})", numbers, one_of(["[0, 1.5, 40]", "[9223372036854775807]"])),
        filled("({0} {1} null)", one_of(_NULLABLE), one_of(["==", "!="])),
        filled("({0} != null && {0} == {1})", one_of(_NULLABLE[:3]), strings),
        filled("({0} == null || {0}.startsWith({1}))", one_of(_NULLABLE[:3]), strings),
        one_of(["has(plate.region)", "has(extras.lane)", "has(labels.lane)", "extras == null"]),
        filled("tags.{0}(t, t {1} {2})", quantifiers, compare, strings),
        filled("tags.{0}(t, {1} || t == 'vip')", quantifiers, inner),
        filled("tags.map(t, size(t)).{0}(n, n > {1})", quantifiers, ints),
        filled("['a', 'AB'].exists(p, {0}.startsWith(p))", strings),
        filled("cel.bind(z, {0}, {1} || z {2} {3})", strings, inner, compare, strings),
        filled("cel.bind(y, {0}, {1} && y || !y && {2})", inner, inner, inner),
        filled("cel.bind(u, {0}, tags.exists(t, u == t.size() || {1}))", ints, inner),
        filled("tags.all(t, cel.bind(w, t + {0}, w.contains(t) || {1}))", strings, inner),
        filled("cel.bind(x, {0}, x != null && x == {1})", one_of(_NULLABLE[:3]), strings),
    )


CONDITIONS: Final[Texts] = st.recursive(BOOLS, _deeper, max_leaves=6)
#: Plates, their misreadings, and texts that are none.
_PLATES: Final = st.sampled_from(
    ["'A8C123'", "'abc-12'", "'8VIP'", "''", "plate.text", "plate.normalized_text", "plate.region"]
)
_THRESHOLDS: Final = st.sampled_from(["", ", 1", ", 0.84", ", 0.95"])
_LISTED: Final = one_of([f'watchlist("{name}")' for name in ("noted", "dated", "plain", "states")])


def _by_likeness() -> Texts:
    """Conditions that compare by likeness; their lists are those of `plate_lists`."""
    closest = filled("closest({0}, {1}{2})", _LISTED, STRINGS, _THRESHOLDS)
    same = filled("closest({0}, plate.text)", _LISTED)
    return st.one_of(
        filled("(likeness({0}, {1}) {2} {3})", STRINGS, _PLATES, one_of(_COMPARISONS), DOUBLES),
        filled("similar({0}, {1}{2})", STRINGS, _PLATES, _THRESHOLDS),
        filled("similar({0}, {1}, {2})", STRINGS, _PLATES, DOUBLES),
        filled("similar({0}, ['A8C123', 'abc 12']{1})", STRINGS, _THRESHOLDS),
        filled("similar({0}, {1}{2})", STRINGS, _LISTED, _THRESHOLDS),
        filled("tags.exists(t, similar(t, {0}) || similar(t, {1}))", _LISTED, _PLATES),
        filled("({0} {1} null)", closest, one_of(["==", "!="])),
        filled("({0}.{1} == {2})", closest, one_of(["plate", "note"]), STRINGS),
        filled("({0}.likeness {1} {2})", closest, one_of(_COMPARISONS), DOUBLES),
        filled("has({0}.valid_from)", closest),
        filled("({0} != null && {0}.plate == {1})", same, STRINGS),
        filled("cel.bind(k, {0}, k != null && (k.is_ambiguous || k.likeness < 1.0))", closest),
    )


#: Conditions with such parts in them.
BY_LIKENESS: Final[Texts] = st.recursive(st.one_of(BOOLS, _by_likeness()), _deeper, max_leaves=4)
VALUES: Final[Texts] = st.one_of(
    CONDITIONS, _ints(BOOLS), _doubles(BOOLS), _strings(BOOLS), _times(), DURATIONS
)


def _nullable(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(st.none(), values)


_WORDS: Final = st.sampled_from(["", "a", "ABC123", "abc 123", "Škoda", "vip", "left", "1.5"])
_MOMENTS: Final = st.one_of(
    st.datetimes(min_value=datetime(2, 1, 1), timezones=st.just(UTC)),
    st.just(datetime(2025, 12, 25, 12, 30, tzinfo=UTC)),
)
_NUMBERS: Final = st.sampled_from([0.0, -0.0, 0.9, 1.0, 1.5, 2.0**53, float("nan"), float("inf")])
_WHOLE: Final = st.sampled_from([0, 1, -1, 40, 2**53 + 1, 2**63 - 1, -(2**63)])
EVENTS: Final[st.SearchStrategy[dict[str, Any]]] = st.fixed_dictionaries(
    {
        "camera_id": _WORDS,
        "plate": st.fixed_dictionaries(
            {
                "text": _WORDS,
                "normalized_text": _WORDS,
                "confidence": _NUMBERS,
                "region": _nullable(_WORDS),
            }
        ),
        "vehicle": st.fixed_dictionaries({"make": _nullable(_WORDS), "color": _nullable(_WORDS)}),
        "latency_ms": _WHOLE,
        "extras": _nullable(
            st.fixed_dictionaries(
                {
                    "direction": _nullable(_WORDS),
                    "lane": _WHOLE,
                    "quality_score": _nullable(_NUMBERS),
                    "seen": _nullable(_MOMENTS),
                }
            )
        ),
        "is_test": st.booleans(),
        "tags": st.lists(_WORDS, max_size=3),
        "labels": st.dictionaries(st.sampled_from(["lane", "a"]), _WORDS, max_size=2),
        "time": _MOMENTS,
    }
)
