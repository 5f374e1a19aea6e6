"""A file becomes nodes within bounds; whatever makes it unusable has a place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine.errors import Severity
from engine.rules import document
from engine.rules.document import _MAX_DEPTH, MAX_FILE_BYTES, parse_document, read_document
from engine.rules.faults import Faults
from engine.rules.nodes import MappingNode, ScalarNode, SequenceNode, Source, YamlNode


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


def _plain(node: YamlNode | None) -> Any:
    if node is None:
        return None
    if isinstance(node, ScalarNode):
        return node.text
    if isinstance(node, SequenceNode):
        return [_plain(item) for item in node.items]
    return {key: _plain(value) for key, value in node.values.items()}


def _parse(text: str) -> tuple[Any, list[str]]:
    faults = Faults()
    node = parse_document(Source("f", text), faults)
    return _plain(node), [str(fault) for fault in faults.sorted()]


def test_scalars_keep_the_text_that_yaml_would_spoil() -> None:
    found, faults = _parse("[0123, 12_34, NO, 12:30, 123456, 2025-12-25, 1.50, 'a']")
    assert found == ["0123", "12_34", "NO", "12:30", "123456", "2025-12-25", "1.50", "a"]
    assert not faults


def test_aliases_stand_for_their_anchors() -> None:
    found, faults = _parse("a: &x [1, 2]\nb: *x\nc: &y text\nd: [*y]\n")
    assert found == {"a": ["1", "2"], "b": ["1", "2"], "c": "text", "d": ["text"]}
    assert not faults


def test_a_mapping_stands_where_its_alias_stands() -> None:
    faults = Faults()
    root = parse_document(Source("f", "- &x {p: 1}\n- *x\n"), faults)
    assert isinstance(root, SequenceNode)
    assert [(item.line, item.column) for item in root.items] == [(1, 3), (2, 3)]


def test_merge_keys_fill_in_what_is_missing() -> None:
    found, faults = _parse("a: &x {p: 1, q: 2}\nb: {<<: *x, q: 3}\nc:\n  <<: [*x, {r: 4}]\n")
    assert found["b"] == {"q": "3", "p": "1"}
    assert found["c"] == {"p": "1", "q": "2", "r": "4"}
    assert not faults


def test_a_merge_of_a_text_is_a_fault() -> None:
    assert _parse("a: {<<: text}")[1] == [
        "f:1:9: `<<` takes a mapping, or a list of mappings, write `<<: *name` where `&name` marks "
        "one, or put quotes around `<<`"
    ]


def test_a_duplicate_key_names_the_first() -> None:
    found, faults = _parse("a: 1\nb: 2\n'a': 3\n")
    assert found == {"a": "1", "b": "2"}
    assert faults == [
        "f:3:1: the key `a` is given twice, first in line 1, remove one of them",
    ]


def test_a_key_that_is_a_list_is_one_fault() -> None:
    found, faults = _parse("[a]: 1\nb: 2\n")
    assert found == {"b": "2"}
    assert faults == ["f:1:1: a key must be a text, put quotes around it"]


@pytest.mark.parametrize("tag", ["!!python/object/apply:os.system", "!mine", "!!binary", "!!set"])
def test_other_tags_than_the_standard_ones_are_faults(tag: str) -> None:
    told = tag if tag.startswith("!!") else "`!…`"
    for value in ("text", "[a]", "{a: b}"):
        faults = _parse(f"a: {tag} {value}")[1]
        assert faults == [
            f"f:1:4: the tag {told} is not supported, "
            "remove it, or put quotes around the value if it is no tag"
        ]


def test_standard_tags_are_allowed() -> None:
    found, faults = _parse("a: !!str 1\nb: !!int '2'\nc: !!map {}\nd: !!seq []\n")
    assert found == {"a": "1", "b": "2", "c": {}, "d": []}
    assert not faults


def test_an_alias_inside_its_own_anchor_is_a_fault() -> None:
    found, faults = _parse("a: &x [*x]")
    assert found is None
    assert "names no anchor that is complete before it" in faults[0]


def test_a_yaml_bomb_is_a_fault() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 40)]
    found, faults = _parse("\n".join(lines))
    assert found is None
    assert "the aliases stand for more than 100,000 values" in faults[0]


def test_a_bomb_of_long_texts_is_a_fault() -> None:
    text = f"a: &a {'x' * 100_000}\nb: [{', '.join(['*a'] * 1000)}]"
    assert "the aliases stand for more than 100,000 values" in _parse(text)[1][0]


@pytest.mark.parametrize("text", ["[" * 10_000, "- " * 10_000 + "a", "{a: " * 10_000])
def test_deep_nesting_is_a_fault(text: str) -> None:
    found, faults = _parse(text)
    assert found is None
    assert f"nested more than {_MAX_DEPTH} deep" in faults[0]


def test_too_many_values_are_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    assert document.MAX_NODES == 1_000_000
    # As many take seconds to read.
    monkeypatch.setattr(document, "MAX_NODES", 1_000)
    found, faults = _parse("[" + "a," * (document.MAX_NODES + 1) + "]")
    assert found is None
    assert "the file holds more than 1,000 values" in faults[0]


def test_a_second_document_is_a_fault_and_a_leading_marker_is_not() -> None:
    assert _parse("---\na: 1\n...\n") == ({"a": "1"}, [])
    assert _parse("a: 1\n---\nb: 2\n")[1] == [
        "f:2:1: the file holds a second YAML document, "
        "write one document a file: remove this `---`, or split the file"
    ]
