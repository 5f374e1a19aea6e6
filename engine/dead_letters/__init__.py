"""Sends records that could not be processed to the dead-letter topic, or keeps them in the store.

It never decides which record is a dead letter: the pipeline does. Read `office.py` first, then
`producer.py`, which has the form of a letter in the topic.
"""
