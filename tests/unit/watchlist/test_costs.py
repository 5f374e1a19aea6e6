from __future__ import annotations

from pathlib import Path

import pytest

from engine.watchlist import costs_of, standard_costs
from engine.watchlist.costs import CostsError, read_costs
from tests.support.plate_costs import WORDS, costs_file


def problem(folder: Path, text: str) -> str:
    """What is wrong with a file of that text."""
    path = costs_file(folder, text)
    with pytest.raises(CostsError) as caught:
        read_costs(path)
    return str(caught.value).removeprefix(str(path))


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("0O 10", "`0O` is no cost, begin the line with a whole number from 1 to 100"),
        ("0 0O", "`0` is no cost, begin the line with a whole number from 1 to 100"),
        ("101 0O", "`101` is no cost, begin the line with a whole number from 1 to 100"),
        ("1.5 0O", "`1.5` is no cost, begin the line with a whole number from 1 to 100"),
        ("10", "the cost has no edits, write some behind it, such as 0O"),
        ("10 # 0O", "the cost has no edits, write some behind it, such as 0O"),
        (
            "10 00",
            "`00` is no edit, write 0O for a pair, VV=W for a merge, or end, double, inside, "
            "mixed, other",
        ),
        (
            "10 0o",
            "`0o` is no edit, write 0O for a pair, VV=W for a merge, or end, double, inside, "
            "mixed, other",
        ),
        (
            "50 VV=WW",
            "`VV=WW` is no edit, write 0O for a pair, VV=W for a merge, or end, double, "
            "inside, mixed, other",
        ),
        ("20 O0", "`O0` has the cost 10 already, write it once"),
        ("90 end", "`end` has the cost 50 already, write it once"),
        ("49 VV=W", "`VV=W` costs less than 50, only pairs of characters may: write 50 or more"),
    ],
)
def test_a_line_that_is_wrong_is_told(line: str, wanted: str, tmp_path: Path) -> None:
    assert problem(tmp_path, f"# ours\n10 0O\n{WORDS}\n{line}\n") == f", line 7: {wanted}"


def test_words_cost_enough_for_the_index(tmp_path: Path) -> None:
    wanted = ", line 1: `other` costs less than 50, only pairs of characters may: write 50 or more"
    assert problem(tmp_path, "49 other\n") == wanted


@pytest.mark.parametrize(
    ("word", "usual"),
    [("end", 50), ("double", 50), ("inside", 60), ("mixed", 60), ("other", 100)],
)
def test_a_word_that_is_missing_is_told_with_its_usual_cost(
    word: str, usual: int, tmp_path: Path
) -> None:
    text = WORDS.replace(f" {word}", "") if word != "other" else WORDS.replace("100 other", "")
    wanted = f": no line has a cost for `{word}`, add `{usual} {word}`"
    assert problem(tmp_path, text) == wanted


def test_a_file_that_cant_be_read_is_told(tmp_path: Path) -> None:
    path = tmp_path / "costs.txt"
    with pytest.raises(CostsError, match=r"can't be read \(No such file or directory\), correct P"):
        read_costs(path)
    path.write_bytes(b"10 0\xd6\n")
    with pytest.raises(CostsError, match="are not UTF-8, save them as UTF-8"):
        read_costs(path)
    with pytest.raises(CostsError, match=r"can't be read \(no such path\)"):
        read_costs(Path("a\0b"))


def test_the_order_of_lines_and_comments_does_not_count(tmp_path: Path) -> None:
    one = read_costs(costs_file(tmp_path, f"10 0O 1I # ours\n\n{WORDS}50 VV=W\n"))
    other = read_costs(costs_file(tmp_path, f"\ufeff50 VV=W\n{WORDS}10 I1\n10 O0"))
    assert one.digest == other.digest != standard_costs().digest
    assert (one.pairs, one.merges, one.classes) == (other.pairs, other.merges, other.classes)


def test_another_cost_is_another_digest(tmp_path: Path) -> None:
    texts = [f"{line}\n{WORDS}" for line in ("10 0O", "11 0O", "10 0Q", "50 VV=W", "51 VV=W", "")]
    digests = {read_costs(costs_file(tmp_path, text)).digest for text in texts}
    digests.add(read_costs(costs_file(tmp_path, WORDS.replace("100", "99"))).digest)
    assert len(digests) == 7


def test_classes_join_what_is_easily_confused(tmp_path: Path) -> None:
    classes: dict[str, set[str]] = {}
    for character, head in standard_costs().classes.items():
        classes.setdefault(head, set()).add(character)
    joined = {"".join(sorted(each)) for each in classes.values() if len(each) > 1}
    assert joined == {"0DOQ", "1IL", "38B", "2Z", "5S", "6G", "4A", "7TY", "VW"}
    merged = read_costs(costs_file(tmp_path, f"50 RN=M\n{WORDS}")).classes
    assert merged["R"] == merged["M"] != merged["N"]


def test_costs_are_the_packages_where_no_file_is_named(tmp_path: Path) -> None:
    assert costs_of(None) is standard_costs()
    assert costs_of(costs_file(tmp_path, WORDS)).pairs == {}
