from __future__ import annotations

from engine.logs.text import printable


def test_what_a_terminal_would_obey_is_replaced() -> None:
    assert printable("AB\x1b[2J\rC\x07\u202eD") == "AB\ufffd[2J\ufffdC\ufffd\ufffdD"


def test_what_people_read_stays() -> None:
    text = "🚨 KÖLN 1 – 車\n🏳️‍🌈"
    assert printable(text) == text
