"""Values of variables and of the files that `NAME_FILE` names, and folders of the package."""

from __future__ import annotations

import os
import runpy
import shutil
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.errors import VariableError
from engine.settings import settings
from engine.settings.settings import folder
from engine.settings.values import MAX_FILE_BYTES, value_of

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("held", "value"),
    [
        (b"hush", "hush"),
        (b"hush\n", "hush"),
        (b"hush\r\n", "hush"),
        (b"hush\n\n", "hush"),
        (b"\xef\xbb\xbfhush\r\n", "hush"),
        (b" a\nb \n", " a\nb "),
        ("h\u00fcsh\n".encode(), "h\u00fcsh"),
    ],
)
def test_a_secret_loses_the_line_end_that_editors_leave(
    tmp_path: Path, held: bytes, value: str
) -> None:
    file = tmp_path / "password"
    file.write_bytes(held)
    assert value_of("PASSWORD", {"PASSWORD_FILE": str(file)}) == value
    assert value_of("PASSWORD", {"PASSWORD_FILE": f"{file}\n", "PASSWORD": ""}) == value
    text = held.removeprefix(b"\xef\xbb\xbf").decode()
    assert value_of("PASSWORD", {"PASSWORD": text, "PASSWORD_FILE": " "}) == value


@pytest.mark.parametrize("given", [{}, {"A": ""}, {"A": "\r\n"}, {"A_FILE": ""}])
def test_what_is_neither_set_nor_in_a_file_is_empty(given: dict[str, str]) -> None:
    assert value_of("A", given) == ""


def test_a_changed_file_is_read_anew(tmp_path: Path) -> None:
    file = tmp_path / "token"
    for text in ("first", "second"):
        file.write_text(text)
        assert value_of("TOKEN", {"TOKEN_FILE": str(file)}) == text


def test_both_are_an_error_that_names_both() -> None:
    with pytest.raises(VariableError) as caught:
        value_of("TOKEN", {"TOKEN": "hush", "TOKEN_FILE": "/run/secrets/token"})
    assert str(caught.value) == "TOKEN and TOKEN_FILE are both set, unset one of them"


def make_pipe(path: Path) -> None:
    os.mkfifo(path)


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (lambda path: None, "can't be read (No such file or directory)"),
        (Path.mkdir, "is not a file"),
        (make_pipe, "is not a file"),
        (lambda path: path.write_bytes(b""), "is empty"),
        (lambda path: path.write_bytes(b"\r\n"), "is empty"),
        (lambda path: path.write_bytes(b"\xff\xfe"), "is not UTF-8"),
        (lambda path: path.write_bytes(b"x" * (MAX_FILE_BYTES + 1)), "is larger than 1 MiB"),
        (lambda path: path.symlink_to(path), "can't be read (Too many levels of symbolic links)"),
    ],
    ids=["missing", "folder", "pipe", "empty", "line_end", "binary", "large", "link"],
)
def test_a_file_that_holds_no_value_is_told_with_variable_path_and_remedy(
    tmp_path: Path, make: Callable[[Path], object], what: str
) -> None:
    path = tmp_path / "secret"
    make(path)
    with pytest.raises(VariableError) as caught:
        value_of("TOKEN", {"TOKEN_FILE": str(path)})
    assert caught.value.what == f"the file {path}, which TOKEN_FILE names, {what}"
    assert caught.value.remedy


def test_a_path_that_no_file_can_have_is_told() -> None:
    with pytest.raises(VariableError, match="no such path"):
        value_of("TOKEN", {"TOKEN_FILE": "a\0b"})


def test_a_checkout_has_its_folders_beside_the_package() -> None:
    for name in ("docs", "schemas", "rules", "deploy"):
        assert folder(name) == ROOT / name


def test_an_installed_package_has_its_folders_inside(tmp_path: Path) -> None:
    inside = tmp_path / "engine" / "_packaged" / "docs"
    inside.mkdir(parents=True)
    (tmp_path / "docs").mkdir()
    (tmp_path / "engine" / "settings").mkdir()
    copy = shutil.copy(settings.__file__, tmp_path / "engine" / "settings" / "settings.py")
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
