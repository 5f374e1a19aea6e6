"""The nodes of a YAML file, and how a rule file's texts, flags and numbers are read from them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import ClassVar, Final

from engine.errors import Place
from engine.rules.faults import FaultCode, Faults, named, shown, suggestion

BREAK: Final = re.compile("\r\n|[\r\n\x85\u2028\u2029]")
NULLS: Final = frozenset({"", "~", "null", "Null", "NULL"})

_COMMENT: Final = re.compile(r"[ \t]+#[^\s#]")
_PROPERTIES: Final = re.compile(r"(?:[&!][^\s,\[\]{}]*\s+)+")
_ESCAPE_WIDTHS: Final = {"x": 4, "u": 6, "U": 10}

#: Names of channels and watchlists.
NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_INTEGER: Final = re.compile(r"[-+]?(?:0|[1-9][0-9]*(?:_[0-9]+)*)")
_DECIMAL: Final = re.compile(
    r"[-+]?(?:[0-9]+\.[0-9]*(?:[eE][-+]?[0-9]+)?|\.[0-9]+(?:[eE][-+]?[0-9]+)?|[0-9]+[eE][-+]?[0-9]+)"
)
_LONGEST_NUMBER: Final = 60
_LARGEST_INTEGER: Final = 2**63 - 1
FLAGS: Final = {
    **dict.fromkeys(("true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON"), True),
    **dict.fromkeys(("false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF"), False),
}

CUT: Final = "a `#` begins a comment: put quotes around the value, or a blank behind the `#`"
_OWN: Final = "`<<` or `*` brought it from there: give this one its own"
#: Where keys belong that people often write a level too high or too deep.
_PLACES: Final = {
    **dict.fromkeys(("cooldown_seconds", "dedup_key"), "under `rate_limit:`"),
    **dict.fromkeys(("field", "operator", "value"), "to an item of a list under `conditions:`"),
    **dict.fromkeys(
        (
            "id",
            "when",
            "conditions",
            "notify",
            "priority",
            "message_template",
            "active_time_intervals",
            "mute_time_intervals",
        ),
        "to a rule under `rules:`, indented as its `id` is",
    ),
    **dict.fromkeys(("event", "events", "expect"), "to an item of a list under `tests:`"),
    **dict.fromkeys(
        ("rules", "channels", "notifications", "watchlists"), "to the file, unindented"
    ),
}
#: What keys of other programs are called here.
_KEYS: Final = {
    **dict.fromkeys(("cooldown", "throttle", "debounce", "cool_down"), "cooldown_seconds: …"),
    **dict.fromkeys(("repeat_interval", "interval", "minutes", "seconds"), "cooldown_seconds: …"),
    **dict.fromkeys(("group_by", "unique_by", "key", "keys", "by"), "dedup_key: …"),
    **dict.fromkeys(("severity", "level", "urgency"), "priority: high, medium or low"),
    **dict.fromkeys(("expr", "expression", "query", "filter", "if", "where"), "when: …"),
    **dict.fromkeys(("title", "alert", "alias", "label"), "name: …"),
    **dict.fromkeys(("annotations", "summary", "body", "text", "msg"), "message_template: …"),
    **dict.fromkeys(("action", "actions", "receiver", "receivers", "send_to", "to"), "notify: […]"),
    **dict.fromkeys(("active", "disabled", "enable"), "enabled: true or false"),
    **dict.fromkeys(("op", "test", "comparison"), "operator: …"),
    **dict.fromkeys(
        ("time_intervals", "time_interval", "schedule", "hours", "active_times"),
        "active_time_intervals: […]",
    ),
    **dict.fromkeys(("mute_times", "quiet_hours"), "mute_time_intervals: […]"),
    **dict.fromkeys(("timezone", "time_zone", "tz", "zone"), "location: …"),
    **dict.fromkeys(("days", "days_of_week", "day_of_week"), "weekdays: […]"),
    **dict.fromkeys(("exclude", "excluding", "without"), "except: […]"),
    **dict.fromkeys(("input", "given", "reading", "fields"), "event: {…}"),
    **dict.fromkeys(
        ("match", "matches", "should_match", "then", "result", "output"), "expect: match"
    ),
}


class Source:
    """A file: its path as it was given, and its text."""

    __slots__ = ("_has_cuts", "_line_starts", "file", "text")

    def __init__(self, file: str, text: str) -> None:
        self.file = file
        self.text = text
        self._line_starts: list[int] = []
        self._has_cuts: bool | None = None

    @property
    def has_cuts(self) -> bool:
        """Whether a `#` without a blank after it may have cut a value of the file."""
        if self._has_cuts is None:
            self._has_cuts = _COMMENT.search(self.text) is not None
        return self._has_cuts

    def index(self, line: int, column: int) -> int:
        """The index in the text of a line and column, which count from 1."""
        if not self._line_starts:
            self._line_starts = [0, *(found.end() for found in BREAK.finditer(self.text))]
        return self._line_starts[line - 1] + column - 1


class ScalarNode:
    """A YAML scalar, as text; `plain` says that it has no quotes, so that YAML gives it a type.

    `line` and `column` count from 1; `style` is YAML's: empty, a quotation mark, `|` or `>`.
    """

    __slots__ = ("column", "line", "plain", "source", "style", "text")

    def __init__(
        self, source: Source, text: str, plain: bool, style: str, line: int, column: int
    ) -> None:
        self.source = source
        self.text = text
        self.plain = plain
        self.style = style
        self.line = line
        self.column = column

    @property
    def is_null(self) -> bool:
        """Whether it is empty, or one of YAML's words for null, without quotes."""
        return self.plain and self.text in NULLS

    @property
    def place(self) -> Place:
        """Where it starts."""
        return Place(self.source.file, self.line, self.column)

    @property
    def is_cut(self) -> bool:
        """Whether a comment ends it that looks like a part of the text: a `#` and no blank."""
        if not self.plain or not self.source.has_cuts:
            return False
        source = self.source.text
        start = self.source.index(self.line, self.column)
        following = BREAK.search(source, start)
        if source.find("#", start, following.start() if following else len(source)) < 0:
            return False
        end = source_index(source, start, self.text, self.style, len(self.text))
        return end is not None and _COMMENT.match(source, end) is not None

    def place_at(self, offset: int) -> Place:
        """The place in the file of the code point `offset` of the text.

        It is the scalar's start where text and source don't agree.
        """
        text = self.source.text
        start = self.source.index(self.line, self.column)
        index = source_index(text, start, self.text, self.style, offset)
        if index is None:
            return self.place
        return Place(self.source.file, *line_and_column(text, start, self.place, index))


class SequenceNode:
    """A YAML sequence."""

    __slots__ = ("column", "items", "line", "source")
    is_null: ClassVar = False

    def __init__(self, source: Source, line: int, column: int) -> None:
        self.source = source
        self.line = line
        self.column = column
        self.items: list[YamlNode] = []

    @property
    def place(self) -> Place:
        """Where it starts."""
        return Place(self.source.file, self.line, self.column)


class MappingNode:
    """A YAML mapping; `keys` has the node of each key, `values` that of its value."""

    __slots__ = ("column", "keys", "line", "source", "values")
    is_null: ClassVar = False

    def __init__(self, source: Source, line: int, column: int) -> None:
        self.source = source
        self.line = line
        self.column = column
        self.keys: dict[str, ScalarNode] = {}
        self.values: dict[str, YamlNode] = {}

    def seen_at(self, line: int, column: int) -> MappingNode:
        """The same mapping where an alias stands for it."""
        seen = MappingNode(self.source, line, column)
        seen.keys, seen.values = self.keys, self.values
        return seen

    @property
    def place(self) -> Place:
        """Where it starts."""
        return Place(self.source.file, self.line, self.column)


YamlNode = ScalarNode | SequenceNode | MappingNode


def source_index(source: str, start: int, text: str, style: str, offset: int) -> int | None:
    """The index in `source` of `text[offset]`, for the scalar that starts at `start`.

    Walks through both, since quoting, folding and indentation make them differ; an offset at the
    end of the text gives the index after its last visible character. None if they don't agree.
    """
    visible = len(text.rstrip())
    if offset >= visible > 0:
        last = source_index(source, start, text, style, visible - 1)
        return None if last is None else last + 1
    at = _body(source, start, style)
    position = 0
    while position < offset:
        if at >= len(source):
            return None
        step = _step(source, at, text[position], style)
        if step is not None:
            at, taken = step
            position += taken
        elif text[position].isspace() or source[at].isspace():
            at = _skip_space(source, at)
            position = _skip_space(text, position)
        else:
            return None
    if offset < len(text) and not text[offset].isspace():
        at = _skip_space(source, at)
        if style == '"' and BREAK.match(source, at + 1) and source[at] == "\\":
            at = _skip_space(source, at + 1)
    return at


def line_and_column(source: str, start: int, place: Place, index: int) -> tuple[int, int]:
    """Line and column, from 1, of `index`; `place` is that of `start`, which comes before it."""
    line, line_start = place.line, start - (place.column - 1)
    for found in BREAK.finditer(source, start, index):
        line += 1
        line_start = found.end()
    return line, index - line_start + 1


def kind_of(node: YamlNode) -> str:
    """The kind of a node as messages name it."""
    if isinstance(node, MappingNode):
        return "a mapping"
    if isinstance(node, SequenceNode):
        return "a list"
    return "empty" if node.is_null else "a text"


def check_keys(mapping: MappingNode, known: Sequence[str], where: str, faults: Faults) -> None:
    """Reports every key of `mapping` that is not `known`; `where` names the mapping."""
    for name, key in mapping.keys.items():
        if name not in known:
            faults.error(
                key.place,
                FaultCode.UNKNOWN_KEY,
                f"unknown key{named(name)} in {where}",
                _elsewhere(name, known)
                or _otherwise(name, known)
                or suggestion(name, known, f"the keys are {', '.join(known)}"),
            )


def as_mapping(node: YamlNode, name: str, faults: Faults, remedy: str = "") -> MappingNode | None:
    """The node as a mapping, or None and a fault; `remedy` says what to write instead."""
    if isinstance(node, MappingNode):
        return node
    faults.error(
        node.place,
        FaultCode.WRONG_TYPE,
        f"{name} must be a mapping, but it is {kind_of(node)}",
        remedy or "write `key: value` lines below it, indented",
    )
    return None


def as_sequence(node: YamlNode, name: str, faults: Faults, remedy: str = "") -> SequenceNode | None:
    """The node as a sequence, or None and a fault; `remedy` says what to write instead."""
    if isinstance(node, SequenceNode):
        return node
    faults.error(
        node.place,
        FaultCode.WRONG_TYPE,
        f"{name} must be a list, but it is {kind_of(node)}",
        remedy or as_items(node),
    )
    return None


def named_entries(
    node: YamlNode, key: str, thing: str, faults: Faults
) -> Iterator[tuple[ScalarNode, YamlNode]]:
    """The names and values of a mapping of named things, such as `channels:`.

    `key` and `thing` name the mapping and one of its things in faults. Entries whose name is not
    allowed are reported and left out.
    """
    if node.is_null:
        return
    mapping = as_mapping(node, key, faults)
    if mapping is None:
        return
    for name, scalar in mapping.keys.items():
        if NAME.fullmatch(name):
            yield scalar, mapping.values[name]
        else:
            faults.error(
                scalar.place,
                FaultCode.BAD_VALUE,
                f"this can't be the name of {thing}",
                "use at most 64 letters, digits, `_`, `.` and `-`",
            )


def as_items(node: YamlNode) -> str:
    """The remedy for a node that should be a list: a text of one line becomes its only item."""
    if isinstance(node, ScalarNode) and not node.is_null and "\n" not in node.text.strip():
        return f"write [{shown(node.text)}]"
    return "write one item a line, each after `- `"


def as_text(node: YamlNode, name: str, faults: Faults, remedy: str = "") -> ScalarNode | None:
    """The node as a scalar with text, or None and a fault.

    `remedy` says what to write instead of a list or a mapping.
    """
    if not isinstance(node, ScalarNode):
        if not remedy:
            remedy = "write one text" if isinstance(node, SequenceNode) else "put quotes around it"
        faults.error(
            node.place,
            FaultCode.WRONG_TYPE,
            f"{name} must be a text, but it is {kind_of(node)}",
            remedy,
        )
        return None
    if node.is_null or not node.text.strip():
        faults.error(
            node.place,
            FaultCode.BAD_VALUE,
            f"{name} is empty",
            CUT if node.is_cut else "give it a value, or remove it",
        )
        return None
    return node


def as_flag(node: YamlNode, name: str, faults: Faults) -> bool | None:
    """The node as true or false, or None and a fault."""
    if isinstance(node, ScalarNode) and node.plain and node.text in FLAGS:
        return FLAGS[node.text]
    faults.error(
        node.place,
        FaultCode.WRONG_TYPE,
        f"{name} must be true or false",
        "write true or false, without quotes",
    )
    return None


def number_of(text: str) -> int | float | None:
    """The finite number that a decimal text stands for, an integer of 64 bits at most; else None.

    `0123` and `0x10`, whose value depends on the YAML version, are no numbers.
    """
    if len(text) > _LONGEST_NUMBER:
        return None
    if _INTEGER.fullmatch(text):
        whole = int(text)
        return whole if abs(whole) <= _LARGEST_INTEGER else None
    if _DECIMAL.fullmatch(text):
        decimal = float(text)
        return decimal if abs(decimal) != float("inf") else None
    return None


class UniqueNames:
    """The names of all things of one kind, such as rules; `places` has the first place of each."""

    def __init__(self, faults: Faults, code: FaultCode, used_twice: str, remedy: str) -> None:
        """A repeated name is reported with `code`, `used_twice` (`{}` is the name) and `remedy`."""
        self.places: dict[str, Place] = {}
        self._seen: set[Place] = set()
        self._faults = faults
        self._code = code
        self._used_twice = used_twice
        self._remedy = remedy

    def add(self, name: ScalarNode, owner: Place) -> bool:
        """Adds a name; False where it is used already, which is reported.

        `owner` is the place of the mapping whose key or value the name is.
        """
        # An alias or a merge brings one node to several places of the file.
        is_alias = name.place in self._seen
        self._seen.add(name.place)
        first = self.places.get(name.text)
        if first is None:
            self.places[name.text] = name.place
            return True
        self._faults.error(
            owner if is_alias else name.place,
            self._code,
            f"{self._used_twice.format(name.text)}, first at {first}",
            _OWN if is_alias else self._remedy,
        )
        return False


def _body(source: str, start: int, style: str) -> int:
    """The index of the scalar's first character: after anchor, tag, quotation mark and header."""
    properties = _PROPERTIES.match(source, start)
    at = properties.end() if properties else start
    if style in {"|", ">"}:
        header = BREAK.search(source, at)
        return header.end() if header else len(source)
    return at + 1 if style in {"'", '"'} else at


def _step(source: str, at: int, char: str, style: str) -> tuple[int, int] | None:
    """One step over the source: the next index, and how many characters of the text it gave.

    None where the source gives other text.
    """
    found = source[at]
    if style == '"' and found == "\\":
        following = source[at + 1 : at + 2]
        if BREAK.match(following):
            return _skip_space(source, at + 1), 0
        return at + _ESCAPE_WIDTHS.get(following, 2), 1
    if style == "'" and found == "'":
        return at + 2, 1
    if found == char and not BREAK.match(char):
        return at + 1, 1
    return None


def _skip_space(text: str, at: int) -> int:
    while at < len(text) and text[at].isspace():
        at += 1
    return at


def _elsewhere(name: str, known: Sequence[str]) -> str:
    """The remedy for a key that belongs elsewhere; "" for others."""
    first, dot, rest = name.partition(".")
    if dot and first in known:
        return f"write {first}: {{{shown(rest)}: …}}"
    place = _PLACES.get(name, "")
    return f"it belongs {place}" if place else ""


def _otherwise(name: str, known: Sequence[str]) -> str:
    """The remedy for a key of another program whose counterpart may stand here; "" for others."""
    counterpart = _KEYS.get(name.lower(), "")
    key = counterpart.partition(":")[0]
    if key.startswith(name) and len(name) > 3:
        return ""
    if key in ("cooldown_seconds", "dedup_key") and "rate_limit" in known:
        return f"write rate_limit: {{{counterpart}}}"
    return f"write {counterpart}" if key in known else ""
