"""A function call as a closure: the overload is chosen by the arguments' types."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any, Final

from engine.cel.failures import Failure, failure, no_overload
from engine.cel.functions import ANY, Function, Implementation
from engine.cel.logic import Closure
from engine.cel.regexes import BadRegexError, compile_search

_WITH_TEXT: Final = frozenset({"contains", "startsWith", "endsWith"})


def plan_function(function: Function, args: Sequence[Closure], constants: Sequence[Any]) -> Closure:
    """The closure of a call; `constants` holds the arguments' values where they are known."""
    rows = [row for row in function.overloads if len(row.params) == len(args)]
    if len(args) == 2 and type(constants[1]) is str:
        special = _with_constant_text(function.name, args[0], constants[1])
        if special is not None:
            return special
    if len(args) == 1:
        if rows[0].params[0] is ANY:
            return _unchecked(rows[0].implementation, args[0])
        return _unary(function.name, {row.params[0]: row.implementation for row in rows}, args[0])
    return _dispatch(function.name, {row.params: row.implementation for row in rows}, tuple(args))


def _unchecked(implementation: Implementation, arg: Closure) -> Closure:
    return lambda bindings: implementation(arg(bindings))


def _unary(name: str, table: dict[type, Implementation], arg: Closure) -> Closure:
    def run(bindings: dict[Any, Any]) -> Any:
        value = arg(bindings)
        implementation = table.get(type(value))
        if implementation is None:
            raise no_overload(name, value)
        return implementation(value)

    return run


def _dispatch(
    name: str, table: dict[tuple[type, ...], Implementation], args: tuple[Closure, ...]
) -> Closure:
    def run(bindings: dict[Any, Any]) -> Any:
        values = [arg(bindings) for arg in args]
        implementation = table.get(tuple(map(type, values)))
        if implementation is None:
            raise no_overload(name, *values)
        return implementation(*values)

    return run


def _with_constant_text(name: str, target: Closure, text: str) -> Closure | None:
    """`target.name("text")` for the functions that gain by knowing the text."""
    if name in _WITH_TEXT:
        test = _TESTS[name]
    elif name == "matches":
        try:
            test = _ignoring_pattern(compile_search(text))
        except BadRegexError as error:
            return _failing(str(error))
    else:
        return None

    def run(bindings: dict[Any, Any]) -> bool:
        value = target(bindings)
        if type(value) is str:
            return test(value, text)
        raise no_overload(name, value, text)

    return run


_TESTS: Final[dict[str, Callable[[str, str], bool]]] = {
    "contains": operator.contains,
    "startsWith": str.startswith,
    "endsWith": str.endswith,
}


def _ignoring_pattern(search: Callable[[str], bool]) -> Callable[[str, str], bool]:
    def test(value: str, _pattern: str) -> bool:
        try:
            return search(value)
        except UnicodeEncodeError:
            raise failure(Failure.BAD_ARGUMENT, "the text is not valid Unicode") from None

    return test


def _failing(message: str) -> Closure:
    def fail(bindings: dict[Any, Any]) -> Any:
        raise failure(Failure.BAD_REGEX, message)

    return fail
