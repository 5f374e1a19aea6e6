"""Conditions of one value that `&&` can never bring together, or `||` never leaves untrue.

The values that a condition allows are a set, kept as the cuts at which membership changes.
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
)
from engine.cel.syntax.unparse import unparse
from engine.cel.types.findings import Findings, title
from engine.cel.types.functions import FUNCTIONS
from engine.cel.values.values import MISSING
from engine.errors import EvaluationError
from engine.schema import FieldType, Kind

_MAX_TEXT: Final = 80
_REMOVE: Final = "remove one of them, or correct its value"
_MIRRORED: Final = {"_<_": "_>_", "_<=_": "_>=_", "_>_": "_<_", "_>=_": "_<=_"}
_SIGNS: Final = {"_<_": 0, "_<=_": 1, "_>_": 1, "_>=_": 0}
_LOGIC: Final = frozenset({tree.AND, tree.OR, tree.NOT, tree.TERNARY})
_COMPARISONS: Final = frozenset({tree.EQUALS, tree.NOT_EQUALS, tree.IN, *tree.ORDERINGS})
_WHOLE: Final = frozenset({Kind.INT, Kind.UINT})
_LOWER: Final = "lower"
#: The functions that make a constant of a text.
_READERS: Final = frozenset({"timestamp", "duration"})

_Key = object

_Sets = dict[_Key, ValueSet]
TypeOf = Callable[[Node], FieldType | None]


class _Outcomes(NamedTuple):
    """By what is compared: the values for which a part can be true, and those for false."""

    true: _Sets
    false: _Sets


class Conflict(NamedTuple):
    """Which operand leaves no value, and which one before it: None for all those together."""

    first: int | None
    second: int


_NOTHING: Final = _Outcomes({}, {})


def check_logic(findings: Findings) -> None:
    """Warn of each `&&` of a checked tree that is never true, and each `||` that always is."""
    if _compares_twice(findings.root):
        _LogicReader(findings.type_of, findings).facts(findings.root)


def find_conflict(parts: Sequence[Node], type_of: TypeOf) -> Conflict | None:
    """Which of several conditions can't hold together; None where they may.

    What one of them says on its own is left to `check_logic`.
    """
    if len(parts) < 2 or not _compares_twice(Call(0, tree.AND, tuple(parts))):
        return None
    reading = _LogicReader(type_of, None)
    return _conflict([reading.facts(part).true for part in parts])


class _LogicReader:
    """Reads what is known of a tree's parts; reports to `findings` if there are any."""

    def __init__(self, type_of: TypeOf, findings: Findings | None) -> None:
        self._type_of: Final = type_of
        self._findings: Final = findings

    def facts(self, node: Node) -> _Outcomes:
        """What is known of a part, and of nothing inside its macros."""
        if isinstance(node, Call) and _is_logic(node):
            return self._logic(node)
        if self._findings is not None:
            self._look_inside(node)
        return _comparison(node, self._type_of)

    def _look_inside(self, node: Node) -> None:
        """Reads the logic in the parts of what is none itself, such as the body of a macro."""
        waiting = _parts(node)
        while waiting:
            part = waiting.pop()
            if _is_logic(part):
                self.facts(part)
            else:
                waiting += _parts(part)

    def _logic(self, node: Call) -> _Outcomes:
        parts = [self.facts(arg) for arg in node.args]
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
        """Warn where the operands of `&&` leave no value for true, or those of `||` for false.

        `here` has, by operand, the values of that side, `beyond` those of the other one.
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
    """What is said of two operands that leave no value, and of one that leaves none to all before.

    `instead` makes the text of what may be meant.
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
    """What is known where all parts are so."""
    result: _Sets = {}
    for key in dict.fromkeys(chain.from_iterable(parts)):
        known = [part[key] for part in parts if key in part]
        result[key] = known[0] if len(known) == 1 else intersection(known) or known[0]
    return result


def _any(parts: Sequence[_Sets]) -> _Sets:
    """What is known where one part at least is so."""
    result: _Sets = {}
    for key in parts[0]:
        known = [part[key] for part in parts if key in part]
        both = union(known) if len(known) == len(parts) else None
        if both is not None:
            result[key] = both
    return result


def _conflict(parts: Sequence[_Sets]) -> Conflict | None:
    """The first operand that leaves no value to those before it."""
    for key, found in _all(parts).items():
        if not found.is_empty:
            continue
        places = [place for place, part in enumerate(parts) if key in part]
        if any(parts[place][key].is_empty for place in places):
            continue  # That is a fault of its own.
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
    """What is known of a part that holds no logic."""
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
    """Of `has(record.field)`, which is whether the field is not null; a map may hold nulls."""
    record = type_of(node.operand)
    if record is None or record.kind is not Kind.RECORD:
        return _NOTHING
    key = _key(Select(node.offset, node.operand, node.field))
    return _Outcomes({key: NOT_NULL}, {key: ONLY_NULL})


def _flag(node: Node, type_of: TypeOf) -> _Outcomes:
    """Of a part that is itself true or false."""
    kind = type_of(node)
    if kind is None or kind.kind is not Kind.BOOL or isinstance(node, Literal | Comprehension):
        return _NOTHING
    return _range(node, "bool", False, points("bool", [True], is_whole=False), has_nan=False)


def _sides(node: Call) -> tuple[Node, Any, bool]:
    """What is compared, with which constant, and whether that stands first; MISSING for none."""
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
    """Of a value that is one of those given."""
    values = [value for value in given if value is not None]
    kind = common_kind(values)
    if kind is None or constant_of(subject) is not MISSING:
        return _NOTHING
    known = type_of(subject)
    # Of another type than the field's: the check of types has said so.
    is_whole = kind == "number" and known is not None and known.kind in _WHOLE
    cuts = points(kind, values, is_whole=is_whole)
    is_null = len(values) < len(given)
    key = _key(subject)
    may_be_nan = known is None or known.kind is Kind.DOUBLE
    facts = _Outcomes(
        {key: ValueSet(kind, False, cuts, has_null=is_null)},
        {key: ValueSet(kind, True, cuts, has_null=not is_null, has_nan=may_be_nan)},
    )
    if kind == "text" and not is_null:
        lowered = points(kind, {value.lower() for value in values}, is_whole=False)
        facts.true[(_LOWER, key)] = ValueSet(kind, False, lowered)
    return facts


def _ordering(node: Call, type_of: TypeOf) -> _Outcomes:
    subject, limit, is_mirrored = _sides(node)
    kind = common_kind([limit])
    if kind is None or constant_of(subject) is not MISSING:
        return _NOTHING
    function = _MIRRORED[node.function] if is_mirrored else node.function
    known = type_of(subject)
    is_whole = kind == "number" and known is not None and known.kind in _WHOLE
    place = cut(limit, _SIGNS[function], is_whole=is_whole)
    has_nan = known is None or known.kind is Kind.DOUBLE
    return _range(subject, kind, function in ("_<_", "_<=_"), (place,), has_nan=has_nan)


def _range(
    subject: Node, kind: str, begins: bool, cuts: tuple[Cut, ...], *, has_nan: bool
) -> _Outcomes:
    """Of a test that is true within the cuts, and false beyond them and for NaN; null fails."""
    key = _key(subject)
    return _Outcomes(
        {key: ValueSet(kind, begins, cuts)},
        {key: ValueSet(kind, not begins, cuts, has_nan=has_nan)},
    )


def _key(node: Node) -> _Key:
    """What two parts have in common that always have the same value."""
    match node:
        case Ident():
            return node.name
        case Select():
            return "." if not node.is_test else "has", _key(node.operand), node.field
        case Literal():
            return type(node.value), node.value
        case Call() if node.function in tree.ARITHMETIC:
            return unparse(node)
        case Call() if node.function == _LOWER:
            return _LOWER, _key(node.args[0] if node.target is None else node.target)
        case Call():
            target = None if node.target is None else _key(node.target)
            return "()", node.function, target, tuple(map(_key, node.args))
        case Bound():
            return "bound", id(node.value)
    return id(node)


def _compares_twice(root: Node) -> bool:
    """Whether anything is compared twice: for most trees that is all there is to do."""
    seen: set[_Key] = set()
    for leaf in _leaves(root):
        key = _subject(leaf)
        if key in seen:
            return True
        seen.add(key)
    return False


def _leaves(root: Node) -> Iterator[Node]:
    """The operands of all logic in a tree that are no logic themselves."""
    waiting = [(root, False)]
    while waiting:
        node, is_operand = waiting.pop()
        is_logic = _is_logic(node)
        if is_operand and not is_logic:
            yield node
        waiting += [(part, is_logic) for part in _parts(node)]


def _parts(node: Node) -> list[Node]:
    """The parts of a node; those of a run of `+ - * / %` all at once, for it may be long."""
    if isinstance(node, Literal | Ident | Bound):
        return []
    first, calls = tree.arithmetic_chain(node)
    return [first, *(step.args[1] for step in calls)] if calls else list(children(node))


def _is_logic(node: Node) -> bool:
    return isinstance(node, Call) and node.target is None and node.function in _LOGIC


def _subject(node: Node) -> _Key:
    """What a part compares with a constant, or the part itself; the text that `lower()` changes."""
    if isinstance(node, Select) and node.is_test:
        return _key(Select(node.offset, node.operand, node.field))
    if isinstance(node, Call) and (node.function in _COMPARISONS):
        node = node.args[1] if isinstance(node.args[0], Literal) else node.args[0]
    elif isinstance(node, Call) and node.function == "startsWith" and node.target is not None:
        node = node.target
    key = _key(node)
    return key[1] if isinstance(key, tuple) and key[0] == _LOWER else key
