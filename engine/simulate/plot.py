"""Plots the alerts of a replay over time, by rule.

Needs matplotlib, of the extra `plot`. Only `replay --plot` imports this module.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from matplotlib import rc_context
from matplotlib.figure import Figure

from engine.errors import AlertEngineError
from engine.logs.text import printable
from engine.simulate.report import Report

INCHES: Final = (9.6, 6.0)
DOTS_PER_INCH: Final = 200
COLUMNS: Final = 96
#: So many rules have a colour of their own; the others share one.
MOST_RULES: Final = 7
COLORS: Final = ("#1f6feb", "#d9480f", "#2b8a3e", "#7048e8", "#c2255c", "#0b7285", "#e8a200")
OTHER_COLOR: Final = "#7b8794"
STYLE: Final[dict[Any, Any]] = {
    "text.parse_math": False,  # a `$` in a rule's name
    "svg.fonttype": "none",  # text that can be searched, not outlines
    "svg.hashsalt": "alert-engine",  # the same file for the same report
}


def save_plot(path: Path, report: Report) -> None:
    """Plot a report into a file, as SVG where its name ends so, else as PNG.

    Raises AlertEngineError when the file can't be written.
    """
    # It warns where it can't write its cache folder.
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    with rc_context(STYLE):
        figure = draw(report)
        try:
            if path.suffix.lower() == ".svg":
                figure.savefig(path, format="svg", metadata={"Date": None})
            else:
                figure.savefig(path, format="png", dpi=DOTS_PER_INCH)
        except OSError as error:
            raise AlertEngineError(
                f"{path}: can't be written: {error.strerror or error}"
            ) from error


def draw(report: Report) -> Figure:
    """The plot of a report: stacked bars, those of the rules with the most alerts below."""
    figure = Figure(figsize=INCHES, facecolor="white", layout="constrained")
    axes = figure.add_subplot()
    first = datetime.fromtimestamp(report.first_us / 1e6, UTC)
    width: Any = timedelta(microseconds=max(1, report.last_us - report.first_us)) / COLUMNS
    edges: Any = [first + number * width for number in range(COLUMNS + 1)]
    heights = [0] * COLUMNS
    for label, counts, color in _stacks(report):
        axes.bar(edges[:-1], counts, width, bottom=heights, align="edge", label=label, color=color)
        heights = [below + count for below, count in zip(heights, counts, strict=True)]
    axes.set_xlim(edges[0], edges[-1])
    axes.set_ylabel("alerts")
    axes.set_title(f"Alerts of {report.events:,} events, times in UTC", loc="left")
    if any(heights):
        axes.legend(loc="upper left")
    return figure


def _stacks(report: Report) -> list[tuple[str, list[int], str]]:
    """The label, the counts and the colour of each rule that has alerts, and of the others."""
    by_alerts = sorted(report.rules.items(), key=lambda item: -item[1].alerts)
    counted = [
        (name, each.times.counts(report.first_us, report.last_us, COLUMNS))
        for name, each in by_alerts
        if each.alerts
    ]
    stacks = [
        (printable(name), counts, color)
        for (name, counts), color in zip(counted, COLORS, strict=False)
    ]
    others = [counts for _, counts in counted[MOST_RULES:]]
    if others:
        together = [sum(column) for column in zip(*others, strict=True)]
        stacks.append((f"{len(others):,} other rules", together, OTHER_COLOR))
    return stacks
