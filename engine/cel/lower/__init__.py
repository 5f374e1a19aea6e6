"""Turns a typed tree into a Python function: generated once, fast, what rules run as.

A generated function never raises an evaluation error and never returns a wrong value: where it
can't return the right one it gives up, and the interpreter is asked. Read `translator.py` first,
then `fragments.py`.
"""

from __future__ import annotations

from engine.cel.lower.fragments import Fragment
from engine.cel.lower.translator import LoweredFunction, join, lower

__all__ = ["Fragment", "LoweredFunction", "join", "lower"]
