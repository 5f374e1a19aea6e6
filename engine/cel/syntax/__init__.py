"""Parses an expression: text to tokens to tree; and writes a tree as text again.

It never resolves a name or checks a type. Read `tree.py` first, then `parser.py`.
"""
