"""Regular expressions by RE2, which takes time in proportion to the text; the only user of re2."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Final

import re2

from engine.cel.values.values import FailureKind, failure

_OPTIONS: Final = re2.Options()
_OPTIONS.log_errors = False
# Only whether it matches is asked for.
_OPTIONS.never_capture = True
_SHOWN: Final = 120
#: A set, unlike a pattern, gives no answer where its automaton outgrows its memory: none so small
#: does.
_MAX_SET_PROGRAM: Final = 1_000
_NOT_OFFERED: Final = {
    "(?=": "lookahead",
    "(?!": "lookahead",
    "(?<": "lookbehind",
    "(?>": "atomic group",
    "(?(": "conditional",
}
_BACK_REFERENCE: Final = re.compile(r"escape sequence: \\[1-9]$")


class BadRegexError(ValueError):
    """The pattern is not RE2's."""


def compile_search(pattern: str) -> Callable[[str], bool]:
    """A function that says whether the pattern is found in a text; BadRegexError if it is none."""
    match = compile_match(pattern)
    return lambda text: match(text) is not None


def compile_match(pattern: str) -> Callable[[str], object]:
    """A function that gives None where the pattern is not found in a text; BadRegexError."""
    try:
        compiled = re2.compile(pattern, _OPTIONS)
    except (re2.error, UnicodeEncodeError) as error:
        raise BadRegexError(_explain(error)) from None
    if compiled.programsize <= _MAX_SET_PROGRAM:
        # A set of one answers in half the time of a pattern, which gives a match object.
        patterns = re2.Set.SearchSet(_OPTIONS)
        patterns.Add(pattern)
        patterns.Compile()
        return patterns.Match  # type: ignore[no-any-return]
    search = compiled.search
    # Given bytes, re2 has no offsets to translate, which takes twice as long as the search.
    return lambda text: search(text.encode())


def _explain(error: Exception) -> str:
    detail = error.args[0] if error.args else ""
    text = detail.decode("utf-8", "replace") if isinstance(detail, bytes) else str(error)
    for sign, name in _NOT_OFFERED.items():
        if f": {sign}" in text:
            return f"RE2 has no {name} ('{sign}')"
    if _BACK_REFERENCE.search(text):
        return f"RE2 has no back-references ('{text[-2:]}')"
    return f"not a regular expression of RE2: {text[:_SHOWN]}"


@lru_cache(maxsize=1_024)
def _cached(pattern: str) -> Callable[[str], bool]:
    return compile_search(pattern)


def matches(text: str, pattern: str) -> bool:
    """`text.matches(pattern)`, for a pattern that is known only now."""
    try:
        return _cached(pattern)(text)
    except BadRegexError as error:
        raise failure(FailureKind.BAD_REGEX, str(error)) from None
    except UnicodeEncodeError:
        raise failure(FailureKind.BAD_ARGUMENT, "the text is not valid Unicode") from None
