"""The page of the language tells which extensions of CEL are offered, and which are not."""

from __future__ import annotations

import re

from engine.cel.functions import FUNCTIONS
from engine.cel.tree import Macro
from tests.support.handbook import RULES, table
from tests.unit.cel.test_conformance import FILES
from tests.unit.cel.test_unoffered import EXTENSIONS


def extensions(told: str) -> set[str]:
    """The extensions of which the page tells that."""
    rows = table(RULES, "Extension").rows
    return {name.strip("`").removesuffix("2") for name, offered, _ in rows if offered == told}


def names(files: set[str]) -> set[str]:
    """What the page calls the extensions of these files of the public conformance data."""
    return {
        name.removesuffix("_ext").removesuffix("2").replace("string", "strings") for name in files
    }


def test_the_extensions_that_are_offered_are_told() -> None:
    offered = {name for name in FILES if name.endswith("_ext")}
    assert extensions("yes") == names(offered)


def test_the_extensions_that_are_not_offered_are_told() -> None:
    assert extensions("no") == names({*EXTENSIONS})


def test_what_the_page_says_of_an_extension_is_there() -> None:
    rows = {name.strip("`"): text for name, offered, text in table(RULES, "Extension").rows}
    for name in re.findall(r"`([\w.]+\.\w+)`", rows["encoders"] + rows["strings"]):
        assert name in FUNCTIONS or name.rpartition(".")[2] in FUNCTIONS
    assert rows["bindings"] == f"`cel.{Macro.BIND}`"
    assert any(name.startswith("math.") for name in FUNCTIONS)
