"""The demo: everything in one process, with real parts and nothing to install."""

from __future__ import annotations

from engine.demo.demo import run_demo

__all__ = ["run_demo"]
