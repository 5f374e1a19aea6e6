"""A command imports what it needs and nothing else: each start pays for every module."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.support.command import alert_engine_process
from tests.support.handbook import ROOT

# The command, in a new Python that says last which modules it has.
PROGRAM = """\
import sys
from engine.cli import main
try:
    main(sys.argv[1:])
finally:
    print(*sys.modules)
"""
# What neither needs: the registry client and its OAuth, the demo, the benchmark, the drawing.
LIBRARIES_OF_OTHERS = {
    *("confluent_kafka", "authlib", "httpx", "httpx2", "cryptography", "joserfc"),
    *("aiosmtpd", "matplotlib", "celpy", "structlog"),
}
OURS_OF_OTHERS = {
    *("engine.demo", "engine.bench", "engine.delivery", "engine.pipeline.pipeline"),
    *("engine.service.engine", "engine.service.http", "engine.stream.consumer"),
}


def modules_of(*arguments: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60.0,
    )
    return set(done.stdout.splitlines()[-1].split())


# With Python's own some 100; a new one is no fault if the command needs it.
@pytest.mark.parametrize(("arguments", "most"), [(("--version",), 200), (("check",), 900)])
def test_a_command_imports_what_it_needs(arguments: tuple[str, ...], most: int) -> None:
    modules = modules_of(*arguments)
    assert "engine.cli.main" in modules
    assert not (LIBRARIES_OF_OTHERS | OURS_OF_OTHERS) & modules
    assert len(modules) <= most, sorted(modules)


@pytest.mark.parametrize("module", sorted(OURS_OF_OTHERS))
def test_a_module_that_no_command_may_import_is_there(module: str) -> None:
    assert find_spec(module) is not None, "renamed: what is not there is imported by nobody"


def test_the_version_needs_nothing_of_the_rules() -> None:
    rooms = {".".join(name.split(".")[:2]) for name in modules_of("--version")}
    assert not {"engine.rules", "engine.cel", "channels", "channels.alert"} & rooms


def test_the_installed_command_tells_its_version(tmp_path: Path) -> None:
    done = alert_engine_process(tmp_path, "--version")
    assert (done.status, done.stdout.split()[0], done.stderr) == (0, "alert-engine", "")
