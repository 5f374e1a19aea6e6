"""The composition root, the HTTP port, housekeeping, and the kill points of the crash tests.

No other package but the demo and the commands imports it. Read `engine.py` first.
"""
