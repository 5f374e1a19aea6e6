"""The check of `likeness`, `similar` and `closest`: how they are called, and on which types.

`watchlists.py` puts the costs and the lists into these calls, as `tree.BY_LIKENESS` has them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from engine.cel.check.operators import warn_of_constants
from engine.cel.syntax import tree
from engine.cel.syntax.examples import Examples
from engine.cel.syntax.tree import Bound, Call, ListNode, Literal, Node, constant_of
from engine.cel.types.findings import Findings, list_question
from engine.cel.types.kinds import (
    BOOL,
    NUMBERS,
    TEXT,
    closest_type,
    type_name,
    with_article,
)
from engine.cel.types.kinds import (
    LIKENESS as LIKENESS_TYPE,
)
from engine.cel.types.scope import Broken
from engine.cel.values.plates import threshold_fault
from engine.cel.values.values import FailureKind, UInt
from engine.errors import Problem
from engine.schema import FieldType, Kind
from engine.watchlist import why_unusable
from engine.watchlist.likeness import DEFAULT_THRESHOLD, MIN_LIST_THRESHOLD

#: The functions, in calls as they are written.
LIKENESS: Final = "likeness"
SIMILAR: Final = "similar"
CLOSEST: Final = "closest"
FUNCTIONS: Final = (LIKENESS, SIMILAR, CLOSEST)

_NUMBER_TYPES: Final = frozenset({int, float, UInt})
_PERCENT: Final = 100
_WILDCARDS: Final = frozenset("*?")
_COUNTS: Final = {LIKENESS: (2,), SIMILAR: (2, 3), CLOSEST: (2, 3)}
_WORDS: Final = {LIKENESS: "2 arguments", SIMILAR: "2 or 3 arguments", CLOSEST: "2 or 3 arguments"}
_NAMES: Final = {
    tree.LIKENESS: LIKENESS,
    tree.SIMILAR: SIMILAR,
    tree.SIMILAR_LISTED: SIMILAR,
    tree.CLOSEST: CLOSEST,
}


def is_by_likeness(node: Node) -> bool:
    """Whether a node calls one of the functions."""
    return isinstance(node, Call) and node.function in FUNCTIONS and node.target is None


def form_of(function: str, examples: Examples) -> str:
    """How a function is called, for remedies."""
    key, of_list = examples.key, examples.list_call
    return {
        LIKENESS: f'likeness({key}, "ABC123")',
        SIMILAR: f'similar({key}, "ABC123") or similar({key}, {of_list})',
        CLOSEST: f"closest({of_list}, {key})",
    }[function]


def why_no_plate(text: str) -> str:
    """Why a text in an expression can't be a plate; "" where it can."""
    if _WILDCARDS & set(text):
        return "`*` and `?` are wildcards in rows of lists only"
    return why_unusable(text)


def fault_of_call(
    node: Call, is_list: Callable[[Node], bool], examples: Examples
) -> Problem | None:
    """The problem of a call's arguments: their number, the places of lists, the threshold.

    None for none. `is_list` says whether an argument is a `watchlist(…)`.
    """
    name, args = node.function, node.args
    remedy = f"write {form_of(name, examples)}"
    if len(args) not in _COUNTS[name]:
        what = f"{name}() takes {_WORDS[name]}, not {len(args)}"
        return Problem(node.offset, "arity", what, remedy)
    wanted = {LIKENESS: None, SIMILAR: 1, CLOSEST: 0}[name]
    odd = [place for place, arg in enumerate(args) if is_list(arg) and place != wanted]
    if odd:
        what = {
            LIKENESS: "likeness() compares two texts: a list has no likeness",
            SIMILAR: "similar() takes the text first, then the list",
            CLOSEST: "closest() takes the list first, then the text",
        }[name]
        return Problem(args[odd[0]].offset, "watchlist-use", what, remedy)
    if name == CLOSEST and not is_list(args[0]):
        what = "closest() takes a watchlist first, named where it is asked"
        return Problem(args[0].offset, "watchlist-use", what, remedy)
    of = args[0] if name == CLOSEST else args[1]
    is_of_list = is_list(of) or isinstance(of, ListNode | Bound)
    return fault_of_threshold(args[2], is_of_list=is_of_list) if len(args) == 3 else None


def fault_of_threshold(node: Node, *, is_of_list: bool) -> Problem | None:
    """The problem of a threshold as written; that of a list must be a number."""
    code, value = "threshold", constant_of(node)
    lowest = MIN_LIST_THRESHOLD if is_of_list else 0
    remedy = f"write a number such as {DEFAULT_THRESHOLD} or 0.95"
    if isinstance(node, Literal) and type(value) in _NUMBER_TYPES:
        what = threshold_fault(value, is_of_list=is_of_list)
        if not what:
            return None
        if 1 < value <= _PERCENT:
            remedy = f"write {value / _PERCENT:g}"
        elif is_of_list and 0 < value < lowest:
            remedy = f"write {lowest} at least: {DEFAULT_THRESHOLD} is usual"
        return Problem(node.offset, code, what, remedy)
    if isinstance(node, Literal):
        what = "a threshold is a number"
        return Problem(node.offset, code, what, remedy)
    if is_of_list:
        what = "the threshold of a list is a number, written out"
        return Problem(node.offset, code, what, remedy)
    return None


def check_likeness(
    findings: Findings, node: Call, kinds: Sequence[FieldType | None], safe: frozenset[str]
) -> FieldType | None:
    """The type of a call by likeness; reports arguments that don't fit or may be null.

    `kinds` are the types of all arguments, `safe` the names of guarded parts.
    """
    if node.function in (tree.SIMILAR_LISTED, tree.CLOSEST):
        return _check_of_list(findings, node, kinds[1])
    name = _NAMES[node.function]
    if kinds[1] is TEXT and kinds[2] is TEXT:
        warn_of_constants(findings, node, node.args[1:3])
    _check_text(findings, name, node.args[1], kinds[1], safe)
    if node.function == tree.LIKENESS:
        _check_text(findings, name, node.args[2], kinds[2], safe)
        return LIKENESS_TYPE
    _check_plates(findings, node, kinds[2], safe)
    _check_threshold(findings, node.args[3], kinds[3], safe)
    return BOOL


def _check_of_list(findings: Findings, node: Call, kind: FieldType | None) -> FieldType | None:
    question, is_closest = list_question(node), node.function == tree.CLOSEST
    if question is None:
        # That is reported already, or the list is in a file that can't be read.
        message = "the watchlist can't be used"
        findings.references[id(node)] = Broken(FailureKind.UNKNOWN_NAME, message)
        return None if is_closest else BOOL
    if kind is not None and kind.kind is not Kind.STRING:
        what = f"{_NAMES[node.function]}() takes a plate as text, not {with_article(kind)}"
        remedy = f"ask for {findings.scope.examples.key}"
        findings.error(question.text, "no-overload", what, remedy)
    return closest_type(question.watchlist) if is_closest else BOOL


def _check_text(
    findings: Findings, name: str, node: Node, kind: FieldType | None, safe: frozenset[str]
) -> None:
    if kind is None or kind.kind is Kind.STRING:
        findings.warn_of_null(node, kind, safe, f"{name}()")
        return
    what = f"{name}() compares texts, and this is {with_article(kind)}"
    remedy = f"write {form_of(name, findings.scope.examples)}"
    findings.error(node, "no-overload", what, remedy)


def _check_plates(
    findings: Findings, node: Call, kind: FieldType | None, safe: frozenset[str]
) -> None:
    """Check the second argument of `similar()`: a text, or a list of texts that are constants."""
    plates = node.args[2]
    if kind is None or kind.kind is not Kind.LIST:
        _check_text(findings, SIMILAR, plates, kind, safe)
        return
    values = constant_of(plates)
    if type(values) is not list or any(type(value) is not str for value in values):
        element = kind.element
        what = "the plates of similar() are texts, written out"
        if element is not None and element.kind is not Kind.STRING:
            what = f"the plates of similar() are texts, not {type_name(kind)}"
        findings.error(plates, "no-overload", what, 'write ["ABC123", "XYZ789"]')
        return
    if not values:
        what = "the list has no plates, so that nothing is similar to one"
        findings.warning(plates, "never-true", what, "write plates into it")


def _check_threshold(
    findings: Findings, node: Node, kind: FieldType | None, safe: frozenset[str]
) -> None:
    if _is_null(node) or kind is None:
        return
    if kind.kind in NUMBERS:
        findings.warn_of_null(node, kind, safe, "a threshold")
        return
    what = f"a threshold is a number, not {with_article(kind)}"
    findings.error(node, "no-overload", what, f"write {DEFAULT_THRESHOLD}")


def _is_null(node: Node) -> bool:
    return isinstance(node, Literal) and node.value is None
