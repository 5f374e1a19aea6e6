"""Rules of cameras without a file."""

from __future__ import annotations

from collections.abc import Mapping

from channels.alert import Priority
from engine.cel import compile_template
from engine.rules.cameras import (
    BACK_TEMPLATE,
    CAMERA_VARIABLES,
    DEFAULT_NAME,
    SILENT_TEMPLATE,
    CameraRules,
    WatchedCamera,
)


def camera_rules(
    named: Mapping[str, WatchedCamera], default: WatchedCamera | None = None
) -> CameraRules:
    """These cameras, with the default messages, and nobody to tell."""
    silent, back = (
        compile_template(text, CAMERA_VARIABLES) for text in (SILENT_TEMPLATE, BACK_TEMPLATE)
    )
    return CameraRules(named, default, DEFAULT_NAME, Priority.MEDIUM, (), silent, back)
