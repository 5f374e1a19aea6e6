"""The rule language: CEL parsed by celpy's grammar, checked at load, run as generated Python."""

from __future__ import annotations

from engine.cel.condition import Operator, lower_condition
from engine.cel.evaluate import evaluate
from engine.cel.expression import Expression, compile_expression, conjunction
from engine.cel.template import Template, compile_template
from engine.cel.values.values import FailureKind

__all__ = [
    "Expression",
    "FailureKind",
    "Operator",
    "Template",
    "compile_expression",
    "compile_template",
    "conjunction",
    "evaluate",
    "lower_condition",
]
