"""Turns a typed tree into closures: plain, obviously right, the reference of the generated code.

It never checks and never generates code; `lower` uses it for what it can't or may not write. Read
`plan.py` first, then `closures.py`.
"""
