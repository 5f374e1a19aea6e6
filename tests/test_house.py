"""The house: the direction of imports between packages, and the owners of third-party imports."""

from __future__ import annotations

import sys

from tests.support.imports import Import, imports, is_ours

#: Lowest first: a package imports from itself and from those before it.
ORDER = (
    "engine.errors",
    "engine.clock",
    "engine.health",
    "engine.settings.values",
    "engine.settings",
    "engine.logs",
    "engine.metrics",
    "engine.schema",
    "engine.watchlist",
    "engine.intervals",
    "engine.cel.values",
    "engine.cel.syntax",
    "engine.cel.types",
    "engine.cel.check",
    "engine.cel.interpret",
    "engine.cel.lower",
    "engine.cel",
    "channels.alert",
    "channels.redact",
    "channels.render",
    "channels.several",
    "channels.fit",
    "channels.wire",
    "channels.plugins",
    "channels.targets",
    "channels.definitions",
    "channels",
    "engine.rules",
    "engine.match",
    "engine.stream",
    "engine.store",
    "engine.dead_letters",
    "engine.pipeline",
    "engine.delivery",
    "engine.reload",
    "engine.simulate",
    "engine.service",
    "engine.demo",
    "engine.bench",
    "engine.library",
    "engine.editor",
    "engine.cli",
    "engine",
)

#: What may be imported from outside, and by whom.
OWNERS = {
    "fastavro": {"engine.schema"},
    "prometheus_client": {"engine.metrics"},
    "celpy": {"engine.cel.syntax"},
    "lark": {"engine.cel.syntax"},
    "re2": {"engine.cel.values"},
    "ahocorasick": {"engine.match"},
    "numpy": {"engine.watchlist"},
    "matplotlib": {"engine.bench", "engine.simulate"},
    "apprise": {
        "channels.fit",
        "channels.wire",
        "channels.plugins",
        "channels.targets",
        "channels.definitions",
    },
    "phonenumbers": {"channels.plugins"},
    "requests": {"channels.wire", "channels.targets"},
    "urllib3": {"channels.wire", "channels.definitions"},
    "smtplib": {"channels.wire"},
    "yaml": {"engine.rules"},
    "cachetools": {"engine.pipeline"},
    "sqlite3": {"engine.store"},
    "psycopg": {"engine.store"},
    "confluent_kafka": {"engine.stream", "engine.dead_letters", "engine.demo"},
    "tenacity": {"engine.delivery"},
    "watchfiles": {"engine.reload"},
    "pygls": {"engine.editor"},
    "lsprotocol": {"engine.editor"},
    "signal": {"engine.simulate", "engine.service"},
    "rich": {"engine.cli", "engine.demo"},
    "aiosmtpd": {"engine.demo"},
    "orjson": {
        "channels.targets",
        "engine.schema",
        "engine.store",
        "engine.pipeline",
        "engine.simulate",
    },
    "structlog": {
        "engine.logs",
        "engine.stream",
        "engine.dead_letters",
        "engine.pipeline",
        "engine.delivery",
        "engine.reload",
        "engine.service",
        "engine.demo",
        "engine.cli",
    },
}


def package_of(module: str) -> str:
    """The entry of ORDER that a module belongs to: the longest that its name begins with."""
    name = module
    while name not in ORDER:
        name = name.rpartition(".")[0]
        assert name, f"{module} is in no package of ORDER"
    return name


def shown(each: Import) -> str:
    return f"{each.importer}:{each.line} imports {each.imported}"


def test_every_import_goes_to_an_earlier_package() -> None:
    wrong = [
        shown(each)
        for each in imports()
        if is_ours(each.imported)
        and ORDER.index(package_of(each.imported)) > ORDER.index(package_of(each.importer))
    ]
    assert wrong == []


def test_every_third_party_import_has_its_owner() -> None:
    wrong = []
    for each in imports():
        package = each.imported.split(".")[0]
        is_foreign = package not in sys.stdlib_module_names and not is_ours(package)
        owners = OWNERS.get(package, set())
        if (package in OWNERS or is_foreign) and package_of(each.importer) not in owners:
            wrong.append(shown(each))
    assert wrong == []
