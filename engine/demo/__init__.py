"""Runs broker, registry, cameras, engine and receivers in one process, with nothing to install.

Production code never imports it; tests and `engine.bench` use its parts. Read `demo.py` first. This
file imports nothing, for only the receivers need aiosmtpd.
"""
