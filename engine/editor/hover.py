"""Explains what stands at a place of a rule file: keys, fields, functions, operators as CEL."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from lsprotocol.types import Hover, MarkupContent, MarkupKind

from channels.definitions.keys import ValueKind
from engine.cel import Operator
from engine.cel.check.watchlists import Lists
from engine.editor.completion import field_at, key_help
from engine.editor.cursor import cursor_at
from engine.editor.language import call_help, field_help
from engine.editor.text import Text
from engine.editor.where import where
from engine.rules.document import parse_document
from engine.rules.expressions import TEMPLATE_VARIABLES, Compiler, read_condition
from engine.rules.faults import Faults
from engine.rules.keys import OPERATORS
from engine.rules.nodes import MappingNode, ScalarNode, SequenceNode, YamlNode
from engine.schema import EventSchema, FieldType

_WORD: Final = re.compile(r"\w+")
_DOTTED: Final = re.compile(r"(?:[A-Za-z_]\w*\.)*\w+$")
_EXPRESSIONS: Final = frozenset(
    {ValueKind.EXPRESSION, ValueKind.ONE_OR_MORE, ValueKind.TEMPLATE, ValueKind.FIELD}
)


def explain(text: Text, offset: int, schema: EventSchema) -> Hover | None:
    """What the word at an offset is; None where there is nothing to say."""
    word = next(
        (found for found in _WORD.finditer(text.text) if found.start() <= offset <= found.end()),
        None,
    )
    if word is None:
        return None
    cursor = cursor_at(text.text, word.end())
    found = where(cursor, text.source.file)
    about = ""
    if found.event is not None:
        path = ".".join(filter(None, (found.event, cursor.before if cursor.is_key else "")))
        about = _of_field(path, schema.variables)
    elif found.group is not None:
        key = found.group.find(cursor.before)
        about = key_help(key) if key is not None else ""
    elif found.key is not None and found.key.kind in _EXPRESSIONS:
        variables = {**schema.variables, **TEMPLATE_VARIABLES}
        about = _of_expression(cursor.before, variables)
    elif found.key is not None and found.key.name == "operator":
        about = _of_operator(text, word.start(), word[0], schema)
    if not about:
        return None
    content = MarkupContent(MarkupKind.Markdown, about)
    return Hover(content, text.range(word.start(), word.end()))


def _of_field(path: str, variables: Mapping[str, FieldType]) -> str:
    field = field_at(path, variables)
    return field_help(path, field) if field is not None else ""


def _of_expression(before: str, variables: Mapping[str, FieldType]) -> str:
    found = _DOTTED.search(before)
    if found is None:
        return ""
    last = found[0].rpartition(".")[2]
    return _of_field(found[0], variables) or call_help(found[0]) or call_help(last)


def _of_operator(text: Text, offset: int, name: str, schema: EventSchema) -> str:
    """What an operator asks, and the CEL that its condition is lowered to."""
    if name not in tuple(Operator):
        return ""
    root = parse_document(text.source, Faults())
    condition = _condition_at(root, text, offset) if root is not None else None
    cel = _lowered(condition, schema) if condition is not None else ""
    shown = f"\n\nAs CEL:\n\n```\n{cel}\n```" if cel else ""
    return f"{OPERATORS[Operator(name)]}{shown}"


def _condition_at(node: YamlNode, text: Text, offset: int) -> MappingNode | None:
    """The condition whose operator stands at an offset."""
    if isinstance(node, MappingNode):
        operator = node.values.get("operator")
        if isinstance(operator, ScalarNode) and text.offset_of(operator.place) == offset:
            return node
    parts = node.items if isinstance(node, SequenceNode) else []
    for part in node.values.values() if isinstance(node, MappingNode) else parts:
        found = _condition_at(part, text, offset)
        if found is not None:
            return found
    return None


def _lowered(condition: MappingNode, schema: EventSchema) -> str:
    """A condition as CEL; "" where it has faults. The lists that it names are not looked up."""
    rule = MappingNode(condition.source, condition.line, condition.column)
    conditions = SequenceNode(condition.source, condition.line, condition.column)
    conditions.items = [condition]
    rule.values = {"conditions": conditions}
    faults = Faults()
    compiler = Compiler(schema, faults, Lists({}, is_whole=False))
    expression = read_condition(rule, compiler, faults)
    return expression.cel if expression is not None else ""
