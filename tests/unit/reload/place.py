"""Rule and list files in a folder, with all that loads and keeps them."""

from __future__ import annotations

from datetime import UTC
from pathlib import Path

from engine.reload.last_good import LastGood
from engine.reload.loader import LoadAttempt, RuleSource
from engine.watchlist import PlateCosts, standard_costs
from tests.support.avro import plate_schema

RULES = """
watchlists: {stolen: ../lists/stolen.csv}
rules:
  - {id: ID, when: 'plate.normalized_text in watchlist("stolen")', notify: []}
"""
PLAIN = "rules: [{id: ID, when: 'plate.confidence > 0.5', notify: []}]\n"
BROKEN = "rules: [{id: ID, when: 'plate.confidenc > 0.5', notify: []}]\n"
UNSET = """
channels: {hook: "${GONE}"}
rules: [{id: ID, when: 'plate.confidence > 0.5', notify: [hook]}]
"""


class RulesPlace:
    """A folder `rules` with the file `a.yaml`, a folder `lists`, and one for the last good set."""

    def __init__(self, folder: Path, text: str = PLAIN, **variables: str) -> None:
        self.folder = folder
        self.variables = variables
        self.path = folder / "rules"
        self.file = self.path / "a.yaml"
        self.list = folder / "lists" / "stolen.csv"
        self.path.mkdir()
        self.list.parent.mkdir()
        self.write(text)
        self.source = self.new_source()
        self.last_good = LastGood(folder / "state" / "last-good")

    def new_source(self) -> RuleSource:
        """As after a restart."""
        return self.source_with(standard_costs())

    def source_with(self, costs: PlateCosts) -> RuleSource:
        """As after a restart with these costs of misread plates."""
        return RuleSource(self.path, plate_schema(), self.variables, UTC, costs)

    def write(self, text: str, rule_id: str = "first") -> None:
        """Put the rule file in the place of the one before, as an editor does."""
        draft = self.file.with_suffix(".new")
        draft.write_text(text.replace("ID", rule_id))
        draft.rename(self.file)

    def write_list(self, row_count: int) -> None:
        """Put a list of so many plates in the place of the one before."""
        draft = self.list.with_suffix(".new")
        draft.write_text("plate\n" + "".join(f"P{number}\n" for number in range(row_count)))
        draft.rename(self.list)

    def attempt(self) -> LoadAttempt:
        """Load what is there."""
        return self.source.attempt(self.source.files.look(), {})
