"""CEL's values and functions on plain Python values.

Nothing here knows of trees, types or rules. Read `values.py` first.
"""
