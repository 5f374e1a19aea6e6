"""The `alert-engine` command; no logic lives here."""

from __future__ import annotations

from engine.cli.main import main

__all__ = ["main"]
