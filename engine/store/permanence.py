"""Whether the store's file outlives its container, by the kernel's list of mounts."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from engine.store.location import SqliteLocation, parse_state_url

# What the list of mounts says of a file that does not outlive its container.
MOUNTS: Final = Path("/proc/self/mountinfo")
_IN_MEMORY: Final = frozenset({"tmpfs", "ramfs"})
_IN_THE_CONTAINER: Final = frozenset({"overlay", "fuse.fuse-overlayfs", "aufs"})
# The volume that Docker and Podman make for a VOLUME of the image if the user names none.
_UNNAMED_VOLUME: Final = re.compile(r"/volumes/[0-9a-f]{64}/_data$")
_EMPTY_DIR: Final = "/volumes/kubernetes.io~empty-dir/"
_ESCAPE: Final = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True, slots=True)
class Mount:
    """One mount: its mount point, the folder of the file system shown there, the system's type."""

    point: Path
    root: str
    kind: str


def why_temporary(state_url: str, mounts: str | None = None) -> str:
    """Says why the store at `state_url` is lost with its container; "" if it is not.

    PostgreSQL's answer is always "": its disk is another one's care.
    `mounts` is the text of /proc/self/mountinfo, read if not given; "" also where there is none.
    Raises StoreError for a `state_url` that names no store.
    """
    location = parse_state_url(state_url)
    if not isinstance(location, SqliteLocation):
        return ""
    path = location.path
    if mounts is None:
        try:
            mounts = MOUNTS.read_text()
        except OSError:
            return ""
    above = [mount for mount in _mounts(mounts) if path.is_relative_to(mount.point)]
    if not above:
        return ""
    # Of two mounts at one point, the later one is seen.
    mount = max(reversed(above), key=lambda each: len(each.point.parts))
    if mount.kind in _IN_MEMORY:
        return f"{mount.point} is in memory"
    if mount.kind in _IN_THE_CONTAINER:
        return f"{path.parent} is in the container's own file system"
    if _UNNAMED_VOLUME.search(mount.root):
        return f"{mount.point} is a volume without a name, which a new container does not get"
    if _EMPTY_DIR in mount.root:
        return f"{mount.point} is an emptyDir, which the pod takes with it"
    return ""


def _mounts(text: str) -> list[Mount]:
    mounts = []
    for line in text.splitlines():
        before, _, after = line.partition(" - ")
        fields, kind = before.split(), after.split()[:1]
        if len(fields) >= 5 and kind:
            mounts.append(Mount(Path(_unescaped(fields[4])), _unescaped(fields[3]), kind[0]))
    return mounts


def _unescaped(text: str) -> str:
    return _ESCAPE.sub(lambda found: chr(int(found[1], 8)), text)
