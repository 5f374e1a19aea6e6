"""Imports of packages that only an extra of the distribution installs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from engine.errors import MissingExtraError


@contextmanager
def extra(name: str, package: str, what: str) -> Iterator[None]:
    """A block that imports `package`, which the extra `name` installs and `what` needs.

    Raises MissingExtraError where the package is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name != package:
            raise
        raise MissingExtraError(name, package, what) from error
