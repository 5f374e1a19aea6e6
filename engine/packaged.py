"""The folders that come with the package: `docs`, `schemas` and `rules`."""

from __future__ import annotations

from pathlib import Path
from typing import Final

_PACKAGE: Final = Path(__file__).resolve().parent


def folder(name: str) -> Path:
    """The folder of that name that the installed package brings.

    In a checkout, which an editable install refers to, it is the one beside `engine`.
    """
    installed = _PACKAGE / "_packaged" / name
    return installed if installed.is_dir() else _PACKAGE.parent / name
