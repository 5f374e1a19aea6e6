"""What is written instead of signs and words from elsewhere."""

from __future__ import annotations

import pytest

from tests.unit.cel.plate_variables import problem_of


@pytest.mark.parametrize(
    ("text", "offset", "remedy"),
    [
        ("a and b", 2, "write '&&'"),
        ("a is null", 2, "write '== null'"),
        ("a IS NOT NULL", 2, "write '!= null'"),
        ("a is not 'b'", 2, "write '!='"),
        ("a is 'b'", 2, "compare with '=='"),
        ("a == 'it''s'", 9, "put a text that holds a quote into the other quotes"),
        ("f'a' == b", 1, "a text has no f before its quotes: join texts by +"),
        ("a > 80%", 6, "write 0.8 for 80 %"),
        ("a > 80% && b", 8, "write 0.8 for 80 %"),
        ("a > 80 percent", 7, "write 0.8 for 80 %"),
        ("a > 5 minutes", 6, 'a span is written duration("5m")'),
        ("a > 2 days", 6, 'a span is written duration("48h")'),
        ("a IN ['b']", 2, "write 'in' in small letters"),
        ("a NOT IN ('b')", 2, "write !(x in […])"),
        ("a ILIKE 'b%'", 2, 'write text.matches("(?i)…")'),
        ("a starts with 'b'", 2, 'write text.startsWith("…")'),
        ("a regex 'b'", 2, 'write text.matches("…")'),
        ("a unless b", 2, "write && !(…)"),
        ("a for 5m", 2, "how often it alerts says rate_limit"),
        ("[a for a in b]", 3, "write list.exists(item, condition)"),
        ("a ? 1", 2, "write condition ? one : other"),
        ("a?.b == 1", 1, "there are no optional values"),
        ("a[0:3] == 'b'", 3, "write text.substring(0, 3)"),
        ("a >= 22:00", 7, 'time.getHours("Europe/Berlin")'),
        ("a /* b */", 3, "a comment begins with //"),
        ("WHERE a", 6, "write the condition alone"),
        ("a like 'b'", 2, 'write text.contains("…"), startsWith, endsWith or matches'),
        ("x not in [1]", 2, "write !(x in […])"),
        ("a <> b", 2, "write '!='"),
        ("a => b", 2, "write '>='"),
        ("a =~ 'b'", 2, 'write text.matches("…")'),
        ("a in ('b', 'c')", 9, "a list stands in brackets: write [a, b]"),
        ("a > 0,8", 5, "write 0.8 with a point"),
        ("{a} < 0.3", 0, "an expression needs no braces around it: remove them"),
        ("{1, 2}", 2, "a map has keys: {key: value}; a list stands in brackets: [a, b]"),
        ("a == 'b' 'c'", 9, "an operator is missing before it, such as && or =="),
        ("a b", 2, "an operator is missing before it, such as && or =="),
        ("(a))", 3, "there is one too many"),
        ("a == )", 5, "an operand is missing"),
        ("a == && b", 5, "an operand is missing before it"),
        ("a > 90s", 6, 'a span is written duration("90s"), a number has no unit'),
        ("1_000 > a", 1, "write 1000"),
        ("5. > a", 3, "write 5.0"),
        ("if a then b", 3, "write condition ? one : other"),
        ("a ?? b", 3, "write a != null ? a : b"),
        ("a!r", 1, "write '!=' for unequal; in a message a format stands behind ':'"),
        ("a ; b", 2, "remove it, or join conditions by '&&'"),
        ("“b” == a", 0, 'write straight quotes: "'),
        ("# b", 0, "a comment begins with //"),
        ("a ^ b", 2, "write a pattern as text, in quotes: text.matches(…)"),
        ("a ≥ b", 2, "write '>='"),
        ("99999999999999999999 > a", 0, "the largest is 9223372036854775807"),
    ],
)
def test_what_was_meant_is_told(text: str, offset: int, remedy: str) -> None:
    problem = problem_of(text)
    assert (problem.code, problem.offset) == ("syntax", offset)
    assert remedy in problem.remedy


def test_a_sign_that_looks_like_another_is_told_by_its_name() -> None:
    assert "(U+0430 CYRILLIC SMALL LETTER A)" in problem_of("pl\u0430te.text").what
    assert "(U+200B ZERO WIDTH SPACE)" in problem_of("a\u200b == b").what


@pytest.mark.parametrize(
    "text",
    [
        "a ++ b", "a === b", "a := b", "a -> b", "a[", "a(", "a.", ".", ",", "a,b", ":", "a : b",
        "]", "a ]", "a | b", "a & b", "a ? b", "a.1", "1.a", "a..b", "a[1", "[1,,2]", "{a:}",
        "a b c", "'a' b", "null null", "true false", "in", "a in in", "for", "as", "let x = 1",
        "has(a)", "has(a, b)", "a.map(1, 2)", "a.all('x', y)", "`a`", "a.`b`()", "A{b: 1}",
        "\\d", "a\\b", "'\\q'", "'\\u12'", "b'\\u0041'", "0x", "1e", "1u2", "08a", "@", "~a", "$a",
        "'a", "\"a", "r'a", "a == = b", "a && && b", "!(", "a % ", "-", "a ?: b", "'\\U00110000'",
    ],
)  # fmt: skip
def test_every_fault_of_syntax_has_a_remedy(text: str) -> None:
    assert problem_of(text).remedy
