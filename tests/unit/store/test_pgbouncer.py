"""Behind a pgbouncer that pools transactions, a store is as it is without."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from engine.store import Store
from engine.store.database import both
from tests.support.debian import PackageUnavailableError
from tests.support.pgbouncer import pooled
from tests.support.postgresql import PostgreSQL
from tests.unit.store.test_deliveries import *  # noqa: F403 - the same tests, with another `url`
from tests.unit.store.test_stream import *  # noqa: F403

pytestmark = pytest.mark.slow


@pytest.fixture
def url(postgresql: PostgreSQL) -> Iterator[str]:
    """The URL of an empty database behind a pgbouncer."""
    database = postgresql.create_database()
    try:
        with pooled(postgresql, database) as behind:
            yield behind
    except PackageUnavailableError as error:
        pytest.skip(f"needs a pgbouncer: {error}")
    finally:
        postgresql.drop_database(database)


def test_a_transaction_has_its_own_time_outs(store: Store) -> None:
    shown = both("SELECT current_setting('statement_timeout'), current_setting('lock_timeout')")
    connection = store.stream._connection
    assert connection.transact(lambda transaction: transaction.row(shown)) == ("30s", "10s")
    # What others do in the same session is not bounded by it.
    assert connection.row(shown) == ("0", "0")
