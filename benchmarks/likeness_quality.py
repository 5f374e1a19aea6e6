"""How well likeness tells a misread plate from another plate, beside simpler ways to compare.

No public set of plates with their misreadings was found, so this one is made up. Its misreadings
come from pictures, and know nothing of the engine's table of costs.

**Plates.** 1,000 listed ones in eight forms (`FORMS`), drawn evenly. Every fourth of them belongs
to a fleet: the nine plates that differ in its last digit only are cars that are not listed. Besides
there are 20,000 cars that are not listed, drawn from the same forms.

**Readings.** A listed car is read ten times, any other car once. For a reading each character is
drawn in the font of its form (three that come with matplotlib and Pillow, see `_fonts`), shifted,
blurred, dimmed, sometimes spotted with dirt, put on 12 by 18 pixels, and given noise; how much
blur and noise, a reading's characters share. The reader takes the nearest of the clean pictures of
all 36 characters in all fonts, by their correlation; it knows nothing of forms. Now and then a
picture is cut wrongly: the first or last character is outside (3 %), a piece of the frame, a
vertical bar, counts as a character at an end (2 %), two neighbours are taken for one (1 %), or
one for two (1 %). Blur, noise and dirt were set by the share of wrong readings alone, between a
fifth and a third of all, and before anything was compared.

**What counts.** Readings that are on the list as they stand are left out: equality answers them,
and all ways agree. Of the others a way is to find those of listed cars: it is right where the car's
own plate is among those that it finds alike, and each reading for which it finds only others is a
false alarm, also one of a listed car. Recall is the share of the misread readings of listed cars
that it is right about, precision the share of its answers that are right, F1 their harmonic mean.
Recall does not depend on the number of cars that are not listed; precision does, so the table also
has it without the fleets.

`python -m benchmarks.likeness_quality` prints the table, and what was most often confused.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cache
from pathlib import Path
from typing import Final

import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from engine.watchlist.costs import standard_costs
from engine.watchlist.likeness import budget, cost_of
from engine.watchlist.plates import CHARACTERS

Picture = NDArray[np.float64]

#: The forms of plates, each with the number of its font: A is any letter, B one of Spain's, 0 any
#: digit.
FORMS: Final = (
    ("AAA0000", 0),  # United States, several states
    ("0AAA000", 1),  # California
    ("AAAA0000", 2),  # Germany, a place of two letters
    ("AA00AAA", 0),  # Great Britain
    ("AA000AA", 1),  # France, Italy
    ("0000BBB", 2),  # Spain
    ("AAA0A00", 0),  # Brazil
    ("AAA000", 1),  # Sweden, Finland, Hungary until 2022
)
LISTED: Final = 1_000
READINGS: Final = 10
FLEET_EVERY: Final = 4
OTHERS: Final = 20_000
SEED: Final = 15

_WIDTH, _HEIGHT, _FINE = 12, 18, 4
_BLURS: Final = np.linspace(0.6, 1.6, 12)
_NOISES: Final = (0.03, 0.15)
_SHIFT: Final = 2
_DIRT: Final = 0.03
_CUT, _FRAME, _JOINED, _SPLIT = 0.03, 0.02, 0.01, 0.01
_ALIKE: Final = ("0ODQ", "1IL", "2Z", "5S", "6G", "8B")


@dataclass(frozen=True, slots=True)
class Reading:
    """What a camera read of a car: its plate, whether that is listed, and whether of a fleet."""

    plate: str
    text: str
    is_listed: bool
    is_of_fleet: bool


@dataclass(frozen=True, slots=True)
class Score:
    """What one way is worth: shares from 0 to 1."""

    recall: float
    precision: float
    precision_without_fleets: float

    @property
    def f1(self) -> float:
        """The harmonic mean of recall and precision."""
        return _harmonic(self.recall, self.precision)

    @property
    def f1_without_fleets(self) -> float:
        """The same without the fleets' readings."""
        return _harmonic(self.recall, self.precision_without_fleets)


Way = Callable[[str, str], bool]
"""Whether a reading, the second text, is alike enough to a plate."""


def ways() -> dict[str, Way]:
    """Each way to compare, by its name."""
    found: dict[str, Way] = {
        f"likeness ≥ {threshold}": _by_likeness(threshold) for threshold in (0.85, 0.9, 0.95)
    }
    found["edit distance ≤ 1"] = _is_one_edit
    found["difflib ratio ≥ 0.8"] = lambda plate, text: (
        SequenceMatcher(None, plate, text, autojunk=False).ratio() >= 0.8
    )
    found["equal but for 0ODQ, 1IL, 2Z, 5S, 6G, 8B"] = lambda plate, text: (
        len(plate) == len(text) and _alike(plate) == _alike(text)
    )
    return found


@cache
def readings() -> tuple[tuple[str, ...], tuple[Reading, ...]]:
    """The listed plates, and all readings that are not on the list as they stand."""
    chance = random.Random(SEED)
    listed: dict[str, int] = {}
    while len(listed) < LISTED:
        listed.setdefault(*_plate(chance))
    fleets: dict[str, int] = {}
    for plate, form in list(listed.items())[::FLEET_EVERY]:
        fleets.update((each, form) for each in _siblings(plate) if each not in listed)
    others: dict[str, int] = {}
    while len(others) < OTHERS:
        plate, form = _plate(chance)
        if plate not in listed and plate not in fleets:
            others[plate] = form
    camera = _Camera(chance)
    found = [
        Reading(plate, camera.read(plate, FORMS[form][1]), is_listed, is_of_fleet)
        for cars, count, is_listed, is_of_fleet in (
            (listed, READINGS, True, False),
            (fleets, 1, False, True),
            (others, 1, False, False),
        )
        for plate, form in cars.items()
        for _ in range(count)
    ]
    return tuple(listed), tuple(each for each in found if each.text not in listed)


def scores() -> dict[str, Score]:
    """What each way is worth."""
    listed, read = readings()
    known = ways()
    hits = {name: Counter[str]() for name in known}
    for each, near in zip(read, _possible(listed, [each.text for each in read]), strict=True):
        for name, way in known.items():
            found = [listed[place] for place in near if way(listed[place], each.text)]
            if found:
                kind = "right" if each.plate in found else "fleet" if each.is_of_fleet else "wrong"
                hits[name][kind] += 1
    wanted = sum(each.is_listed for each in read)
    return {
        name: Score(
            found["right"] / wanted,
            found["right"] / max(1, found.total()),
            found["right"] / max(1, found.total() - found["fleet"]),
        )
        for name, found in hits.items()
    }


def confusions() -> Counter[str]:
    """How often a character was read for another, in readings as long as their plate."""
    _, read = readings()
    return Counter(
        f"{was}{is_now}"
        for each in read
        if len(each.plate) == len(each.text)
        for was, is_now in zip(each.plate, each.text, strict=True)
        if was != is_now
    )


def table() -> Iterator[str]:
    """The scores as a table in Markdown."""
    yield "| way | recall | precision | F1 | precision without fleets | F1 without fleets |"
    yield "|---|---:|---:|---:|---:|---:|"
    for name, score in scores().items():
        numbers = (
            score.recall,
            score.precision,
            score.f1,
            score.precision_without_fleets,
            score.f1_without_fleets,
        )
        yield f"| {name} | {' | '.join(f'{100 * each:.0f} %' for each in numbers)} |"


class _Camera:
    """Draws plates and reads them."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._noise = np.random.default_rng(chance.randrange(2**32))
        fonts = _fonts()
        self._drawn = [{each: _drawn(each, font) for each in CHARACTERS} for font in fonts]
        clean = [_seen(drawn[each], 1.0) for each in CHARACTERS for drawn in self._drawn]
        self._known = np.stack([_unit(each) for each in clean])
        self._names = [each for each in CHARACTERS for _ in fonts]

    def read(self, plate: str, font: int) -> str:
        """The text of a picture of the plate."""
        chance = self._chance
        blur, noise = chance.choice(_BLURS), chance.uniform(*_NOISES)
        pictures = [self._drawn[font][each] for each in plate]
        if chance.random() < _CUT:
            pictures.pop(chance.choice((0, -1)))
        if chance.random() < _FRAME:
            bar = np.zeros_like(pictures[0])
            middle = bar.shape[1] // 2
            bar[:, middle - _FINE : middle + _FINE] = 1.0
            pictures.insert(chance.choice((0, len(pictures))), bar)
        if chance.random() < _JOINED:
            place = chance.randrange(len(pictures) - 1)
            pictures[place : place + 2] = [_resized(np.hstack(pictures[place : place + 2]))]
        if chance.random() < _SPLIT:
            place = chance.randrange(len(pictures))
            pictures[place : place + 1] = [_resized(half) for half in np.hsplit(pictures[place], 2)]
        seen = np.stack([_unit(self._taken(each, blur, noise)) for each in pictures])
        return "".join(self._names[place] for place in np.argmax(seen @ self._known.T, axis=1))

    def _taken(self, drawn: Picture, blur: float, noise: float) -> Picture:
        """The picture of one character as the camera takes it."""
        across, down = (self._chance.randint(-_SHIFT, _SHIFT) for _ in range(2))
        shifted = np.roll(drawn, (down, across), (0, 1))
        if self._chance.random() < _DIRT:
            shifted = self._spotted(shifted)
        seen = _seen(shifted, blur)
        return seen + self._noise.normal(0.0, noise, seen.shape)

    def _spotted(self, drawn: Picture) -> Picture:
        """With a round spot, dark or light, of a fifth to a third of the picture's width."""
        rows, columns = np.ogrid[: drawn.shape[0], : drawn.shape[1]]
        radius = self._chance.uniform(0.2, 0.33) * drawn.shape[1]
        row, column = (self._chance.randrange(each) for each in drawn.shape)
        is_spot = (rows - row) ** 2 + (columns - column) ** 2 < radius**2
        return np.where(is_spot, float(self._chance.random() < 0.5), drawn)


def _fonts() -> list[ImageFont.FreeTypeFont]:
    """A bold font, one of fixed width, and a light one."""
    folder = Path(mpl.get_data_path()) / "fonts" / "ttf"
    light = ImageFont.load_default(size=80)
    assert isinstance(light, ImageFont.FreeTypeFont), "Pillow was built without FreeType"
    return [
        ImageFont.truetype(folder / "DejaVuSans-Bold.ttf", 80),
        ImageFont.truetype(folder / "DejaVuSansMono-Bold.ttf", 80),
        light,
    ]


def _drawn(character: str, font: ImageFont.FreeTypeFont) -> Picture:
    """The character, cut out, as high as the others; narrow ones stay narrow."""
    left, top, right, bottom = map(int, font.getbbox(character))
    image = Image.new("L", (right - left, bottom - top))
    ImageDraw.Draw(image).text((-left, -top), character, fill=255, font=font)
    height = (_HEIGHT - 2) * _FINE
    width = min((_WIDTH - 1) * _FINE, max(1, round(image.width * height / image.height)))
    whole = Image.new("L", (_WIDTH * _FINE, _HEIGHT * _FINE))
    whole.paste(image.resize((width, height)), ((whole.width - width) // 2, _FINE))
    return np.asarray(whole, dtype=np.float64) / 255


def _resized(picture: Picture) -> Picture:
    """The picture squeezed or stretched to the size of a character's."""
    image = Image.fromarray((picture * 255).astype(np.uint8))
    return np.asarray(image.resize((_WIDTH * _FINE, _HEIGHT * _FINE)), dtype=np.float64) / 255


def _seen(picture: Picture, blur: float) -> Picture:
    """The picture blurred, `blur` in pixels of the camera, and put on these pixels."""
    rows, columns = picture.shape
    blurred = _blurs(rows, blur) @ picture @ _blurs(columns, blur).T
    return np.asarray(blurred.reshape(_HEIGHT, _FINE, _WIDTH, _FINE).mean(axis=(1, 3)))


@cache
def _blurs(size: int, blur: float) -> Picture:
    """The matrix that blurs one axis."""
    places = np.arange(size)
    weights = np.exp(-(((places[:, None] - places) / (blur * _FINE)) ** 2) / 2)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def _unit(picture: Picture) -> Picture:
    """The pixels around their mean, with the length 1."""
    flat = picture.ravel() - picture.mean()
    return np.asarray(flat / max(float(np.linalg.norm(flat)), 1e-9))


def _plate(chance: random.Random) -> tuple[str, int]:
    """A plate, and the number of its form."""
    number = chance.randrange(len(FORMS))
    sets = {"A": CHARACTERS[:26], "B": "BCDFGHJKLMNPRSTVWXYZ", "0": CHARACTERS[26:]}
    return "".join(chance.choice(sets[each]) for each in FORMS[number][0]), number


def _siblings(plate: str) -> list[str]:
    """The plates with another last digit."""
    place = max(place for place, each in enumerate(plate) if each.isdigit())
    digits = CHARACTERS[26:].replace(plate[place], "")
    return [plate[:place] + digit + plate[place + 1 :] for digit in digits]


def _possible(listed: Sequence[str], texts: Sequence[str]) -> Iterator[list[int]]:
    """For each text the places of the plates that any of the ways may find alike.

    All of them need most characters in common, in any order, once those of a class of the costs
    count as one: an edit distance of 1 and a likeness of 0.85 leave all but two (the budget is 90,
    and an edit between classes costs 50 or more), a ratio of 0.8 leaves 0.8 of half of both.
    """
    classes = standard_costs().classes
    for alike in _ALIKE:
        assert len({classes[each] for each in alike}) == 1, alike
    names = {each: number for number, each in enumerate(CHARACTERS)}

    def counts(text: str) -> NDArray[np.int16]:
        numbers = [names[classes.get(each, each)] for each in text]
        return np.bincount(numbers, minlength=len(names)).astype(np.int16)

    of_lists = np.stack([counts(each) for each in listed])
    lengths = np.array([len(each) for each in listed])
    for text in texts:
        common = np.minimum(of_lists, counts(text)).sum(axis=1)
        longer = np.maximum(lengths, len(text))
        needed = np.minimum(longer - 2, np.ceil(0.4 * (lengths + len(text))))
        yield [int(place) for place in np.flatnonzero(common >= needed)]


def _by_likeness(threshold: float) -> Way:
    costs = standard_costs()

    def is_alike(plate: str, text: str) -> bool:
        most = budget(threshold, max(len(plate), len(text)))
        return cost_of(plate, text, costs, most) <= most

    return is_alike


def _is_one_edit(plate: str, text: str) -> bool:
    """Whether one character more, less, or another makes the plate of the text."""
    if abs(len(plate) - len(text)) > 1:
        return False
    same = 0
    while same < min(len(plate), len(text)) and plate[same] == text[same]:
        same += 1
    rest, read = plate[same:], text[same:]
    return rest[1:] == read[1:] or rest[1:] == read or rest == read[1:]


def _alike(text: str) -> str:
    heads = {each: alike[0] for alike in _ALIKE for each in alike}
    return "".join(heads.get(each, each) for each in text)


def _harmonic(one: float, two: float) -> float:
    return 2 * one * two / (one + two) if one + two else 0.0


if __name__ == "__main__":
    print("\n".join(table()))
    print("\n".join(("", "| read for another | times |", "|---|---:|")))
    for pair, count in confusions().most_common(20):
        print(f"| {pair[0]} as {pair[1]} | {count} |")
