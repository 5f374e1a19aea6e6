"""A file is read within bounds, and whatever makes it unusable has a place."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.errors import Severity
from engine.rules.document import MAX_FILE_BYTES, read_document
from engine.rules.faults import Faults
from engine.rules.nodes import MappingNode


def _read(folder: Path, data: bytes) -> tuple[object, list[str]]:
    path = folder / "f.yaml"
    path.write_bytes(data)
    faults = Faults()
    node = read_document(path, faults)
    return node, [str(fault).replace(f"{folder}/", "") for fault in faults.sorted()]


def test_a_byte_order_mark_is_not_part_of_the_text(tmp_path: Path) -> None:
    node, faults = _read(tmp_path, b"\xef\xbb\xbfrules: []\n")
    assert isinstance(node, MappingNode)
    assert list(node.keys) == ["rules"]
    assert (node.keys["rules"].line, node.keys["rules"].column) == (1, 1)
    assert not faults


def test_bytes_that_are_not_utf8_have_a_place(tmp_path: Path) -> None:
    node, faults = _read(tmp_path, "rules:\n  - é".encode() + b"\xe9\n")
    assert node is None
    assert faults == ["f.yaml:2:6: the file is not UTF-8, save it in the encoding UTF-8"]


def test_utf16_is_not_utf8(tmp_path: Path) -> None:
    assert _read(tmp_path, "rules: []".encode("utf-16"))[1] == [
        "f.yaml:1:1: the file is not UTF-8, save it in the encoding UTF-8"
    ]


def test_a_huge_file_is_refused(tmp_path: Path) -> None:
    node, faults = _read(tmp_path, b"#" * (MAX_FILE_BYTES + 1))
    assert node is None
    assert faults == ["f.yaml:1:1: the file is larger than 16 MiB, split it into several files"]


@pytest.mark.parametrize("data", [b"", b"# nothing\n", b"---\n", b"null\n"])
def test_an_empty_file_is_a_warning(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "f.yaml"
    path.write_bytes(data)
    faults = Faults()
    assert read_document(path, faults) is None
    assert [fault.severity for fault in faults.sorted()] == [Severity.WARNING]


def test_a_missing_file_is_a_fault(tmp_path: Path) -> None:
    faults = Faults()
    assert read_document(tmp_path / "none.yaml", faults) is None
    assert "the file can't be read: No such file or directory" in str(faults.sorted()[0])


@pytest.mark.parametrize(
    ("text", "place", "remedy"),
    [
        ("a: b: c\n", "f.yaml:1:5", "put quotes around the whole value"),
        ('a: "\\d"\n', "f.yaml:1:5", "use single quotes"),
        ("a:\n\t- b\n", "f.yaml:2:1", "indent with spaces"),
        ("é: é\x07\n", "f.yaml:1:5", "remove the invisible character"),
        ("x: {a} b\n", "f.yaml:1:8", "put quotes around the whole value, or look at the"),
        ("a: [1,\n", "f.yaml:2:1", "put quotes around the whole value, or look at the"),
    ],
)
def test_a_syntax_error_has_a_place_and_a_remedy(
    tmp_path: Path, text: str, place: str, remedy: str
) -> None:
    node, faults = _read(tmp_path, text.encode())
    assert node is None
    assert len(faults) == 1
    assert faults[0].startswith(f"{place}: this is not valid YAML")
    assert remedy in faults[0]
