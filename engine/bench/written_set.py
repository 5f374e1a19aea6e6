"""Made-up rules in files, for as long as they are measured."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from engine.bench.measured_set import MeasuredSet, SetKind
from engine.bench.mixed_rules import (
    mixed_rules,
    rule_file,
    site_file,
    site_plates,
    site_rules,
)
from engine.errors import BenchError

# Memory that every container can write to, also where all its file systems are read-only.
SHARED_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - a folder of our own is made in it
LIST_FILE: Final = "wanted.csv"
# A rule file has a greatest size.
RULES_A_FILE: Final = 10_000


@contextmanager
def written_set(kind: SetKind, rules: int) -> Iterator[MeasuredSet]:
    """The made-up set of this kind; `rules` says how many, of mixed ones.

    Raises BenchError when the files can't be written.
    """
    try:
        folder = _folder()
    except OSError as error:
        raise BenchError(_unwritten(error)) from error
    with folder as name:
        try:
            paths = _write(kind, rules, Path(name))
        except OSError as error:
            raise BenchError(_unwritten(error)) from error
        yield MeasuredSet(kind, rules, paths)


def _folder() -> tempfile.TemporaryDirectory[str]:
    try:
        return tempfile.TemporaryDirectory(prefix="alert-engine-bench-")
    except FileNotFoundError:
        # None of the usual places for temporary files can be written to.
        return tempfile.TemporaryDirectory(prefix="alert-engine-bench-", dir=SHARED_MEMORY)


def _unwritten(error: OSError) -> str:
    reason = error.strerror or error
    return f"the rules to measure can't be written: {reason}; set TMPDIR to a folder with room"


def _write(kind: SetKind, rules: int, folder: Path) -> tuple[Path, ...]:
    if kind is SetKind.SITE:
        plates = site_plates()
        (folder / LIST_FILE).write_text("\n".join(["plate", *plates, ""]), encoding="utf-8")
        texts = [site_file(site_rules(plates), LIST_FILE)]
    else:
        made = mixed_rules(rules)
        firsts = range(0, rules, RULES_A_FILE)
        texts = [rule_file(made[first : first + RULES_A_FILE]) for first in firsts]
    paths = []
    for number, text in enumerate(texts):
        paths.append(folder / f"rules-{number}.yaml")
        paths[-1].write_text(text, encoding="utf-8")
    return tuple(paths)
