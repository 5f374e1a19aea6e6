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


def test_it_draws_where_there_are_no_fonts(image: str) -> None:
    script = "alert-engine bench --sizes 10 --seconds 0.1 --plot /data/a.png >/dev/null"
    script += " && head -c 8 /data/a.png | base64"
    told = docker("run", "--rm", *HARDENED, "--entrypoint", "sh", image, "-c", script)
    assert told.strip() == "iVBORw0KGgo="
