"""The house: the direction of imports, and the owners of third-party imports."""

from __future__ import annotations

import ast
import importlib.metadata
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCES = sorted(path for room in ("engine", "channels") for path in (ROOT / room).rglob("*.py"))

# A room is a module or a package; it imports only from rooms on lower floors, and from itself.
FLOORS = {
    "engine.errors": 0,
    "engine.brokers": 0,
    "engine.clock": 0,
    "engine.collector": 0,
    "engine.packaged": 0,
    "engine.local_time": 0,
    "engine.misspelt": 0,
    "engine.repeats": 0,
    "engine.variable": 0.5,
    "engine.log_writer": 0,
    "channels.alert": 0,
    "engine.schema": 1,
    "engine.event": 1.5,
    "engine.settings": 1,
    "engine.metrics": 1,
    "engine.faults": 1,
    "engine.heartbeat": 1,
    "engine.logs": 1,
    "engine.terminal": 1,
    "engine.readings": 1,
    "engine.watchlist": 1,
    "engine.cel": 2,
    "channels": 2,
    "engine.rules": 3,
    "engine.match": 4,
    "engine.cooldown": 4,
    "engine.render": 4,
    "engine.library": 5,
    "engine.bench": 5,
    "engine.store": 5,
    "engine.stream": 5,
    "engine.journal": 5.5,
    "engine.in_force": 5.5,
    "engine.pipeline": 6,
    "engine.delivery": 6,
    "engine.deadletters": 6,
    "engine.web": 6,
    "engine.loop": 6.5,
    "engine.store_probe": 6.5,
    "engine.housekeeping": 6.5,
    "engine.reload": 6.5,
    "engine.service": 7,
    "engine.demo": 7.5,
    "engine.cli": 8,
    "engine": 9,
}

# What may be imported from outside, and by whom.
OWNERS = {
    "fastavro": {"engine.schema"},
    "prometheus_client": {"engine.metrics"},
    "celpy": {"engine.cel"},
    "lark": {"engine.cel"},
    "re2": {"engine.cel"},
    "ahocorasick": {"engine.match"},
    "matplotlib": {"engine.bench"},
    "apprise": {"channels"},
    "phonenumbers": {"channels"},
    "requests": {"channels"},
    "urllib3": {"channels"},
    "smtplib": {"channels"},
    "yaml": {"engine.rules"},
    "cachetools": {"engine.cooldown"},
    "sqlite3": {"engine.store"},
    "confluent_kafka": {"engine.stream"},
    "tenacity": {"engine.delivery"},
    "watchfiles": {"engine.reload"},
    "signal": {"engine.service", "engine.faults"},
    "rich": {"engine.cli", "engine.demo"},
    "aiosmtpd": {"engine.demo"},
    "orjson": {"channels", "engine.event", "engine.schema", "engine.store", "engine.cooldown"},
    "structlog": {room for room, floor in FLOORS.items() if floor >= 5} | {"engine.logs"},
}


@dataclass(frozen=True)
class Import:
    importer: str
    imported: str
    line: int


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def room_of(module: str) -> str:
    name = module
    while name:
        if name in FLOORS:
            return name
        name = name.rpartition(".")[0]
    raise AssertionError(f"{module} is in no room of FLOORS")


@cache
def nodes_of(path: Path) -> tuple[ast.AST, ...]:
    return tuple(ast.walk(ast.parse(path.read_text())))


def imports() -> Iterator[Import]:
    for path in SOURCES:
        for node in nodes_of(path):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    yield Import(module_name(path), alias.name, node.lineno)
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{path}:{node.lineno}: relative import"
                yield Import(module_name(path), node.module or "", node.lineno)


def is_ours(module: str) -> bool:
    return module.split(".")[0] in ("engine", "channels")


def test_every_import_goes_to_a_lower_floor() -> None:
    wrong = [
        f"{each.importer}:{each.line} imports {each.imported}"
        for each in imports()
        if is_ours(each.imported)
        and room_of(each.importer) != room_of(each.imported)
        and room_of(each.importer) != "engine"
        and FLOORS[room_of(each.imported)] >= FLOORS[room_of(each.importer)]
    ]
    assert wrong == []


def test_every_third_party_import_has_its_owner() -> None:
    wrong = []
    for each in imports():
        package = each.imported.split(".")[0]
        is_foreign = package not in sys.stdlib_module_names and not is_ours(package)
        if (package in OWNERS or is_foreign) and room_of(each.importer) not in OWNERS.get(
            package, set()
        ):
            wrong.append(f"{each.importer}:{each.line} imports {each.imported}")
    assert wrong == []


def test_no_private_module_of_a_library_is_imported() -> None:
    wrong = [
        f"{each.importer}:{each.line} imports {each.imported}"
        for each in imports()
        if not is_ours(each.imported) and "._" in each.imported
    ]
    assert wrong == []


def test_only_the_settings_read_the_environment() -> None:
    readers = {
        module_name(path)
        for path in SOURCES
        for node in nodes_of(path)
        if isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv", "putenv")
    }
    assert readers == {"engine.settings"}


def test_only_the_edges_catch_everything() -> None:
    catchers = {
        room_of(module_name(path))
        for path in SOURCES
        for node in nodes_of(path)
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or (isinstance(node.type, ast.Name) and node.type.id == "Exception"))
    }
    assert catchers <= {"channels", "engine.pipeline", "engine.reload", "engine.stream"}


def test_no_other_distribution_owns_our_import_names() -> None:
    owners = importlib.metadata.packages_distributions()
    for name in ("channels", "engine"):
        assert set(owners.get(name, [])) <= {"alpr-alert-engine"}, f"`{name}` is not ours alone"
