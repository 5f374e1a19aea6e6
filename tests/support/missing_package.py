"""An environment in which a Python package is not installed, for a command of its own process."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

# The interpreter imports it before anything else.
_HIDE = """\
import sys


class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name == {package!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)


sys.meta_path.insert(0, Hidden())
"""


def without(folder: Path, package: str) -> Mapping[str, str]:
    """Variables with which a Python process does not find the package; writes into `folder`."""
    place = folder / "site"
    place.mkdir()
    (place / "sitecustomize.py").write_text(_HIDE.format(package=package))
    return {"PYTHONPATH": str(place)}
