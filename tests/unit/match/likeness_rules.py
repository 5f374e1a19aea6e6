"""Random conditions on how alike plates are, the lists that they ask, and misread plates."""

from __future__ import annotations

import random
from datetime import UTC, timedelta
from functools import cache
from typing import Final

from hypothesis import strategies as st

from engine.cel import Expression, compile_expression
from engine.cel.check.watchlists import Lists
from engine.errors import Place
from engine.schema.event import Event
from engine.watchlist import Definition, Watchlist, read_watchlist
from tests.unit.cel.plate_lists import FILES, NAMES, watchlist
from tests.unit.cel.plate_variables import EXAMPLES, NOON, VARIABLES
from tests.unit.match.random_rules import events
from tests.unit.match.test_watchlists import PARTS as OTHERS

PLATE: Final = "plate.normalized_text"
#: Plates, and what cameras make of them.
READINGS: Final = (
    "ABC123", "A8C123", "A8CIZ3", "ABC12", "BC123", "ABC129", "ABC1123", "AC123", "AB1", "A81",
    "AB2", "ABI", "XYZ789", "XVZ789", "X789", "X12789", "W1", "VV1", "13", "0O0O", "D0Q0",
    "abc-123", "a b.c 1 2 3", "K1", "KI", "K1XYZ", "\u0410\u0412C123", "\u00c4BC123",
    "AB\ud800C123", "NONE",
    "", "-", "ABCDEFGHIJKLMNOPQ", "A8CDEFGHIJKLMNOPQ", "ABCDEFGHIJKLMNOP",
    "ABC123" + " " * 300,
)  # fmt: skip
_PLATES: Final = (
    "ABC123", "A8C123", "abc-123", "AB1", "W1", "XYZ789", "K1", "", "--", "0O0O",
    "ABCDEFGHIJKLMNOPQ", "\u0410BC123", "\u00c4BC123",
)  # fmt: skip
_KEYS: Final = (
    PLATE, "plate.text", "plate.region", "lower(plate.text)", "vehicle.make", "string(latency_ms)",
    "dyn(plate.text)", "dyn(latency_ms)", '"ABC123"', 'plate.normalized_text + "1"',
)  # fmt: skip
#: Thresholds of single plates; a list is asked with the last ones only.
_THRESHOLDS: Final = ("", ", 0.5", ", 0.75", ", 0.8399", ", 0.84", ", 0.9", ", 0.95", ", 1")
_FOR_LISTS: Final = ("", ", 0.84", ", 0.9", ", 0.95", ", 1.0")
_NUMBERS: Final = ("0.0", "0.5", "0.84", "0.9", "0.89996", "0.9166666666666666", "0.95", "1.0", "1")
#: What may be asked of the closest row.
_OF_CLOSEST: Final = (
    "{} != null", "{} == null", '{}.plate == "ABC123"', "{}.likeness > 0.95", "{}.likeness == 1.0",
    "{}.is_ambiguous", "!{}.is_ambiguous", '{}.note == "always"', "{}.note != null", "has({}.note)",
    '{}.note in ["now", "kept"]', "{}.valid_until == null", "{}.valid_until > time",
    "{0} != null && {0}.likeness < 1.0", "{0} == null || {0}.is_ambiguous",
    "cel.bind(c, {}, c != null && c.likeness > 0.95)",
    '({0} == null ? camera_id : {0}.plate) != "a"',
    '["AB1", "ABC123"].exists(p, {}.plate == p)', "tags.exists(time, {}.plate != time)",
)  # fmt: skip


@cache
def lists() -> dict[str, Watchlist]:
    """The lists of the other tests, and two of plates that are asked by likeness."""
    found = {name: watchlist(name) for name in NAMES}
    place = Place("rules.yaml")
    misread = Definition("misread", FILES / "misread.csv", place, threshold=0.85)
    patterns = Definition("patterns", FILES / "patterns.csv", place, threshold_column="least")
    for definition in (misread, patterns):
        result = read_watchlist(definition, UTC)
        assert result.watchlist is not None, result.faults
        found[definition.name] = result.watchlist
    return found


def compiled(text: str) -> Expression:
    """The expression over the plates' variables and the lists."""
    return compile_expression(text, VARIABLES, Lists(lists()), examples=EXAMPLES)


def pool(count: int, seed: int) -> list[Event]:
    """So many events with readings of plates, at times at which rows are in force and not."""
    chance = random.Random(seed)
    found = []
    for each in events(count, seed):
        texts = {"text": chance.choice(READINGS), "normalized_text": chance.choice(READINGS)}
        region = chance.choice((None, *READINGS))
        values = {**each.values, "plate": {**each.values["plate"], **texts, "region": region}}
        moment = NOON + chance.choice((timedelta(), timedelta(minutes=5), timedelta(days=-2)))
        found.append(Event(values, moment, b""))
    return found


def _put(form: str, *parts: tuple[str, ...]) -> st.SearchStrategy[str]:
    return st.tuples(*map(st.sampled_from, parts)).map(lambda values: form.format(*values))


_SIGNS: Final = (">", ">=", "<", "<=", "==", "!=")
_LISTS: Final = ("misread", "patterns", "dated", "plain", "empty")
LIKENESS: Final = st.one_of(
    _put('similar({}, "{}"{})', _KEYS, _PLATES, _THRESHOLDS),
    _put('similar({}, ["{}", "{}"]{})', _KEYS, _PLATES, _PLATES, _THRESHOLDS),
    _put('similar("{}", {}{})', _PLATES, _KEYS, _THRESHOLDS),
    _put("similar({}, {})", _KEYS, _KEYS),
    _put('likeness({}, "{}") {} {}', _KEYS, _PLATES, _SIGNS, _NUMBERS),
    _put('{} {} likeness("{}", {})', _NUMBERS, _SIGNS, _PLATES, _KEYS),
    _put('similar({}, watchlist("{}"){})', _KEYS, _LISTS, _FOR_LISTS),
    _put('{} in watchlist("{}")', _KEYS, _LISTS),
    _put('watchlist("{}").rows({}).size() > 0', _LISTS, _KEYS),
    _put('["{}", "W1"].exists(p, similar({}, p{}))', _PLATES, _KEYS, _THRESHOLDS),
    _put('tags.exists(t, similar(t, "{}") || similar({}, t))', _PLATES, _KEYS),
    _put('tags.exists(t, closest(watchlist("{}"), t) != null)', _LISTS),
    st.tuples(
        st.sampled_from(_OF_CLOSEST),
        _put('closest(watchlist("{}"), {}{})', _LISTS, _KEYS, _FOR_LISTS),
    ).map(lambda parts: parts[0].format(parts[1])),
)
CONDITIONS: Final = st.recursive(
    st.one_of(LIKENESS, LIKENESS, OTHERS),
    lambda inner: st.one_of(
        st.tuples(inner, inner).map("({0[0]} && {0[1]})".format),
        st.tuples(inner, inner).map("({0[0]} || {0[1]})".format),
        inner.map("!({})".format),
        st.tuples(inner, inner, inner).map("({0[0]} ? {0[1]} : {0[2]})".format),
        st.tuples(st.sampled_from(_KEYS), inner).map("({0[0]} != null && {0[1]})".format),
    ),
    max_leaves=5,
)
