"""Puts changed rules in force without a restart: watches the files, loads them, swaps the sets.

It never breaks what runs: rules with faults change nothing, and their faults are reported. Read
`watcher.py` first. This file imports nothing, for `check` needs the last good rules only.
"""
