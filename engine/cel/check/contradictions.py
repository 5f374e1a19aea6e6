"""Contradictions: `&&` that is never true, as `x > 5 && x < 3`, and `||` that is always true.

Each condition on a part allows a set of values (`value_sets.py`) where it is true, and another
where it is false. `&&` is never true if the sets of its operands have no value in common; `||` is
always true if the sets for false have none. A condition may also raise an error, on null for one:
then it is neither.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import Any, Final, NamedTuple

from engine.cel.check.value_sets import (
    NOT_NULL,
    ONLY_NULL,
    Cut,
    ValueSet,
    common_kind,
    cut,
    intersection,
    points,
    prefixed,
    union,
)
from engine.cel.syntax import tree
from engine.cel.syntax.tree import (
    Bound,
    Call,
    Comprehension,
    Ident,
    Literal,
    Node,
    Select,
    children,
    constant_of,
    unparse,
)
from engine.cel.types.findings import Findings, title
from engine.cel.types.functions import FUNCTIONS
from engine.cel.types.kinds import INTEGERS
from engine.cel.values.values import MISSING
from engine.errors import EvaluationError
from engine.schema import FieldType, Kind

_MAX_TEXT: Final = 80
_REMOVE: Final = "remove one of them, or correct its value"
_SIGNS: Final = {"_<_": 0, "_<=_": 1, "_>_": 1, "_>=_": 0}
_LOGIC: Final = frozenset({tree.AND, tree.OR, tree.NOT, tree.TERNARY})
_COMPARISONS: Final = frozenset({tree.EQUALS, tree.NOT_EQUALS, tree.IN, *tree.ORDERINGS})
_LOWER_FUNCTION: Final = "lower"
#: The functions whose calls with a literal text are constants too.
_READERS: Final = frozenset({"timestamp", "duration"})

#: What two parts share that always have the same value (`_key`).
_Key = object

_Sets = dict[_Key, ValueSet]
TypeOf = Callable[[Node], FieldType | None]


class _Outcomes(NamedTuple):
    """The values that parts may have where a condition is true, and where it is false, by key.

    A part without an entry may have any value.
    """

    true: _Sets
    false: _Sets


class Conflict(NamedTuple):
    """Two operands of which never both hold, by index; `first` is None for all before `second`."""

    first: int | None
    second: int


_NOTHING: Final = _Outcomes({}, {})


def check_logic(findings: Findings) -> None:
    """Warn of each `&&` of a checked tree that is never true, and each `||` that always is true."""
    if _compares_twice(findings.root):
        _LogicReader(findings.type_of, findings).outcomes(findings.root)


def find_conflict(parts: Sequence[Node], type_of: TypeOf) -> Conflict | None:
    """The first of several conditions that can't hold together with those before it, or None.

    `type_of` gives the types of their parts. A condition that never holds on its own is not
    considered: `check_logic` warns of it.
    """
    if len(parts) < 2 or not _compares_twice(Call(0, tree.AND, tuple(parts))):
        return None
    reading = _LogicReader(type_of, None)
    return _conflict([reading.outcomes(part).true for part in parts])


class _LogicReader:
    """Finds the outcomes of a tree's conditions; reports contradictions to `findings`, if given."""

    def __init__(self, type_of: TypeOf, findings: Findings | None) -> None:
        self._type_of: Final = type_of
        self._findings: Final = findings

    def outcomes(self, node: Node) -> _Outcomes:
        """The outcomes of a condition; those inside of its macros are not part of them."""
        if isinstance(node, Call) and _is_logic(node):
            return self._logic(node)
        if self._findings is not None:
            self._look_inside(node)
        return _comparison(node, self._type_of)

    def _look_inside(self, node: Node) -> None:
        """Read the logic inside of a part that is no logic itself, such as a macro's condition."""
        waiting = _parts(node)
        while waiting:
            part = waiting.pop()
            if _is_logic(part):
                self.outcomes(part)
            else:
                waiting += _parts(part)

    def _logic(self, node: Call) -> _Outcomes:
        parts = [self.outcomes(arg) for arg in node.args]
        trues, falses = [part.true for part in parts], [part.false for part in parts]
        match node.function:
            case tree.NOT:
                return _Outcomes(falses[0], trues[0])
            case tree.AND:
                self._warn(node, trues, falses)
                return _Outcomes(_all(trues), _any(falses))
            case tree.OR:
                self._warn(node, falses, trues)
                return _Outcomes(_any(trues), _all(falses))
        met, unmet = trues[0], falses[0]
        return _Outcomes(
            _any([_all([met, trues[1]]), _all([unmet, trues[2]])]),
            _any([_all([met, falses[1]]), _all([unmet, falses[2]])]),
        )

    def _warn(self, node: Call, here: list[_Sets], beyond: list[_Sets]) -> None:
        """Warn where the operands of `&&` can't be true together, or those of `||` false together.

        `here` are the operands' sets for that outcome, `beyond` those for the other one.
        """
        found = _conflict(here)
        if found is None or self._findings is None:
            return
        words, second = _WORDS[node.function], node.args[found.second]
        what, remedy = words.of_all.format(title(second)), words.if_all
        if found.first is not None:
            first = node.args[found.first]
            what = words.of_two.format(title(first), title(second))
            instead = words.instead(first, second)
            if _conflict([beyond[found.first], beyond[found.second]]) is not None:
                remedy = _REMOVE
            elif len(instead) <= _MAX_TEXT:
                remedy = f"{words.if_two} {instead}"
        self._findings.warning(second, words.code, what, remedy)


def _either(first: Node, second: Node) -> str:
    """The text of one condition or the other."""
    values: list[str] = []
    subjects: set[_Key] = set()
    for node in (first, second):
        if isinstance(node, Call) and node.function == tree.EQUALS:
            subject, value = node.args
            if isinstance(value, Literal) and value.value is not None:
                subjects.add(_key(subject))
                values.append(unparse(value))
    if len(values) == 2 and len(subjects) == 1 and isinstance(first, Call):
        return f"{unparse(first.args[0])} in [{', '.join(values)}]"
    return unparse(tree.chain(tree.OR, [first, second]))


def _both(first: Node, second: Node) -> str:
    """The text of one condition and the other."""
    return unparse(tree.chain(tree.AND, [first, second]))


class _Words(NamedTuple):
    """The texts of a warning: of two operands that contradict, and of one and all before it.

    `instead` makes the text of the condition that may be meant.
    """

    code: str
    of_two: str
    if_two: str
    instead: Callable[[Node, Node], str]
    of_all: str
    if_all: str


_WORDS: Final = {
    tree.AND: _Words(
        "never-true",
        "{} and {} are never true together",
        "for one or the other write",
        _either,
        "{} is never true together with what stands before it",
        "write '||' where one of them is enough",
    ),
    tree.OR: _Words(
        "always-true",
        "{} or {} is always true",
        "where both must hold write",
        _both,
        "{} is true wherever all before it is not: this is always true",
        "write '&&' where both must hold",
    ),
}


def _all(parts: Sequence[_Sets]) -> _Sets:
    """The sets where all parts have this outcome."""
    result: _Sets = {}
    for key in dict.fromkeys(chain.from_iterable(parts)):
        known = [part[key] for part in parts if key in part]
        result[key] = known[0] if len(known) == 1 else intersection(known) or known[0]
    return result


def _any(parts: Sequence[_Sets]) -> _Sets:
    """The sets where at least one part has this outcome."""
    result: _Sets = {}
    for key in parts[0]:
        known = [part[key] for part in parts if key in part]
        both = union(known) if len(known) == len(parts) else None
        if both is not None:
            result[key] = both
    return result


def _conflict(parts: Sequence[_Sets]) -> Conflict | None:
    """The first operand whose set has no value in common with those before it, or None."""
    for key, found in _all(parts).items():
        if not found.is_empty:
            continue
        places = [place for place, part in enumerate(parts) if key in part]
        if any(parts[place][key].is_empty for place in places):
            continue  # An operand that never holds on its own is no contradiction between two.
        left = parts[places[0]][key]
        for number, place in enumerate(places[1:], 1):
            here = parts[place][key]
            left = intersection([left, here]) or left
            if left.is_empty:
                pairs = ((one, intersection([parts[one][key], here])) for one in places[:number])
                first = next((one for one, both in pairs if both and both.is_empty), None)
                return Conflict(first, place)
    return None


def _comparison(node: Node, type_of: TypeOf) -> _Outcomes:
    """The outcomes of a condition without logic."""
    if isinstance(node, Select) and node.is_test:
        return _presence(node, type_of)
    if not isinstance(node, Call):
        return _flag(node, type_of)
    if node.function in (tree.EQUALS, tree.NOT_EQUALS):
        found = _equality(node, type_of)
        return found if node.function == tree.EQUALS else _Outcomes(found.false, found.true)
    if node.function in tree.ORDERINGS:
        return _ordering(node, type_of)
    if node.function == tree.IN:
        return _membership(node, type_of)
    if node.function == "startsWith" and node.target is not None and len(node.args) == 1:
        text = _constant(node.args[0])
        if type(text) is str and text:
            return _range(node.target, "text", False, prefixed(text), has_nan=False)
    return _flag(node, type_of)


def _presence(node: Select, type_of: TypeOf) -> _Outcomes:
    """The outcomes of `has(record.field)`: not null, or null; `has()` of a map may be of a null."""
    record = type_of(node.operand)
    if record is None or record.kind is not Kind.RECORD:
        return _NOTHING
    key = _key(Select(node.offset, node.operand, node.field))
    return _Outcomes({key: NOT_NULL}, {key: ONLY_NULL})


def _flag(node: Node, type_of: TypeOf) -> _Outcomes:
    """The outcomes of a part that is itself a bool: `true` or `false`."""
    kind = type_of(node)
    if kind is None or kind.kind is not Kind.BOOL or isinstance(node, Literal | Comprehension):
        return _NOTHING
    return _range(node, "bool", False, points("bool", [True], is_whole=False), has_nan=False)


def _sides(node: Call) -> tuple[Node, Any, bool]:
    """The part that is compared, the constant (or MISSING), and whether the constant is first."""
    left, right = node.args
    value = _constant(right)
    if value is not MISSING:
        return left, value, False
    return right, _constant(left), True


def _constant(node: Node) -> Any:
    if isinstance(node, Call) and node.function in _READERS and node.target is None:
        text = constant_of(node.args[0]) if len(node.args) == 1 else MISSING
        rows = FUNCTIONS[node.function].overloads
        read = next(row.implementation for row in rows if row.params == (str,))
        try:
            return read(text) if type(text) is str else MISSING
        except EvaluationError:
            return MISSING
    return constant_of(node)


def _equality(node: Call, type_of: TypeOf) -> _Outcomes:
    subject, value, _ = _sides(node)
    if value is MISSING:
        return _flag(node, type_of)
    if value is None:
        key = _key(subject)
        return _Outcomes({key: ONLY_NULL}, {key: NOT_NULL})
    return _one_of(subject, [value], type_of)


def _membership(node: Call, type_of: TypeOf) -> _Outcomes:
    values = constant_of(node.args[1])
    if type(values) is not list:
        return _flag(node, type_of)
    if not values:
        return _NOTHING
    return _one_of(node.args[0], values, type_of)


def _one_of(subject: Node, given: list[Any], type_of: TypeOf) -> _Outcomes:
    """The outcomes of a part that equals one of the values, or none."""
    values = [value for value in given if value is not None]
    kind = common_kind(values)
    if kind is None or constant_of(subject) is not MISSING:
        return _NOTHING
    known = type_of(subject)
    # A value of another type than the part's is reported by the check of operators.
    is_whole = kind == "number" and known is not None and known.kind in INTEGERS
    cuts = points(kind, values, is_whole=is_whole)
    is_null = len(values) < len(given)
    key = _key(subject)
    may_be_nan = known is None or known.kind is Kind.DOUBLE
    outcomes = _Outcomes(
        {key: ValueSet(kind, False, cuts, has_null=is_null)},
        {key: ValueSet(kind, True, cuts, has_null=not is_null, has_nan=may_be_nan)},
    )
    if kind == "text" and not is_null:
        lowered = points(kind, {value.lower() for value in values}, is_whole=False)
        outcomes.true[(_LOWER_FUNCTION, key)] = ValueSet(kind, False, lowered)
    return outcomes


def _ordering(node: Call, type_of: TypeOf) -> _Outcomes:
    subject, limit, is_mirrored = _sides(node)
    kind = common_kind([limit])
    if kind is None or constant_of(subject) is not MISSING:
        return _NOTHING
    function = tree.MIRRORED[node.function] if is_mirrored else node.function
    known = type_of(subject)
    is_whole = kind == "number" and known is not None and known.kind in INTEGERS
    place = cut(limit, _SIGNS[function], is_whole=is_whole)
    has_nan = known is None or known.kind is Kind.DOUBLE
    return _range(subject, kind, function in ("_<_", "_<=_"), (place,), has_nan=has_nan)


def _range(
    subject: Node, kind: str, begins: bool, cuts: tuple[Cut, ...], *, has_nan: bool
) -> _Outcomes:
    """The outcomes of a test that is true for the set of `begins` and `cuts`, else false.

    It is false for NaN, and an error for null.
    """
    key = _key(subject)
    return _Outcomes(
        {key: ValueSet(kind, begins, cuts)},
        {key: ValueSet(kind, not begins, cuts, has_nan=has_nan)},
    )


def _key(node: Node) -> _Key:
    """A key that is equal for two parts only if these always have the same value."""
    match node:
        case Ident():
            return node.name
        case Select():
            return "." if not node.is_test else "has", _key(node.operand), node.field
        case Literal():
            return type(node.value), node.value
        case Call() if node.function in tree.ARITHMETIC:
            return unparse(node)
        case Call() if node.function == _LOWER_FUNCTION:
            return _LOWER_FUNCTION, _key(node.args[0] if node.target is None else node.target)
        case Call():
            target = None if node.target is None else _key(node.target)
            return "()", node.function, target, tuple(map(_key, node.args))
        case Bound():
            return "bound", id(node.value)
    return id(node)


def _compares_twice(root: Node) -> bool:
    """Whether a part is compared twice: most trees have none, and need no further work."""
    seen: set[_Key] = set()
    for leaf in _leaves(root):
        key = _subject(leaf)
        if key in seen:
            return True
        seen.add(key)
    return False


def _leaves(root: Node) -> Iterator[Node]:
    """The conditions of a tree: operands of logic that are no logic themselves."""
    waiting = [(root, False)]
    while waiting:
        node, is_operand = waiting.pop()
        is_logic = _is_logic(node)
        if is_operand and not is_logic:
            yield node
        waiting += [(part, is_logic) for part in _parts(node)]


def _parts(node: Node) -> list[Node]:
    """The children of a node; for a chain of arithmetic all its operands, since it may be long."""
    if isinstance(node, Literal | Ident | Bound):
        return []
    first, calls = tree.arithmetic_chain(node)
    return [first, *(step.args[1] for step in calls)] if calls else list(children(node))


def _is_logic(node: Node) -> bool:
    return isinstance(node, Call) and node.target is None and node.function in _LOGIC


def _subject(node: Node) -> _Key:
    """The key of the part that a condition is about, without `lower()`, which is compared too."""
    if isinstance(node, Select) and node.is_test:
        return _key(Select(node.offset, node.operand, node.field))
    if isinstance(node, Call) and (node.function in _COMPARISONS):
        node = node.args[1] if isinstance(node.args[0], Literal) else node.args[0]
    elif isinstance(node, Call) and node.function == "startsWith" and node.target is not None:
        node = node.target
    key = _key(node)
    return key[1] if isinstance(key, tuple) and key[0] == _LOWER_FUNCTION else key
