"""Compiles the expressions and templates of rule files, and reports problems with their places."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, tzinfo
from typing import Final, TypeVar

from engine.cel import Expression, Template, compile_expression, compile_template
from engine.cel.check.watchlists import MISSING_ROW, NO_LISTS, Lists
from engine.cel.syntax.examples import Examples
from engine.errors import ExpressionError, Place, Problem, Severity
from engine.rules.faults import Faults
from engine.rules.node import ScalarNode
from engine.schema import (
    CAMERA_ID,
    NORMALIZED_PLATE,
    PLATE_TEXT,
    EventSchema,
    FieldType,
    Kind,
)

#: The names that messages about expressions show.
EXAMPLES: Final = Examples(
    text=PLATE_TEXT,
    plain=CAMERA_ID,
    condition="plate.region",
    keys=(NORMALIZED_PLATE, PLATE_TEXT),
    watchlist="stolen",
)
_STRING: Final = FieldType(Kind.STRING)
TEMPLATE_VARIABLES: Final[Mapping[str, FieldType]] = {
    "rule": FieldType(Kind.RECORD, fields=dict.fromkeys(("id", "name", "priority"), _STRING)),
    "suppressed_count": FieldType(Kind.INT),
}

_Compiled = TypeVar("_Compiled", Expression, Template)


class Compiler:
    """Compiles expressions and templates against one event schema; equal texts are compiled once.

    `lists` are the watchlists that expressions may name; messages show times in `zone`, the site's.
    Problems go to `faults`.
    """

    def __init__(
        self,
        schema: EventSchema,
        faults: Faults,
        lists: Lists = NO_LISTS,
        zone: tzinfo = UTC,
    ) -> None:
        self.schema = schema
        self.zone = zone
        self._faults = faults
        self.lists = lists
        self._template_variables = {**schema.variables, **TEMPLATE_VARIABLES}
        self._expressions: dict[str, Expression | ExpressionError] = {}
        self._templates: dict[str, Template | ExpressionError] = {}
        self._placeholders: dict[str, Expression] = {}

    def expression(self, scalar: ScalarNode) -> Expression | None:
        """The compiled expression of a scalar, or None and its faults."""
        return self._reported(self._expression(scalar.text), scalar.place_at)

    def key(self, scalar: ScalarNode) -> Expression | None:
        """The same for a `dedup_key`, without warnings of watchlist rows that may be missing.

        It is evaluated only where the rule's condition holds, which may ask for the row.
        """
        return self._reported(self._expression(scalar.text), scalar.place_at, is_guarded=True)

    def default_expression(self, text: str, place: Place) -> Expression | None:
        """The compiled expression of a default text, whose faults are reported at `place`."""
        return self._reported(self._expression(text), lambda offset: place)

    def template(self, scalar: ScalarNode) -> Template | None:
        """The compiled template of a scalar, or None and its faults."""
        return self._reported(self._template(scalar.text), scalar.place_at, is_guarded=True)

    def default_template(self, text: str, place: Place) -> Template | None:
        """The compiled template of a default text, whose faults are reported at `place`."""
        return self._reported(self._template(text), lambda offset: place)

    def _expression(self, text: str) -> Expression | ExpressionError:
        found = self._expressions.get(text)
        if found is None:
            try:
                found = compile_expression(
                    text, self.schema.variables, self.lists, self.zone, EXAMPLES
                )
            except ExpressionError as error:
                found = error
            self._expressions[text] = found
        return found

    def _template(self, text: str) -> Template | ExpressionError:
        found = self._templates.get(text)
        if found is None:
            try:
                found = compile_template(
                    text,
                    self._template_variables,
                    self._placeholders,
                    self.lists,
                    self.zone,
                    EXAMPLES,
                )
            except ExpressionError as error:
                found = error
            self._templates[text] = found
        return found

    def _reported(
        self,
        compiled: _Compiled | ExpressionError,
        place_at: Callable[[int], Place],
        *,
        is_guarded: bool = False,
    ) -> _Compiled | None:
        if isinstance(compiled, ExpressionError):
            report_problems(compiled.problems, place_at, self._faults)
            return None
        warnings = compiled.warnings
        if is_guarded:
            warnings = tuple(each for each in warnings if each.code != MISSING_ROW)
        report_problems(warnings, place_at, self._faults)
        return compiled


def report_problems(
    problems: Sequence[Problem], place_at: Callable[[int], Place], faults: Faults
) -> None:
    """Adds the problems of an expression to `faults`; `place_at` gives the place of an offset."""
    for problem in problems:
        add = faults.warning if problem.severity is Severity.WARNING else faults.error
        add(place_at(problem.offset), problem.code, problem.what, problem.remedy)
