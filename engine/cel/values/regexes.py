"""Regular expressions by RE2, whose time grows only linearly with the text."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Final

import re2

from engine.cel.values.values import FailureKind, failure

_OPTIONS: Final = re2.Options()
_OPTIONS.log_errors = False
# Only whether a pattern matches is needed.
_OPTIONS.never_capture = True
_SHOWN: Final = 120
#: A set of patterns gives no answer where its automaton outgrows its memory. That of a pattern with
#: a program no larger than this never does.
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
    """The pattern is no regular expression of RE2."""


def compile_search(pattern: str) -> Callable[[str], bool]:
    """Returns a predicate: whether the pattern is found in a text.

    BadRegexError for a bad pattern. The predicate raises UnicodeEncodeError for a text with
    surrogates.
    """
    match = compile_match(pattern)
    return lambda text: match(text) is not None


def compile_match(pattern: str) -> Callable[[str], object]:
    """Like `compile_search`, but the function returns None where the pattern is not found, and
    any object where it is: that saves a call where the caller compares with None anyway.
    """
    try:
        compiled = re2.compile(pattern, _OPTIONS)
    except (re2.error, UnicodeEncodeError) as error:
        raise BadRegexError(_explain(error)) from None
    if compiled.programsize <= _MAX_SET_PROGRAM:
        # A set of one pattern takes half the time: it makes no match object.
        patterns = re2.Set.SearchSet(_OPTIONS)
        patterns.Add(pattern)
        patterns.Compile()
        return patterns.Match  # type: ignore[no-any-return]
    search = compiled.search
    # With bytes, re2 need not translate offsets, which takes twice as long as the search.
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
    """`text.matches(pattern)` for a pattern that is known only at run time.

    EvaluationError for a bad pattern or a text that is no valid Unicode.
    """
    try:
        return _cached(pattern)(text)
    except BadRegexError as error:
        raise failure(FailureKind.BAD_REGEX, str(error)) from None
    except UnicodeEncodeError:
        raise failure(FailureKind.BAD_ARGUMENT, "the text is not valid Unicode") from None
