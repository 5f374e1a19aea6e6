"""Which rules ask which lists by likeness, and with which thresholds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from engine.cel import Expression
from engine.cel.syntax.tree import Call, Node, children
from engine.cel.types.findings import list_question
from engine.rules.rule import Rule, RuleSet


@dataclass(frozen=True, slots=True)
class LikenessQuestion:
    """A list that an enabled rule asks; a `threshold` of None is that of its rows."""

    rule_id: str
    threshold: float | None


def likeness_questions(rule_set: RuleSet) -> Mapping[str, Sequence[LikenessQuestion]]:
    """What enabled rules ask lists by likeness, by the name of the list; each question once.

    Conditions, messages and keys of cooldowns ask.
    """
    found: dict[str, dict[LikenessQuestion, None]] = {}
    if not rule_set.asked_by_likeness:
        return {}
    for rule in rule_set.rules:
        for expression in _expressions(rule):
            for call in _calls(expression.root):
                asked = list_question(call)
                if asked is not None:
                    question = LikenessQuestion(rule.rule_id, asked.threshold)
                    found.setdefault(asked.watchlist.name, {})[question] = None
    return {name: tuple(questions) for name, questions in found.items()}


def _expressions(rule: Rule) -> Iterator[Expression]:
    yield rule.condition
    yield from rule.template.expressions
    if rule.rate_limit is not None:
        yield from rule.rate_limit.keys


def _calls(root: Node) -> Iterator[Call]:
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if isinstance(node, Call):
            yield node
        waiting.extend(children(node))
