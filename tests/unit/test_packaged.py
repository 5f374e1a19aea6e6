"""Where the folders that come with the package are."""

from __future__ import annotations

import runpy
import shutil
import tomllib
from pathlib import Path

from engine import environment

ROOT = Path(__file__).parents[2]


def test_a_checkout_has_them_beside_the_package() -> None:
    for name in ("docs", "schemas", "rules", "deploy"):
        assert environment.folder(name) == ROOT / name


def test_an_installed_package_has_them_inside(tmp_path: Path) -> None:
    inside = tmp_path / "engine" / "_packaged" / "docs"
    inside.mkdir(parents=True)
    (tmp_path / "docs").mkdir()
    copy = shutil.copy(environment.__file__, tmp_path / "engine" / "packaged.py")
    assert runpy.run_path(str(copy))["folder"]("docs") == inside


def test_the_wheel_takes_the_folders_in_and_the_image_hands_them_over() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    handed_over = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    for name, target in wheel["sources"].items():
        assert target == f"engine/_packaged/{name}"
        assert f"COPY {name} {name}\n" in dockerfile
    for taken in wheel["only-include"]:
        assert (ROOT / taken).exists()
        # The whole of it, or, as of the manual, its pages.
        assert {f"!{taken}", f"!{taken}/*.md"} & {*handed_over}
        assert taken in ("engine", "channels") or taken.partition("/")[0] in wheel["sources"]
