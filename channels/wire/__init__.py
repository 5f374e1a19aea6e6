"""The wire: what happens on the network during one try, and the outcome of it.

It never decides what to send, and never retries. Read `capture` first, which collects the evidence;
`deadline` bounds it, and `outcomes` turns it into an `Outcome`, by the tables of `services`.
"""
