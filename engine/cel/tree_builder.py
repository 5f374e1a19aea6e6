"""The parser's reductions into tree nodes; one method for each rule of celpy's grammar.

Called bottom up while parsing, so no parse tree is ever held. `parts` are the rule's parts, signs
and brackets included, as tokens with `start_pos`.
"""

from __future__ import annotations

from typing import Any, Final

from engine.cel import tree
from engine.cel.literals import literal_value
from engine.cel.tokens import Token, TokenKind, syntax_error
from engine.cel.tree import Macro, Node

# fmt: off
_RESERVED: Final = frozenset({
    "as", "break", "const", "continue", "else", "for", "function", "if", "import", "let", "loop",
    "package", "namespace", "return", "var", "void", "while",
})
# fmt: on
_MACROS: Final = {
    ("all", 2): Macro.ALL,
    ("exists", 2): Macro.EXISTS,
    ("exists_one", 2): Macro.EXISTS_ONE,
    ("map", 2): Macro.MAP,
    ("map", 3): Macro.MAP,
    ("filter", 2): Macro.FILTER,
}


class TreeBuilder:
    """Makes the tree; holds nothing."""

    def expr(self, parts: list[Any]) -> Node:
        """A ternary, or what is below."""
        if len(parts) == 1:
            return parts[0]  # type: ignore[no-any-return]
        condition, sign, first, _, second = parts
        return tree.Call(sign.start_pos, tree.TERNARY, (condition, first, second))

    def conditionalor(self, parts: list[Any]) -> Node:
        """`||`."""
        return _logical(tree.OR, parts)

    def conditionaland(self, parts: list[Any]) -> Node:
        """`&&`."""
        return _logical(tree.AND, parts)

    def relation(self, parts: list[Any]) -> Node:
        """A comparison or `in`."""
        return _binary(parts)

    def addition(self, parts: list[Any]) -> Node:
        """`+` and `-`."""
        return _binary(parts)

    def multiplication(self, parts: list[Any]) -> Node:
        """`*`, `/` and `%`."""
        return _binary(parts)

    def _left(self, parts: list[Any]) -> list[Any]:
        """The left operand and the sign of a binary operator."""
        return parts

    relation_lt = relation_le = relation_gt = relation_ge = _left
    relation_eq = relation_ne = relation_in = _left
    addition_add = addition_sub = _left
    multiplication_mul = multiplication_div = multiplication_mod = _left

    def unary(self, parts: list[Any]) -> Node:
        """`!` and `-`."""
        if len(parts) == 1:
            return parts[0]  # type: ignore[no-any-return]
        sign, operand = parts
        function = tree.NOT if sign == "!" else tree.NEGATE
        return tree.Call(sign.start_pos, function, (operand,))

    def unary_not(self, parts: list[Any]) -> Any:
        """The sign."""
        return parts[0]

    unary_neg = unary_not

    def member(self, parts: list[Any]) -> Node:
        """What may be followed by a dot or a bracket."""
        return parts[0]  # type: ignore[no-any-return]

    primary = member

    def member_dot(self, parts: list[Any]) -> Node:
        """`operand.field`."""
        operand, _, name = parts
        return tree.Select(name.start_pos, operand, name.strip("`"))

    def member_dot_arg(self, parts: list[Any]) -> Node:
        """`target.function(args)`, macros among them."""
        target, _, name, _, *rest = parts
        args: tuple[Node, ...] = rest[0] if len(rest) == 2 else ()
        _no_backquotes(name)
        if _is_ident(target, "cel") and name == "bind" and len(args) == 3:
            return _bind(name.start_pos, args)
        macro = _MACROS.get((str(name), len(args)))
        if macro is not None:
            return _comprehension(name.start_pos, macro, target, args)
        return tree.Call(name.start_pos, str(name), _as_list(target, name, args), target)

    def member_index(self, parts: list[Any]) -> Node:
        """`operand[index]`."""
        operand, bracket, index, _ = parts
        return tree.Call(bracket.start_pos, tree.INDEX, (operand, index))

    def member_object(self, parts: list[Any]) -> Node:
        """`Message{field: value}`: there are no messages here."""
        raise syntax_error(parts[1].start_pos, "messages can't be made here", "write a map: {…}")

    def dot_ident_arg(self, parts: list[Any]) -> Node:
        """`.function(args)`."""
        return self.ident_arg(parts[1:])

    def dot_ident(self, parts: list[Any]) -> Node:
        """`.name`."""
        return _ident(parts[1], parts[0].start_pos, is_absolute=True)

    def ident_arg(self, parts: list[Any]) -> Node:
        """`function(args)`, `has` among them."""
        name, _, *rest = parts
        args: tuple[Node, ...] = rest[0] if len(rest) == 2 else ()
        _no_backquotes(name)
        if name in _RESERVED:
            raise _reserved(name)
        if name == "has" and len(args) == 1:
            return _has(name.start_pos, args[0])
        return tree.Call(name.start_pos, str(name), args)

    def ident(self, parts: list[Any]) -> Node:
        """`name`."""
        return _ident(parts[0], parts[0].start_pos, is_absolute=False)

    def paren_expr(self, parts: list[Any]) -> Node:
        """`(expression)`."""
        return parts[1]  # type: ignore[no-any-return]

    def list_lit(self, parts: list[Any]) -> Node:
        """`[items]`."""
        return tree.ListNode(parts[0].start_pos, parts[1] if len(parts) == 3 else ())

    def map_lit(self, parts: list[Any]) -> Node:
        """`{key: value}`."""
        return tree.MapNode(parts[0].start_pos, parts[1] if len(parts) == 3 else ())

    def exprlist(self, parts: list[Any]) -> tuple[Node, ...]:
        """The items between commas."""
        return tuple(parts[::2])

    def fieldinits(self, parts: list[Any]) -> tuple[Node, ...]:
        """The fields of a message, which is refused a step later."""
        return tuple(parts)

    def mapinits(self, parts: list[Any]) -> tuple[tuple[Node, Node], ...]:
        """Keys and values between commas."""
        return tuple(zip(parts[::4], parts[2::4], strict=True))

    def literal(self, parts: list[Any]) -> Node:
        """A number, text, bytes, true, false or null."""
        token = parts[0]
        plain = Token(TokenKind(token.type), str(token), token.start_pos)
        return tree.Literal(plain.offset, literal_value(plain))


def _logical(function: str, parts: list[Any]) -> Node:
    if len(parts) == 1:
        return parts[0]  # type: ignore[no-any-return]
    left, sign, right = parts
    if isinstance(left, tree.Call) and left.function == function:
        return tree.Call(left.offset, function, (*left.args, right))
    return tree.Call(sign.start_pos, function, (left, right))


def _binary(parts: list[Any]) -> Node:
    if len(parts) == 1:
        return parts[0]  # type: ignore[no-any-return]
    (left, sign), right = parts
    return tree.Call(sign.start_pos, tree.BINARY[str(sign)], (left, right))


def _as_list(target: Node, name: Any, args: tuple[Node, ...]) -> tuple[Node, ...]:
    """`math.greatest` and `math.least` take any number of arguments: three and more are a list."""
    if len(args) < 3 or not _is_ident(target, "math") or name not in ("greatest", "least"):
        return args
    return (tree.ListNode(args[0].offset, args),)


def _is_ident(node: Node, name: str) -> bool:
    return isinstance(node, tree.Ident) and node.name == name and not node.is_absolute


def _bind(offset: int, args: tuple[Node, ...]) -> Node:
    variable = _variable(args[0], "cel.bind", "cel.bind(name, value, result)")
    return tree.Comprehension(offset, Macro.BIND, args[1], variable, None, args[2])


def _variable(node: Node, macro: str, form: str) -> str:
    if not isinstance(node, tree.Ident) or node.is_absolute:
        what = f"the first argument of {macro}() must be a simple name"
        raise syntax_error(node.offset, what, f"write {form}")
    return node.name


def _comprehension(offset: int, macro: Macro, target: Node, args: tuple[Node, ...]) -> Node:
    variable = _variable(args[0], macro, f".{macro}(item, …)")
    if macro is not Macro.MAP:
        return tree.Comprehension(offset, macro, target, variable, args[1])
    condition = args[1] if len(args) == 3 else None
    return tree.Comprehension(offset, macro, target, variable, condition, args[-1])


def _has(offset: int, operand: Node) -> Node:
    if not isinstance(operand, tree.Select) or operand.is_test:
        what = "has() takes a field: has(record.field)"
        raise syntax_error(offset, what, "compare a plain name with null instead")
    return tree.Select(operand.offset, operand.operand, operand.field, is_test=True)


def _ident(name: Any, offset: int, *, is_absolute: bool) -> Node:
    _no_backquotes(name)
    if name in _RESERVED:
        raise _reserved(name)
    return tree.Ident(offset, str(name), is_absolute)


def _reserved(name: Any) -> Exception:
    return syntax_error(name.start_pos, f"'{name}' is a reserved word", "choose another name")


def _no_backquotes(name: Any) -> None:
    if name.startswith("`"):
        what = "only a field's name after a dot may stand in backquotes"
        raise syntax_error(name.start_pos, what, "remove the backquotes")
