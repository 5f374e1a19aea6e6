"""The check: resolves names, finds types, and reports errors and warnings with remedies.

It never evaluates an expression, nor calls the interpreter. Read `check.py` first: it walks the
tree, and the other files each check one kind of part; `remedies.py` says what to write instead.
"""
