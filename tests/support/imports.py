"""The imports of our own sources, read from their text."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted(path for name in ("engine", "channels") for path in (ROOT / name).rglob("*.py"))


@dataclass(frozen=True)
class Import:
    """One import: by which module, of which, and in which line."""

    importer: str
    imported: str
    line: int


def module_name(path: Path) -> str:
    """The dotted name of a source file."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports() -> Iterator[Import]:
    """Every import of engine/ and channels/, those in functions too; relative ones are refused."""
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    yield Import(module_name(path), alias.name, node.lineno)
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{path}:{node.lineno}: relative import"
                yield from _of_names(module_name(path), node)


def _of_names(importer: str, node: ast.ImportFrom) -> Iterator[Import]:
    """`from a import b` may be of the module `a.b`, which may be of another package than `a`."""
    module = node.module or ""
    for alias in node.names:
        name = f"{module}.{alias.name}"
        is_module = (ROOT / name.replace(".", "/")).is_dir() or (
            ROOT / f"{name.replace('.', '/')}.py"
        ).is_file()
        yield Import(importer, name if is_module else module, node.lineno)


def is_ours(module: str) -> bool:
    """Whether a module is one of this project."""
    return module.split(".")[0] in ("engine", "channels")
