"""Google's C++ implementation as a reference: conditions over `VARIABLES`, plain Python values out.

It knows records as protobuf messages only, so ours are maps to it: what a record means beyond a map
(`has()` of a null field, an absent record) is said in other words.
"""

from __future__ import annotations

import math
import re
import tomllib
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest

cel = pytest.importorskip(
    "cel_expr_python.cel", reason="cel-expr-python has no wheel for this platform"
)
ext_strings = pytest.importorskip("cel_expr_python.ext.ext_strings")
ext_math = pytest.importorskip("cel_expr_python.ext.ext_math")
ext_bindings = pytest.importorskip("cel_expr_python.ext.ext_bindings")

#: What an evaluation that failed gives.
ERROR = "error"
DIFFERENCES = tomllib.loads(
    Path(__file__).with_name("google_differences.toml").read_text(encoding="utf-8")
)["difference"]
_KNOWN = re.compile("|".join(row["pattern"] for row in DIFFERENCES))
_NULLS = {"direction": None, "lane": None, "quality_score": None, "seen": None}
_REWRITES = {
    "has(plate.region)": "(plate.region != null)",
    "has(extras.lane)": "(extras.lane != null)",
    "extras == null": "is_absent",
    # A datetime loses microseconds on its way in, and is no value of a map.
    "extras.seen": "(seen == null ? null : timestamp(seen))",
}
_TIME = re.compile(r"\btime\b")


def is_known(expression: str) -> bool:
    """Whether the two are known to differ on expressions like this."""
    return _KNOWN.search(expression) is not None


def google_answer(expression: str, event: dict[str, Any]) -> Any:
    """The value that Google's implementation gives, or `ERROR`."""
    for ours, theirs in _REWRITES.items():
        expression = expression.replace(ours, theirs)
    expression = _TIME.sub("timestamp(moment)", expression)
    is_absent = event["extras"] is None
    extras = dict(_NULLS if is_absent else event["extras"])
    seen = extras.pop("seen")
    more = {
        "is_absent": is_absent,
        "seen": seen and seen.isoformat(),
        "moment": event["time"].isoformat(),
    }
    compiled = _environment().compile(expression, disable_check=True)
    return _plain(compiled.eval(data=event | more | {"extras": extras, "time": None}))


@cache
def _environment() -> Any:
    string = cel.Type.STRING
    lower = cel.Overload("lower", string, [string], is_member=True, impl=str.lower)
    names = ["plate", "vehicle", "extras", "camera_id", "latency_ms", "is_test", "tags", "labels"]
    return cel.NewEnv(
        variables=dict.fromkeys([*names, *["is_absent", "seen", "moment", "time"]], cel.Type.DYN),
        extensions=[ext_strings.ExtStrings(), ext_math.ExtMath(), ext_bindings.ExtBindings()],
        functions=[cel.FunctionDecl("lower", [lower])],
    )


def _plain(value: Any) -> Any:
    if value.type() == cel.Type.ERROR:
        return ERROR
    return comparable(value.plain_value())


def comparable(value: Any) -> Any:
    """A value such that equal ones are the same: NaN is itself, times are in UTC."""
    match value:
        case float() if math.isnan(value):
            return "NaN"
        case datetime():
            return value.astimezone(UTC)
        case timedelta() | bool() | int() | float() | str() | bytes() | None:
            return value
        case list():
            return list(map(comparable, value))
    return value
