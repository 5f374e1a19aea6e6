"""celpy's interpreter as a reference: plain Python values in and out.

Only `InterpretedRunner` is one; celpy's compiled runner differs from CEL in many more ways.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import celpy
from celpy import adapter, celtypes

from engine.cel.values.values import UInt

#: What an evaluation that failed gives; CEL does not say with which error.
ERROR = "error"


def celpy_answer(expression: str, bindings: Mapping[str, Any] | None = None) -> Any:
    """The value that celpy's interpreter gives, or `ERROR`."""
    environment = _environment()
    try:
        program = environment.program(environment.compile(expression))
        activation = {name: adapter.json_to_cel(value) for name, value in (bindings or {}).items()}
        return _plain(program.evaluate(activation))
    except Exception:  # celpy fails with whatever Python's types raise
        return ERROR


@cache
def _environment() -> Any:
    # Making one raises the process's recursion limit.
    limit = sys.getrecursionlimit()
    try:
        return celpy.Environment(runner_class=celpy.InterpretedRunner)
    finally:
        sys.setrecursionlimit(limit)


def _plain(value: Any) -> Any:
    match value:
        case None:
            return None
        case celtypes.BoolType():
            return bool(value)
        case celtypes.UintType():
            return UInt(value)
        case celtypes.IntType():
            return int(value)
        case celtypes.DoubleType():
            return float(value)
        case celtypes.StringType():
            return str(value)
        case celtypes.BytesType():
            return bytes(value)
        case celtypes.ListType():
            return [_plain(item) for item in value]
        case celtypes.MapType():
            return {_plain(key): _plain(item) for key, item in value.items()}
        case celtypes.TimestampType():
            return datetime.fromisoformat(value.isoformat()).astimezone(UTC)
        case celtypes.DurationType():
            return timedelta(seconds=value.total_seconds())
    return value
