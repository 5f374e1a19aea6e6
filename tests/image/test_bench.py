"""`alert-engine bench` in the image, as on a device."""

from __future__ import annotations

import json

import pytest

from tests.image.engine_image import docker
from tests.image.test_image import HARDENED

pytestmark = pytest.mark.image


def test_it_measures_with_nothing_to_write_to(image: str) -> None:
    told = docker("run", "--rm", *HARDENED, image, "bench", "--sizes", "10", "--format", "json")
    document = json.loads(told)
    (result,) = document["results"]
    assert result["rules"] == 10
    assert result["us_per_event"] > 0
    assert result["rss_mb"] > 0
    # Outside of a Jetson, and in a container that hides the device tree.
    assert document["machine"]["power_mode"] == "unknown"


def test_a_plot_is_refused_at_once(image: str) -> None:
    # matplotlib and what it needs are 140 MB, more than all else that the image adds to its base.
    script = "alert-engine bench --plot /data/a.png 2>&1; echo $?"
    said = docker("run", "--rm", *HARDENED, "--entrypoint", "sh", image, "-c", script)
    *_, message, status = said.splitlines()
    assert (message.endswith("pip install 'alpr-alert-engine[plot]'"), status) == (True, "2")
