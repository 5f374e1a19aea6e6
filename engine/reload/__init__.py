"""Changed rules without a restart: watched, loaded beside the running ones, then swapped in.

Nothing is gathered here: `check` asks for the last good rules only, and does not pay for the rest.
"""
