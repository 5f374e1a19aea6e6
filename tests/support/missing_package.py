"""An environment in which Python packages are not installed, for a command of its own process."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path


def without(folder: Path, *packages: str) -> Mapping[str, str]:
    """Variables with which a Python process finds none of the packages; writes into `folder`."""
    place = folder / "site"
    place.mkdir()
    blocks = "".join(f"sys.modules[{name!r}] = None\n" for name in packages)
    (place / "sitecustomize.py").write_text(f"import sys\n\n{blocks}")
    return {"PYTHONPATH": str(place)}
