"""Message templates: text with `{expression[:format]}` placeholders, compiled once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, tzinfo
from typing import Any, Final

from engine.cel.check.intervals import NO_INTERVALS, Intervals
from engine.cel.check.watchlists import NO_LISTS, Lists
from engine.cel.expression import Expression, compile_expression
from engine.cel.foreign_templates import STATEMENT, foreign_forms
from engine.cel.syntax.examples import NEUTRAL, Examples
from engine.cel.syntax.tokens import check_length, scan
from engine.cel.types.kinds import with_article
from engine.cel.values.text import text_of
from engine.cel.values.values import (
    CelMap,
    CelType,
    Duration,
    FailureKind,
    Timestamp,
    UInt,
    failure,
    to_datetime,
)
from engine.clock import is_utc, local_text, localise
from engine.errors import EvaluationError, ExpressionError, Problem, Severity
from engine.schema import CAPTURED_AT, FieldType, Kind

#: A dotted name that is the whole expression, as in most placeholders.
_PLAIN_PATH: Final = re.compile(r"[_a-zA-Z][_a-zA-Z0-9.]*(?=[}:])")
_WARNING: Final = Severity.WARNING
_STATEMENTS: Final = {
    "%": ("'{%' begins a statement of another language", STATEMENT),
    "#": ("'{#' begins a comment of another language", "remove it, or write it behind a # of YAML"),
}
_PIECES: Final = re.compile(r"\{\{|\}\}|\{|\}")
#: Types whose values a format takes as text.
_TEXTS: Final = frozenset({bool, bytes, list, dict, CelMap, CelType, Duration})
_MAX_WIDTH: Final = 1_000
_MAX_FORMAT: Final = 100
_SHOWN: Final = 40
# \d, for Python takes the digits of every alphabet as a width.
_NUMBER: Final = re.compile(r"\d+")
#: Formats that strftime fills in completely; it would keep an unknown `%x` as it is.
_TIME_FORMAT: Final = re.compile(
    r"(?=.*%[^%])(?:[^%]|%[-_0^#]?[aAbBcCdDeFfGgHhIjklmMnpPrRsStTuUVwWxXyYzZ]|%%)*", re.DOTALL
)
#: A value of each type to try a format on; other types are shown as text. Times are not tried.
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


@dataclass(frozen=True, slots=True, eq=False)
class Placeholder:
    """One `{expression[:format]}`; moments are shown in the time zone `zone`."""

    expression: Expression
    format_spec: str
    zone: tzinfo

    def render(self, bindings: Mapping[str, Any]) -> str:
        """The value's text, "" for null; EvaluationError if the evaluation or the format fails."""
        value = self.expression.run(bindings)
        if value is None:
            return ""
        if not self.format_spec:
            return _plain_text(value, self.zone)
        try:
            return format(_formatted(value, self.zone), self.format_spec)
        except (ValueError, TypeError, OverflowError) as error:
            raise failure(FailureKind.BAD_ARGUMENT, str(error)) from None


@dataclass(frozen=True, slots=True, eq=False)
class Template:
    """A compiled template; `fields` and `warnings` are those of all its expressions."""

    text: str
    fields: frozenset[str]
    warnings: tuple[Problem, ...]
    _parts: tuple[str | Placeholder, ...] = field(repr=False)

    @property
    def expressions(self) -> tuple[Expression, ...]:
        """The expressions of its placeholders, in their order."""
        return tuple(part.expression for part in self._parts if not isinstance(part, str))

    def render(self, bindings: Mapping[str, Any]) -> tuple[str, int]:
        """The text, and how many placeholders failed; `?` stands for each of those."""
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

    def failures(self, bindings: Mapping[str, Any]) -> list[tuple[str, EvaluationError]]:
        """The expressions of the placeholders that fail, each with its error."""
        found: list[tuple[str, EvaluationError]] = []
        for part in self._parts:
            if isinstance(part, str):
                continue
            try:
                part.render(bindings)
            except EvaluationError as error:
                found.append((part.expression.text, error))
        return found


def compile_template(
    text: str,
    variables: Mapping[str, FieldType],
    known: dict[str, Expression] | None = None,
    lists: Lists = NO_LISTS,
    zone: tzinfo = UTC,
    examples: Examples = NEUTRAL,
    intervals: Intervals = NO_INTERVALS,
) -> Template:
    """Compile a template; ExpressionError with the faults of all its placeholders.

    Offsets in the problems count from the start of the template. `known` is a cache of compiled
    expressions by their text, for templates with the same variables, names, zone and examples.
    Moments are shown in the time zone `zone`. `examples` are the names that messages show.
    """
    check_length(text, "the template")
    parts: list[str | Placeholder] = []
    texts: list[tuple[int, str]] = []
    read: list[tuple[int, FieldType | None]] = []
    problems: list[Problem] = []
    cache = {} if known is None else known
    placeholders = _Placeholders(text, variables, cache, lists, zone, examples, intervals)
    position = 0
    while (piece := _PIECES.search(text, position)) is not None:
        parts.append(text[position : piece.start()])
        texts.append((position, text[position : piece.start()]))
        position = piece.end()
        if piece[0] == "{":
            placeholder, position, found = placeholders.read(position)
            problems.extend(found)
            if placeholder is not None:
                parts.append(placeholder)
                read.append((piece.start(), placeholder.expression.type))
        elif piece[0] == "}":
            what = "a '}' without a '{'"
            problems.append(Problem(piece.start(), "syntax", what, "write '}}' for a brace"))
        else:
            parts.append(piece[0][0])
    parts.append(text[position:])
    texts.append((position, text[position:]))
    if problems:
        raise ExpressionError(tuple(problems))
    odd = foreign_forms(text, texts, read, variables, placeholders.fault_of, examples)
    return _template(text, parts, sorted(odd, key=lambda each: each.offset))


def _template(text: str, parts: list[str | Placeholder], odd: Iterable[Problem] = ()) -> Template:
    expressions = [part.expression for part in parts if isinstance(part, Placeholder)]
    fields = frozenset[str]().union(*(each.fields for each in expressions))
    warnings = (*odd, *(warning for each in expressions for warning in each.warnings))
    return Template(text, fields, warnings, tuple(part for part in parts if part != ""))


class _Placeholders:
    """Reads the placeholders of one template."""

    def __init__(
        self,
        text: str,
        variables: Mapping[str, FieldType],
        known: dict[str, Expression],
        lists: Lists,
        zone: tzinfo,
        examples: Examples,
        intervals: Intervals,
    ) -> None:
        self._intervals: Final = intervals
        self._text: Final = text
        self._variables: Final = variables
        self._known: Final = known
        self._lists: Final = lists
        self._zone: Final = UTC if is_utc(zone) else zone
        self._examples: Final = examples

    def read(self, start: int) -> tuple[Placeholder | None, int, Sequence[Problem]]:
        """The placeholder that begins at `start`, the offset after its brace, and the problems.

        With a problem there is no placeholder.
        """
        text = self._text
        sign = text[start : start + 1]
        if sign in _STATEMENTS:
            what, remedy = _STATEMENTS[sign]
            return None, self._after(start), (Problem(start, "syntax", what, remedy),)
        try:
            end = self._end(start)
        except ExpressionError as error:
            return None, self._after(start), error.problems
        source = text[start:end].strip()
        if not source:
            what = "a placeholder without an expression"
            field = f"{{{self._examples.plain}}}"
            remedy = f"name a field, such as {field}; write '{{{{' for a brace"
            problem = Problem(start, "syntax", what, remedy)
            return None, self._after(end), (problem,)
        closed = _closing(text, end)
        if closed < 0:
            problem = Problem(start - 1, "syntax", "a placeholder is not closed", "end it with '}'")
            return None, self._after(end), (problem,)
        format_spec = text[end + 1 : closed] if text[end] == ":" else ""
        try:
            expression = self._expression(source, text.index(source, start))
        except ExpressionError as error:
            more = check_format(format_spec, None, end + 1)
            return None, closed + 1, (*error.problems, *more)
        problems = check_format(format_spec, expression.type, end + 1)
        if problems:
            return None, closed + 1, problems
        expression = _warned(expression, source, start, self._examples)
        # The event's own time reads as the producer sent it: ISO 8601, also of an Avro timestamp.
        is_as_sent = source.strip() == CAPTURED_AT and not format_spec
        return (
            Placeholder(expression, format_spec, UTC if is_as_sent else self._zone),
            closed + 1,
            (),
        )

    def fault_of(self, source: str) -> str:
        """The remedy (or the fault) of this text read as an expression; "" if it has none."""
        try:
            self._expression(source, 0)
        except ExpressionError as error:
            return error.problems[0].remedy or error.problems[0].what
        return ""

    def _after(self, position: int) -> int:
        """The offset at which reading goes on after a fault."""
        closed = self._text.find("}", position)
        return len(self._text) if closed < 0 else closed + 1

    def _end(self, start: int) -> int:
        """The offset at which the expression ends that begins at `start`."""
        plain = _PLAIN_PATH.match(self._text, start)
        if plain is not None:
            return plain.end()
        tokens, end = scan(self._text, start, self._examples, is_placeholder=True)
        return end if tokens else start

    def _expression(self, source: str, offset: int) -> Expression:
        """The expression of that text at `offset` of the template."""
        found = self._known.get(source)
        if found is None:
            try:
                found = compile_expression(
                    source,
                    self._variables,
                    self._lists,
                    self._zone,
                    self._examples,
                    self._intervals,
                )
            except ExpressionError as error:
                raise ExpressionError(_moved(error.problems, offset)) from None
            self._known[source] = found
        return replace(found, warnings=_moved(found.warnings, offset)) if found.warnings else found


def _moved(problems: Sequence[Problem], offset: int) -> tuple[Problem, ...]:
    return tuple(replace(problem, offset=problem.offset + offset) for problem in problems)


def _warned(expression: Expression, source: str, offset: int, examples: Examples) -> Expression:
    """The expression, with a warning where it is a whole record or a number."""
    kind = expression.type
    if source.isdigit():
        what = f"the number {source} is shown, whatever the event is"
        remedy = f"name a field, such as {{{examples.plain}}}"
        problem = Problem(offset, "odd-value", what, remedy, _WARNING)
        return replace(expression, warnings=(*expression.warnings, problem))
    if kind is None or kind.kind is not Kind.RECORD or not kind.fields:
        return expression
    names = ", ".join(f"{source}.{name}" for name in kind.fields)
    what = "a whole record is shown with all its fields"
    problem = Problem(offset, "odd-value", what, f"name those that matter: {names}", _WARNING)
    return replace(expression, warnings=(*expression.warnings, problem))


def _closing(text: str, start: int) -> int:
    """The offset of the brace that closes the placeholder; -1 if there is none."""
    depth = 0
    for position in range(start, len(text)):
        if text[position] == "{":
            depth += 1
        elif text[position] == "}":
            if depth == 0:
                return position
            depth -= 1
    return -1


def _formatted(value: Any, zone: tzinfo) -> Any:
    """The Python value that a format spec is applied to."""
    kind = type(value)
    if kind is Timestamp:
        return localise(to_datetime(value), zone)
    if kind is UInt:
        return int(value)
    if kind in _TEXTS:
        return _plain_text(value, zone)
    return value


def _plain_text(value: Any, zone: tzinfo) -> str:
    kind = type(value)
    if kind is str:
        return value  # type: ignore[no-any-return]
    if kind is float:
        return repr(value)
    if kind is Timestamp and zone is not UTC:
        return local_text(to_datetime(value), zone)
    return text_of(value)


def check_format(spec: str, kind: FieldType | None, offset: int) -> Sequence[Problem]:
    """The problem with the format at `offset` for a value of this type; None is any type."""
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
