"""Apprise's mail plugin."""

from __future__ import annotations

from channels.plugins import NotifyEmail


def test_it_is_apprises_own() -> None:
    assert NotifyEmail.__module__.startswith("apprise.plugins.email")
