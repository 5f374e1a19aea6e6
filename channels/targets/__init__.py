"""Targets: each sends alerts to one recipient, and returns an outcome for each try.

A target never raises, never retries, and keeps secrets out of its outcomes. Read `apprise_target`
first; `webhook` sends JSON. `audience` says who gets what a target sends; `identity` has the ids of
targets, says which of them have the same recipients, and has the target that sends nothing.
"""
