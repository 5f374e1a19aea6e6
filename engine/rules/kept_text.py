"""The text of a rule file as the store keeps it: what loading needs, and no secret.

Channels are reduced to their names, and comments are gone: an old channel may stand in one. All
else is written in braces and brackets, each value in its line and, where there is room, its column.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from io import StringIO
from itertools import chain
from typing import Final

from engine.rules.document import parse_document
from engine.rules.faults import Faults
from engine.rules.keys import FILE
from engine.rules.nodes import (
    FLAGS,
    NAME,
    MappingNode,
    ScalarNode,
    SequenceNode,
    Source,
    YamlNode,
    number_of,
)

#: The keys of a file below which secrets stand.
SECRET_KEYS: Final = ("channels", "notifications")
#: What stands in place of a text that an alias has brought out of a channel.
_HIDDEN: Final = '"***"'
_ENABLED: Final = "enabled"
#: Texts that may stand without quotes: YAML gives them a type, and the readers look at it.
_TYPED: Final = re.compile(r"[-+]?[A-Za-z0-9_.]+")
#: Keys that may stand without quotes; a key is a text in any case.
_NAMED: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
#: Signs that JSON allows and YAML does not, or takes for ends of lines.
_UNPRINTABLE: Final = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff\ud800-\udfff]")


def kept_text(text: str) -> str:
    """The text of a rule file without secrets; "" where it can't be read, or holds nothing.

    Loaded without the variables of channels, it gives the same rules as the file, at the same
    lines.
    """
    root = parse_document(Source("", text), Faults())
    if not isinstance(root, MappingNode):
        return ""
    return _Writer(root).text()


class _Writer:
    """Writes the tree of one file."""

    def __init__(self, root: MappingNode) -> None:
        self._root = root
        self._out = StringIO()
        self._line, self._column = 1, 1
        secret = (root.values[key] for key in SECRET_KEYS if key in root.values)
        self._secret = frozenset(map(id, chain.from_iterable(map(_scalars, secret))))

    def text(self) -> str:
        writers: dict[str, Callable[[YamlNode], None]] = {
            "channels": self._channels,
            "notifications": self._notifications,
        }
        known = [key for key in self._root.keys if key in FILE.names]
        self._put("{")
        for number, key in enumerate(known):
            self._key(self._root.keys[key], number)
            writers.get(key, self._node)(self._root.values[key])
        self._put("}\n")
        return self._out.getvalue()

    def _node(self, node: YamlNode) -> None:
        self._move(node)
        if isinstance(node, ScalarNode):
            self._put(_HIDDEN if self._is_hidden(node) else _scalar(node))
        elif isinstance(node, SequenceNode):
            self._put("[")
            for number, item in enumerate(node.items):
                self._put(", " if number else "")
                self._node(item)
            self._put("]")
        else:
            self._put("{")
            for number, (name, key) in enumerate(node.keys.items()):
                self._key(key, number)
                self._node(node.values[name])
            self._put("}")

    def _channels(self, node: YamlNode) -> None:
        """Only the names."""
        self._put("{")
        for number, key in enumerate(_names(node)):
            self._key(key, number)
            self._put("null")
        self._put("}")

    def _notifications(self, node: YamlNode) -> None:
        """Only the names, and which are enabled."""
        self._put("{")
        for number, key in enumerate(_names(node)):
            self._key(key, number)
            block = node.values[key.text] if isinstance(node, MappingNode) else None
            enabled = block.values.get(_ENABLED) if isinstance(block, MappingNode) else None
            is_flag = isinstance(enabled, ScalarNode) and FLAGS.get(enabled.text) is True
            self._put("{enabled: true}" if is_flag else "{}")
        self._put("}")

    def _key(self, key: ScalarNode, number: int) -> None:
        self._put(", " if number else "")
        self._move(key)
        self._put(f"{key.text if _NAMED.fullmatch(key.text) else _quoted(key.text)}: ")

    def _is_hidden(self, node: ScalarNode) -> bool:
        if id(node) not in self._secret:
            return False
        # Those say nothing, and a merged block may need them.
        return not (node.plain and (node.is_null or node.text in FLAGS))

    def _move(self, node: YamlNode) -> None:
        """Go to the place of the node, or stay: an alias stands behind what it stands for."""
        if node.line > self._line:
            self._put("\n" * (node.line - self._line))
            self._line, self._column = node.line, 1
        if node.line == self._line and node.column > self._column:
            self._put(" " * (node.column - self._column))

    def _put(self, text: str) -> None:
        self._out.write(text)
        self._column += len(text)


def _names(node: YamlNode) -> list[ScalarNode]:
    if not isinstance(node, MappingNode):
        return []
    return [key for name, key in node.keys.items() if NAME.fullmatch(name)]


def _scalars(node: YamlNode) -> Iterable[ScalarNode]:
    """All scalars below a node, keys left out."""
    # An alias may bring a node to many places.
    pending, seen = [node], set[int]()
    while pending:
        each = pending.pop()
        if isinstance(each, ScalarNode):
            yield each
        elif isinstance(each, SequenceNode):
            if id(each) not in seen:
                seen.add(id(each))
                pending.extend(each.items)
        elif id(each.values) not in seen:
            seen.add(id(each.values))
            pending.extend(each.values.values())


def _scalar(node: ScalarNode) -> str:
    if node.is_null:
        return "null"
    if node.plain and (number_of(node.text) is not None or _TYPED.fullmatch(node.text)):
        return node.text
    return _quoted(node.text)


def _quoted(text: str) -> str:
    return _UNPRINTABLE.sub(_escaped, json.dumps(text, ensure_ascii=False))


def _escaped(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"
