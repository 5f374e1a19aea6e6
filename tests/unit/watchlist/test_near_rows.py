"""The rows of a list that a misread plate is like: which one, when, and from which likeness on."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from random import Random
from threading import Thread

import pytest

from engine.errors import Fault
from engine.watchlist import Watchlist
from engine.watchlist.builder import MAX_REPORTED, ListFaultCode
from engine.watchlist.likeness import MAX_COMPARED, budget, cost_of, likeness_of
from engine.watchlist.near_plates import threshold_of
from engine.watchlist.plates import CHARACTERS
from engine.watchlist.watchlist import Near
from tests.unit.watchlist.list_files import NOW, good, read


def _closest(found: Watchlist, text: str, threshold: float | None = None) -> tuple[object, ...]:
    """The plate, the note, and whether another is as near; nothing where none is near."""
    row = found.closest(text, NOW, threshold)
    assert found.similar(text, NOW, threshold) == (row is not None)
    assert row is None or found.may_be_similar(text, threshold)
    return () if row is None else (row["plate"], row["note"], row["is_ambiguous"])


def test_the_nearest_row_has_its_columns_and_how_near_it_is(tmp_path: Path) -> None:
    found = good(tmp_path, "plate,note,make\nABC123,stolen,VW\nXYZ999,,\n")
    assert found.closest("a8-c123", NOW) == {
        "note": "stolen",
        "make": "VW",
        "valid_from": None,
        "valid_until": None,
        "plate": "ABC123",
        "likeness": likeness_of(20, 6),
        "is_ambiguous": False,
    }
    assert found.similar("A8CIZ3", NOW)
    assert not found.similar("ABC129", NOW)
    assert found.closest("ABC129", NOW) is None
    assert not found.may_be_similar("ABC129")
    assert not found.similar("", NOW)
    assert not found.similar("X" * 300, NOW)


def test_the_nearest_row_may_be_out_of_force(tmp_path: Path) -> None:
    text = "plate,note,valid_until\nABC123,old,2020-01-01\nABG123,far,\nABC123,older,2019-01-01\n"
    found = good(tmp_path, text)
    assert _closest(found, "ABC123") == ("ABG123", "far", False)
    assert found.may_be_similar("A8C123")
    then = datetime(2018, 1, 1, tzinfo=UTC)
    assert [each.line for each in found.nearest("A8C123", then, 5)] == [2]
    assert found.nearest("A8C123", NOW, 5) == []


def test_of_a_plate_the_first_row_in_force_counts(tmp_path: Path) -> None:
    text = "plate,note,valid_until\nABC123,old,2020-01-01\nXYZ1,,\nABC123,a,\nABC123,b,\n"
    found = good(tmp_path, text)
    assert _closest(found, "A8C123") == ("ABC123", "a", False)
    assert found.nearest("A8C123", NOW, 5) == [Near("ABC123", likeness_of(20, 6), 2, 4)]


def test_of_plates_that_are_as_near_the_first_in_the_file_counts(tmp_path: Path) -> None:
    text = "plate,note,valid_until\nA8C123,old,2020-01-01\nABC128,x,\nA8C12B,y,\nA8C128,z,\n"
    found = good(tmp_path, text)
    assert _closest(found, "A8C1Z8") == ("A8C128", "z", False)
    assert _closest(found, "ABC12B") == ("ABC128", "x", True)
    rows = [(each.plate, each.line) for each in found.nearest("ABC12B", NOW, 3)]
    assert rows == [("ABC128", 3), ("A8C12B", 4), ("A8C128", 5)]
    assert len(found.nearest("ABC12B", NOW, 2)) == 2
    # The plate itself is nearer than any other.
    assert _closest(found, "A8C128") == ("A8C128", "z", False)


def test_rows_with_nothing_but_a_plate_are_in_the_order_of_the_file(tmp_path: Path) -> None:
    found = good(tmp_path, "ABC128\nA8C12B\n", name="list.txt")
    near = found.nearest("ABC12B", NOW, 3)
    assert [(each.plate, each.row, each.line) for each in near] == [
        ("ABC128", 0, 0),
        ("A8C12B", 0, 0),
    ]


def test_the_threshold_of_a_call_goes_before_the_rows_and_theirs_before_the_lists(
    tmp_path: Path,
) -> None:
    text = "plate,note,Near\nABC123,strict,0.98\nXYZ888,lax,0.84\nKLM555,usual,\nDEF222,,96 %\n"
    found = good(tmp_path, text, threshold=0.95, threshold_column="near")
    assert found.faults == ()
    assert _closest(found, "A8C123") == ()
    assert _closest(found, "A8C123", 0.9) == ("ABC123", "strict", False)
    assert _closest(found, "XYZBBB") == ("XYZ888", "lax", False)
    assert _closest(found, "XYZBBB", 0.91) == ()
    assert _closest(found, "KLMS55") == ("KLM555", "usual", False)
    assert _closest(found, "KLMSS5") == ()
    assert _closest(found, "DEFZ22") == ("DEF222", None, False)
    # It stays a column that rules may ask for.
    assert found.columns == ("near",)


def test_rows_of_one_plate_have_thresholds_of_their_own(tmp_path: Path) -> None:
    text = "plate,note,t,valid_until\nABC123,first,0.99,\nABC123,second,0.9,\nABC123,third,0.84,\n"
    found = good(tmp_path, text, threshold_column="t")
    assert _closest(found, "A8C123") == ("ABC123", "second", False)
    assert _closest(found, "A8C1ZE") == ()
    assert _closest(found, "A8CIZ8") == ()
    assert _closest(found, "A8CLZ3") == ("ABC123", "second", False)
    assert _closest(found, "A8OLZ3") == ()
    assert _closest(found, "A8G123") == ("ABC123", "third", False)
    assert _closest(found, "ABC123") == ("ABC123", "first", False)


def test_wildcards_have_thresholds_too(tmp_path: Path) -> None:
    text = "plate,note,t\nABC123*,strict,1\nXYZ888*,lax,0.84\n"
    found = good(tmp_path, text, threshold_column="t")
    assert _closest(found, "A8C1237") == ()
    assert _closest(found, "XYZBBB7") == ("XYZ888*", "lax", False)


def test_a_column_by_number_has_thresholds(tmp_path: Path) -> None:
    found = good(tmp_path, "ABC123,1\nXYZ888,0.9\n", column="1", threshold_column="2")
    assert _closest(found, "A8C123") == ()
    assert _closest(found, "XYZ88B") == ("XYZ888", None, False)
    assert [each.line for each in found.nearest("XYZ88B", NOW, 1)] == [2]


def test_bad_thresholds_are_told_by_some_and_a_count(tmp_path: Path) -> None:
    text = "plate,t\n" + "".join(f"A{number},0.1\n" for number in range(30))
    faults = read(tmp_path, text, threshold_column="t").faults
    assert len(faults) == MAX_REPORTED + 1
    assert {fault.code for fault in faults} == {ListFaultCode.THRESHOLD}
    assert "30 rows have no likeness as their threshold, the first 20 are told" in faults[-1].what


def _fault(folder: Path, text: str, **keys: object) -> Fault:
    (fault,) = read(folder, text, **keys).faults  # type: ignore[arg-type]
    return fault


def test_a_column_of_thresholds_must_be_there_and_be_no_other(tmp_path: Path) -> None:
    text = "plate,note\nABC123,1\n"
    assert "no column `t`" in _fault(tmp_path, text, threshold_column="t").what
    fault = _fault(tmp_path, text, threshold_column="note")
    assert fault.what.endswith("one column can't be both `note` and `threshold`")
    fault = _fault(tmp_path, "ABC123\n", name="list.txt", threshold_column="t")
    assert "plates only" in fault.what


@pytest.mark.parametrize(
    ("text", "value"),
    [("0.9", 0.9), ("1", 1.0), (" 95 % ", 0.95), ("0,84", 0.84), ("0.8412", 0.8412), ("100%", 1.0)],
)
def test_a_threshold_is_a_share_with_four_places(text: str, value: float) -> None:
    assert threshold_of(text) == value


@pytest.mark.parametrize("text", ["0.8399", "1.01", "95", "", "x", "0.90001", "-0.9", "1e0", "nan"])
def test_other_texts_are_no_thresholds(text: str) -> None:
    with pytest.raises(ValueError, match=r"from 0\.84 to 1"):
        threshold_of(text)


def test_lower_thresholds_of_a_call_are_refused(tmp_path: Path) -> None:
    found = good(tmp_path, "plate\nABC123\n")
    with pytest.raises(ValueError, match=r"below 0\.84"):
        found.similar("A8C123", NOW, 0.5)


def test_threads_may_ask_at_once(tmp_path: Path) -> None:
    plates = [f"{number:04d}AB" for number in range(3_000)]
    found = good(tmp_path, "plate\n" + "\n".join(plates))
    answers: list[list[str]] = []

    def ask() -> None:
        found.prepare_likeness()
        answers.append([each.plate for each in found.nearest("0O12A8", NOW, 1)])

    threads = [Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [["0012AB"]] * 4


def test_all_answers_are_those_of_asking_each_row(tmp_path: Path) -> None:
    random = Random(11)

    def made() -> str:
        return "".join(random.choices("0O1I8B", k=random.choice((3, 4, 4))))

    plates = [made() for _ in range(150)]
    untils = [random.choice(("", "2020-01-01")) for _ in plates]
    shares = [random.choice((0.84, 0.9, 0.96)) for _ in plates]
    lines = [f"{one},{two},{three}" for one, two, three in zip(plates, untils, shares, strict=True)]
    found = good(tmp_path, "plate,valid_until,t\n" + "\n".join(lines), threshold_column="t")
    count = 0
    for text in [made() for _ in range(20)] + plates[:5]:
        near: dict[str, Near] = {}
        for row, plate in enumerate(plates):
            longer = max(len(plate), len(text))
            cost = cost_of(plate, text, found.costs)
            if not untils[row] and cost <= budget(shares[row], longer):
                near.setdefault(plate, Near(plate, likeness_of(cost, longer), row, row + 2))
        expected = sorted(near.values(), key=lambda each: (-each.likeness, each.row))
        assert found.nearest(text, NOW, 1_000) == expected
        assert found.similar(text, NOW) == bool(expected)
        count += len(expected)
    assert count > 20


def test_longer_plates_than_are_compared_are_like_themselves(tmp_path: Path) -> None:
    long = (CHARACTERS * 2)[: MAX_COMPARED + 1]
    found = good(tmp_path, f"plate\n{long}\n{long[1:]}\n")
    assert [each.plate for each in found.nearest(long, NOW, 5)] == [long]
    assert [each.plate for each in found.nearest(long[1:], NOW, 5)] == [long[1:]]
    assert found.nearest("8" + long[1:], NOW, 5) == []
