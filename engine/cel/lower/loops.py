"""The macros as comprehensions; an item that fails makes the function give up.

The interpreter counts rounds, generated functions don't: a loop over so many items that the limit
of rounds might be reached is left to the interpreter.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from engine.cel.lower.fragments import Form, Fragment, cel_value, constant, plain, truth
from engine.cel.lower.runtime import MAX_ELEMENTS
from engine.cel.syntax.tree import Macro
from engine.cel.values.values import MISSING, Duration, Timestamp
from engine.schema import FieldType, Kind

#: Most items of a loop, by the number of loops in the expression: even nested in each other, they
#: then stay below the limit of rounds.
MAX_ITEMS: Final = {1: 10_000, 2: 200, 3: 40}
_MAX_ITEMS_OF_MANY: Final = 10

_TEMPLATES: Final[dict[Macro, str]] = {
    Macro.ALL: "all({2} for {item} in items({0}, {1}))",
    Macro.EXISTS: "any({2} for {item} in items({0}, {1}))",
    Macro.EXISTS_ONE: "([{2} for {item} in items({0}, {1})].count(True) == 1)",
    Macro.FILTER: "[{item} for {item} in items({0}, {1}) if {2}]",
    Macro.MAP: "[{2} for {item} in items({0}, {1})]",
}
#: Types whose values `map` may keep without counting their size.
_SMALL: Final = frozenset({bool, int, float, Timestamp, Duration})
_FILTERED_MAP: Final = "[{3} for {item} in items({0}, {1}) if {2}]"


def bound_name(value: Fragment, slot: int) -> Fragment:
    """The name that `cel.bind` gives a value: the value itself where it is a constant."""
    if value.is_constant:
        return value
    return replace(
        value,
        form=Form.ITEM,
        template="",
        parts=(),
        share=None,
        can_fail=False,
        depth=1,
        slot=slot,
        rounds=0,
    )


def make_binding(value: Fragment, name: Fragment, result: Fragment) -> Fragment:
    """`cel.bind`: the result, which sees the value under a name.

    A value that fails makes the function give up, though the result may not need it.
    """
    return replace(
        result,
        form=Form.LOOP,
        template="(lambda {item}: {1})({0})",
        parts=(value, result),
        value=MISSING,
        share=None,
        is_guarded=False,
        can_fail=value.can_fail or result.can_fail,
        depth=1 + max(value.depth, result.depth),
        slot=name.slot,
        rounds=value.rounds + result.rounds,
    )


def make_loop(
    macro: Macro,
    over: Fragment,
    item: Fragment,
    condition: Fragment | None,
    result: Fragment | None,
    *,
    loops: int,
    weight: int,
    most: int | None = None,
) -> Fragment:
    """A macro over `over`, whose condition and result see `item`.

    `loops` is the number of loops in the expression, `weight` what one round of this one costs, and
    `most` the greatest number of items, where it is known.
    """
    limit = max(1, MAX_ITEMS.get(loops, _MAX_ITEMS_OF_MANY) // weight)
    if over.is_constant and type(over.value) is list:
        limit = len(over.value)
    elif most is not None:
        limit = min(limit, most)
    parts = [over, constant(limit)]
    if condition is not None:
        parts.append(truth(condition))
    if result is not None:
        parts.append(_free(cel_value(result)))
    is_filtered = macro is Macro.MAP and condition is not None
    inner = parts[2:]
    makes_list = macro in (Macro.MAP, Macro.FILTER)
    template = _FILTERED_MAP if is_filtered else _TEMPLATES[macro]
    fragment = Fragment(
        Form.LOOP,
        f"short({template})" if makes_list and limit > MAX_ELEMENTS else template,
        tuple(parts),
        kind=list if makes_list else bool,
        # An item may be null, or there may be too many.
        can_fail=over.fails_on_null or any(part.can_fail for part in parts),
        depth=1 + max(part.depth for part in parts),
        slot=item.slot,
        rounds=over.rounds + limit * (weight + sum(part.rounds for part in inner)),
    )
    if macro is Macro.FILTER and over.field is not None and over.field.kind is Kind.LIST:
        return replace(fragment, field=FieldType(Kind.LIST, element=over.field.element))
    return fragment


def _free(value: Fragment) -> Fragment:
    return value if value.kind in _SMALL else plain("free({0})", value, kind=value.kind)
