"""The way of an event: poll, decode, match, decide, render, store, commit.

Nothing here sends an alert or waits for a network other than Kafka and the store. Read
`pipeline.py` first, then `loop.py`.
"""
