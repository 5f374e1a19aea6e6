"""Parses the text of an expression by celpy's grammar, with Lark.

The tree is built bottom up while parsing, so that Lark makes no tree of its own.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

import lark
from lark.grammar import Rule
from lark.lexer import Lexer, TerminalDef

from engine.cel.syntax import tree
from engine.cel.syntax.examples import NEUTRAL, Examples
from engine.cel.syntax.remedies import remedy_of, remedy_of_end
from engine.cel.syntax.tokens import Token, TokenKind, literal_value, syntax_error, tokenize
from engine.cel.syntax.tree import Macro, Node
from engine.errors import ExpressionError, Problem, shorten

#: Deepest tree that is accepted: walking it takes at most five of Python's 1,000 frames a level.
MAX_DEPTH: Final = 96
#: The parser's tables, made beforehand by `write_tables`.
TABLES: Final = Path(__file__).with_name("grammar_tables.json")
_OPENING: Final = frozenset({"<", "{"})
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


def parse(text: str, examples: Examples = NEUTRAL) -> tree.Node:
    """The tree of an expression; ExpressionError with its first syntax error.

    `examples` are the names that the error's remedy may show.
    """
    return parse_tokens(tokenize(text, examples), len(text))


def parse_tokens(tokens: Sequence[Token], end: int) -> tree.Node:
    """The tree of tokens; `end` is the length of their text. ExpressionError as `parse`."""
    if not tokens:
        raise syntax_error(end, "the expression is empty", "write a condition, 'true' for always")
    try:
        root: tree.Node = _parse(tokens)
    except lark.exceptions.UnexpectedToken as error:
        raise _unexpected(error.token, tokens, end) from None
    if tree.depth(root) > MAX_DEPTH:
        message = f"the expression is nested more than {MAX_DEPTH} deep"
        remedy = "split it into several rules or conditions"
        raise ExpressionError((Problem(0, "too-deep", message, remedy),))
    return root


def _parse(tokens: Any) -> Any:
    # Lark's annotations say text in and trees out; with our lexer and transformer they are wrong.
    return parser().parse(tokens)


def _unexpected(found: lark.Token, tokens: Sequence[Token], end: int) -> ExpressionError:
    if found.type == "$END":
        early = remedy_of_end(tokens)
        if early is not None:
            return syntax_error(*early)
        return syntax_error(
            end, "the expression ends too early", "an operand or a bracket is missing"
        )
    text, offset = str(found), found.start_pos or 0
    remedy = remedy_of(text, offset, tokens)
    opened = [token.offset for token in tokens if token.offset < offset and token.text in _OPENING]
    if opened and text in (">", "}"):
        # Report where it begins: `<>`, `{record.field}`.
        if text == "}":
            text, offset = "{", opened[-1]
        elif opened[-1] == offset - 1:
            text, offset = "<>", opened[-1]
    return syntax_error(offset, f"'{shorten(text)}' is not expected here", remedy)


class _Tokens(Lexer):
    """A lexer for Lark that passes our tokens on, under the names of the grammar's terminals."""

    def __init__(self, lexer_conf: Any) -> None:
        names = {
            terminal.pattern.value: terminal.name
            for terminal in lexer_conf.terminals
            if terminal.pattern.type == "str"
        }
        self._names: Final = names

    def lex(  # type: ignore[override]  # a custom lexer is handed what parse() was given
        self, data: Sequence[Token]
    ) -> Iterator[lark.Token]:
        for token in data:
            is_operator = token.kind is TokenKind.OPERATOR
            name = self._names[token.text] if is_operator else token.kind.value
            yield lark.Token(name, token.text, token.offset)


@cache
def parser() -> lark.Lark:
    """The parser of the installed grammar: from `TABLES` if they fit it, else built now."""
    text = installed_grammar()
    kept = _read_tables()
    if kept["made_from"] != _made_from(text):
        return built(text)
    # As Lark's standalone parsers do. The classes are ours, and are not part of the data.
    kept["data"]["options"]["lexer"] = kept["data"]["parser"]["lexer_conf"]["lexer_type"] = _Tokens
    load: Callable[..., lark.Lark] = lark.Lark._load_from_dict
    return load(kept["data"], kept["memo"], transformer=TreeBuilder())


def write_tables() -> None:
    """Write the LALR tables of the installed grammar, and what they are made from, to `TABLES`.

    Lark takes 0.15 s to build them, as long as all else of a small `check`. Tables of another
    version of the grammar or of Lark are ignored. `make grammar` calls this.
    """
    text = installed_grammar()
    data, memo = built(text).memo_serialize([TerminalDef, Rule])
    data["options"] |= {"lexer": None, "transformer": None}
    data["parser"]["lexer_conf"]["lexer_type"] = None
    kept = {"made_from": _made_from(text), "data": data, "memo": memo}
    TABLES.write_text(json.dumps(kept, separators=(",", ":")) + "\n", encoding="utf-8")


def _read_tables() -> Any:
    def with_numbers(pairs: list[tuple[str, Any]]) -> dict[str | int, Any]:
        # JSON has no numbers as keys; no name in the tables is a number.
        return {int(key) if key.isdigit() else key: value for key, value in pairs}

    return json.loads(TABLES.read_text(encoding="utf-8"), object_pairs_hook=with_numbers)


def _made_from(grammar: str) -> str:
    return f"lark {lark.__version__}, grammar {hashlib.sha256(grammar.encode()).hexdigest()}"


def installed_grammar() -> str:
    """The text of the installed celpy's grammar; ImportError without celpy."""
    spec = importlib.util.find_spec("celpy")
    if spec is None or spec.origin is None:
        raise ImportError("cel-python is not installed")
    return Path(spec.origin).with_name("cel.lark").read_text(encoding="utf-8")


def built(grammar: str) -> lark.Lark:
    """A parser of the grammar's text; builds its tables, which takes 0.15 s."""
    return lark.Lark(
        grammar,
        parser="lalr",
        start="expr",
        lexer=_Tokens,
        maybe_placeholders=False,
        keep_all_tokens=True,
        transformer=TreeBuilder(),
    )


class TreeBuilder:
    """Lark's transformer: a method for each rule of the grammar makes a node of its parts."""

    def expr(self, parts: list[Any]) -> Node:
        """`condition ? one : other`, or its one part."""
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
        """The sign of an unary operator."""
        return parts[0]

    unary_neg = unary_not

    def member(self, parts: list[Any]) -> Node:
        """A member expression or a primary, unchanged."""
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
        """`Message{field: value}`, which is refused: there are no protobuf messages."""
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
        """The fields of a message, which `member_object` refuses."""
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
    """The arguments of a call; three and more of `math.greatest` or `math.least` become a list."""
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
