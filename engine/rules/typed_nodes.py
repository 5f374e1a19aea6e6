"""Reads nodes as the types that a rule file needs, and checks keys and unique names."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from engine.errors import Place
from engine.rules.faults import FaultCode, Faults, named, shown, suggestion
from engine.rules.node import MappingNode, ScalarNode, SequenceNode, YamlNode

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
        ("id", "when", "conditions", "notify", "priority", "message_template"),
        "to a rule under `rules:`, indented as its `id` is",
    ),
    **dict.fromkeys(("event", "expect"), "to an item of a list under `tests:`"),
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
    **dict.fromkeys(("input", "given", "reading", "fields"), "event: {…}"),
    **dict.fromkeys(
        ("match", "matches", "should_match", "then", "result", "output"), "expect: match"
    ),
}


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
    """The names of all rules, channels or watchlists; `places` has the first place of each."""

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
