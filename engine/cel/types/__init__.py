"""The types of values, the scope of names, the table of functions, and what a check finds.

Nothing is checked or evaluated here. Read `kinds.py` first, then `functions.py`.
"""
