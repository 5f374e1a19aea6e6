"""The rule language: CEL, parsed by celpy's grammar, checked at load, run as generated Python.

It never reads rule files and never does I/O. Its packages are its stages, in this order: values,
syntax, types, check, interpret, lower. Read `expression.py` first: it leads through all of them.
"""

from __future__ import annotations

from engine.cel.condition import Operator, compile_condition
from engine.cel.expression import Expression, compile_expression, conjunction, evaluate
from engine.cel.template import Template, compile_template
from engine.cel.values.values import FailureKind

__all__ = [
    "Expression",
    "FailureKind",
    "Operator",
    "Template",
    "compile_condition",
    "compile_expression",
    "compile_template",
    "conjunction",
    "evaluate",
]
