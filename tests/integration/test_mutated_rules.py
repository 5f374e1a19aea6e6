"""Slips of the pen in good rules: what Google's type checker refuses never loads without a word."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest

from engine.cel import compile_expression
from engine.errors import ExpressionError
from engine.rules import load_rules
from tests.support.avro import plate_schema
from tests.support.google_check import FIELDS, refusal

FOLDER = Path(__file__).parents[1] / "data" / "good_rules"
FILES = ("comparisons", "guards", "lists_and_maps", "numbers", "text_functions", "times")
TOKEN = re.compile(
    r'"(?:[^"\\]|\\.)*"|[A-Za-z_][\w.]*|\d+(?:\.\d+)?|[<>=!]=|&&|\|\||\s+|.', re.DOTALL
)
OPERATORS = ["==", "!=", "<", "<=", ">", ">=", "+", "-", "*", "/", "%", "&&", "||", " in "]
VALUES = ['"A"', '"5"', "1", "1.5", "1u", "true", "null", "[]", '["A"]', 'duration("1h")', 'b"x"']
FUNCTIONS = ["size", "contains", "startsWith", "matches", "lower", "int", "string", "exists", "map"]
#: What the reference can't be asked: records, `has()`, and the extension that it has not.
UNASKED = re.compile(r"\b(plate|vehicle|images|node|extras)\b(?!\.)|\bhas\(|base64|\bextras [=!]=")


def conditions() -> list[str]:
    """The conditions of the good rules that the reference can be asked."""
    rules = [
        rule
        for name in FILES
        for rule in load_rules([FOLDER / f"{name}.yaml"], plate_schema(), {}).rules
    ]
    found = sorted({rule.condition.cel for rule in rules})
    return [text for text in found if not UNASKED.search(text)]


def mutated(text: str, chance: random.Random) -> str:
    """The condition with one or two of its tokens changed, left out, or added."""
    tokens = TOKEN.findall(text)
    for _ in range(chance.choice([1, 1, 1, 2])):
        place = chance.randrange(len(tokens))
        token = tokens[place]
        if chance.random() < 0.15:
            del tokens[place]
        elif token in OPERATORS:
            tokens[place] = chance.choice(OPERATORS)
        elif re.match(r'["\d]', token):
            tokens[place] = chance.choice(VALUES)
        elif re.match(r"[A-Za-z_]", token):
            tokens[place] = chance.choice([*FIELDS, *FUNCTIONS, *VALUES])
        else:
            tokens.insert(place, chance.choice([*VALUES, *OPERATORS, "(", ")", "!", "."]))
        tokens = tokens or ["true"]
    return "".join(tokens)


def is_told_of(text: str) -> bool:
    """Whether the check finds an error, or warns; each with a remedy and a place in the text."""
    try:
        problems = compile_expression(text, plate_schema().variables).warnings
    except ExpressionError as error:
        problems = error.problems
    for problem in problems:
        assert problem.remedy, f"{text}: {problem.what}"
        assert 0 <= problem.offset <= len(text)
    return bool(problems)


def assert_told(seed: int, count: int) -> None:
    """Of so many mutations, those that the reference refuses are told of."""
    chance = random.Random(seed)
    texts = conditions()
    refused = 0
    for _ in range(count):
        text = mutated(chance.choice(texts), chance)
        if UNASKED.search(text):
            continue
        told = is_told_of(text)
        if why := refusal(text):
            refused += 1
            assert told, f"{text}: {why}"
    assert refused > count / 2


def test_the_reference_takes_the_good_rules_themselves() -> None:
    texts = conditions()
    assert len(texts) > 100
    assert [text for text in texts if refusal(text)] == []


def test_slips_that_google_refuses_are_told_of() -> None:
    assert_told(seed=1, count=1_000)


@pytest.mark.slow
def test_many_slips_that_google_refuses_are_told_of() -> None:
    assert_told(seed=2, count=20_000)
