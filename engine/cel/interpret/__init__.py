"""A typed tree becomes closures: plain, obviously right, the reference of the generated code.

Nothing is checked here. Read `plan.py` first.
"""
