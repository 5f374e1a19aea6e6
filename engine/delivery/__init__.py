"""Delivery: stored alerts go out through their targets, each at its own pace."""

from __future__ import annotations

from engine.delivery.dispatcher import Dispatcher
from engine.delivery.retry import RetryPolicy

__all__ = ["Dispatcher", "RetryPolicy"]
