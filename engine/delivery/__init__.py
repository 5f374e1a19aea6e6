"""Sends the deliveries that wait in the store through their targets.

It retries, holds targets that take nothing, and gives up what waited too long; it never renders an
alert or decides who gets it. Read `dispatcher.py` first, then `claimer.py` and `judge.py`.
"""

from __future__ import annotations

from engine.delivery.dispatcher import Dispatcher
from engine.delivery.judge import RetryPolicy

__all__ = ["Dispatcher", "RetryPolicy"]
