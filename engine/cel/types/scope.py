"""Scopes: the variables of an expression, what names refer to, and suggestions for unknown ones."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, tzinfo
from typing import Any, Final, TypeAlias

from engine.cel.syntax.examples import NEUTRAL, Examples
from engine.cel.syntax.tree import Ident, Node, Select
from engine.cel.values.values import TYPE_NAMES, FailureKind
from engine.errors import SHOWN_LENGTH
from engine.schema import FieldType

#: The variable with the instant of the event.
TIME: Final = "time"
#: Names at least this similar (of 1) differ by a slip of the pen.
_NEAR: Final = 0.75
#: How a remedy begins that lists all names.
LISTED: Final = "there are: "
#: How a remedy begins that names the most similar one.
GUESSED: Final = "did you mean "


@dataclass(frozen=True, slots=True)
class Variable:
    """A reference to a variable of the scope, by its full name."""

    name: str


@dataclass(frozen=True, slots=True)
class Local:
    """A reference to a macro's variable; `slot` is its key among the bindings at run time."""

    slot: int


@dataclass(frozen=True, slots=True)
class Constant:
    """A reference to a constant: the name of a type, such as `int`."""

    value: Any


@dataclass(frozen=True, slots=True)
class Broken:
    """An unknown name where names are not checked: evaluating it raises this error."""

    kind: FailureKind
    message: str


Reference: TypeAlias = Variable | Local | Constant | Broken


@dataclass(frozen=True, slots=True)
class Scope:
    """The variables that an expression may read, by name, with their types; None is any type.

    Names are looked up from `container` outwards, as CEL does. Macros add their variables to
    `locals`: the slot at run time and the type. With `is_strict` an unknown name is a problem;
    without, it is an evaluation error. `zone` is the time zone of the site: the
    check warns of times of day that are read in UTC instead. `examples` are the names that remedies
    show.
    """

    variables: Mapping[str, FieldType | None]
    container: str = ""
    is_strict: bool = True
    locals: Mapping[str, tuple[int, FieldType | None]] = field(default_factory=dict)
    zone: tzinfo = UTC
    examples: Examples = NEUTRAL

    def with_local(self, name: str, slot: int, kind: FieldType | None) -> Scope:
        """The scope inside a macro whose variable is `name`."""
        inner = {**self.locals, name: (slot, kind)}
        return replace(self, locals=inner)

    def qualified(self, name: str, *, is_absolute: bool) -> str | None:
        """The variable that a name, maybe dotted, refers to; None for an unknown one."""
        for candidate in self.candidates(name, is_absolute=is_absolute):
            if candidate in self.variables:
                return candidate
        return None

    def candidates(self, name: str, *, is_absolute: bool) -> Iterator[str]:
        """The full names to look `name` up by, in this order: the container's own first."""
        prefix = "" if is_absolute else self.container
        while prefix:
            yield f"{prefix}.{name}"
            prefix = prefix.rpartition(".")[0]
        yield name

    def is_local(self, node: Node) -> bool:
        """Whether the first of a chain of names is a macro's variable."""
        while isinstance(node, Select):
            node = node.operand
        return isinstance(node, Ident) and not node.is_absolute and node.name in self.locals

    def type_constant(self, name: str) -> Constant | None:
        """The type of that name, as a constant; None for no type's name."""
        found = TYPE_NAMES.get(name)
        return Constant(found) if found is not None else None

    def suggestion(self, name: str) -> str:
        """A remedy for an unknown name: the most similar one, or all if they are few, or ""."""
        found = self.nearest(name)
        return f"did you mean '{found}'?" if found else _listed([*self.variables, *self.locals])

    def nearest(self, name: str) -> str:
        """The path of the variable or field whose name is most similar; "" for none."""
        paths = list(_paths(self.variables))
        nested = [path for path in paths if path.endswith(f".{name}")]
        plain = _plain(name)
        nested = nested or [path for path in paths if _plain(path) == plain]
        nested = nested or [path for path in paths if _plain(path.rpartition(".")[2]) == plain]
        return nested[0] if nested else _nearest(name, sorted([*self.variables, *self.locals]))

    def is_near(self, name: str) -> bool:
        """Whether the most similar name is so similar that hardly anything else is meant."""
        found = self.nearest(name)
        last = found.rpartition(".")[2]
        if not found or name in (last, found) or _plain(name) in (_plain(found), _plain(last)):
            return bool(found)
        ratio = difflib.SequenceMatcher(None, name.lower(), found.lower()).ratio()
        is_swapped = sorted(name.lower()) == sorted(found.lower())
        return ratio >= _NEAR or is_swapped or found.lower().startswith(name.lower())

    def has_path(self, path: str) -> bool:
        """Whether a dotted path is that of a variable or of a field in one."""
        return path in _paths(self.variables)


def _paths(
    fields: Mapping[str, FieldType | None] | Mapping[str, FieldType], prefix: str = ""
) -> Iterator[str]:
    for name, kind in fields.items():
        yield prefix + name
        if kind is not None and kind.fields:
            yield from _paths(kind.fields, f"{prefix}{name}.")


def _plain(name: str) -> str:
    """A name without dots, underscores and capitals."""
    return name.replace(".", "").replace("_", "").lower()


def suggest(name: str, names: Iterable[str]) -> str:
    """A remedy: the most similar of `names`, or all of them if they are few, or ""."""
    known = sorted(names)
    near = _nearest(name, known)
    return f"did you mean '{near}'?" if near else _listed(known)


def _nearest(name: str, known: list[str]) -> str:
    name = name[:SHOWN_LENGTH]
    lowered = {each.lower(): each for each in known}
    near = difflib.get_close_matches(name.lower(), lowered, n=1, cutoff=0.6)
    if not near and len(name) > 1:
        near = [each for each in lowered if each.startswith(name.lower())]
    return lowered[near[0]] if near else ""


def _listed(names: Iterable[str]) -> str:
    """A remedy that lists all names; "" where they are many or none."""
    known = sorted(names)
    return f"{LISTED}{', '.join(known)}" if 0 < len(known) <= 12 else ""


def dotted(node: Node) -> tuple[str, Ident] | None:
    """The path `a.b.c` of a chain of names, and the node of its first; None for other nodes."""
    names: list[str] = []
    while isinstance(node, Select) and not node.is_test:
        names.append(node.field)
        node = node.operand
    if not isinstance(node, Ident):
        return None
    names.append(node.name)
    return ".".join(reversed(names)), node
