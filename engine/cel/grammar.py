"""Expression text into a tree, by celpy's grammar; nothing else here imports celpy's parts or lark.

The grammar and its LALR tables are celpy's. Its lexer is not used: one of its patterns for texts
takes exponential time on an unclosed text with escapes, it knows no backquoted fields, and it ends
`'\\''` early when the text goes on wrongly. Tokens come from `tokens.py`, and the tree is made
while parsing, without recursion. celpy's own `CELParser` is one object per process, made for
whichever runner came first; a parser of our own over the same grammar is free of that.
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

from engine.cel import tree
from engine.cel.scope import shorten
from engine.cel.syntax_remedies import remedy_of, remedy_of_end
from engine.cel.tokens import Token, TokenKind, syntax_error, tokenize
from engine.cel.tree_builder import TreeBuilder
from engine.errors import ExpressionError, Problem

#: Deepest tree that is accepted: walking it takes at most five of Python's 1,000 frames a level.
MAX_DEPTH: Final = 96
#: The grammar's tables, made beforehand.
TABLES: Final = Path(__file__).with_name("grammar_tables.json")
_OPENING: Final = frozenset({"<", "{"})


def parse(text: str) -> tree.Node:
    """The tree of an expression; ExpressionError with the one syntax fault it holds."""
    return parse_tokens(tokenize(text), len(text))


def parse_tokens(tokens: Sequence[Token], end: int) -> tree.Node:
    """The tree of tokens; `end` is the offset at which the text ends."""
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
    # Lark's types speak of text and trees; ours are tokens in, nodes out.
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
        # Where it begins: `<>`, `{plate.text}`.
        if text == "}":
            text, offset = "{", opened[-1]
        elif opened[-1] == offset - 1:
            text, offset = "<>", opened[-1]
    return syntax_error(offset, f"'{shorten(text)}' is not expected here", remedy)


class _Tokens(Lexer):
    """Hands our tokens to Lark under the names that the grammar's terminals have."""

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
    """The parser of the installed grammar; by the kept tables, where they are made from it."""
    text = installed_grammar()
    kept = _read_tables()
    if kept["made_from"] != _made_from(text):
        return built(text)
    # What Lark's own standalone parsers are made by; the classes are ours, not data.
    kept["data"]["options"]["lexer"] = kept["data"]["parser"]["lexer_conf"]["lexer_type"] = _Tokens
    load: Callable[..., lark.Lark] = lark.Lark._load_from_dict
    return load(kept["data"], kept["memo"], transformer=TreeBuilder())


def write_tables() -> None:
    """Write the LALR tables of the installed grammar, and what they are made from, to `TABLES`.

    Lark takes 0.15 s to make them, as long as all else of a small `check`. They are not used with
    another version of the grammar or of Lark. `make grammar` calls this.
    """
    text = installed_grammar()
    data, memo = built(text).memo_serialize([TerminalDef, Rule])
    data["options"] |= {"lexer": None, "transformer": None}
    data["parser"]["lexer_conf"]["lexer_type"] = None
    kept = {"made_from": _made_from(text), "data": data, "memo": memo}
    TABLES.write_text(json.dumps(kept, separators=(",", ":")) + "\n", encoding="utf-8")


def _read_tables() -> Any:
    def with_numbers(pairs: list[tuple[str, Any]]) -> dict[str | int, Any]:
        # JSON's keys are texts; no name in the tables is a number.
        return {int(key) if key.isdigit() else key: value for key, value in pairs}

    return json.loads(TABLES.read_text(encoding="utf-8"), object_pairs_hook=with_numbers)


def _made_from(grammar: str) -> str:
    return f"lark {lark.__version__}, grammar {hashlib.sha256(grammar.encode()).hexdigest()}"


def installed_grammar() -> str:
    """The text of celpy's grammar."""
    spec = importlib.util.find_spec("celpy")
    if spec is None or spec.origin is None:
        raise ImportError("cel-python is not installed")
    return Path(spec.origin).with_name("cel.lark").read_text(encoding="utf-8")


def built(grammar: str) -> lark.Lark:
    """A parser of the grammar's text, its tables made now."""
    return lark.Lark(
        grammar,
        parser="lalr",
        start="expr",
        lexer=_Tokens,
        maybe_placeholders=False,
        keep_all_tokens=True,
        transformer=TreeBuilder(),
    )
