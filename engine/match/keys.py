"""Keys: the values of an event that are looked up, a field or another part of a condition."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from engine.cel import Expression
from engine.cel.expression import compile_tree
from engine.cel.syntax.tree import Call, Node, unparse
from engine.cel.types.scope import Scope, dotted
from engine.cel.values.values import FailureKind
from engine.errors import EvaluationError, ExpressionError
from engine.schema import FieldType, Kind


class _Marker:
    __slots__ = ()


#: The key's value: a conversion in it failed.
FAILED: Final = _Marker()
#: The key's value: its evaluation failed otherwise, or gave a type that the schema rules out.
ODD: Final = _Marker()

#: A key's value: None where the field is null or a function was given null, or FAILED, or ODD.
KeyReader = Callable[[dict[str, Any]], Any]


@dataclass(frozen=True, slots=True, eq=False)
class Key:
    """One thing that is looked up.

    `path` is the field that it is a function of, if null in that field makes the key null;
    `can_fail` says that it may be FAILED. `is_number`: else it is a number, or ODD.
    `number_of` is the text of x in a key `double(x)`, `is_number_of` that in `isNumber(x)`.
    `weight` is what reading it costs, in evaluations of a rule.
    """

    text: str
    read: KeyReader = field(repr=False)
    weight: float
    is_nullable: bool
    can_fail: bool = False
    is_number: bool = False
    path: str = ""
    number_of: str = ""
    is_number_of: str = ""


def top_reader(name: str, kind: type, *, is_nullable: bool) -> KeyReader:
    """Reads a variable of that Python type."""
    absent = None if is_nullable else ODD

    def top(bindings: dict[str, Any]) -> Any:
        value = bindings.get(name, ODD)
        return value if type(value) is kind else absent if value is None else ODD

    return top


def field_reader(
    record: str, name: str, kind: type, *, is_nullable: bool, is_record_nullable: bool
) -> KeyReader:
    """Reads a field of that Python type of a record; an absent record's fields are null."""
    absent = None if is_nullable else ODD

    def inner(bindings: dict[str, Any]) -> Any:
        try:
            value = bindings[record][name]
        except (KeyError, TypeError):
            is_absent = is_record_nullable and bindings.get(record, ODD) is None
            return None if is_absent else ODD
        return value if type(value) is kind else absent if value is None else ODD

    return inner


def lower_reader(text: KeyReader) -> KeyReader:
    """Reads a text in lower case, as `lower()` makes it."""

    def lower(bindings: dict[str, Any]) -> Any:
        value = text(bindings)
        return value.lower() if type(value) is str else value

    return lower


def folded_reader(text: KeyReader) -> KeyReader:
    """Reads a text so that letters which RE2 holds equal when it ignores case are the same."""

    def folded(bindings: dict[str, Any]) -> Any:
        value = text(bindings)
        return fold(value) if type(value) is str else _no_text(value)

    return folded


def whole_reader(text: KeyReader) -> KeyReader:
    """Reads a text that has an encoding: RE2 fails on others."""

    def whole(bindings: dict[str, Any]) -> Any:
        value = text(bindings)
        if type(value) is not str:
            return _no_text(value)
        return value if is_whole(value) else ODD

    return whole


def _no_text(value: Any) -> Any:
    return value if value is None or value is FAILED else ODD


def truth_reader(condition: KeyReader) -> KeyReader:
    """Reads what must be true or false: anything else makes a condition fail."""

    def truth(bindings: dict[str, Any]) -> Any:
        value = condition(bindings)
        return value if type(value) is bool or value is None or value is FAILED else ODD

    return truth


def fold(text: str) -> Any:
    """The text as RE2 sees it when it ignores the case of A to Z; ODD where RE2 fails on it."""
    if text.isascii():
        return text.lower()
    # To RE2, which folds character by character, the long s is an s; to lower() it is itself.
    return text.lower().replace("ſ", "s") if is_whole(text) else ODD


def is_whole(text: str) -> bool:
    """Whether the text has no half of a surrogate pair."""
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            return False
    return True


def expression_reader(expression: Expression) -> KeyReader:
    """Reads the value of an expression."""

    def compute(bindings: dict[str, Any]) -> Any:
        try:
            return expression.run(bindings)
        except EvaluationError as error:
            if error.error_type == FailureKind.NULL_OPERAND:
                return None
            return FAILED if error.error_type == FailureKind.BAD_CONVERSION else ODD

    return compute


Variables = Mapping[str, FieldType | None]

#: Costs of reading a key, in evaluations of a rule.
_FIELD_WEIGHT: Final = 0.2
_TEXT_WEIGHT: Final = 0.3
_COMPUTED_WEIGHT: Final = 1.0
_KINDS: Final = {Kind.STRING: str, Kind.DOUBLE: float, Kind.INT: int, Kind.BOOL: bool}
#: Functions that take null as well as anything else.
_TAKES_NULL: Final = frozenset({"dyn", "type"})
#: Longest part of a condition that is looked up as it stands.
_MAX_TEXT: Final = 300


class Keyring:
    """Makes keys; equal parts of conditions share one key."""

    def __init__(self) -> None:
        self._keys: dict[str, Key | None] = {}
        self._values: dict[frozenset[Any], frozenset[Any]] = {}

    def values(self, values: Iterable[Any]) -> frozenset[Any]:
        """The values as a set; equal sets are one object, for many rules may share a long list."""
        new = frozenset(values)
        return self._values.setdefault(new, new)

    def key(self, node: Node, variables: Variables) -> Key | None:
        """The key of a part of a condition that holds no macro's variable; None if it has none."""
        path = dotted(node)
        if path is not None:
            field = self._field(path[0], node, variables)
            is_type = path[0].split(".")[0] not in variables
            return field if field is not None or is_type else self._computed(node, variables)
        inner = _lowered(node)
        if inner is not None and (found := dotted(inner)) is not None:
            field = self._field(found[0], inner, variables)
            if field is not None:
                return self._derived(f"lower({field.text})", field, lower_reader)
        return self._computed(node, variables)

    def folded(self, field: Key) -> Key:
        """The key of a text as RE2 sees it when it ignores the case."""
        return self._derived(f"fold({field.text})", field, folded_reader)

    def whole(self, field: Key) -> Key:
        """The key of a text that RE2 takes."""
        return self._derived(f"whole({field.text})", field, whole_reader)

    def truth(self, condition: Key) -> Key:
        """The key of a part that must be true or false."""
        return self._derived(f"truth({condition.text})", condition, truth_reader)

    def is_bool(self, node: Node, variables: Variables) -> bool:
        """Whether a name is that of a field which is true or false."""
        kind = _resolve(node, variables)
        return kind is not None and kind.kind is Kind.BOOL

    def _derived(self, text: str, field: Key, reader: Callable[[KeyReader], KeyReader]) -> Key:
        found = self._keys.get(text)
        if found is None:
            weight = max(field.weight, _TEXT_WEIGHT)
            found = replace(field, text=text, read=reader(field.read), weight=weight)
            self._keys[text] = found
        return found

    def _field(self, text: str, node: Node, variables: Variables) -> Key | None:
        if text not in self._keys:
            self._keys[text] = self._make_field(text, node, variables)
        return self._keys[text]

    def _make_field(self, text: str, node: Node, variables: Variables) -> Key | None:
        kind = _resolve(node, variables)
        if kind is None:
            return None
        runtime = _KINDS.get(kind.kind)
        names = text.split(".")
        if runtime is not None and len(names) <= 2:
            read = _reader(names, runtime, kind, variables)
            is_number = runtime in (int, float)
            return Key(text, read, _FIELD_WEIGHT, kind.nullable, is_number=is_number, path=text)
        expression = _compile(node, variables)
        if expression is None:
            return None
        read = expression_reader(expression)
        return Key(text, read, _COMPUTED_WEIGHT, is_nullable=True, path=text)

    def _computed(self, node: Node, variables: Variables) -> Key | None:
        text = unparse(node)
        if len(text) > _MAX_TEXT:
            return None
        if text not in self._keys:
            self._keys[text] = self._make_computed(text, node, variables)
        return self._keys[text]

    def _make_computed(self, text: str, node: Node, variables: Variables) -> Key | None:
        expression = _compile(node, variables)
        if expression is None:
            return None
        key_of = self._argument(node, variables)
        argument = key_of.text if key_of is not None else ""
        function = node.function if isinstance(node, Call) else ""
        return Key(
            text,
            expression_reader(expression),
            _COMPUTED_WEIGHT,
            is_nullable=True,
            can_fail=True,
            path=key_of.path if key_of is not None and function not in _TAKES_NULL else "",
            number_of=argument if function == "double" else "",
            is_number_of=argument if function == "isNumber" else "",
        )

    def _argument(self, node: Node, variables: Variables) -> Key | None:
        """The key of the only argument of a function."""
        if not isinstance(node, Call):
            return None
        args = node.args if node.target is None else (node.target, *node.args)
        if len(args) != 1 or not node.function.isidentifier():
            return None
        return self.key(args[0], variables)


def _lowered(node: Node) -> Node | None:
    if not isinstance(node, Call) or node.function != "lower":
        return None
    args = node.args if node.target is None else (node.target, *node.args)
    return args[0] if len(args) == 1 else None


def _compile(node: Node, variables: Variables) -> Expression | None:
    try:
        return compile_tree(node, "", Scope(variables))
    except ExpressionError:
        return None


def _resolve(node: Node, variables: Variables) -> FieldType | None:
    """The type of a field of a record, or of a variable."""
    found = dotted(node)
    if found is None:
        return None
    first, *names = found[0].split(".")
    kind = variables.get(first)
    for name in names:
        if kind is None or kind.kind is not Kind.RECORD:
            return None
        inner = kind.fields.get(name)
        if inner is None:
            return None
        is_nullable = kind.nullable or inner.nullable
        kind = FieldType(inner.kind, is_nullable, inner.fields, inner.element)
    return kind


def _reader(names: list[str], runtime: type, kind: FieldType, variables: Variables) -> KeyReader:
    if len(names) == 1:
        return top_reader(names[0], runtime, is_nullable=kind.nullable)
    record = variables[names[0]]
    return field_reader(
        names[0],
        names[1],
        runtime,
        is_nullable=kind.nullable,
        is_record_nullable=record is not None and record.nullable,
    )
