"""Cameras that fall silent: what was seen of each, and who is reported as silent or back.

Silence is judged by the stream's progress, so that our own outage accuses no camera. Read
`watch.py` first, then `progress.py` and `judge.py`, which decide and change nothing.
"""
