"""A list of a million plates, asked by likeness, is replaced under load: nothing is lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import list_reload
from tests.support.kafka import Broker


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_list_by_likeness_is_replaced_under_load_and_nothing_is_lost(
    broker: Broker, tmp_path: Path
) -> None:
    if not broker.is_real:
        pytest.skip("the mock cluster is no broker for such a load")
    outcome = list_reload.run(broker, tmp_path, reloads=1)
    assert len(outcome.ways) >= 2 * list_reload.AROUND_SECONDS * 10
    assert outcome.during_reloads()
