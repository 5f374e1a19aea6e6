"""Recognises placeholders of other template languages, which a message would show as they are.

They are warned of only where another meaning is unlikely: the name in them is a field of the
event, or the form belongs to one language only.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from engine.cel.syntax.examples import NEUTRAL, Examples
from engine.cel.types.scope import Scope
from engine.errors import Problem, Severity
from engine.schema import FieldType, Kind

#: A template's texts outside placeholders, each with its offset.
TextParts = Sequence[tuple[int, str]]
_SHOWN: Final = 40
#: The remedy for statements of other languages.
STATEMENT: Final = 'there are no statements: write {condition ? "one" : "other"}'
_MAY_HOLD: Final = re.compile(r"[%$\[<]|\{\{")
_NAME: Final = r"[A-Za-z_][\w.]*"
_DOUBLED: Final = re.compile(r"(?<!\{)\{\{([^{}]*)\}\}(?!\})")
#: What is in doubled braces in Jinja, Go, Prometheus, Home Assistant and Handlebars.
_INSIDE: Final = re.compile(
    rf"""[-~]?\s*(?:
      \$?\.[A-Za-z][\w.]*(?:\s.*)?            # .Name
    | \$[A-Za-z].*                            # $labels.name
    | (?P<statement>[#/^>!]\s*[A-Za-z].*      # #if name
      | (?:if|else|end|range|with|template|define|block)\b.*)
    | (?P<filtered>{_NAME})\s*\|\s*(?P<filter>\w+).*   # name | upper
    | {_NAME}\(.*                             # states('…')
    )[-~]?""",
    re.VERBOSE | re.DOTALL,
)
#: What to write instead of filters, by their names.
_FILTERS: Final = {
    **dict.fromkeys(("upper", "uppercase", "toupper"), "{{{}.upperAscii()}}"),
    **dict.fromkeys(("lower", "lowercase", "tolower", "downcase"), "{{lower({})}}"),
    **dict.fromkeys(("trim", "strip"), "{{{}.trim()}}"),
    **dict.fromkeys(("length", "count", "len", "size"), "{{size({})}}"),
    **dict.fromkeys(("default", "d"), '{{{0} == null ? "…" : {0}}}'),
    **dict.fromkeys(("round", "float", "format"), "{{{}:.2f}}"),
    **dict.fromkeys(("date", "strftime", "timestamp_custom", "time"), "{{time:%H:%M}}"),
}
_PERCENT: Final = re.compile(rf"%\(({_NAME})\)[-+#0]*\d*(?:\.\d+)?[sdifgr]")
_BATCH: Final = re.compile(rf"(?<!\w)%({_NAME})%")
_PRINTF: Final = re.compile(r"(?<![\w%])%[-+0]?\d*(?:\.\d+)?[sdf]\b(?!%)")
_CLOCK: Final = re.compile(r"%[YyHIdm](?:[-./: ]+%[a-zA-Z]\b)+")
_DOLLAR: Final = re.compile(rf"\$\(?({_NAME})\)?")
_SQUARE: Final = re.compile(rf"\[\[\s*({_NAME})\s*\]\]")
_ANGLED: Final = re.compile(rf"<(?:%=?)?\s*({_NAME})\s*(?:%)?>")
_BARE: Final = re.compile(rf"(?<![\w.]){_NAME}")
_NUMBERS: Final = frozenset({Kind.INT, Kind.UINT, Kind.DOUBLE})
#: Fields' names that are HTML elements too.
_ELEMENTS: Final = frozenset({"time"})


def foreign_forms(
    text: str,
    texts: TextParts,
    placeholders: Sequence[tuple[int, FieldType | None]],
    variables: Mapping[str, FieldType],
    fault_of: Callable[[str], str],
    examples: Examples = NEUTRAL,
) -> Iterator[Problem]:
    """Warnings of what looks like another language's placeholder in a template, in no order.

    `texts` are the parts outside of placeholders; `placeholders` are the offset of each one's brace
    and its type. `fault_of` gives the fault of an expression, "" where it has none. `examples` are
    the names that remedies show.
    """
    yield from _signs_before(text, placeholders)
    may_hold = _MAY_HOLD.search(text) is not None
    if placeholders and not may_hold:
        return
    fields = _Fields(variables, examples.key)
    found: list[Problem] = []
    if may_hold:
        found += _doubled(text, fields, fault_of)
        inside = [each.span() for each in _DOUBLED.finditer(text)]
        for offset, part in texts:
            is_inside = any(start < offset < end for start, end in inside)
            if not is_inside and _MAY_HOLD.search(part) is not None:
                found += _in_text(offset, part, fields)
    if not placeholders and not found:
        found += _without_braces(texts, fields)
    yield from found


class _Fields:
    """Finds the field that a name in another language's placeholder means."""

    def __init__(self, variables: Mapping[str, FieldType], example: str) -> None:
        self._example: Final = example
        self._variables: Final = variables
        self._scope: Final = Scope(variables)

    def has(self, name: str) -> bool:
        """Whether a dotted path is that of a field or a record."""
        return self._scope.has_path(name)

    def has_variable(self, name: str) -> bool:
        """Whether a dotted name begins with a variable, in whatever case."""
        return name.partition(".")[0].lower() in self._variables

    def likely_field(self, name: str) -> str:
        """The path of the field that is most likely meant, or of one of a record's; or ""."""
        found = name
        if not self.has(name):
            last = name.rpartition(".")[2]
            found = self._scope.nearest(last) or self._scope.nearest(name)
        return self._shown(found)

    def example(self) -> str:
        """A field for a remedy."""
        return self._shown(self._example) or next(iter(self._variables), "")

    def value(self, name: str) -> str:
        """The remedy for a placeholder with this name."""
        found = self.likely_field(name)
        if found:
            return f"write {{{found}}} for the value"
        return f"write a field in braces, such as {{{self.example()}}}"

    def _shown(self, found: str) -> str:
        kind = self._type_of(found)
        if kind is not None and kind.kind is Kind.RECORD and kind.fields:
            names = [f"{found}.{field}" for field in kind.fields]
            return self._example if self._example in names else names[0]
        return found if kind is not None else ""

    def _type_of(self, path: str) -> FieldType | None:
        first, *others = path.split(".")
        kind = self._variables.get(first)
        for name in others:
            kind = kind.fields.get(name) if kind is not None else None
        return kind


def _warning(offset: int, what: str, remedy: str) -> Problem:
    return Problem(offset, "odd-value", what, remedy, Severity.WARNING)


def _shown_as_is(offset: int, form: str, remedy: str) -> Problem:
    shown = form if len(form) <= _SHOWN else f"{form[:_SHOWN]}…"
    return _warning(offset, f"'{shown}' is shown as it stands", remedy)


def _doubled(text: str, fields: _Fields, fault_of: Callable[[str], str]) -> Iterator[Problem]:
    """Warnings of doubled braces, which are shown as braces."""
    for found in _DOUBLED.finditer(text):
        inside = found[1].strip()
        remedy = _remedy_of_doubled(found[1], inside, fields, fault_of)
        if remedy:
            shown = inside if len(inside) <= _SHOWN else f"{inside[:_SHOWN]}…"
            what = f"doubled braces are shown as braces: {{{shown}}}"
            yield _warning(found.start(), what, remedy)


def _remedy_of_doubled(
    whole: str, inside: str, fields: _Fields, fault_of: Callable[[str], str]
) -> str:
    """What to write instead of doubled braces with this inside; "" where they may be meant."""
    name = re.match(_NAME, inside)
    foreign = _INSIDE.fullmatch(inside)
    if foreign is not None and not fields.has(inside):
        filtered = foreign["filtered"]
        if foreign["statement"] is not None:
            return STATEMENT
        if filtered is None:
            named = re.search(_NAME, inside)
            return fields.value(named[0] if named is not None else "")
        form = _FILTERS.get(foreign["filter"].lower())
        field = fields.likely_field(filtered)
        return f"write {form.format(field)}" if form and field else fields.value(filtered)
    if name is not None and name[0] == inside:
        is_spaced = whole[:1].isspace() and whole[-1:].isspace()
        return fields.value(inside) if is_spaced or fields.has_variable(inside) else ""
    if name is None or not fields.has_variable(name[0]):
        return ""
    fault = fault_of(inside)
    if fault and re.fullmatch(rf"{re.escape(name[0])}\s*\*\s*100", inside):
        return f"write {{{name[0]}:.0%}} for the percentage"
    return (
        f"write {{…}} with one pair of braces, and in it: {fault}"
        if fault
        else f"write {{{inside}}} for the value"
    )


def _in_text(offset: int, text: str, fields: _Fields) -> Iterator[Problem]:
    """Warnings of placeholders without braces: `%(x)s`, `$x`, `[[x]]`, `<x>` and their kind."""
    for found in _PERCENT.finditer(text):
        yield _shown_as_is(offset + found.start(), found[0], fields.value(found[1]))
    for pattern in (_BATCH, _DOLLAR, _SQUARE, _ANGLED):
        for found in pattern.finditer(text):
            name = found[1].rstrip(".")
            if fields.has(name) and not (pattern is _ANGLED and name in _ELEMENTS):
                form = found[0].rstrip(".")
                yield _shown_as_is(offset + found.start(), form, fields.value(name))
    for found in _PRINTF.finditer(text):
        yield _shown_as_is(offset + found.start(), found[0], fields.value(""))
    for found in _CLOCK.finditer(text):
        yield _shown_as_is(
            offset + found.start(), found[0], f"write {{time:{found[0]}}} for the event's instant"
        )


def _without_braces(texts: TextParts, fields: _Fields) -> Iterator[Problem]:
    """Warnings of fields' names in a message that has no placeholder at all."""
    for offset, text in texts:
        for found in _BARE.finditer(text):
            name = found[0].rstrip(".")
            if re.search(r"[._]", name) and fields.has(name):
                yield _shown_as_is(offset + found.start(), name, fields.value(name))


def _signs_before(
    text: str, placeholders: Sequence[tuple[int, FieldType | None]]
) -> Iterator[Problem]:
    """Warnings of signs before a placeholder that belong to it elsewhere, as in `${x}`."""
    marked = [place for place, _ in placeholders if text[place - 1 : place] == "#"]
    if len(marked) == len(placeholders) > 1:
        yield _of_sign(marked[0], "#")
    for place, kind in placeholders:
        sign = text[place - 1 : place]
        is_number = kind is None or kind.kind in _NUMBERS
        if sign == "$" and not is_number:
            yield _of_sign(place, "$")
        elif sign == "%" and not is_number and not text[place - 2 : place - 1].strip():
            yield _of_sign(place, "%")


def _of_sign(place: int, sign: str) -> Problem:
    what = f"the '{sign}' before the brace is shown, too"
    return _warning(place - 1, what, f"remove the '{sign}'; a placeholder needs none")
