"""The likeness of plates once more, plain and slow, from the design's own words.

It reads a table of costs by itself, and shares nothing with `engine.watchlist`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache


@dataclass(frozen=True)
class LikenessOracle:
    """Likeness by one table: the text of a file of costs."""

    table: str
    _costs: dict[str, int] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        for line in self.table.splitlines():
            cost, *edits = line.split("#")[0].split() or ["0"]
            for edit in edits:
                self._costs[edit] = int(cost)

    def cost(self, one: str, two: str) -> int:
        """The least sum of costs over all ways to make one text of the other."""

        @cache
        def rest(row: int, column: int) -> int:
            """The least cost of what follows these places."""
            if (row, column) == (len(one), len(two)):
                return 0
            ways = []
            if row < len(one) and column < len(two):
                ways.append(self._change(one[row], two[column]) + rest(row + 1, column + 1))
            if row < len(one):
                ways.append(self._extra(one, row) + rest(row + 1, column))
            if column < len(two):
                ways.append(self._extra(two, column) + rest(row, column + 1))
            for taken_of_one, taken_of_two in ((2, 1), (1, 2)):
                ones = one[row : row + taken_of_one]
                twos = two[column : column + taken_of_two]
                merge = f"{ones}={twos}" if taken_of_one == 2 else f"{twos}={ones}"
                if merge in self._costs and (len(ones), len(twos)) == (taken_of_one, taken_of_two):
                    after = rest(row + taken_of_one, column + taken_of_two)
                    ways.append(self._costs[merge] + after)
            return min(ways)

        return rest(0, 0)

    def likeness(self, one: str, two: str) -> float:
        """`max(0, 1 - cost / (100 * min(6, longer length)))`; 0 if either is empty.

        Texts of more than 16 characters are like the same text only.
        """
        if not one or not two:
            return 0.0
        longer = max(len(one), len(two))
        if longer > 16 and one != two:
            return 0.0
        whole = 100 * min(6, longer)
        return max(0, whole - self.cost(one, two)) / whole

    def reaches(self, one: str, two: str, places: int) -> bool:
        """Whether the likeness is at least `places` ten-thousandths, by whole numbers alone."""
        whole = 100 * min(6, max(len(one), len(two)))
        return (whole - self.cost(one, two)) * 10_000 >= places * whole

    def _change(self, one: str, two: str) -> int:
        if one == two:
            return 0
        for pair in (one + two, two + one):
            if pair in self._costs:
                return self._costs[pair]
        letters, digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "0123456789"
        is_mixed = (one in letters and two in digits) or (one in digits and two in letters)
        return self._costs["mixed" if is_mixed else "other"]

    def _extra(self, text: str, place: int) -> int:
        """The cost of a character more: at an end, doubled, or else inside."""
        before, after = text[:place][-1:], text[place + 1 :][:1]
        ways = []
        if not before or not after:
            ways.append(self._costs["end"])
        if text[place] in (before, after):
            ways.append(self._costs["double"])
        return min(ways) if ways else self._costs["inside"]
