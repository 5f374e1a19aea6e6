"""Rules as code on real-time plate events."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.library import open_rules

    __version__: str

__all__ = ["__version__", "open_rules"]


def __getattr__(name: str) -> object:
    # Imported when asked for, so that one package can be imported without all others.
    if name == "open_rules":
        from engine.library import open_rules

        return open_rules
    if name == "__version__":
        from importlib.metadata import version

        return version("alpr-alert-engine")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
