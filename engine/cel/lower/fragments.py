"""Fragments of generated Python, and the writer that makes one expression of them."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final

from engine.cel.values.values import MISSING, Timestamp
from engine.schema import FieldType, Kind

#: Deepest nesting that is written; Python allows 200 brackets.
MAX_DEPTH: Final = 60

#: The Python types of a field's values. A timestamp stays a datetime until an operation needs more.
TYPES: Final[dict[Kind, type]] = {
    Kind.STRING: str,
    Kind.INT: int,
    Kind.DOUBLE: float,
    Kind.BOOL: bool,
    Kind.BYTES: bytes,
    Kind.LIST: list,
    Kind.MAP: dict,
    Kind.RECORD: dict,
    Kind.TIMESTAMP: datetime,
}
_ELEMENTS: Final = {str: Kind.STRING, int: Kind.INT, float: Kind.DOUBLE, bool: Kind.BOOL}


class Form(StrEnum):
    """How a fragment is written."""

    PLAIN = "plain"
    CONSTANT = "constant"
    ALL = "all"
    ANY = "any"
    CHOICE = "choice"
    LOOP = "loop"
    ITEM = "item"


class UnlowerableError(Exception):
    """The expression is left to the interpreter; the message says why."""


@dataclass(frozen=True, slots=True, eq=False)
class Fragment:
    """One part of a generated expression.

    `template` has `{0}`, `{1}` … for the `parts`; its text may stand as an operand of any operator.
    `kind` is the Python type of the value where it is known, `field` the schema's type of a record,
    list or map, `value` that of a constant. `is_guarded` says that a null never comes here, though
    the value is nullable. Fragments with the same `share` have the same value, which is computed
    once. `can_fail` is a guess, for the order of operands only. `slot` is the number of a loop's
    variable; `rounds` is the most that all loops in the fragment may take.
    """

    form: Form
    template: str = ""
    parts: tuple[Fragment, ...] = ()
    kind: type | None = None
    is_nullable: bool = False
    field: FieldType | None = None
    value: Any = MISSING
    share: Hashable = None
    is_guarded: bool = False
    can_fail: bool = False
    depth: int = 1
    slot: int = 0
    rounds: int = 0

    @property
    def is_constant(self) -> bool:
        """Whether the value is known."""
        return self.form is Form.CONSTANT

    @property
    def fails_on_null(self) -> bool:
        """Whether an operation that takes no null may meet one here."""
        return self.kind is None or (self.is_nullable and not self.is_guarded)


def constant(value: Any) -> Fragment:
    """The fragment of a known value."""
    field: FieldType | None = None
    if type(value) is list and value:
        kinds = {type(item) for item in value}
        element = _ELEMENTS.get(kinds.pop()) if len(kinds) == 1 else None
        if element is not None:
            field = FieldType(Kind.LIST, element=FieldType(element))
    return Fragment(
        Form.CONSTANT, kind=type(value), is_nullable=value is None, field=field, value=value
    )


@lru_cache(maxsize=1_024)
def name(text: str) -> Fragment:
    """The name of a field as a constant, the same object in all expressions."""
    return constant(text)


def plain(
    template: str,
    *parts: Fragment,
    kind: type | None = None,
    can_fail: bool = False,
    share: Hashable = None,
) -> Fragment:
    """An operation on parts, evaluated from the left."""
    return Fragment(
        Form.PLAIN,
        template,
        parts,
        kind,
        is_nullable=kind is None,
        share=share,
        can_fail=can_fail or any(part.can_fail for part in parts),
        depth=1 + max((part.depth for part in parts), default=0),
        rounds=sum(part.rounds for part in parts),
    )


def strict(
    template: str, *parts: Fragment, kind: type | None = None, share: Hashable = None
) -> Fragment:
    """An operation on parts in which Python fails on null, as CEL does, and on nothing else."""
    fails = any(part.fails_on_null for part in parts)
    return plain(template, *parts, kind=kind, can_fail=fails, share=share)


def typed(fragment: Fragment, field: FieldType | None, *, is_nullable: bool = False) -> Fragment:
    """The fragment with the schema's type of its value."""
    if field is None:
        return replace(fragment, kind=None, field=None, is_nullable=True)
    kind = TYPES.get(field.kind)
    is_nullable = field.nullable or is_nullable or kind is None
    return replace(fragment, kind=kind, field=field, is_nullable=is_nullable)


def element(fragment: Fragment, field: FieldType | None) -> Fragment:
    """The fragment as an element of a list or map, where timestamps are of an unknown type."""
    inner = field.element if field is not None else None
    return typed(fragment, None if inner is not None and inner.kind is Kind.TIMESTAMP else inner)


def cel_value(fragment: Fragment) -> Fragment:
    """The fragment with its value as CEL has it: a datetime becomes a `Timestamp`."""
    if fragment.kind is not datetime:
        return fragment
    instant = plain("instant({0})", fragment, kind=Timestamp)
    return replace(instant, is_nullable=fragment.is_nullable, is_guarded=fragment.is_guarded)


def not_null(fragment: Fragment) -> Fragment:
    """The fragment for an operation that would not fail on null by itself: it gives up there."""
    fragment = cel_value(fragment)
    if fragment.kind is None or not fragment.is_nullable:
        return fragment
    return replace(strict("not_null({0})", fragment, kind=fragment.kind), field=fragment.field)


def truth(fragment: Fragment) -> Fragment:
    """The fragment as an operand of logic: the function gives up where it is no bool."""
    if fragment.kind is bool and not fragment.is_nullable:
        return fragment
    return plain(
        "truth({0})",
        fragment,
        kind=bool,
        can_fail=fragment.kind is not bool or fragment.fails_on_null,
    )


_WORDS: Final = {None: "None", True: "True", False: "False"}


@dataclass(slots=True)
class _Shared:
    """A fragment that may be used again: it gets a name where it is computed first."""

    name: str
    mark: str
    text: str
    is_reused: bool = False


class SourceWriter:
    """Writes one expression; `constants` then holds the values of `k0`, `k1` …"""

    def __init__(self) -> None:
        self.constants: Final[list[Any]] = []
        self._names: Final[dict[Hashable, str]] = {}
        self._shared: Final[list[_Shared]] = []
        self._ready: dict[Hashable, _Shared] = {}
        self._loops = 0

    def text(self, root: Fragment) -> str:
        """The text of the whole expression."""
        text = self._write(root)
        # A fragment may stand inside one that was begun before it, never the other way round.
        for shared in self._shared:
            first = f"({shared.name} := {shared.text})" if shared.is_reused else shared.text
            text = text.replace(shared.mark, first)
        return text

    def _write(self, fragment: Fragment) -> str:
        match fragment.form:
            case Form.CONSTANT:
                return self._constant(fragment.value)
            case Form.ITEM:
                return f"x{fragment.slot}"
            case Form.ALL:
                return self._chain(fragment, " and ")
            case Form.ANY:
                return self._chain(fragment, " or ")
            case Form.CHOICE:
                return self._choice(fragment)
            case Form.LOOP:
                return self._loop(fragment)
        if fragment.share is not None:
            return self._share(fragment, fragment.share)
        return self._plain(fragment)

    def _plain(self, fragment: Fragment) -> str:
        return fragment.template.format(*map(self._write, fragment.parts))

    def _share(self, fragment: Fragment, key: Hashable) -> str:
        shared = self._ready.get(key)
        if shared is not None:
            shared.is_reused = True
            return shared.name
        if self._loops:
            return self._plain(fragment)
        number = len(self._shared)
        shared = _Shared(f"v{number}", f"<{number}>", "")
        self._shared.append(shared)
        shared.text = self._plain(fragment)
        self._ready[key] = shared
        return shared.mark

    def _chain(self, fragment: Fragment, sign: str) -> str:
        first, *others = fragment.parts
        texts = [self._write(first)]
        # What an operand computes may be reused by those after it, and nowhere else.
        ready = self._ready
        self._ready = dict(ready)
        texts += map(self._write, others)
        self._ready = ready
        return f"({sign.join(texts)})"

    def _choice(self, fragment: Fragment) -> str:
        condition, first, second = fragment.parts
        test = self._write(condition)
        ready = self._ready
        self._ready = dict(ready)
        chosen = self._write(first)
        self._ready = dict(ready)
        other = self._write(second)
        self._ready = ready
        return f"({chosen} if {test} else {other})"

    def _loop(self, fragment: Fragment) -> str:
        self._loops += 1
        texts = list(map(self._write, fragment.parts))
        self._loops -= 1
        return fragment.template.format(*texts, item=f"x{fragment.slot}")

    def _constant(self, value: Any) -> str:
        if value is None or value is True or value is False:
            return _WORDS[value]
        key = (str, value) if type(value) is str else id(value)
        name = self._names.get(key)
        if name is None:
            name = self._names[key] = f"k{len(self.constants)}"
            self.constants.append(value)
        return name
