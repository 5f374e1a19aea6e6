"""How a list writes its dates: `date_format: DD/MM/YY`."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from typing import Final

from engine.watchlist.date_text import MONTHS, DateOrder, tidy

_PARTS: Final = re.compile(r"yyyy|yy|mmmm|mmm|month|mon|mm|m|dd|d")
_GROUPS: Final = {"y": "year", "m": "month", "d": "day"}
_NAMED: Final = frozenset({"mmmm", "mmm", "month", "mon"})
_TIME: Final = re.compile(r"[ t,]*(?:%[hi]|h{1,2}):.*")
_STRPTIME: Final = {"%d": "DD", "%m": "MM", "%y": "YY", "%Y": "YYYY", "%b": "MON", "%B": "MON"}
#: Years from there on are of the last century for some, and of this one for others.
_DOUBTFUL_YEAR: Final = 70


@dataclass(frozen=True, slots=True)
class DateFormat:
    """A form of dates; two are the same if they are written alike.

    `order` is what it says of day and month where the year comes last.
    """

    text: str
    _pattern: re.Pattern[str] = field(repr=False, compare=False)
    order: DateOrder | None = field(compare=False)

    @classmethod
    def parse(cls, text: str) -> DateFormat:
        """The form that `DD/MM/YY` stands for; ValueError has the remedy.

        `DD`, `MM`, `MON` (a name), `YY` and `YYYY` stand once each for day, month and year.
        """
        groups: list[str] = []

        def group(found: re.Match[str]) -> str:
            name = _GROUPS[found[0][0]]
            groups.append(name)
            return f"(?P<{name}>{_digits(found)})"

        low = " ".join(text.split()).lower()
        pattern = _replaced(_PARTS, low, group, lambda sign: re.escape(sign).replace(r"\ ", " "))
        if sorted(groups) != ["day", "month", "year"] or re.search("[a-z%]", _PARTS.sub("", low)):
            raise ValueError(_remedy(text))
        order = DateOrder.DAY_FIRST
        if groups.index("month") < groups.index("day"):
            order = DateOrder.MONTH_FIRST
        return cls(text, re.compile(pattern), None if groups[0] == "year" else order)

    def day(self, text: str) -> date | None:
        """The day of a tidy text, None where it has another form; ValueError for no such day."""
        found = self._pattern.fullmatch(text)
        if found is None:
            return None
        year, month = int(found["year"]), found["month"]
        if len(found["year"]) == 2:
            if year >= _DOUBTFUL_YEAR:
                raise ValueError(f"the year may be 19{year} or 20{year}: write it with four digits")
            year += 2000
        number = int(month) if month.isdigit() else MONTHS.get(month)
        return date(year, number, int(found["day"])) if number is not None else None


def _digits(found: re.Match[str]) -> str:
    """What stands for one part; without a sign beside it a number has its full width."""
    part = found[0]
    if part in _NAMED:
        return "[a-zäöü]+"
    if part[0] == "y":
        return f"[0-9]{{{len(part)}}}"
    beside = found.string[found.start() - 1 : found.start()] + found.string[found.end() :][:1]
    return "[0-9]{2}" if re.search("[a-z]", beside) else "[0-9]{1,2}"


def _replaced(
    pattern: re.Pattern[str],
    text: str,
    found: Callable[[re.Match[str]], str],
    other: Callable[[str], str],
) -> str:
    """`text` with what the pattern finds replaced by `found`, and what lies between by `other`."""
    parts: list[str] = []
    end = 0
    for match in pattern.finditer(text):
        parts += (other(text[end : match.start()]), found(match))
        end = match.end()
    return "".join((*parts, other(text[end:])))


def _remedy(text: str) -> str:
    """The form that was meant, where it can be seen; else an example."""
    meant = text
    for code, part in _STRPTIME.items():
        meant = meant.replace(code, part)
    # Spreadsheets in German have T for the day and J for the year.
    low = _TIME.sub("", tidy(meant)).replace("t", "d").replace("j", "y")
    if low != tidy(text):
        try:
            DateFormat.parse(low)
        except ValueError:
            pass
        else:
            return f"write {low.upper()}; a time of day behind it is read by itself"
    return "write it like DD/MM/YY, MM/DD/YYYY or DD-MON-YY, with day, month and year once each"
