"""What other implementations of CEL have beyond the language and this one has not, by name.

Each is refused at load, with what to write instead.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from engine.cel.tree import Call, Ident, Node, Select, children

_OPTIONAL: Final = "write a != null ? a : b, or has(a.b) ? a.b : c"
_BIND: Final = "write cel.bind(name, value, result)"
_ONE_NAME: Final = "write list.{}, which names the item only"
_SPACES: Final = frozenset({"cel", "optional"})
#: Functions by their whole name.
_FUNCTIONS: Final = {
    **dict.fromkeys(("optional.of", "optional.ofNonZeroValue", "optional.none"), _OPTIONAL),
    **dict.fromkeys(("cel.block", "cel.index", "cel.iterVar", "cel.accuVar"), _BIND),
}
#: What is written behind a dot.
_MEMBERS: Final = {
    **dict.fromkeys(("hasValue", "value", "or", "orValue", "optMap", "optFlatMap"), _OPTIONAL),
    "existsOne": _ONE_NAME.format("exists_one(item, condition)"),
    "transformList": _ONE_NAME.format("map(item, result)"),
    "transformMap": _ONE_NAME.format("map(item, result)"),
    "transformMapEntry": _ONE_NAME.format("map(item, result)"),
}
#: Macros that elsewhere may name two things, an index or a key beside the value.
_TWO_NAMES: Final = frozenset({"all", "exists", "exists_one"})
#: Those whose arguments hold names of their own.
_MACROS: Final = frozenset(
    {"optMap", "optFlatMap", "existsOne", "transformList", "transformMap", "transformMapEntry"}
)
_OPTIONAL_SIGNS: Final = frozenset({".", "[", "{", ","})
#: The type of optional values.
OPTIONAL_TYPE: Final = "optional_type"


@dataclass(frozen=True, slots=True)
class Unoffered:
    """What is wrong with a call and what to write; `args` are those of its parts that mean more."""

    what: str
    remedy: str
    args: tuple[Node, ...] = ()
    is_told: bool = False


def unoffered(node: Call, *, is_value: bool = False) -> Unoffered | None:
    """Why a call that means nothing here may mean something elsewhere; None if it does not.

    `is_value` says that what stands before the dot is a variable, whatever its name.
    """
    target, name = node.target, node.function
    if target is None:
        return None
    if isinstance(target, Ident) and target.name in _SPACES and not is_value:
        return _in_space(f"{target.name}.{name}", node)
    if name in _TWO_NAMES and len(node.args) == 3:
        form = _ONE_NAME.format(f"{name}(item, condition)")
        return Unoffered(f"{name}() with two names is not offered", form, (target,))
    remedy = _MEMBERS.get(name)
    if remedy is None:
        return None
    args = () if name in _MACROS else node.args
    return Unoffered(f"{name}() is not offered", remedy, (target, *args), _is_told(target))


def _in_space(name: str, node: Call) -> Unoffered:
    if name in _FUNCTIONS:
        return Unoffered(f"{name}() is not offered", _FUNCTIONS[name], node.args)
    if name == "cel.bind":
        return Unoffered(f"{name}() takes 3 arguments, not {len(node.args)}", _BIND)
    return Unoffered(f"there is no function '{name}'", _BIND if name.startswith("cel.") else "")


def _is_told(node: Node | None) -> bool:
    """Whether what stands before the dot is not offered either: one fault, told once."""
    while isinstance(node, Select | Call):
        if isinstance(node, Call) and unoffered(node) is not None:
            return True
        node = next(children(node), None)
    return False


def remedy_of_sign(before: str) -> str:
    """What to do about a question mark that stands behind this sign, where none may stand."""
    return f"there are no optional values, {_OPTIONAL}" if before in _OPTIONAL_SIGNS else ""
