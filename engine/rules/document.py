"""Reads a YAML file into nodes with places, within bounds of size, nesting and aliases."""

from __future__ import annotations

import codecs
import sys
from pathlib import Path
from typing import Any, Final

import yaml

from engine.errors import Place
from engine.rules.faults import FaultCode, Faults, named, shown
from engine.rules.node import MappingNode, ScalarNode, SequenceNode, Source, YamlNode
from engine.rules.yaml_faults import (
    LESS_DEEP,
    MAX_DEPTH,
    TOO_DEEP,
    expression_after_tag,
    place_after,
    remedy_of_tag,
    report_syntax_error,
)

MAX_FILE_BYTES: Final = 16 * 1024 * 1024
MAX_NODES: Final = 1_000_000
MAX_ALIASED_NODES: Final = 100_000

_LOADER: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_READABLE: Final = "let the service's user read it, or remove it"
_STANDARD: Final = "tag:yaml.org,2002:"
_TEXT_TAGS: Final = frozenset({f"{_STANDARD}str"})
_TYPED_TAGS: Final = frozenset(f"{_STANDARD}{name}" for name in ("int", "float", "bool", "null"))
_COLLECTION_TAGS: Final = frozenset({f"{_STANDARD}map", f"{_STANDARD}seq"})


def read_document(path: Path, faults: Faults) -> YamlNode | None:
    """The root node of a file; None where it is unusable or empty, which is added to `faults`."""
    text = _read_text(path, faults)
    if text is None:
        return None
    return parse_document(Source(str(path), text), faults)


def parse_document(source: Source, faults: Faults) -> YamlNode | None:
    """The root node of a YAML text; None where it is unusable or empty, which is in `faults`."""
    builder = NodeBuilder(source, faults)
    try:
        for event in yaml.parse(source.text, Loader=_LOADER):
            builder.add(event)
    except StopReadingError as stop:
        faults.error(stop.place, stop.code, stop.what, stop.remedy)
        return None
    except yaml.YAMLError as error:
        report_syntax_error(error, source, faults)
        return None
    if builder.root is None or builder.root.is_null:
        faults.warning(
            Place(source.file),
            FaultCode.EMPTY_FILE,
            "the file is empty",
            "write rules, or remove it",
        )
        return None
    return builder.root


class StopReadingError(Exception):
    """A fault after which the rest of the document can't be read."""

    def __init__(self, place: Place, code: FaultCode, what: str, remedy: str) -> None:
        super().__init__(what)
        self.place = place
        self.code = code
        self.what = what
        self.remedy = remedy


class _OpenNode:
    """A sequence or mapping that is still being read; `weight` is its number of nodes.

    Aliases count as the nodes that they stand for.
    """

    __slots__ = ("anchor", "key", "merged", "node", "weight")

    def __init__(self, node: SequenceNode | MappingNode, anchor: str | None) -> None:
        self.node = node
        self.anchor = anchor
        self.key: ScalarNode | None = None
        self.weight = 1
        self.merged: list[YamlNode] = []


class NodeBuilder:
    """Builds the tree of nodes from the parser's events."""

    def __init__(self, source: Source, faults: Faults) -> None:
        self.root: YamlNode | None = None
        self._source = source
        self._no_key = ScalarNode(source, "", False, "", 1, 1)
        self._faults = faults
        self._stack: list[_OpenNode] = []
        self._anchors: dict[str, tuple[YamlNode, int]] = {}
        self._documents = 0
        self._nodes = 0
        self._aliased = 0
        self._line = 0

    def add(self, event: Any) -> None:
        """Adds the next event; raises StopReadingError where reading must end."""
        kind = type(event)
        if kind is yaml.ScalarEvent:
            scalar = self._scalar(event)
            if event.anchor is not None:
                self._anchors[event.anchor] = (scalar, 1 + len(scalar.text) // 256)
            self._add(scalar, 1 + len(scalar.text) // 256)
        elif kind is yaml.MappingStartEvent:
            self._open(event, MappingNode)
        elif kind is yaml.SequenceStartEvent:
            self._open(event, SequenceNode)
        elif kind is yaml.MappingEndEvent or kind is yaml.SequenceEndEvent:
            self._close()
        elif kind is yaml.AliasEvent:
            self._alias(event)
        elif kind is yaml.DocumentStartEvent:
            self._documents += 1
            if self._documents > 1:
                raise StopReadingError(
                    self._place(event),
                    FaultCode.SEVERAL_DOCUMENTS,
                    "the file holds a second YAML document",
                    "write one document a file: remove this `---`, or split the file",
                )

    def _place(self, event: Any) -> Place:
        mark = event.start_mark
        return Place(self._source.file, mark.line + 1, mark.column + 1)

    def _count(self, event: Any) -> None:
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise StopReadingError(
                self._place(event),
                FaultCode.TOO_LARGE,
                f"the file holds more than {MAX_NODES:,} values",
                "split it into several files",
            )

    def _scalar(self, event: Any) -> ScalarNode:
        self._count(event)
        plain, text = event.implicit[0], event.value
        tag = event.tag
        if tag is not None:
            plain = tag in _TYPED_TAGS
            if not plain and tag not in _TEXT_TAGS:
                text = self._tagged_text(event)
        mark = event.start_mark
        line = self._line_of(mark)
        return ScalarNode(self._source, text, plain, event.style or "", line, mark.column + 1)

    def _tagged_text(self, event: Any) -> str:
        """Reports the tag of a scalar; its text, to which the tag may belong."""
        key = self._stack[-1].key if self._stack else None
        name = key.text if key is not None else ""
        is_plain = not event.style and not event.tag.startswith(_STANDARD)
        text = expression_after_tag(name, event.tag, event.value) if is_plain else ""
        self._tag_fault(event, name, text)
        return text or str(event.value)

    def _line_of(self, mark: Any) -> int:
        """The line, from 1; nodes of one line share the int, which saves a tenth of the memory."""
        if mark.line + 1 != self._line:
            self._line = mark.line + 1
        return self._line

    def _tag_fault(self, event: Any, key: str = "", text: str = "") -> None:
        what, remedy = remedy_of_tag(key, event.tag, text)
        if event.tag.startswith(_STANDARD):
            what = f"the tag !!{shown(event.tag.removeprefix(_STANDARD))} is not supported"
        self._faults.error(self._place(event), FaultCode.TAG, what, remedy)

    def _open(self, event: Any, node_type: type[MappingNode] | type[SequenceNode]) -> None:
        self._count(event)
        if event.tag is not None and event.tag not in _COLLECTION_TAGS:
            self._tag_fault(event)
        if len(self._stack) >= MAX_DEPTH:
            raise StopReadingError(
                self._place(event),
                FaultCode.TOO_DEEP,
                TOO_DEEP,
                LESS_DEEP,
            )
        mark = event.start_mark
        node = node_type(self._source, self._line_of(mark), mark.column + 1)
        self._stack.append(_OpenNode(node, event.anchor))

    def _close(self) -> None:
        done = self._stack.pop()
        if done.merged and isinstance(done.node, MappingNode):
            self._merge(done.node, done.merged)
        if done.anchor is not None:
            self._anchors[done.anchor] = (done.node, done.weight)
        self._add(done.node, done.weight)

    def _alias(self, event: Any) -> None:
        self._count(event)
        found = self._anchors.get(event.anchor)
        if found is None:
            raise StopReadingError(
                self._place(event),
                FaultCode.ALIAS,
                "an alias, which begins with `*`, names no anchor that is complete before it",
                "put quotes around the value if it is no alias",
            )
        node, weight = found
        self._aliased += weight
        if self._aliased > MAX_ALIASED_NODES:
            raise StopReadingError(
                self._place(event),
                FaultCode.ALIAS,
                f"the aliases stand for more than {MAX_ALIASED_NODES:,} values",
                "write fewer of them",
            )
        if isinstance(node, MappingNode):
            mark = event.start_mark
            node = node.seen_at(self._line_of(mark), mark.column + 1)
        self._add(node, weight)

    def _add(self, node: YamlNode, weight: int) -> None:
        if not self._stack:
            self.root = node
            return
        parent = self._stack[-1]
        parent.weight += weight
        if isinstance(parent.node, SequenceNode):
            parent.node.items.append(node)
        elif parent.key is None:
            parent.key = self._key(node)
        else:
            self._set(parent, parent.node, parent.key, node)
            parent.key = None

    def _key(self, node: YamlNode) -> ScalarNode:
        if isinstance(node, ScalarNode):
            # Thousands of rules have the same few keys.
            node.text = sys.intern(node.text)
            return node
        self._faults.error(
            node.place, FaultCode.WRONG_TYPE, "a key must be a text", "put quotes around it"
        )
        return self._no_key

    def _set(
        self, parent: _OpenNode, mapping: MappingNode, key: ScalarNode, node: YamlNode
    ) -> None:
        if key is self._no_key:
            return
        if key.plain and key.text == "<<":
            parent.merged.append(node)
            return
        first = mapping.keys.get(key.text)
        if first is not None:
            self._faults.error(
                key.place,
                FaultCode.DUPLICATE_KEY,
                f"the key{named(key.text)} is given twice, first in line {first.line}",
                "remove one of them",
            )
            return
        mapping.keys[key.text] = key
        mapping.values[key.text] = node

    def _merge(self, mapping: MappingNode, merged: list[YamlNode]) -> None:
        mappings = [
            each
            for node in merged
            for each in (node.items if isinstance(node, SequenceNode) else [node])
        ]
        for each in mappings:
            if not isinstance(each, MappingNode):
                self._faults.error(
                    each.place,
                    FaultCode.WRONG_TYPE,
                    "`<<` takes a mapping, or a list of mappings",
                    "write `<<: *name` where `&name` marks one, or put quotes around `<<`",
                )
                continue
            for name, key in each.keys.items():
                if name not in mapping.keys:
                    mapping.keys[name] = key
                    mapping.values[name] = each.values[name]


def _read_text(path: Path, faults: Faults) -> str | None:
    place = Place(str(path))
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        faults.error(
            place,
            FaultCode.UNREADABLE,
            f"the file can't be read: {error.strerror or error}",
            _READABLE,
        )
        return None
    if len(data) > MAX_FILE_BYTES:
        faults.error(
            place,
            FaultCode.TOO_LARGE,
            f"the file is larger than {MAX_FILE_BYTES // 1024**2} MiB",
            "split it into several files",
        )
        return None
    data = data.removeprefix(codecs.BOM_UTF8)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8")
        faults.error(
            place_after(str(path), before),
            FaultCode.NOT_UTF8,
            "the file is not UTF-8",
            "save it in the encoding UTF-8",
        )
        return None
