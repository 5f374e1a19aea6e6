"""Reads the environment into frozen, checked settings; nothing else in the engine reads it.

Unknown variables are never refused, but those that are nearly a setting are found. Read
`settings.py` first.
"""

from __future__ import annotations

from engine.settings.settings import (
    DEFAULT_RULES,
    OPTION_PREFIXES,
    OWNED_OPTIONS,
    VARIABLES,
    Misspelt,
    Settings,
    misspelt_settings,
)
from engine.settings.values import Keep, Secret, parse_duration, read_brokers

__all__ = [
    "DEFAULT_RULES",
    "OPTION_PREFIXES",
    "OWNED_OPTIONS",
    "VARIABLES",
    "Keep",
    "Misspelt",
    "Secret",
    "Settings",
    "misspelt_settings",
    "parse_duration",
    "read_brokers",
]
