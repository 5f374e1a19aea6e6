"""Targets: each sends alerts to one recipient, and returns an outcome for each try.

A target never raises, never retries, and keeps secrets out of its outcomes. Read `apprise_target`
first; `webhook` sends JSON, `misconfigured` sends nothing, and `identity` has the ids of targets
and says which of them have the same recipients.
"""
