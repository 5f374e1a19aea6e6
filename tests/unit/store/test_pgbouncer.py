"""Behind a pgbouncer that pools transactions, a store is as it is without."""

# ruff: noqa: F401 - tests of other modules, with another `url`

from __future__ import annotations

from collections.abc import Iterator

import pytest

from engine.store import Store, open_store
from engine.store.database import both
from tests.support.debian import PackageUnavailableError
from tests.support.pgbouncer import pooled
from tests.support.postgresql import PostgreSQL
from tests.unit.store.conftest import empty
from tests.unit.store.test_deliveries import (
    test_a_claim_runs_out_and_another_takes_over,
    test_a_held_target_gives_one_delivery_after_the_other_to_probe_with,
    test_a_mark_that_is_written_again_is_known,
    test_deliveries_are_claimed_by_priority_then_by_age,
    test_deliveries_are_handed_over_once_to_each_successor_with_their_age,
    test_two_claimers_never_exceed_the_concurrency_of_a_target,
)
from tests.unit.store.test_stream import (
    test_an_alert_has_a_delivery_for_each_target,
    test_an_alert_that_is_stored_already_is_skipped,
    test_of_a_key_the_nearest_instants_before_and_after_each_moment_come_in_order,
    test_of_two_engines_that_see_one_car_one_makes_the_alert,
    test_suppressed_counts_add_up_until_an_alert_resets_them,
    test_the_bounds_of_a_cooldown_are_exclusive,
)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def migrated(postgresql: PostgreSQL) -> Iterator[str]:
    """The URL of a store behind a pgbouncer, which tests use one after the other."""
    try:
        with pooled(postgresql, postgresql.create_database()) as behind:
            open_store(behind).close()
            yield behind
    except PackageUnavailableError as error:
        pytest.skip(f"needs a pgbouncer: {error}")


@pytest.fixture
def url(migrated: str) -> Iterator[str]:
    """The URL of an empty store behind a pgbouncer."""
    yield migrated
    empty(migrated.partition("?")[0])


def test_a_transaction_has_its_own_time_outs(store: Store) -> None:
    shown = both("SELECT current_setting('statement_timeout'), current_setting('lock_timeout')")
    connection = store.stream._connection
    assert connection.transact(lambda transaction: transaction.row(shown)) == ("30s", "10s")
    # What others do in the same session is not bounded by it.
    assert connection.row(shown) == ("0", "0")
