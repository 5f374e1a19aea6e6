"""The wheel, installed: every command works in an empty folder, and `init` writes what works."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
import yaml

from engine.cli.init import COMPOSE_FILE, SCHEMAS
from tests.support.command import Finished
from tests.support.fresh_copy import copy_tree, make_environment

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
SAMPLES = tuple(
    f"rules/{name}"
    for name in ("alert_rules.yaml", "cel_examples.yaml", "stolen_cars.csv", "stolen_cars.yaml")
)
KEYS = tuple(f"schemas/{name}" for name in SCHEMAS)
WRITTEN = (*SAMPLES, *KEYS, ".env", COMPOSE_FILE)
# A site's own rules lie beside the samples in its checkout; they hold what nobody else may have.
OF_THE_SITE = "rules: [{id: own, when: 'true', notify: [x]}]\nchannels: {x: json://h/our-secret}\n"


def build(source: Path, target: Path, kind: str) -> Path:
    """Build a distribution with the builder that pyproject.toml names; its file."""
    command = [sys.executable, "-m", "hatchling", "build", "--target", kind]
    done = subprocess.run(
        [*command, "--directory", target], cwd=source, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    (built,) = target.iterdir()
    return built


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built in a fresh copy in which a site has put rules of its own."""
    copy = copy_tree(tmp_path_factory.mktemp("checkout"))
    (copy / "rules" / "own.yaml").write_text(OF_THE_SITE)
    (copy / ".env").write_text("SMTP_PASSWORD=our-secret\n")
    return build(copy, tmp_path_factory.mktemp("wheel"), "wheel")


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `alert-engine` of an environment into which pip installed the wheel."""
    return install(wheel, tmp_path_factory.mktemp("environment") / "venv")


def install(wheel: Path, folder: Path) -> Path:
    environment = make_environment(folder, [], with_pip=True)
    pip = [str(environment / "bin" / "python"), "-m", "pip", "install", "--quiet", "--no-index"]
    # What the wheel depends on is found in the tests' own environment, and the engine is not.
    subprocess.run([*pip, "--no-deps", "--ignore-installed", str(wheel)], check=True)
    return environment / "bin" / "alert-engine"


def run(
    command: Path, folder: Path, *arguments: str, umask: int = 0o022, schemas: str = ""
) -> Finished:
    done = subprocess.run(
        [command, *arguments],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "SCHEMAS_PATH": schemas},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=120.0,
        check=False,
        umask=umask,
    )
    return Finished(done.returncode, done.stdout.decode(), done.stderr.decode())


def test_the_engine_under_test_comes_out_of_the_wheel(installed: Path, tmp_path: Path) -> None:
    script = "import engine, channels; print(engine.__file__, channels.__file__)"
    found = run(installed.with_name("python"), tmp_path, "-c", script)
    root = installed.parents[1]
    assert all(Path(path).is_relative_to(root) for path in found.stdout.split()), found.output
    assert found.stdout.split()


def test_the_wheel_has_all_schemas_and_samples_and_nothing_of_the_sites(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = {
            name.removeprefix("engine/_packaged/")
            for name in archive.namelist()
            if name.startswith("engine/_packaged/") and not name.endswith("/")
        }
        texts = {name: archive.read(name) for name in archive.namelist()}
    command = ["git", "ls-files", "rules", "schemas"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    shipped = listed.stdout.split()
    assert names >= {*shipped, f"deploy/{COMPOSE_FILE}", "deploy/site.env"}
    assert {name for name in names if name.startswith(("rules/", "schemas/"))} == {*shipped}
    assert [name for name, text in texts.items() if b"our-secret" in text] == []


def test_commands_in_an_empty_folder_say_what_to_do(installed: Path, tmp_path: Path) -> None:
    for command in ("check", "test", "run"):
        done = run(installed, tmp_path, command)
        assert done.status == 2, done.output
        told = "rules:1:1: there is no such file, write a first set with `alert-engine init`, or "
        assert told in done.output
    # A path that somebody wrote is a slip of the pen.
    assert "alert-engine init" not in run(installed, tmp_path, "check", "rulse").output
    assert [*tmp_path.iterdir()] in ([], [tmp_path / "state"])


def test_a_rule_file_alone_is_enough(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("rules: [{id: gate, when: 'true', notify: []}]\n")
    done = run(installed, tmp_path, "check", "mine.yaml")
    assert (done.status, done.stdout[:13]) == (0, "good: 1 rule,"), done.output
    assert run(installed, tmp_path, "bench", "--sizes", "10", "--seconds", "0.1").status == 0


def test_the_demo_plays_the_samples_in_an_empty_folder(installed: Path, tmp_path: Path) -> None:
    done = run(installed, tmp_path, "demo", "--seconds", "1", "--rate", "30")
    assert done.status == 0, done.output
    assert "rules of " in done.stdout.splitlines()[0]
    assert [*tmp_path.iterdir()] == []


def test_what_init_writes_is_good(installed: Path, tmp_path: Path) -> None:
    # As careful people have it; the container's user must be able to read the rules all the same.
    done = run(installed, tmp_path, "init", "a/site", umask=0o077)
    assert done.status == 0, done.output
    assert done.stdout.splitlines() == [
        *(f"wrote a/site/{name}" for name in WRITTEN),
        "next: alert-engine check a/site/rules",
    ]
    site = tmp_path / "a" / "site"
    for command in ("check", "test"):
        report = run(installed, site, command)
        assert report.status == 0, report.output
    modes = {name: stat.S_IMODE((site / name).stat().st_mode) for name in (*WRITTEN, "rules")}
    assert modes == {
        **dict.fromkeys((*SAMPLES, *KEYS, COMPOSE_FILE), 0o644),
        ".env": 0o600,
        "rules": 0o755,
    }
    compose = yaml.safe_load((site / COMPOSE_FILE).read_text())
    (mount,) = [
        each for each in compose["services"]["alert-engine"]["volumes"] if isinstance(each, dict)
    ]
    assert mount["source"] == "${RULES_DIR:-./rules}"


def test_init_leaves_what_is_there(installed: Path, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("mine")
    assert run(installed, tmp_path, "init").stdout.splitlines() == [
        *(f"wrote {name}" for name in (*SAMPLES, *KEYS)),
        "left  .env: it is there already",
        f"wrote {COMPOSE_FILE}",
        "next: alert-engine check rules",
    ]
    (tmp_path / SAMPLES[0]).write_text("rules: [{id: mine, when: 'true', notify: []}]\n")
    before = {name: (tmp_path / name).read_text() for name in WRITTEN}
    again = run(installed, tmp_path, "init")
    assert again.status == 0
    assert again.stdout.splitlines()[:-1] == [
        f"left  {name}: it is there already" for name in WRITTEN
    ]
    assert {name: (tmp_path / name).read_text() for name in WRITTEN} == before


def test_init_adds_no_samples_to_rules_that_are_there(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "rules" / "north").mkdir(parents=True)
    (tmp_path / "rules" / "north" / "ours.yml").write_text("rules: []\n")
    told = run(installed, tmp_path, "init").stdout.splitlines()
    assert told[: len(SAMPLES)] == [
        f"left  {name}: no sample is added to rules that are there" for name in SAMPLES
    ]
    assert [path.name for path in (tmp_path / "rules").iterdir()] == ["north"]


@pytest.mark.parametrize("place", ["a file", "a link to nowhere", "a folder in a file"])
def test_init_says_what_it_can_not_write(place: str, installed: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "link").symlink_to("nowhere/at/all")
    name = {"a file": "file", "a link to nowhere": "link", "a folder in a file": "file/site"}[place]
    done = run(installed, tmp_path, "init", name)
    assert done.status == 2, done.output
    assert done.stderr.startswith(f"alert-engine: {name}")
    assert done.stderr.endswith("name a folder that you may write to\n")
    assert "Traceback" not in done.output
    assert (tmp_path / "file").read_text() == "x"


def test_a_site_needs_only_the_event_schema_that_is_its_own(
    installed: Path, tmp_path: Path
) -> None:
    own = json.loads((ROOT / "schemas" / "plate_event.avsc").read_text())
    own["fields"].append({"name": "lane", "type": "string", "default": ""})
    for folder, named in (("schemas", ""), ("avro", "avro")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "plate_event.avsc").write_text(json.dumps(own))
        (tmp_path / "r.yaml").write_text("rules: [{id: l, when: 'lane == \"2\"', notify: []}]\n")
        done = run(installed, tmp_path, "check", "r.yaml", schemas=named)
        assert done.status == 0, done.output
        (tmp_path / folder).rename(tmp_path / f"done-{folder}")
    # A folder of that name that holds something else is not meant.
    (tmp_path / "schemas").mkdir()
    assert "lane" in run(installed, tmp_path, "check", "r.yaml").output
    assert run(installed, tmp_path, "check", "r.yaml").status == 1


def test_an_editable_install_refers_to_the_checkout_and_copies_nothing(tmp_path: Path) -> None:
    copy = copy_tree(tmp_path / "checkout")
    script = "import sys; from hatchling.build import build_editable; build_editable(sys.argv[1])"
    subprocess.run(
        [sys.executable, "-c", script, tmp_path], cwd=copy, check=True, capture_output=True
    )
    (built,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(built) as archive:
        names = [name for name in archive.namelist() if ".dist-info/" not in name]
        (finder,) = [archive.read(name).decode() for name in names if name.endswith(".py")]
    assert all(name.startswith("_editable_impl_") for name in names), names
    assert f"'engine', '{copy / 'engine'}" in finder
    assert "_packaged" not in finder


def test_a_wheel_made_of_the_source_distribution_is_the_same(wheel: Path, tmp_path: Path) -> None:
    copy = copy_tree(tmp_path / "checkout")
    archive = build(copy, tmp_path / "sdist", "sdist")
    with tarfile.open(archive) as source:
        source.extractall(tmp_path / "source", filter="data")
    (root,) = (tmp_path / "source").iterdir()
    again = build(root, tmp_path / "wheel", "wheel")
    with zipfile.ZipFile(wheel) as one, zipfile.ZipFile(again) as other:
        assert one.namelist() == other.namelist()
    command = install(again, tmp_path / "venv")
    (tmp_path / "empty").mkdir()
    assert run(command, tmp_path / "empty", "init").status == 0
    assert run(command, tmp_path / "empty", "check").status == 0
