"""Measures on this machine what rules cost: the time of an event, of compiling, and the memory.

It measures matching alone: no Kafka, no store, no delivery. Read `measurement.py` first. This file
imports nothing, for `measurement.py` is run as a process of its own.
"""
