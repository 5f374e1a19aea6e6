"""Message templates: text with `{expression[:format]}` placeholders, compiled once.

The expressions are CEL, checked like conditions; the formats are Python's format specs for the
values' types. Nothing of a template is ever evaluated by Python.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final

from engine.cel.expression import Expression, compile_expression
from engine.cel.failures import Failure, failure
from engine.cel.lists import NO_LISTS, Lists
from engine.cel.text_format import text_of
from engine.cel.tokens import check_length, scan
from engine.cel.values import CelMap, CelType, Duration, Timestamp, UInt, to_datetime
from engine.errors import EvaluationError, ExpressionError, Problem
from engine.schema import FieldType, Kind

_MAX_WIDTH: Final = 1_000
_MAX_FORMAT: Final = 100
# Python takes the digits of every alphabet for a width.
_NUMBER: Final = re.compile(r"\d+")
#: What strftime fills in; it passes everything else on as it is, a forgotten `%` too.
_TIME_FORMAT: Final = re.compile(
    r"(?=.*%[^%])(?:[^%]|%[-_0^#]?[aAbBcCdDeFfGgHhIjklmMnpPrRsStTuUVwWxXyYzZ]|%%)*", re.DOTALL
)
#: What most placeholders hold; the sign behind it is not part of a longer expression.
_PLAIN_PATH: Final = re.compile(r"[_a-zA-Z][_a-zA-Z0-9.]*(?=[}:])")
_PIECES: Final = re.compile(r"\{\{|\}\}|\{|\}")
#: A value of each type, to try a format on.
_SAMPLES: Final[dict[Kind, Any]] = {
    Kind.STRING: "text",
    Kind.INT: 7,
    Kind.DOUBLE: 0.5,
    Kind.BOOL: "true",
    Kind.TIMESTAMP: datetime(2025, 1, 1, tzinfo=UTC),
}


@dataclass(frozen=True, slots=True, eq=False)
class Placeholder:
    """One `{expression[:format]}`."""

    expression: Expression
    format_spec: str

    def render(self, bindings: Mapping[str, Any]) -> str:
        """The value's text, "" for null; EvaluationError when there is none."""
        value = self.expression.run(bindings)
        if value is None:
            return ""
        if not self.format_spec:
            return _plain_text(value)
        try:
            return format(_formatted(value), self.format_spec)
        except (ValueError, TypeError, OverflowError) as error:
            raise failure(Failure.BAD_ARGUMENT, str(error)) from None


@dataclass(frozen=True, slots=True, eq=False)
class Template:
    """A compiled template; `fields` and `warnings` are those of all its expressions."""

    text: str
    fields: frozenset[str]
    warnings: tuple[Problem, ...]
    _parts: tuple[str | Placeholder, ...] = field(repr=False)

    def render(self, bindings: Mapping[str, Any]) -> tuple[str, int]:
        """The message, and how many placeholders failed; those read `?`."""
        texts: list[str] = []
        failed = 0
        for part in self._parts:
            if isinstance(part, str):
                texts.append(part)
                continue
            try:
                texts.append(part.render(bindings))
            except EvaluationError:
                texts.append("?")
                failed += 1
        return "".join(texts), failed


def compile_template(
    text: str,
    variables: Mapping[str, FieldType],
    known: dict[str, Expression] | None = None,
    lists: Lists = NO_LISTS,
) -> Template:
    """Compile a template; ExpressionError with the faults of all its placeholders.

    Offsets in the problems count from the start of the template. `known` keeps the expressions of
    placeholders from one template to the next: many rules have the same few. It must be used with
    the same variables and lists only.
    """
    check_length(text, "the template")
    parts: list[str | Placeholder] = []
    problems: list[Problem] = []
    placeholders = _Placeholders(text, variables, {} if known is None else known, lists)
    position = 0
    while (piece := _PIECES.search(text, position)) is not None:
        parts.append(text[position : piece.start()])
        position = piece.end()
        if piece[0] == "{":
            try:
                placeholder, position = placeholders.read(position)
                parts.append(placeholder)
            except ExpressionError as error:
                problems.extend(error.problems)
                closed = text.find("}", position)
                position = len(text) if closed < 0 else closed + 1
        elif piece[0] == "}":
            what = "a '}' without a '{'"
            problems.append(Problem(piece.start(), "syntax", what, "write '}}' for a brace"))
        else:
            parts.append(piece[0][0])
    parts.append(text[position:])
    if problems:
        raise ExpressionError(tuple(problems))
    return _template(text, parts)


def _template(text: str, parts: list[str | Placeholder]) -> Template:
    expressions = [part.expression for part in parts if isinstance(part, Placeholder)]
    fields = frozenset[str]().union(*(each.fields for each in expressions))
    warnings = tuple(warning for each in expressions for warning in each.warnings)
    return Template(text, fields, warnings, tuple(part for part in parts if part != ""))


class _Placeholders:
    """Reads the placeholders of one template."""

    def __init__(
        self,
        text: str,
        variables: Mapping[str, FieldType],
        known: dict[str, Expression],
        lists: Lists,
    ) -> None:
        self._text: Final = text
        self._variables: Final = variables
        self._known: Final = known
        self._lists: Final = lists

    def read(self, start: int) -> tuple[Placeholder, int]:
        """The placeholder that begins at `start`, and the offset behind its brace."""
        text = self._text
        end = self._end(start)
        source = text[start:end].strip()
        if not source:
            what = "a placeholder without an expression"
            raise ExpressionError((Problem(start, "syntax", what, "write '{{' for a brace"),))
        closed = text.find("}", end)
        if closed < 0:
            what = "a placeholder is not closed"
            raise ExpressionError((Problem(start - 1, "syntax", what, "end it with '}'"),))
        expression = self._expression(source, text.index(source, start))
        format_spec = text[end + 1 : closed] if text[end] == ":" else ""
        _check_format(format_spec, expression.type, end + 1)
        return Placeholder(expression, format_spec), closed + 1

    def _end(self, start: int) -> int:
        """Where the expression ends that begins at `start`."""
        plain = _PLAIN_PATH.match(self._text, start)
        if plain is not None:
            return plain.end()
        tokens, end = scan(self._text, start, is_placeholder=True)
        return end if tokens else start

    def _expression(self, source: str, offset: int) -> Expression:
        """The expression of that text, with its problems' offsets counted in the template."""
        found = self._known.get(source)
        if found is None:
            try:
                found = compile_expression(source, self._variables, self._lists)
            except ExpressionError as error:
                raise ExpressionError(_moved(error.problems, offset)) from None
            self._known[source] = found
        return replace(found, warnings=_moved(found.warnings, offset)) if found.warnings else found


def _moved(problems: Sequence[Problem], offset: int) -> tuple[Problem, ...]:
    return tuple(replace(problem, offset=problem.offset + offset) for problem in problems)


def _check_format(spec: str, kind: FieldType | None, offset: int) -> None:
    if not spec:
        return
    is_time = kind is not None and kind.kind is Kind.TIMESTAMP
    is_wide = not is_time and any(int(each) > _MAX_WIDTH for each in _NUMBER.findall(spec[:100]))
    if "{" in spec or is_wide or len(spec) > _MAX_FORMAT:
        what = f"the format '{spec[:40]}' is too wide or holds braces"
        raise ExpressionError((Problem(offset, "bad-format", what, "write for instance >10"),))
    if is_time and _TIME_FORMAT.fullmatch(spec) is None:
        what = f"'{spec[:40]}' is not a format for a timestamp"
        raise ExpressionError((Problem(offset, "bad-format", what, "write for instance %H:%M"),))
    samples = list(_SAMPLES.values()) if kind is None else [_SAMPLES.get(kind.kind, "text")]
    reasons: list[str] = []
    for sample in samples:
        try:
            format(sample, spec)
        except ValueError as error:
            reasons.append(str(error))
        else:
            return
    name = f" for a {kind.kind}" if kind is not None else ""
    what = f"'{spec[:40]}' is not a format{name}: {reasons[0]}"
    remedy = "write for instance .2f, .1%, >10 or, for a time, %H:%M"
    raise ExpressionError((Problem(offset, "bad-format", what, remedy),))


def _formatted(value: Any) -> Any:
    """The value that a format spec is applied to."""
    kind = type(value)
    if kind is Timestamp:
        return to_datetime(value)
    if kind is UInt:
        return int(value)
    if kind in _TEXTS:
        return _plain_text(value)
    return value


_TEXTS: Final = frozenset({bool, bytes, list, dict, CelMap, CelType, Duration})


def _plain_text(value: Any) -> str:
    kind = type(value)
    if kind is str:
        return value  # type: ignore[no-any-return]
    if kind is float:
        return repr(value)
    return text_of(value)
