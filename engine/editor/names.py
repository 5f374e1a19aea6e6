"""The names that rule files define, read section by section, for a part may be half typed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Final

from engine.rules.document import parse_document
from engine.rules.faults import Faults
from engine.rules.nodes import MappingNode, ScalarNode, SequenceNode, Source, YamlNode

#: The sections that define names, each with the section under which rules look for them.
_DEFINING: Final = {
    "channels": "channels",
    "notifications": "channels",
    "watchlists": "watchlists",
    "time_intervals": "time_intervals",
}
Names = Mapping[str, tuple[str, ...]]
"""The names that files define, by the section of a file that defines them."""
NONE: Final[Names] = MappingProxyType({})
_SECTION: Final = re.compile(r"^[\"']?(?P<name>\w+)[\"']?[ \t]*:", re.MULTILINE)


def defined_names(text: str, before: Names = NONE) -> Names:
    """The names that a file defines, by section.

    A section that is no valid YAML has those of `before`, the file's names of an earlier text.
    """
    found: dict[str, dict[str, None]] = {}
    for name, section in _sections(text):
        kind = _DEFINING[name]
        names = _names(section, name)
        kept = before.get(kind, ()) if names is None else names
        found.setdefault(kind, {}).update(dict.fromkeys(kept))
    return {kind: tuple(names) for kind, names in found.items()}


def joined(names: Iterable[Names]) -> Names:
    """The names of several files, each once and sorted."""
    every: dict[str, set[str]] = {}
    for each in names:
        for kind, found in each.items():
            every.setdefault(kind, set()).update(found)
    return {kind: tuple(sorted(found)) for kind, found in every.items()}


def _sections(text: str) -> Iterator[tuple[str, str]]:
    starts = list(_SECTION.finditer(text))
    ends = [*(found.start() for found in starts[1:]), len(text)]
    for found, end in zip(starts, ends, strict=False):
        if found["name"] in _DEFINING:
            yield found["name"], text[found.start() : end]


def _names(section: str, name: str) -> list[str] | None:
    """The names in a section's text; None where that is no valid YAML."""
    root = parse_document(Source("", section), Faults())
    if not isinstance(root, MappingNode):
        return None
    node = root.values.get(name)
    if isinstance(node, MappingNode):
        return list(node.keys)
    items: list[YamlNode] = node.items if isinstance(node, SequenceNode) else []
    given = [item.values.get("name") for item in items if isinstance(item, MappingNode)]
    return [each.text for each in given if isinstance(each, ScalarNode)]
