"""Builds nodes of YAML parser events, within bounds of depth, number and expansion."""

from __future__ import annotations

import sys
from typing import Any, Final

import yaml

from engine.errors import Place
from engine.rules.findings import Code, Findings, named, shown
from engine.rules.node import Listing, Node, Scalar, Source, Table
from engine.rules.yaml_remedies import denied, remedy_of_tag

MAX_DEPTH: Final = 50
MAX_NODES: Final = 1_000_000
MAX_ALIASED_NODES: Final = 100_000
TOO_DEEP: Final = f"this is nested more than {MAX_DEPTH} deep"
LESS_DEEP: Final = "no rule needs that: look at the brackets"

_STANDARD: Final = "tag:yaml.org,2002:"
_TEXT_TAGS: Final = frozenset({f"{_STANDARD}str"})
_TYPED_TAGS: Final = frozenset(f"{_STANDARD}{name}" for name in ("int", "float", "bool", "null"))
_COLLECTION_TAGS: Final = frozenset({f"{_STANDARD}map", f"{_STANDARD}seq"})


class StopReadingError(Exception):
    """The rest of the document is not worth reading."""

    def __init__(self, place: Place, code: Code, what: str, remedy: str) -> None:
        super().__init__(what)
        self.place = place
        self.code = code
        self.what = what
        self.remedy = remedy


class _Open:
    """A listing or table whose end has not come yet; `weight` counts nodes, aliases expanded."""

    __slots__ = ("anchor", "key", "merged", "node", "weight")

    def __init__(self, node: Listing | Table, anchor: str | None) -> None:
        self.node = node
        self.anchor = anchor
        self.key: Scalar | None = None
        self.weight = 1
        self.merged: list[Node] = []


class Builder:
    """Makes nodes of parser events."""

    def __init__(self, source: Source, findings: Findings) -> None:
        self.root: Node | None = None
        self._source = source
        self._no_key = Scalar(source, "", False, "", 1, 1)
        self._findings = findings
        self._stack: list[_Open] = []
        self._anchors: dict[str, tuple[Node, int]] = {}
        self._documents = 0
        self._nodes = 0
        self._aliased = 0
        self._line = 0

    def take(self, event: Any) -> None:
        """Takes the next event; raises StopReadingError where reading must end."""
        kind = type(event)
        if kind is yaml.ScalarEvent:
            scalar = self._scalar(event)
            if event.anchor is not None:
                self._anchors[event.anchor] = (scalar, 1 + len(scalar.text) // 256)
            self._add(scalar, 1 + len(scalar.text) // 256)
        elif kind is yaml.MappingStartEvent:
            self._open(event, Table)
        elif kind is yaml.SequenceStartEvent:
            self._open(event, Listing)
        elif kind is yaml.MappingEndEvent or kind is yaml.SequenceEndEvent:
            self._close()
        elif kind is yaml.AliasEvent:
            self._alias(event)
        elif kind is yaml.DocumentStartEvent:
            self._documents += 1
            if self._documents > 1:
                raise StopReadingError(
                    self._place(event),
                    Code.SEVERAL_DOCUMENTS,
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
                Code.TOO_LARGE,
                f"the file holds more than {MAX_NODES:,} values",
                "split it into several files",
            )

    def _scalar(self, event: Any) -> Scalar:
        self._count(event)
        plain, text = event.implicit[0], event.value
        tag = event.tag
        if tag is not None:
            plain = tag in _TYPED_TAGS
            if not plain and tag not in _TEXT_TAGS:
                text = self._of_tag(event)
        mark = event.start_mark
        line = self._line_of(mark)
        return Scalar(self._source, text, plain, event.style or "", line, mark.column + 1)

    def _of_tag(self, event: Any) -> str:
        """The text of a scalar with a tag that is a fault."""
        key = self._stack[-1].key if self._stack else None
        name = key.text if key is not None else ""
        is_plain = not event.style and not event.tag.startswith(_STANDARD)
        text = denied(name, event.tag, event.value) if is_plain else ""
        self._tag_fault(event, name, text)
        return text or str(event.value)

    def _line_of(self, mark: Any) -> int:
        """The line, from 1: the same object for a whole line, which saves a tenth of all nodes."""
        if mark.line + 1 != self._line:
            self._line = mark.line + 1
        return self._line

    def _tag_fault(self, event: Any, key: str = "", text: str = "") -> None:
        what, remedy = remedy_of_tag(key, event.tag, text)
        if event.tag.startswith(_STANDARD):
            what = f"the tag !!{shown(event.tag.removeprefix(_STANDARD))} is not supported"
        self._findings.error(self._place(event), Code.TAG, what, remedy)

    def _open(self, event: Any, node_type: type[Table] | type[Listing]) -> None:
        self._count(event)
        if event.tag is not None and event.tag not in _COLLECTION_TAGS:
            self._tag_fault(event)
        if len(self._stack) >= MAX_DEPTH:
            raise StopReadingError(
                self._place(event),
                Code.TOO_DEEP,
                TOO_DEEP,
                LESS_DEEP,
            )
        mark = event.start_mark
        node = node_type(self._source, self._line_of(mark), mark.column + 1)
        self._stack.append(_Open(node, event.anchor))

    def _close(self) -> None:
        done = self._stack.pop()
        if done.merged and isinstance(done.node, Table):
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
                Code.ALIAS,
                "an alias, which begins with `*`, names no anchor that is complete before it",
                "put quotes around the value if it is no alias",
            )
        node, weight = found
        self._aliased += weight
        if self._aliased > MAX_ALIASED_NODES:
            raise StopReadingError(
                self._place(event),
                Code.ALIAS,
                f"the aliases stand for more than {MAX_ALIASED_NODES:,} values",
                "write fewer of them",
            )
        if isinstance(node, Table):
            mark = event.start_mark
            node = node.seen_at(self._line_of(mark), mark.column + 1)
        self._add(node, weight)

    def _add(self, node: Node, weight: int) -> None:
        if not self._stack:
            self.root = node
            return
        parent = self._stack[-1]
        parent.weight += weight
        if isinstance(parent.node, Listing):
            parent.node.items.append(node)
        elif parent.key is None:
            parent.key = self._key(node)
        else:
            self._set(parent, parent.node, parent.key, node)
            parent.key = None

    def _key(self, node: Node) -> Scalar:
        if isinstance(node, Scalar):
            # Thousands of rules have the same few keys.
            node.text = sys.intern(node.text)
            return node
        self._findings.error(
            node.place, Code.WRONG_TYPE, "a key must be a text", "put quotes around it"
        )
        return self._no_key

    def _set(self, parent: _Open, table: Table, key: Scalar, node: Node) -> None:
        if key is self._no_key:
            return
        if key.plain and key.text == "<<":
            parent.merged.append(node)
            return
        first = table.keys.get(key.text)
        if first is not None:
            self._findings.error(
                key.place,
                Code.DUPLICATE_KEY,
                f"the key{named(key.text)} is given twice, first in line {first.line}",
                "remove one of them",
            )
            return
        table.keys[key.text] = key
        table.values[key.text] = node

    def _merge(self, table: Table, merged: list[Node]) -> None:
        tables = [
            each
            for node in merged
            for each in (node.items if isinstance(node, Listing) else [node])
        ]
        for each in tables:
            if not isinstance(each, Table):
                self._findings.error(
                    each.place,
                    Code.WRONG_TYPE,
                    "`<<` takes a mapping, or a list of mappings",
                    "write `<<: *name` where `&name` marks one, or put quotes around `<<`",
                )
                continue
            for name, key in each.keys.items():
                if name not in table.keys:
                    table.keys[name] = key
                    table.values[name] = each.values[name]
