"""Records that could not be processed: their form, their topic, and what keeps them.

Nothing here decides what is a dead letter; the pipeline does. Read `letter.py` first, then
`office.py`.
"""
