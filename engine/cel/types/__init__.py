"""Types, scopes of names, the table of functions, and the typed tree with its problems.

It never checks or evaluates an expression. Read `kinds.py` first, then `functions.py`.
"""
