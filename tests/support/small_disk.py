"""A small file system that a test can fill up."""

from __future__ import annotations

import contextlib
import errno
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.support.patience import await_that

BYTES: Final = 8 << 20


class SmallDisk:
    """A mounted tmpfs; `fill` leaves little room in it, `free` gives it back."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ballast = folder / "ballast"

    def fill(self, left_bytes: int) -> None:
        """Take all room but so much, however others write meanwhile."""
        await_that(lambda: self._take_all_but(left_bytes), lambda: f"{self.folder} can't be filled")

    def free(self) -> None:
        """Give the room back."""
        self._ballast.unlink()

    def _take_all_but(self, left_bytes: int) -> bool:
        """Whether it could be taken: not when somebody took of it between asking and taking."""
        with self._ballast.open("wb") as ballast:
            status = os.statvfs(self.folder)
            taken = status.f_bavail * status.f_frsize - left_bytes
            try:
                os.posix_fallocate(ballast.fileno(), 0, taken)
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
                return False
        return True


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
