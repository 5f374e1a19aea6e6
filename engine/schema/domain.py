"""The values that a field may have within its type, as its schema promises them.

A schema may give properties that Avro does not know: `minimum` and `maximum` of numbers,
`characters` of texts. Nothing makes a writer keep them, so they serve for warnings only.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from engine.errors import SchemaError

#: The range of Avro's 32-bit int.
_INT_MIN: Final = -(2**31)
_INT_MAX: Final = 2**31 - 1
_TEXTS: Final = frozenset({"string"})
_NUMBERS: Final = frozenset({"int", "long", "float", "double"})


@dataclass(frozen=True, slots=True)
class Domain:
    """The values that a field may have: a range of numbers, or texts of some form.

    `minimum` and `maximum` are inclusive; None is no limit. `words` are all possible texts, as of
    an enum. `characters` are the characters of the texts, as within the brackets of a regular
    expression: `A-Z0-9`. With `is_lower` the texts are in lower case. `outside` finds a character
    that no text has; None where all characters may occur. `note` explains the domain in messages.
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
        """Whether it is a domain of texts."""
        return self.outside is not None or self.is_lower or bool(self.words)

    def has_part(self, text: str) -> bool:
        """Whether a value may contain this text, by its characters."""
        if self.outside is not None and self.outside.search(text) is not None:
            return False
        return not self.is_lower or text == text.lower()

    def has(self, text: str) -> bool:
        """Whether a value may be this text."""
        return text in self.words if self.words else self.has_part(text)


#: The domain of an int whose schema has no limits.
INT_DOMAIN: Final = Domain(_INT_MIN, _INT_MAX)


def of_characters(characters: str, *, is_lower: bool = False) -> Domain:
    """The domain of texts of these characters; ValueError where they are no set such as `A-Z`."""
    return Domain(characters=characters, is_lower=is_lower, outside=_outside(characters))


def without(characters: str, note: str) -> Domain:
    """The domain of texts without these characters; `note` explains it."""
    return Domain(note=note, outside=re.compile(f"[{_escaped(characters)}]"))


def _outside(characters: str) -> re.Pattern[str]:
    """The pattern of a character that is none of these."""
    return re.compile(f"[^{_escaped(characters)}]") if characters else re.compile("(?s).")


def _escaped(characters: str) -> str:
    """The characters escaped for a pattern's brackets; a `-` between two characters is a range."""
    first, *others = re.split(r"(?<=[^-])-(?=[^-])", characters)
    for left, right in zip([first, *others], others, strict=False):
        if left[-1:] > right[:1]:
            raise ValueError(f"the range {left[-1:]}-{right[:1]} runs backwards")
    return "-".join(map(re.escape, (first, *others)))


def domain_of(avro: Mapping[str, Any], entry: Mapping[str, Any], path: str) -> Domain | None:
    """The domain that the properties of a type (`avro`) and of its field (`entry`) give, or None.

    A property of the field overrides the type's. SchemaError for a wrong property; `path` names the
    field in it.
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
