"""Logs of the whole engine: structlog, JSON in a container, readable on a terminal.

No code waits for whoever reads the log, and no line holds a known secret or a whole plate. Nothing
is gathered here, so that text can be shown without structlog. Read `setup.py` first.
"""
