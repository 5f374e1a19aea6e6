"""`&&`, `||`, `!` and `?:` as pieces: Python's own, as every operand is true or false.

An operand that fails ends the function, so that one which can't fail is asked first: it may decide.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from engine.cel.lowering.code import Code, Form, constant, general, plain, truth


def all_of(operands: Sequence[Code]) -> Code:
    """`a && b && …`."""
    return _chain(operands, Form.ALL, decisive=False)


def any_of(operands: Sequence[Code]) -> Code:
    """`a || b || …`."""
    return _chain(operands, Form.ANY, decisive=True)


def _chain(operands: Sequence[Code], form: Form, *, decisive: bool) -> Code:
    steady: list[Code] = []
    failing: list[Code] = []
    for operand in operands:
        if operand.is_constant and type(operand.value) is bool:
            if operand.value is decisive:
                return operand
            continue
        inner = operand.parts if operand.form is form else (operand,)
        for part in inner:
            (failing if part.can_fail else steady).append(part)
    parts = (*steady, *failing)
    if not parts:
        return constant(not decisive)
    if len(parts) == 1:
        return parts[0]
    return Code(
        form,
        parts=parts,
        kind=bool,
        can_fail=bool(failing),
        depth=1 + max(part.depth for part in parts),
        rounds=sum(part.rounds for part in parts),
    )


def opposite(operand: Code) -> Code:
    """`!a`."""
    if operand.is_constant and type(operand.value) is bool:
        return constant(not operand.value)
    return plain("(not {0})", truth(operand), kind=bool)


def choice(condition: Code, first: Code, second: Code) -> Code:
    """`condition ? first : second`."""
    if condition.is_constant:
        return first if condition.value else second
    if first.kind is not second.kind and datetime in (first.kind, second.kind):
        first, second = general(first), general(second)
    kind = first.kind if first.kind is second.kind else None
    if first.kind is type(None):
        kind = second.kind
    elif second.kind is type(None):
        kind = first.kind
    parts = (condition, first, second)
    return Code(
        Form.CHOICE,
        parts=parts,
        kind=kind,
        is_nullable=kind is None or first.is_nullable or second.is_nullable,
        field=first.field if first.field == second.field else None,
        can_fail=any(part.can_fail for part in parts),
        depth=1 + max(part.depth for part in parts),
        rounds=sum(part.rounds for part in parts),
    )
