"""CONTRIBUTING's map is of this tree: its paths exist, and its packages stand in their order."""

from __future__ import annotations

import re

from tests.support.handbook import ROOT
from tests.test_house import ORDER

PAGE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
MAP = PAGE[PAGE.index("## The map") : PAGE.index("## Recipes")]
PATH = re.compile(r"`((?:engine|channels|tests|docs|benchmarks)/[\w./-]*)`")
ROW = re.compile(r"^\| (`(?:engine|channels)/.*?) \|", re.MULTILINE)


def module_of(path: str) -> str:
    return path.removesuffix(".py").strip("/").replace("/", ".")


def test_every_path_of_the_map_exists() -> None:
    paths = set(PATH.findall(MAP))
    assert len(paths) > 40
    assert [path for path in sorted(paths) if not (ROOT / path).exists()] == []


def test_the_map_has_every_package_in_the_order_of_imports() -> None:
    table = MAP[MAP.index("| package |") : MAP.index("### Where a change begins")]
    shown = [module_of(path) for row in ROW.findall(table) for path in PATH.findall(row)]
    assert shown == [name for name in ORDER if re.fullmatch(r"engine\.\w+|channels", name)]
