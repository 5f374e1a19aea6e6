"""What a check finds out: meanings, types and problems, by the nodes' identity."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from typing import Final

from engine.cel.failures import Failure
from engine.cel.functions import Function
from engine.cel.naming import name_of, title
from engine.cel.scope import Broken, Reference
from engine.cel.tree import Node
from engine.errors import Problem, Severity
from engine.schema import FieldType, Kind

#: Most problems that one expression is told.
MAX_PROBLEMS: Final = 50


@dataclass(slots=True)
class Findings:
    """A tree and what is known of its nodes.

    Without `is_strict` nothing is a problem: what is wrong fails when it is evaluated.
    `has_constants` says that a part of it may be a constant that is yet to be computed, `has_logic`
    that it has `&&` or `||`. `zone` is
    the time zone of the site.
    """

    root: Node
    is_strict: bool
    zone: tzinfo = UTC
    references: dict[int, Reference] = field(default_factory=dict)
    functions: dict[int, Function] = field(default_factory=dict)
    types: dict[int, FieldType] = field(default_factory=dict)
    paths: dict[int, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    slots: int = 0
    has_constants: bool = False
    has_logic: bool = False

    def type_of(self, node: Node) -> FieldType | None:
        """The node's type where it is known."""
        return self.types.get(id(node))

    @property
    def has_errors(self) -> bool:
        """Whether something is wrong, not only odd."""
        return any(problem.severity is Severity.ERROR for problem in self.problems)

    @property
    def is_full(self) -> bool:
        """Whether so much is wrong that more need not be told."""
        return len(self.problems) >= MAX_PROBLEMS

    def error(self, node: Node, code: str, what: str, remedy: str = "") -> None:
        """Something that is wrong."""
        if self.is_strict and not self.is_full:
            self.problems.append(Problem(node.offset, code, what, remedy))

    def warning(self, node: Node, code: str, what: str, remedy: str) -> None:
        """Something that is odd."""
        if self.is_strict and not self.is_full:
            severity = Severity.WARNING
            self.problems.append(Problem(node.offset, code, what, remedy, severity))

    def unresolved(self, node: Node, kind: Failure, code: str, what: str, remedy: str) -> None:
        """A name that means nothing: an error, or where names are not checked a failure later."""
        self.error(node, code, what, remedy)
        self.references[id(node)] = Broken(kind, what)

    def warn_of_null(
        self, node: Node, kind: FieldType | None, safe: frozenset[str], what: str
    ) -> None:
        """Warn when `what` (an operator or a function) may meet a null here."""
        if kind is None or not kind.nullable or kind.kind is Kind.NULL:
            return
        name = name_of(node)
        if name in safe:
            return
        message = f"{title(node)} may be null, and {what} of null is an evaluation error"
        remedy = f"guard it: {name} != null && …" if name else "give it another value than null"
        self.warning(node, "may-be-null", message, remedy)
