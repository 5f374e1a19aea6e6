"""Expressions as plain Python functions, generated once when they are compiled.

A function is the quick way only: it gives the value, or it gives up, and then the closures of
`plan.py` decide, with whatever error is due. So it may give up too often, never give a wrong value.
"""

from __future__ import annotations

from engine.cel.lower.code import Fragment
from engine.cel.lower.function import LoweredFunction, join, lower

__all__ = ["Fragment", "LoweredFunction", "join", "lower"]
