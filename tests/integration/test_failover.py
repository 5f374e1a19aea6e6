"""A primary that is lost, and its standby in its place: nothing that was stored is lost."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.errors import StoreUnavailableError
from engine.store import open_store
from tests.support.gate import open_gate
from tests.support.kafka import Broker
from tests.support.patience import await_that
from tests.support.postgresql import PostgreSQL
from tests.support.stored import save
from tests.unit.store.samples import Samples

pytestmark = pytest.mark.slow

LOAD = 300


@pytest.fixture
def standby(own_postgresql: PostgreSQL) -> Iterator[PostgreSQL]:
    """A standby of `own_postgresql`."""
    with own_postgresql.standby() as server:
        own_postgresql.await_standby()
        yield server


def url_of_both(primary: PostgreSQL, standby: PostgreSQL) -> str:
    """The URL of a new database on either, whichever is the primary."""
    both = f"127.0.0.1:{primary.port},127.0.0.1:{standby.port}"
    return primary.create_database().replace(f"127.0.0.1:{primary.port}", both)


def test_what_was_stored_is_on_the_standby_and_the_store_heals(
    own_postgresql: PostgreSQL, standby: PostgreSQL
) -> None:
    samples, stored, is_enough = Samples(), list[str](), threading.Event()
    away: list[str] = []
    with open_store(url_of_both(own_postgresql, standby)) as store:

        def write() -> None:
            while not is_enough.is_set():
                new = samples.new("mail/ann")
                while True:
                    try:
                        save(store, [new])
                        break
                    except StoreUnavailableError as error:
                        away.append(str(error))
                        time.sleep(0.05)
                stored.append(new.alert.alert_id)

        writer = threading.Thread(target=write)
        writer.start()
        try:
            await_that(lambda: len(stored) > LOAD)
            own_postgresql.kill()
            await_that(lambda: len(away) > 0)
            standby.promote()
            before = len(stored)
            await_that(lambda: len(stored) > before, lambda: away[-1])
            await_that(lambda: len(stored) > before + LOAD)
        finally:
            is_enough.set()
            writer.join()
        found = {each.alert.alert_id for each in store.archive.alerts(1_000_000)}
    assert set(stored) == found


def test_an_engine_goes_on_within_seconds(
    own_postgresql: PostgreSQL, standby: PostgreSQL, broker: Broker, tmp_path: Path
) -> None:
    url = url_of_both(own_postgresql, standby)
    with open_gate(broker, tmp_path, STATE_URL=url) as gate, gate.site.start() as engine:
        engine.wait_ready()
        plates = gate.see(LOAD)
        gate.hook.wait_for(LOAD // 10)
        own_postgresql.kill()
        engine.wait_for_check("store", "")
        plates += gate.see(20)
        standby.promote()
        gate.await_plates(plates[-20:])
        gate.await_plates(plates)
        engine.wait_ready()
        gate.site.await_consumed()
        assert engine.stop() == 0
        assert "Traceback" not in engine.output
    # No alert was made twice; what was in flight, or was marked just before, may be sent again.
    assert all(len(ids) == 1 for ids in gate.alert_ids().values())
    assert set(gate.counts()) == set(plates)
