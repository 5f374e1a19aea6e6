"""Apprise's mail plugin, imported without a warning that is not ours to heed."""

from __future__ import annotations

import warnings

with warnings.catch_warnings():
    # Its PGP support still imports `imghdr`, which Python 3.13 removed, and has a substitute.
    warnings.filterwarnings("ignore", message="'imghdr' is deprecated")
    from apprise.plugins.email import NotifyEmail

__all__ = ["NotifyEmail"]
