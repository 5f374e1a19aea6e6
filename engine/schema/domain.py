"""What a field holds beyond its type, as its schema promises it.

A schema says so by properties that Avro itself does not know: `minimum` and `maximum` of numbers,
`characters` of texts. Nothing holds a writer to them, so they are good for warnings only.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from engine.errors import SchemaError

#: What Avro's 32-bit int can hold.
_INT_MIN: Final = -(2**31)
_INT_MAX: Final = 2**31 - 1
_TEXTS: Final = frozenset({"string"})
_NUMBERS: Final = frozenset({"int", "long", "float", "double"})


@dataclass(frozen=True, slots=True)
class Domain:
    """The values that there are: a range of numbers, or texts of some form.

    `minimum` and `maximum` belong to it; None is no limit. `words` are all the texts that there
    are, if they are few. `characters` are those of the texts, as within the brackets of a regular
    expression: `A-Z0-9`; with `is_lower` none of them is a capital letter. `outside` finds a
    character that no text has, None where any may. `note` explains it.
    """

    minimum: float | None = None
    maximum: float | None = None
    characters: str = ""
    words: tuple[str, ...] = ()
    is_lower: bool = False
    note: str = ""
    outside: re.Pattern[str] | None = field(default=None, repr=False, compare=False)

    @property
    def is_of_texts(self) -> bool:
        """Whether it says anything of texts."""
        return self.outside is not None or self.is_lower or bool(self.words)

    def has_part(self, text: str) -> bool:
        """Whether a value may hold this text, as far as its characters tell."""
        if self.outside is not None and self.outside.search(text) is not None:
            return False
        return not self.is_lower or text == text.lower()

    def has(self, text: str) -> bool:
        """Whether a value may be this text."""
        return text in self.words if self.words else self.has_part(text)


#: What an int may be where the schema says nothing more of it.
INT_DOMAIN: Final = Domain(_INT_MIN, _INT_MAX)


def of_characters(characters: str, *, is_lower: bool = False) -> Domain:
    """The texts of these characters; ValueError where they are no set of characters."""
    return Domain(characters=characters, is_lower=is_lower, outside=_outside(characters))


def without(characters: str, note: str) -> Domain:
    """The texts that hold none of these characters; `note` says so."""
    return Domain(note=note, outside=re.compile(f"[{_escaped(characters)}]"))


def _outside(characters: str) -> re.Pattern[str]:
    """What finds a character that is none of these."""
    return re.compile(f"[^{_escaped(characters)}]") if characters else re.compile("(?s).")


def _escaped(characters: str) -> str:
    """The inside of a pattern's brackets: only a `-` between two characters means anything."""
    first, *others = re.split(r"(?<=[^-])-(?=[^-])", characters)
    for left, right in zip([first, *others], others, strict=False):
        if left[-1:] > right[:1]:
            raise ValueError(f"the range {left[-1:]}-{right[:1]} runs backwards")
    return "-".join(map(re.escape, (first, *others)))


def domain_of(avro: Mapping[str, Any], entry: Mapping[str, Any], path: str) -> Domain | None:
    """What the properties of a type, or of the field that has it, promise; SchemaError.

    `path` names the field. A property of the field goes before the type's.
    """
    given = {**_properties(avro), **_properties(entry)}
    kind = avro["type"]
    if kind == "enum":
        return Domain(words=tuple(avro["symbols"]))
    if not given:
        return INT_DOMAIN if kind == "int" else None
    for name in given:
        if kind not in (_TEXTS if name == "characters" else _NUMBERS):
            raise SchemaError(f"`{path}`: `{name}` means nothing for the type {kind}")
    if "characters" in given:
        return _of_text(given["characters"], path)
    limits = [_number(given, name, path) for name in ("minimum", "maximum")]
    low, high = limits
    if low is not None and high is not None and low > high:
        raise SchemaError(f"`{path}`: its `minimum` is above its `maximum`")
    if kind == "int":
        low, high = _INT_MIN if low is None else low, _INT_MAX if high is None else high
    return Domain(low, high)


def _properties(avro: Mapping[str, Any]) -> dict[str, Any]:
    return {name: avro[name] for name in ("minimum", "maximum", "characters") if name in avro}


def _of_text(given: Any, path: str) -> Domain:
    try:
        if not isinstance(given, str) or not given:
            raise ValueError("not a text")
        return of_characters(given)
    except ValueError as error:
        what = f"its `characters` are no set of characters such as A-Z0-9: {error}"
        raise SchemaError(f"`{path}`: {what}") from error


def _number(given: Mapping[str, Any], name: str, path: str) -> float | None:
    value = given.get(name)
    if name not in given or (isinstance(value, int | float) and not isinstance(value, bool)):
        return value
    raise SchemaError(f"`{path}`: its `{name}` is not a number")
