"""The formats of placeholders: Python's format specs, checked for the type of the value."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

from engine.cel.kinds import with_article
from engine.errors import Problem
from engine.schema import FieldType, Kind

_MAX_WIDTH: Final = 1_000
_MAX_FORMAT: Final = 100
_SHOWN: Final = 40
# Python takes the digits of every alphabet for a width.
_NUMBER: Final = re.compile(r"\d+")
#: What strftime fills in; it passes everything else on as it is, a forgotten `%` too.
_TIME_FORMAT: Final = re.compile(
    r"(?=.*%[^%])(?:[^%]|%[-_0^#]?[aAbBcCdDeFfGgHhIjklmMnpPrRsStTuUVwWxXyYzZ]|%%)*", re.DOTALL
)
#: A value of each type, to try a format on; all other types are shown as text.
_SAMPLES: Final[dict[Kind, Any]] = {
    Kind.STRING: "text",
    Kind.INT: 7,
    Kind.UINT: 7,
    Kind.DOUBLE: 0.5,
    Kind.TIMESTAMP: None,
}
_EXAMPLES: Final[dict[Kind, str]] = {
    Kind.INT: ">6, 04d or ,d",
    Kind.UINT: ">6, 04d or ,d",
    Kind.DOUBLE: ".2f, .1% or >8",
    Kind.TIMESTAMP: "%H:%M",
}
_TEXT_EXAMPLE: Final = ">10 or .20"
_EXAMPLE: Final = ".2f, .1%, >10 or, for a time, %H:%M"


def check_format(spec: str, kind: FieldType | None, offset: int) -> Sequence[Problem]:
    """What is wrong with the format at `offset` of a value of this type; None is any type."""
    if not spec:
        return ()
    what = _fault(spec, kind)
    if not what:
        return ()
    example = _EXAMPLE if kind is None else _EXAMPLES.get(kind.kind, _TEXT_EXAMPLE)
    remedy = f"write for instance {example}"
    is_text = kind is not None and kind.kind is Kind.STRING
    if is_text and _TIME_FORMAT.fullmatch(spec) is not None:
        remedy = f"write {{time:{spec}}} for the event's instant"
    return (Problem(offset, "bad-format", what, remedy),)


def _fault(spec: str, kind: FieldType | None) -> str:
    is_time = kind is not None and kind.kind is Kind.TIMESTAMP
    shown = spec if len(spec) <= _SHOWN else f"{spec[:_SHOWN]}…"
    if "{" in spec or "}" in spec:
        return f"the format '{shown}' holds braces"
    is_wide = not is_time and any(
        int(each) > _MAX_WIDTH for each in _NUMBER.findall(spec[:_MAX_FORMAT])
    )
    if is_wide or len(spec) > _MAX_FORMAT:
        return f"the format '{shown}' is too wide"
    kinds = tuple(_SAMPLES) if kind is None else (kind.kind,)
    if any(_takes(each, spec) for each in kinds):
        return ""
    name = f" for {with_article(kind)}" if kind is not None else ""
    return f"'{shown}' is not a format{name}"


def _takes(kind: Kind, spec: str) -> bool:
    if kind is Kind.TIMESTAMP:
        return _TIME_FORMAT.fullmatch(spec) is not None
    try:
        format(_SAMPLES.get(kind, "text"), spec)
    except ValueError:
        return False
    return True
