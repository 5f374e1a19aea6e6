"""CEL's values as Python values, and what CEL's operators and functions do with them.

It never sees an expression, a declared type or a rule. Read `values.py` first.
"""
