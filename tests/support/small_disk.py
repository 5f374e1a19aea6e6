"""A small file system that a test can fill up."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

BYTES: Final = 8 << 20


class SmallDisk:
    """A mounted tmpfs; `fill` leaves little room in it, `free` gives it back."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ballast = folder / "ballast"

    def fill(self, left_bytes: int) -> None:
        """Take all room but so much."""
        status = os.statvfs(self.folder)
        taken = status.f_bavail * status.f_frsize - left_bytes
        with self._ballast.open("wb") as ballast:
            os.posix_fallocate(ballast.fileno(), 0, taken)

    def free(self) -> None:
        """Give the room back."""
        self._ballast.unlink()


@contextlib.contextmanager
def small_disk(folder: Path, size_bytes: int = BYTES) -> Iterator[SmallDisk | None]:
    """A small disk mounted on `folder`; None where this user may not mount."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size_bytes}", "tmpfs", str(folder)]
    try:
        done = subprocess.run(mount, capture_output=True, check=False)
    except FileNotFoundError:
        yield None
        return
    if done.returncode != 0:
        yield None
        return
    try:
        yield SmallDisk(folder)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
