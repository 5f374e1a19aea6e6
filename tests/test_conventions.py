"""What holds in all of the sources, beside the direction of their imports."""

from __future__ import annotations

import ast
import importlib.metadata

from tests.support.imports import SOURCES, imports, is_ours, module_name


def test_no_private_module_of_a_library_is_imported() -> None:
    wrong = [
        f"{each.importer}:{each.line} imports {each.imported}"
        for each in imports()
        if not is_ours(each.imported) and "._" in each.imported
    ]
    assert wrong == []


def test_only_the_settings_read_the_environment() -> None:
    readers = {
        ".".join(module_name(path).split(".")[:2])
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv", "putenv")
    }
    assert readers == {"engine.settings"}


def test_only_the_edges_catch_everything() -> None:
    catchers = {
        ".".join(module_name(path).split(".")[:2])
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or (isinstance(node.type, ast.Name) and node.type.id == "Exception"))
    }
    edges = {
        "engine.dead_letters",
        "engine.delivery",
        "engine.demo",
        "engine.pipeline",
        "engine.reload",
        "engine.simulate",
        "engine.stream",
    }
    assert {each for each in catchers if not each.startswith("channels")} <= edges


def test_no_other_distribution_owns_our_import_names() -> None:
    owners = importlib.metadata.packages_distributions()
    for name in ("channels", "engine"):
        assert set(owners.get(name, [])) <= {"alpr-alert-engine"}, f"`{name}` is not ours alone"
