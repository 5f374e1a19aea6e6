"""The type check: a tree becomes a typed tree and a list of problems, each with a remedy.

Nothing is evaluated here. Read `check.py` first.
"""
