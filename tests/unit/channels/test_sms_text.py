"""Text messages in segments."""

from __future__ import annotations

import pytest

from channels.render import Alphabet, Style, cut_text, render, segments_of
from tests.unit.channels.samples import NOW, alert


@pytest.mark.parametrize(
    ("text", "alphabet", "units", "count"),
    [
        ("", "GSM-7", 0, 1),
        ("x" * 160, "GSM-7", 160, 1),
        ("x" * 161, "GSM-7", 161, 2),
        ("x" * 306, "GSM-7", 306, 2),
        ("x" * 307, "GSM-7", 307, 3),
        ("€" * 80, "GSM-7", 160, 1),
        ("€" * 81, "GSM-7", 162, 2),
        # A letter of two units is not parted: 76 in each segment.
        ("€" * 153, "GSM-7", 306, 3),
        ("Ä@£{}[]~|^\\", "GSM-7", 19, 1),
        ("Ω" * 70, "GSM-7", 70, 1),
        ("ê" * 70, "UCS-2", 70, 1),
        ("ê" * 71, "UCS-2", 71, 2),
        ("ê" * 134, "UCS-2", 134, 2),
        ("ê" * 135, "UCS-2", 135, 3),
        ("🚨" * 35, "UCS-2", 70, 1),
        ("🚨" * 36, "UCS-2", 72, 2),
        # 33 of them in each segment.
        ("🚨" * 67, "UCS-2", 134, 3),
        ("x" * 159 + "…", "UCS-2", 160, 3),
    ],
)
def test_text_is_counted_as_networks_count(
    text: str, alphabet: str, units: int, count: int
) -> None:
    found = segments_of(text)
    assert (found.alphabet, found.units, found.count) == (alphabet, units, count)


def test_letters_beyond_gsm_are_named_once() -> None:
    assert segments_of("🚨 ê 🚨").beyond == "🚨ê"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x" * 160, "x" * 160),
        ("x" * 161, "x" * 157 + "..."),
        ("€" * 80, "€" * 80),
        ("€" * 81, "€" * 78 + "..."),
        ("ê" * 160, "ê" * 160),
        ("🚨" * 80, "🚨" * 80),
        ("🚨" * 81, "🚨" * 78 + "..."),
    ],
)
def test_text_is_cut_by_its_units(text: str, expected: str) -> None:
    assert cut_text(text) == expected


def test_cut_text_message_is_one_segment_of_gsm_or_three_of_ucs() -> None:
    for message, count in (("{x} €" * 100, 1), ("🚨 hit " * 100, 3)):
        found = segments_of(render(alert(message=message), Style.SMS, NOW).body)
        assert found.count == count
        assert found.units <= 160


def test_cut_that_loses_the_only_letter_beyond_gsm_is_gsm() -> None:
    found = segments_of(cut_text("x" * 200 + "🚨"))
    assert (found.alphabet, found.count) == (Alphabet.GSM_7, 1)
