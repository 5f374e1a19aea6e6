from __future__ import annotations

import pytest

from engine.errors import StoreError
from engine.store.permanence import why_temporary

URL = "sqlite:////data/alerts.db"
ROOT = "79 55 0:39 / / rw,relatime master:2 - overlay overlay rw,lowerdir=/a:/b"
HASH = "3aeb4ccd7e80218445abbf262c6a0987f60006949ebc47690ea133d5a2b9d04e"


def mounted(root: str, point: str = "/data", kind: str = "ext4") -> str:
    return f"{ROOT}\n96 79 254:0 {root} {point} rw,relatime master:1 - {kind} /dev/vda rw\n"


@pytest.mark.parametrize(
    "mounts",
    [
        mounted("/var/lib/docker/volumes/stack_alert-engine-data/_data"),
        mounted("/srv/alert-engine"),
        mounted("/srv/a\\040folder", "/data/"),
        mounted("/kubelet/pods/1/volumes/kubernetes.io~csi/pvc-1/mount"),
        "27 1 254:0 / / rw - ext4 /dev/vda rw",
        "",
    ],
    ids=["named volume", "bind", "escaped", "claim", "no container", "nothing known"],
)
def test_state_on_a_disk_of_its_own_is_permanent(mounts: str) -> None:
    assert why_temporary(URL, mounts) == ""


@pytest.mark.parametrize(
    ("mounts", "reason"),
    [
        (ROOT, "the container's own file system"),
        (mounted(f"/var/lib/docker/volumes/{HASH}/_data"), "a volume without a name"),
        (mounted(f"/docker/volumes/{HASH}/_data"), "a volume without a name"),
        (mounted("/", kind="tmpfs"), "in memory"),
        (mounted("/kubelet/pods/1/volumes/kubernetes.io~empty-dir/data"), "an emptyDir"),
    ],
)
def test_state_that_dies_with_its_container_says_why(mounts: str, reason: str) -> None:
    assert reason in why_temporary(URL, mounts)


def test_the_innermost_and_newest_mount_counts() -> None:
    below = mounted("/srv/alert-engine")
    above = "97 96 0:48 / /data rw - tmpfs tmpfs rw"
    elsewhere = "98 96 0:49 / /database rw - tmpfs tmpfs rw"
    assert "in memory" in why_temporary(URL, below + above)
    assert why_temporary(URL, below + elsewhere) == ""


def test_the_kernel_is_asked_unless_mounts_are_given() -> None:
    # Whatever this machine answers, it is an answer.
    assert isinstance(why_temporary(URL), str)


def test_a_database_of_postgresql_is_permanent() -> None:
    assert why_temporary("postgresql://engine@db/alerts", ROOT) == ""


def test_a_url_without_a_store_is_refused() -> None:
    with pytest.raises(StoreError):
        why_temporary("mysql://somewhere", ROOT)
