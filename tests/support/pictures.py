"""Draws the pictures of the README, of real runs: `make pictures`."""

from __future__ import annotations

import io
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.text import Text

from tests.support.gate import open_gate
from tests.support.kafka import RealKafka
from tests.support.patience import await_that
from tests.support.sightings import sighting

FOLDER: Final = Path(__file__).parents[2] / "docs" / "images"
WIDTH: Final = 110
DEMO_SECONDS: Final = "3"
RULES: Final = """\
channels:
  guards: "${HOOK_URL}"
rules:
  - id: stolen
    name: Stolen car
    priority: high
    conditions:
      - {field: plate.normalized_text, operator: in_list, value: [ABC123, XYZ789]}
    when: plate.confidence > 0.8
    notify: [guards]
    rate_limit: {cooldown_seconds: 300}
    message_template: "{plate.normalized_text} ({plate.confidence:.0%}) at {camera_id}"
"""


def draw(command: str, output: str) -> str:
    """An SVG of a terminal: the command, and what it printed, with its colours."""
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True)
    console.print(Text(f"$ {command}", style="bold"))
    console.print(Text.from_ansi(output.rstrip()))
    return console.export_svg(title=command, unique_id="alert-engine")


def run(words: Sequence[str], folder: Path, variables: Mapping[str, str]) -> str:
    """What a command prints on a terminal."""
    done = subprocess.run(
        [Path(sys.executable).with_name("alert-engine"), *words],
        cwd=folder,
        env={**variables, "FORCE_COLOR": "1", "COLUMNS": str(WIDTH), "TERM": "xterm-256color"},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return done.stdout


def demo() -> str:
    """The picture of the demo."""
    words = ("demo", "--seconds", DEMO_SECONDS)
    return draw("make demo", run(words, FOLDER.parents[1], {}))


def why_not(folder: Path) -> str:
    """The picture of a question to an engine that has just alerted."""
    with RealKafka() as broker, open_gate(broker, folder, RULES) as gate:
        first = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=5)
        second = first + timedelta(minutes=3, seconds=31)
        with gate.site.start() as engine:
            engine.wait_ready()
            for moment in (first, second):
                gate.site.publish([sighting("ABC123", moment, camera="gate-2")])
            gate.hook.requests.wait_for(1)
            gate.site.await_consumed()
            await_that(lambda: gate.site.alerts()[0]["deliveries"][0]["state"] == "sent")
        at = second.strftime("%Y-%m-%dT%H:%M:%SZ")
        words = ("why-not", "ABC123", "--at", at, "--within", "1m")
        return draw(" ".join(("alert-engine", *words)), run(words, folder, gate.site.environment))


def main() -> None:
    """Draw both, each anew."""
    (FOLDER / "demo.svg").write_text(demo(), "utf-8")
    with tempfile.TemporaryDirectory() as folder:
        (FOLDER / "why-not.svg").write_text(why_not(Path(folder)), "utf-8")


if __name__ == "__main__":
    main()
