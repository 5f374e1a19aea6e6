"""Faults of all kinds while alerts flow: `make chaos`, or `python -m tests.chaos`.

Cameras publish readings without a pause, engines alert on them, and one fault after another strikes
the engines, their servers and the connections between any two. What the receivers got is judged in
the end by an oracle of the rules; the engines' own store is never asked,
except what it has of an alert that was found lost (`trace`). Read `oracle` (what should
have come), `judge` (what did), `street` (the cameras), `scene` (servers, engines and connections),
`faults` (the table), and `run` (one run of it), in this order.
"""
