"""What the engine is measured against: rules evaluated in turn, as is done without it.

Each matcher takes rules as their file has them, and gives the ids of those that hold. Of the ways
in which a library can be used, each is used in its fastest: programs compiled once, an event's
values converted once for all rules, a long list as a function that probes a Python set (a variable
would be converted for each event, which takes them 60 ms and more).
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

import celpy
import pytest
from celpy.adapter import json_to_cel
from celpy.celtypes import BoolType, StringType
from lark import Tree

from benchmarks.mixed_rules import LISTED, as_cel, listed_plates
from engine.bench.rule_sets import PlainRule


def _field(event: Mapping[str, Any], path: str) -> Any:
    value: Any = event
    for name in path.split("."):
        if not isinstance(value, Mapping):
            return None
        value = value.get(name)
    return value


_OPERATORS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "equals": lambda actual, wanted: str(actual).lower() == str(wanted).lower(),
    "contains": lambda actual, wanted: str(wanted).lower() in str(actual).lower(),
    "regex": lambda actual, wanted: re.search(wanted, str(actual), re.IGNORECASE) is not None,
    "in_list": lambda actual, wanted: (
        str(actual).lower() in [str(value).lower() for value in wanted]
    ),
    "greater_than": lambda actual, wanted: float(actual) > float(wanted),
    "less_than": lambda actual, wanted: float(actual) < float(wanted),
}


class PlainMatcher:
    """A plain Python consumer's loop: each rule a dict, each operator a function of a dict."""

    def __init__(self, rules: Sequence[PlainRule]) -> None:
        self._rules: list[dict[str, Any]] = [
            {
                "id": rule.rule_id,
                "conditions": [
                    {"field": each.field, "operator": each.operator, "value": each.value}
                    for each in rule.conditions
                ],
            }
            for rule in rules
        ]

    def match(self, event: Mapping[str, Any]) -> list[str]:
        """The ids of the rules that hold, in their order."""
        return [rule["id"] for rule in self._rules if self._holds(rule["conditions"], event)]

    def _holds(self, conditions: list[dict[str, Any]], event: Mapping[str, Any]) -> bool:
        for condition in conditions:
            actual = _field(event, condition["field"])
            if actual is None:
                return False
            if not _OPERATORS[condition["operator"]](actual, condition["value"]):
                return False
        return True


def celpy_programs(texts: Iterable[str], functions: dict[str, Any] | None = None) -> list[Any]:
    """The texts as programs of celpy's interpreter, with these functions."""
    limit = sys.getrecursionlimit()
    try:
        environment = celpy.Environment(runner_class=celpy.InterpretedRunner)
        # Its parser is one for the process, made for whichever runner came first.
        celpy.celparser.CELParser.CEL_PARSER = None
        celpy.celparser.CELParser(tree_class=Tree)
        return [environment.program(environment.compile(text), functions) for text in texts]
    finally:
        # It sets the process's.
        sys.setrecursionlimit(limit)


class CelpyMatcher:
    """celpy's interpreter, in Python."""

    def __init__(self, rules: Sequence[PlainRule]) -> None:
        plates = {*map(StringType, listed_plates(rules))}
        functions = {LISTED: lambda plate: BoolType(plate in plates)}
        programs = celpy_programs(map(as_cel, rules), functions)
        self._programs = list(zip((rule.rule_id for rule in rules), programs, strict=True))

    def match(self, event: Mapping[str, Any]) -> list[str]:
        """The ids of the rules that hold, in their order."""
        activation = {name: json_to_cel(value) for name, value in event.items()}
        return [rule_id for rule_id, program in self._programs if program.evaluate(activation)]


class GoogleMatcher:
    """cel-expr-python: Google's implementation in C++; skips where it is not installed."""

    def __init__(self, rules: Sequence[PlainRule]) -> None:
        cel = pytest.importorskip("cel_expr_python.cel", reason="no cel-expr-python here")
        is_listed = {*listed_plates(rules)}.__contains__
        takes = [cel.Type.STRING]
        overload = cel.Overload(LISTED, cel.Type.BOOL, takes, is_member=False, impl=is_listed)
        self._environment = cel.NewEnv(
            variables=dict.fromkeys(("plate", "camera_id"), cel.Type.DYN),
            functions=[cel.FunctionDecl(LISTED, [overload])],
        )
        self._programs = [(rule.rule_id, self._environment.compile(as_cel(rule))) for rule in rules]

    def match(self, event: Mapping[str, Any]) -> list[str]:
        """The ids of the rules that hold, in their order."""
        values = {"plate": event["plate"], "camera_id": event["camera_id"]}
        activation = self._environment.Activation(values)
        return [rule_id for rule_id, program in self._programs if program.eval(activation).value()]


class RustMatcher:
    """common-expression-language: the Rust implementation; skips where it is not installed."""

    def __init__(self, rules: Sequence[PlainRule]) -> None:
        cel = pytest.importorskip("cel", reason="`pip install common-expression-language`")
        self._programs = [(rule.rule_id, cel.compile(as_cel(rule))) for rule in rules]
        self._context = cel.Context(functions={LISTED: {*listed_plates(rules)}.__contains__})

    def match(self, event: Mapping[str, Any]) -> list[str]:
        """The ids of the rules that hold, in their order."""
        context = self._context
        context.update({"plate": event["plate"], "camera_id": event["camera_id"]})
        return [rule_id for rule_id, program in self._programs if program.execute(context)]
