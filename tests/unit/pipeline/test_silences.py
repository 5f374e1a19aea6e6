"""A silence keeps matches from being sent, by the time of their events, and touches no other."""

from __future__ import annotations
