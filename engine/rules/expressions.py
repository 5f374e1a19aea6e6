"""Compiles the expressions and templates of rule files.

A rule's `conditions` and `when` become one expression, all of whose parts must hold.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, tzinfo
from typing import Any, Final, TypeVar

from engine.cel import (
    Expression,
    Operator,
    Template,
    compile_condition,
    compile_expression,
    compile_template,
    conjunction,
)
from engine.cel.check.contradictions import find_conflict
from engine.cel.check.intervals import NO_INTERVALS, Intervals
from engine.cel.check.remedies import remedy_to_condition
from engine.cel.check.watchlists import MISSING_ROW, NO_LISTS, Lists
from engine.cel.condition import OF_LISTS
from engine.cel.syntax.examples import Examples
from engine.cel.syntax.tree import Node as CelNode
from engine.cel.types.kinds import with_article
from engine.cel.types.scope import dotted
from engine.errors import ExpressionError, Place, Problem, Severity
from engine.rules.faults import FaultCode, Faults, shown, suggestion
from engine.rules.keys import CONDITION
from engine.rules.nodes import (
    MappingNode,
    ScalarNode,
    SequenceNode,
    YamlNode,
    as_mapping,
    as_sequence,
    as_text,
    check_keys,
)
from engine.rules.values import INVALID, operand, threshold_of
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

MAX_CONDITIONS: Final = 500
_UNDER_WHEN: Final = "for all others write an expression under `when`"
_OPERATORS: Final = {
    **dict.fromkeys(("=", "==", "eq", "is"), Operator.EQUALS),
    **dict.fromkeys(("in", "one_of", "any_of"), Operator.IN_LIST),
    **dict.fromkeys((">", "gt", "above"), Operator.GREATER_THAN),
    **dict.fromkeys(("<", "lt", "below"), Operator.LESS_THAN),
    **dict.fromkeys(("like", "includes"), Operator.CONTAINS),
    **dict.fromkeys(("matches", "~", "=~"), Operator.REGEX),
    **dict.fromkeys(
        ("similar", "fuzzy", "like_plate", "near", "resembles", "alike", "approx", "~="),
        Operator.SIMILAR_TO,
    ),
    **dict.fromkeys(
        ("watchlist", "in_file", "on_watchlist", "on_list", "watchlists"), Operator.IN_WATCHLIST
    ),
    **dict.fromkeys(
        ("similar_in_list", "similar_in_file", "fuzzy_in_watchlist", "near_watchlist"),
        Operator.SIMILAR_IN_WATCHLIST,
    ),
}
#: Operators of other programs that have no counterpart here, as CEL expressions.
_SIGNS: Final = {
    **dict.fromkeys(("!=", "<>", "not", "ne", "not_equals", "is_not"), "… != …"),
    **dict.fromkeys((">=", "gte", "ge", "at_least", "from"), "… >= …"),
    **dict.fromkeys(("<=", "lte", "le", "at_most"), "… <= …"),
    **dict.fromkeys(("not_in", "not in", "not_in_list", "none_of"), "!(… in […])"),
    **dict.fromkeys(("not_contains", "excludes"), "!….contains(…)"),
    **dict.fromkeys(("not_regex", "!~", "not_matches"), "!….matches(…)"),
    **dict.fromkeys(("exists", "is_set", "is_not_null"), "… != null"),
    **dict.fromkeys(("is_null", "missing", "empty"), "… == null"),
    "between": "… >= … && … <= …",
    **dict.fromkeys(("not_in_watchlist", "not_on_watchlist"), "!(… in watchlist(…))"),
    **dict.fromkeys(("not_similar", "not_similar_to"), "!similar(…, …)"),
    **dict.fromkeys(("starts_with", "startswith", "begins_with", "prefix"), "….startsWith(…)"),
    **dict.fromkeys(("ends_with", "endswith", "suffix"), "….endsWith(…)"),
}
#: The operators of plates, each with that of a watchlist.
_BY_LIST: Final = {
    Operator.IN_LIST: Operator.IN_WATCHLIST,
    Operator.SIMILAR_TO: Operator.SIMILAR_IN_WATCHLIST,
}
#: Keys that join conditions in other programs.
_JOINERS: Final = frozenset({"all", "any", "and", "or", "not", "none", "all_of", "any_of"})
_LIST_FILE: Final = re.compile(r"\.(?:csv|txt|xlsx?|json|tsv)$", re.I)
_EITHER: Final = "all conditions must hold: for one or the other write `a || b` under `when`"
_OF_VALUES: Final = frozenset({Operator.EQUALS, Operator.IN_LIST})
_ITEMS: Final = "write each condition after `- `"


class Compiler:
    """Compiles expressions and templates against one event schema; equal texts are compiled once.

    `lists` are the watchlists and `intervals` the time intervals that expressions may name;
    messages show times in `zone`, the site's. Problems go to `faults`.
    """

    def __init__(
        self,
        schema: EventSchema,
        faults: Faults,
        lists: Lists = NO_LISTS,
        zone: tzinfo = UTC,
        intervals: Intervals = NO_INTERVALS,
    ) -> None:
        self.schema = schema
        self.zone = zone
        self._faults = faults
        self.lists = lists
        self.intervals = intervals
        self._template_variables: Mapping[str, FieldType] = {
            **schema.variables,
            **TEMPLATE_VARIABLES,
        }
        self._expressions: dict[str, Expression | ExpressionError] = {}
        self._templates: dict[str, Template | ExpressionError] = {}
        self._placeholders: dict[str, Expression] = {}

    def for_variables(self, variables: Mapping[str, FieldType]) -> Compiler:
        """A compiler of templates with these variables in place of an event's."""
        other = Compiler(self.schema, self._faults, self.lists, self.zone, self.intervals)
        other._template_variables = variables
        return other

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
                    text, self.schema.variables, self.lists, self.zone, EXAMPLES, self.intervals
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
                    self.intervals,
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
            _report_problems(compiled.problems, place_at, self._faults)
            return None
        warnings = compiled.warnings
        if is_guarded:
            warnings = tuple(each for each in warnings if each.code != MISSING_ROW)
        _report_problems(warnings, place_at, self._faults)
        return compiled


def read_condition(rule: MappingNode, compiler: Compiler, faults: Faults) -> Expression | None:
    """The rule's `conditions` and `when`, joined by &&; None and faults where one is wrong."""
    parts: list[Expression | None] = []
    if "conditions" in rule.values:
        parts += _conditions(rule.values["conditions"], compiler, faults)
    if "when" in rule.values:
        parts.append(read_when(rule.values["when"], compiler, faults))
    if not parts:
        key = rule.keys.get("conditions")
        faults.error(
            key.place if key is not None else rule.place,
            FaultCode.NO_CONDITION,
            "the rule has no conditions",
            "write `when: true` to match every event, or remove the rule",
        )
    good = [part for part in parts if part is not None]
    if not good or len(good) != len(parts):
        return None
    condition = conjunction(good)
    _warn_of_clash(rule, good, compiler, faults)
    if condition.fallback:
        key = rule.keys["when"] if "when" in rule.keys else rule.keys["conditions"]
        faults.warning(
            key.place,
            FaultCode.SLOW,
            f"this is evaluated step by step, several times slower: {condition.fallback}",
            "write fewer macros inside one another, or name the items",
        )
    # The fragment is needed to join expressions only, and takes a third of the memory.
    return replace(condition, fragment=None)


def _report_problems(
    problems: Sequence[Problem], place_at: Callable[[int], Place], faults: Faults
) -> None:
    """Adds the problems of an expression to `faults`; `place_at` gives the place of an offset."""
    for problem in problems:
        add = faults.warning if problem.severity is Severity.WARNING else faults.error
        add(place_at(problem.offset), problem.code, problem.what, problem.remedy)


def _warn_of_clash(
    rule: MappingNode, parts: Sequence[Expression], compiler: Compiler, faults: Faults
) -> None:
    """Warns of conditions that never hold together."""

    def type_of(node: CelNode) -> FieldType | None:
        name = dotted(node)
        return compiler.schema.field(name[0]) if name is not None else None

    found = find_conflict([part.root for part in parts], type_of)
    if found is None:
        return
    nodes = _nodes_of(rule)
    second = nodes[found.second]
    what, remedy = "this never holds together with the conditions before it", _EITHER
    if found.first is not None:
        first = nodes[found.first]
        what = f"this never holds together with the condition in line {first.place.line}"
        if all(_is_of_values(node) for node in (first, second)):
            remedy = "all conditions must hold: write one in_list for several values of a field"
    faults.warning(second.place, FaultCode.NEVER_TRUE, what, remedy)


def _nodes_of(rule: MappingNode) -> list[YamlNode]:
    """The node of each part of a rule's condition, in the order of `read_condition`."""
    conditions, when = rule.values.get("conditions"), rule.values.get("when")
    nodes = list(conditions.items) if isinstance(conditions, SequenceNode) else []
    return nodes if when is None else [*nodes, when]


def _is_of_values(node: YamlNode) -> bool:
    """Whether it is a condition by `equals` or `in_list`."""
    operator = node.values.get("operator") if isinstance(node, MappingNode) else None
    return isinstance(operator, ScalarNode) and operator.text in _OF_VALUES


def read_when(node: YamlNode, compiler: Compiler, faults: Faults) -> Expression | None:
    """A `when`, which must be true or false; None and faults where it is wrong."""
    scalar = as_text(node, "`when`", faults, _one_expression(node))
    if scalar is None:
        return None
    expression = compiler.expression(scalar)
    kind = expression.type if expression is not None else None
    if kind is None:
        return expression
    if kind.kind is Kind.BOOL:
        if kind.nullable:
            faults.warning(
                scalar.place_at(0),
                FaultCode.NULLABLE_CONDITION,
                "`when` may be null, which is neither true nor false",
                "compare it: … == true",
            )
        return expression
    faults.error(
        scalar.place_at(0),
        FaultCode.WRONG_TYPE,
        f"`when` must be true or false, but this is {with_article(kind)}",
        remedy_to_condition(kind),
    )
    return None


def _one_expression(node: YamlNode) -> str:
    """The remedy for a `when` that is a list or a mapping."""
    if isinstance(node, SequenceNode):
        return "write one expression, its parts joined with &&"
    if isinstance(node, MappingNode) and any(key.lower() in _JOINERS for key in node.keys):
        return "write one expression, its parts joined with && or ||, denied with !(…)"
    if isinstance(node, MappingNode) and "field" in node.values:
        return "write it as an item of a list under `conditions:`"
    return "put quotes around the whole expression"


def _conditions(node: YamlNode, compiler: Compiler, faults: Faults) -> list[Expression | None]:
    if node.is_null:
        return []
    remedy = "write an expression under `when:`" if isinstance(node, ScalarNode) else _ITEMS
    sequence = as_sequence(node, "`conditions`", faults, remedy)
    if sequence is None:
        return [None]
    if len(sequence.items) > MAX_CONDITIONS:
        faults.error(
            node.place,
            FaultCode.TOO_LARGE,
            f"the rule has more than {MAX_CONDITIONS} conditions",
            "use in_list for several values of a field",
        )
        return [None]
    return [_condition(item, compiler, faults) for item in sequence.items]


def _condition(node: YamlNode, compiler: Compiler, faults: Faults) -> Expression | None:
    is_text = isinstance(node, ScalarNode) and not node.is_null
    remedy = "write an expression under `when:`" if is_text else ""
    mapping = as_mapping(node, "a condition", faults, remedy)
    if mapping is None:
        return None
    if any(key.lower() in _JOINERS for key in mapping.keys):
        what = "a condition can't hold others: all conditions must hold"
        remedy = "write an expression under `when:`, with && and || and !(…)"
        faults.error(mapping.place, FaultCode.UNKNOWN_KEY, what, remedy)
        return None
    check_keys(mapping, CONDITION.names, CONDITION.title, faults)
    field = _required(mapping, "field", faults)
    operator = _operator(mapping, faults)
    value_node = mapping.values.get("value")
    if value_node is None:
        faults.error(
            mapping.place,
            FaultCode.MISSING_KEY,
            "the condition has no `value`",
            "add `value:`; null stands for an absent field",
        )
    if field is None or operator is None or value_node is None:
        return None
    field_type = compiler.schema.field(field.text)
    if _names_a_watchlist(value_node, operator, field.text, compiler, faults):
        return None
    value = operand(value_node, operator, field.text, field_type, faults)
    threshold = _threshold(mapping, operator, value_node, faults)
    if value is INVALID or threshold is INVALID:
        return None

    def place_at(offset: int) -> Place:
        if field_type is None:
            return field.place
        if isinstance(value_node, ScalarNode) and operator is Operator.REGEX:
            return value_node.place_at(offset)
        if isinstance(value_node, SequenceNode) and 0 < offset <= len(value_node.items):
            return value_node.items[offset - 1].place
        return value_node.place

    try:
        expression = compile_condition(
            field.text,
            operator,
            value,
            compiler.schema.variables,
            EXAMPLES,
            compiler.lists,
            threshold,
        )
    except ExpressionError as error:
        _report_problems([_under_when(each) for each in error.problems], place_at, faults)
        return None
    _report_problems(expression.warnings, place_at, faults)
    return expression


def _threshold(mapping: MappingNode, operator: Operator, value: YamlNode, faults: Faults) -> Any:
    """The threshold of a condition; None where it has none, INVALID and a fault for a bad one."""
    node = mapping.values.get("threshold")
    if node is None:
        return None
    is_of_list = operator in OF_LISTS or isinstance(value, SequenceNode)
    return threshold_of(node, operator, is_of_list=is_of_list, faults=faults)


def _under_when(problem: Problem) -> Problem:
    """The problem of a condition; a remedy that is an expression says that it goes under `when`."""
    is_call = problem.remedy.startswith("write ") and problem.remedy.endswith(")")
    remedy = f"{problem.remedy} in an expression under `when`"
    return replace(problem, remedy=remedy) if is_call else problem


def _names_a_watchlist(
    node: YamlNode, operator: Operator, field: str, compiler: Compiler, faults: Faults
) -> bool:
    """Whether the value names a watchlist or its file in place of plates, which is an error.

    A list with that name as its only item is a warning, and counts as values.
    """
    items = node.items if isinstance(node, SequenceNode) else [node]
    named = items[0] if len(items) == 1 else None
    if operator not in _BY_LIST or field not in EXAMPLES.keys or not isinstance(named, ScalarNode):
        return False
    name, is_only = named.text.strip(), isinstance(node, SequenceNode)
    if name in compiler.lists.known:
        compiler.lists.used.add(name)
        what = f"`{shown(name)}` is the name of a watchlist"
        remedy = f"use the operator {_BY_LIST[operator]}"
    elif _LIST_FILE.search(name) is not None and not is_only:
        what = f"the value of {operator} is a file, `{shown(name)}`"
        remedy = f"name it under `watchlists:`, and use the operator {_BY_LIST[operator]}"
    else:
        return False
    if is_only:
        faults.warning(named.place, FaultCode.AMBIGUOUS_VALUE, what, remedy)
    else:
        faults.error(named.place, FaultCode.WRONG_TYPE, what, remedy)
    return not is_only


def _remedy_of_operator(text: str) -> str:
    """The remedy for an operator of another program; "" for others."""
    name = text.strip().lower()
    if name in _SIGNS:
        return f"write `{_SIGNS[name]}` under `when`"
    found = _OPERATORS.get(name)
    return f"did you mean `{found}`?" if found is not None else ""


def _required(mapping: MappingNode, name: str, faults: Faults) -> ScalarNode | None:
    node = mapping.values.get(name)
    if node is not None:
        return as_text(node, f"`{name}`", faults)
    faults.error(
        mapping.place, FaultCode.MISSING_KEY, f"the condition has no `{name}`", f"add `{name}:`"
    )
    return None


def _operator(mapping: MappingNode, faults: Faults) -> Operator | None:
    scalar = _required(mapping, "operator", faults)
    if scalar is None:
        return None
    known = [str(operator) for operator in Operator]
    if scalar.text in known:
        return Operator(scalar.text)
    faults.error(
        scalar.place,
        FaultCode.BAD_VALUE,
        f"unknown operator `{shown(scalar.text)}`",
        _remedy_of_operator(scalar.text)
        or suggestion(scalar.text, known, f"the operators are {', '.join(known)}; {_UNDER_WHEN}"),
    )
    return None
