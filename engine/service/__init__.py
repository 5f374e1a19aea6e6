"""Builds the engine of all packages, and runs it: composition root, HTTP port, housekeeping.

It decides nothing about events, alerts or deliveries. Read `engine.py` first.
"""
