"""Null guards: which parts are known not to be null where another part is evaluated.

CEL raises an error where `f(a)` meets a null. In `a != null && f(a)`, `has(r.a) && f(r.a)`,
`a == null || f(a)` and `a != null ? f(a) : b` the first part guards `a` in `f(a)`. A guard may be
on either side of `&&` and `||`, since these absorb an error where the other side decides.

Guarded parts are kept by name (`part_name`), in sets that the check and the translator call `safe`.
"""

from __future__ import annotations

import re
from typing import Final

from engine.cel.syntax import tree
from engine.cel.syntax.tree import Call, Comprehension, Literal, Node, Select, constant_of
from engine.cel.types.findings import part_name
from engine.cel.types.watchlists import asked

_NONE: Final[frozenset[str]] = frozenset()
_PATH: Final = re.compile(r"[\w.]+")


def when_true(node: Node) -> frozenset[str]:
    """The names of the parts that are not null if the node is true."""
    if isinstance(node, Select) and node.is_test:
        return _name(Select(node.offset, node.operand, node.field))
    if not isinstance(node, Call):
        return frozenset()
    match node.function:
        case tree.AND:
            return frozenset().union(*map(when_true, node.args))
        case tree.OR:
            return frozenset.intersection(*map(when_true, node.args))
        case tree.NOT:
            return when_false(node.args[0])
        case tree.NOT_EQUALS:
            return _compared(node, with_null=True)
        case tree.EQUALS:
            return _compared(node, with_null=False)
        case tree.IN:
            values = constant_of(node.args[1])
            if (of_list := asked(node)) is not None:
                row = Call(0, tree.INDEX, (node.args[1], of_list[1]))
                return _name(of_list[1]) | _name(row)
            return _name(node.args[0]) if type(values) is list and None not in values else _NONE
    # An ordering or a function of null is an error: it needs a guard, and is none.
    return _NONE


def when_false(node: Node) -> frozenset[str]:
    """The names of the parts that are not null if the node is false."""
    if not isinstance(node, Call):
        return frozenset()
    match node.function:
        case tree.AND:
            return frozenset.intersection(*map(when_false, node.args))
        case tree.OR:
            return frozenset().union(*map(when_false, node.args))
        case tree.NOT:
            return when_true(node.args[0])
        case tree.EQUALS:
            return _compared(node, with_null=True)
        case tree.NOT_EQUALS:
            return _compared(node, with_null=False)
    return frozenset()


def _compared(node: Call, *, with_null: bool) -> frozenset[str]:
    left, right = node.args
    for name, other in ((left, right), (right, left)):
        if isinstance(other, Literal) and (other.value is None) == with_null:
            return _name(name)
    return frozenset()


def _name(node: Node) -> frozenset[str]:
    found = part_name(node)
    return frozenset((found,)) if found else _NONE


def inside_bind(safe: frozenset[str], node: Comprehension) -> frozenset[str]:
    """The names that are not null in the result of a `cel.bind`, given those around it.

    Where the bound value is a guarded part, or has guarded fields, the variable's are guarded too.
    """
    path, variable = part_name(node.range), node.variable
    names = {path: variable} if path in safe else {}
    if _PATH.fullmatch(path):
        fields = (name for name in safe if name.startswith(f"{path}."))
        names |= {name: f"{variable}{name.removeprefix(path)}" for name in fields}
    return inside_macro(safe, variable) | frozenset(names.values())


def inside_macro(safe: frozenset[str], variable: str) -> frozenset[str]:
    """The names of `safe` that still mean the same in a macro, whose `variable` may hide some."""
    return frozenset(
        name
        for name in safe
        if (name.split(".")[0] != variable if _PATH.fullmatch(name) else variable not in name)
    )
