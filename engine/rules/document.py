"""Reads a YAML file into nodes with places, within bounds of size, nesting and aliases.

Where the parser refuses a file, its message becomes a fault that says what to write instead.
"""

from __future__ import annotations

import codecs
import re
import sys
from pathlib import Path
from typing import Any, Final

import yaml

from engine.errors import Place
from engine.rules.faults import FaultCode, Faults, named, shown
from engine.rules.nodes import BREAK, MappingNode, ScalarNode, SequenceNode, Source, YamlNode

MAX_FILE_BYTES: Final = 16 * 1024 * 1024
MAX_NODES: Final = 1_000_000
MAX_ALIASED_NODES: Final = 100_000

_LOADER: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_READABLE: Final = "let the service's user read it, or remove it"
_STANDARD: Final = "tag:yaml.org,2002:"
_TEXT_TAGS: Final = frozenset({f"{_STANDARD}str"})
_TYPED_TAGS: Final = frozenset(f"{_STANDARD}{name}" for name in ("int", "float", "bool", "null"))
_COLLECTION_TAGS: Final = frozenset({f"{_STANDARD}map", f"{_STANDARD}seq"})

_MAX_DEPTH: Final = 50
_TOO_DEEP: Final = f"this is nested more than {_MAX_DEPTH} deep"
_LESS_DEEP: Final = "no rule needs that: look at the brackets"

_ITEMS: Final = "begin a list on a line of its own, one `- item` a line, or write [a, b]"
_NEAR: Final = "put quotes around the whole value, or look at the indentation and brackets near it"
_REMEDIES: Final = (
    (
        "mapping values are not allowed",
        "write a blank after each `:`, put quotes around a value that holds `: `, "
        "or look at the indentation",
    ),
    ("unknown escape", "use single quotes, in which a backslash is just a backslash"),
    ("cannot start any token", "indent with spaces, or put quotes around the value"),
    ("tab character", "indent with spaces"),
    ("a quote is not closed", "end the value with the quote that it begins with"),
    ("found unexpected", "put quotes around the value"),
    ("control characters", "remove the invisible character"),
    ("special characters", "remove the invisible character"),
    ("block sequence entries are not allowed", _ITEMS),
    ("mapping keys are not allowed", "put quotes around a value that begins with `?`"),
    ("unknown directive", "remove the `%` at the line's beginning, or put quotes around it"),
    ("invalid Unicode character escape", "use single quotes, in which a backslash is just one"),
    ("expected '-' indicator", "indent a rule's other keys below its `- id:`, as `id` is"),
    ("comment or line break", "begin the text on the next line, indented, or put quotes around it"),
    ("hexdecimal", "use single quotes, in which a backslash is just one"),
    ("did not find expected", _NEAR),
    ("could not find expected", _NEAR),
)
#: A line of a mapping: its key, and a value that begins with no blank.
_ENTRY: Final = re.compile(r"[\s{-]*(?:- )?\s*(?P<key>[A-Za-z_]\w*):[ \t]+(?P<value>\S.*?)\s*")
#: `${VAR}` as an item without quotes.
_VARIABLE: Final = re.compile(r"[\[,]\s*\$\{\w+\}")
_LONGEST_QUOTED: Final = 100
_QUOTES: Final = "put quotes around the whole value"
_BLOCK: Final = "write the text below `{}: |`, indented, where no sign means anything to YAML"
_JOIN: Final = "join its parts by && or ||, and put quotes around the whole"
_OF_CHANNELS: Final = "write ${…} in the channel's definition under `channels:`, and its name here"
#: Keys that join the parts of a condition in other programs.
_JOINING: Final = re.compile(r"(?:all|any|and|or|not|none|if)\s*:", re.I)
_EXPRESSIONS: Final = frozenset({"when", "dedup_key"})
#: Keys whose values a remedy may repeat. Values of other keys may be secrets.
_SHOWN: Final = _EXPRESSIONS | {"name", "description", "message_template", "field", "expect"}
_INCLUDE: Final = "every file is read: write its rules under its own `rules:`"
#: Tags of other programs, without their sign.
_TAGS: Final = {
    **dict.fromkeys(
        ("secret", "env", "env_var", "ENV", "vault"), "a secret is ${VAR}, in channels only"
    ),
    **dict.fromkeys(("include", "include_dir_list", "import"), _INCLUDE),
}
_NO_TAG: Final = "remove it, or put quotes around the value if it is no tag"

_Remedy = tuple[str, str]
"""What is wrong, and what to write."""


def read_document(path: Path, faults: Faults) -> YamlNode | None:
    """The root node of a file; None where it is unusable or empty, which is added to `faults`."""
    text = _read_text(path, faults)
    if text is None:
        return None
    return parse_document(Source(str(path), text), faults)


def parse_document(source: Source, faults: Faults) -> YamlNode | None:
    """The root node of a YAML text; None where it is unusable or empty, which is in `faults`."""
    builder = _NodeBuilder(source, faults)
    try:
        for event in yaml.parse(source.text, Loader=_LOADER):
            builder.add(event)
    except _StopReadingError as stop:
        faults.error(stop.place, stop.code, stop.what, stop.remedy)
        return None
    except yaml.YAMLError as error:
        _report_syntax_error(error, source, faults)
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


class _StopReadingError(Exception):
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


class _NodeBuilder:
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
        """Adds the next event; raises _StopReadingError where reading must end."""
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
                raise _StopReadingError(
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
            raise _StopReadingError(
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
        text = _expression_after_tag(name, event.tag, event.value) if is_plain else ""
        self._tag_fault(event, name, text)
        return text or str(event.value)

    def _line_of(self, mark: Any) -> int:
        """The line, from 1; nodes of one line share the int, which saves a tenth of the memory."""
        if mark.line + 1 != self._line:
            self._line = mark.line + 1
        return self._line

    def _tag_fault(self, event: Any, key: str = "", text: str = "") -> None:
        what, remedy = _remedy_of_tag(key, event.tag, text)
        if event.tag.startswith(_STANDARD):
            what = f"the tag !!{shown(event.tag.removeprefix(_STANDARD))} is not supported"
        self._faults.error(self._place(event), FaultCode.TAG, what, remedy)

    def _open(self, event: Any, node_type: type[MappingNode] | type[SequenceNode]) -> None:
        self._count(event)
        if event.tag is not None and event.tag not in _COLLECTION_TAGS:
            self._tag_fault(event)
        if len(self._stack) >= _MAX_DEPTH:
            raise _StopReadingError(
                self._place(event),
                FaultCode.TOO_DEEP,
                _TOO_DEEP,
                _LESS_DEEP,
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
            raise _StopReadingError(
                self._place(event),
                FaultCode.ALIAS,
                "an alias, which begins with `*`, names no anchor that is complete before it",
                "put quotes around the value if it is no alias",
            )
        node, weight = found
        self._aliased += weight
        if self._aliased > MAX_ALIASED_NODES:
            raise _StopReadingError(
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
            _place_after(str(path), before),
            FaultCode.NOT_UTF8,
            "the file is not UTF-8",
            "save it in the encoding UTF-8",
        )
        return None


def _report_syntax_error(error: yaml.YAMLError, source: Source, faults: Faults) -> None:
    """Adds the parser's error to `faults`, with its place and a remedy."""
    if isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        place = Place(source.file, mark.line + 1, mark.column + 1) if mark else Place(source.file)
        problem = error.problem or "it can't be parsed"
        if "end of stream" in problem and error.context_mark and "scalar" in str(error.context):
            # The place where the unclosed text begins says more than the end of the file.
            begin = error.context_mark
            place = Place(source.file, begin.line + 1, begin.column + 1)
            problem = "a quote is not closed"
    elif isinstance(error, yaml.reader.ReaderError):
        place = _place_after(source.file, _before_bad_character(error, source.text))
        problem = error.reason
    else:
        place, problem = Place(source.file), str(error)
    if "nesting depth" in problem:
        # The parser's own limit may strike first, since it reads ahead of _NodeBuilder.
        faults.error(place, FaultCode.TOO_DEEP, _TOO_DEEP, _LESS_DEEP)
        return
    found = _remedy_of_line(_line(source.text, place.line), problem)
    if found is not None:
        problem, remedy = found
        faults.error(place, FaultCode.YAML, f"this is not valid YAML: {problem}", remedy)
        return
    remedy = next((remedy for part, remedy in _REMEDIES if part in problem), _NEAR)
    faults.error(place, FaultCode.YAML, f"this is not valid YAML: {problem}", remedy)


def _remedy_of_line(line: str, problem: str) -> _Remedy | None:
    """Explains a line that YAML's parser can't read, where its message alone misleads; else None.

    `problem` is the parser's message.
    """
    found = _ENTRY.fullmatch(line)
    key, value = (found["key"], found["value"]) if found is not None else ("", " ")
    if value[0] == "!":
        return _exclamation_mark(key, value)
    if value[0] in "\"'":
        return _of_quotes(key, value)
    if "did not find expected" in problem and _VARIABLE.search(line) is not None:
        what = "the `{` of `${…}` begins a mapping here"
        return what, _OF_CHANNELS if "notify" in line else 'put quotes around it: "${VAR}"'
    if "mapping values" in problem and ": " in value:
        return _of_colon(key, value)
    return None


def _expression_after_tag(key: str, tag: str, value: str) -> str:
    """The expression under `key` whose `!` YAML took for the tag `tag`; "" where it is none."""
    if key not in _EXPRESSIONS:
        return ""
    return f"{tag} {value}" if value else tag


def _remedy_of_tag(key: str, tag: str, text: str) -> _Remedy:
    """Explains a tag that is not one of YAML's own.

    `text` is the expression that begins with it, "" where it does not begin one.
    """
    if text:
        return _exclamation_mark(key, text)
    return "the tag `!…` is not supported", _TAGS.get(tag.removeprefix("!"), _NO_TAG)


def _place_after(file: str, before: str) -> Place:
    """The place right after `before`, the beginning of a file's text."""
    lines = BREAK.split(before)
    return Place(file, len(lines), len(lines[-1]) + 1)


def _line(text: str, number: int) -> str:
    """The line of that number, from 1; "" after the last."""
    lines = BREAK.split(text)
    return lines[number - 1] if number <= len(lines) else ""


def _before_bad_character(error: yaml.reader.ReaderError, text: str) -> str:
    """The text before a character that YAML refuses.

    The C parser counts the bytes before it, the Python one the code points.
    """
    if error.encoding == "?":
        return text.encode()[: error.position].decode("utf-8", "ignore")
    return text[: error.position]


def _exclamation_mark(key: str, value: str) -> _Remedy:
    return "a value that begins with `!` is a tag to YAML", _quoted(key, value)


def _quoted(key: str, value: str) -> str:
    """The remedy that writes the value in quotes."""
    if key not in _SHOWN:
        return _QUOTES
    for quote in "'\"":
        if quote not in value and (quote == "'" or "\\" not in value):
            text = f"{key}: {quote}{value}{quote}"
            return f"write {text}" if len(text) <= _LONGEST_QUOTED else _QUOTES
    return _BLOCK.format(key)


def _of_quotes(key: str, value: str) -> _Remedy | None:
    """The remedy for a value whose quotes end before it does; None where they don't."""
    quote = value[0]
    end = value.find(quote, 1)
    rest = value[end + 1 :].strip()
    if end < 0 or not rest or rest.startswith("#"):
        return None
    what = f"the text ends at its second {quote}, but the line goes on"
    is_nested = value.endswith(quote) and value[end + 1 : end + 2].strip() != ""
    return what, _quoted(key, value[1:-1] if is_nested else value)


def _of_colon(key: str, value: str) -> _Remedy:
    what = "a value without quotes can't hold `: `"
    if key == "when" and _JOINING.match(value) is not None:
        return f"{what}, and `when` is one expression", _JOIN
    return what, _quoted(key, value)
