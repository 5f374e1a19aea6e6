"""How far a measurement is, as a bar on a terminal; elsewhere nothing is shown."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Final, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from engine.bench import MeasuredSet, Stage

# About what a server needs: only the bar's proportions come of it.
START_SECONDS: Final = 0.6
SECONDS_A_RULE: Final = 0.0004


class BenchProgress:
    """A context manager; the bar stands in it, on standard error."""

    def __init__(self, planned: Sequence[MeasuredSet], seconds: float) -> None:
        self._match_seconds = 2 * seconds
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            TimeElapsedColumn(),
            console=Console(stderr=True, highlight=False),
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
            disable=not sys.stderr.isatty(),
        )
        total = sum(_compile_seconds(each) + self._match_seconds for each in planned)
        self._task = self._progress.add_task("", total=total)
        self._done = 0.0

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()

    @contextmanager
    def measuring(self, planned: MeasuredSet) -> Iterator[Callable[[Stage], None]]:
        """Within, this set is measured; what it gives is to be told each stage."""
        name = "1 rule" if planned.rules == 1 else f"{planned.rules:,} rules"
        self._show(name, 0.0)

        def tell(stage: Stage) -> None:
            share = _compile_seconds(planned) if stage is Stage.MATCH else 0.0
            self._show(f"{name}: {stage}", share)

        try:
            yield tell
        finally:
            self._done += _compile_seconds(planned) + self._match_seconds

    def say(self, text: str) -> None:
        """One line on standard error, above the bar."""
        self._progress.console.print(text, markup=False, soft_wrap=True)

    def _show(self, text: str, part: float) -> None:
        self._progress.update(self._task, description=text, completed=self._done + part)


def _compile_seconds(planned: MeasuredSet) -> float:
    return START_SECONDS + SECONDS_A_RULE * planned.rules
