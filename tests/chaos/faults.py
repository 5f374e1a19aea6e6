"""The table of faults: what each does, and whose deliveries in flight may come again by it."""

from __future__ import annotations

import random
import signal
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Final

from engine.service.engine import KillPoint
from tests.chaos.oracle import MAIL, WEBHOOK
from tests.chaos.scene import (
    BOTH,
    CLAIM_SECONDS,
    DEATH_SECONDS,
    SESSION_SECONDS,
    Replica,
    Scene,
)
from tests.support.tcp_proxy import Side, TcpProxy

#: A disk with so much room takes a few batches more.
LEFT_BYTES: Final = 20_000
CLIENT_SECONDS: Final = 5.0

Strike = Callable[[Scene, random.Random], None]
Choice = Callable[[Scene, random.Random], TcpProxy]
StrikeLink = Callable[[Scene, TcpProxy, random.Random], None]


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind of fault; `strike` returns when what it did is undone."""

    name: str
    strike: Strike
    repeats: tuple[str, ...] = ()


def faults_of(scene: Scene) -> list[Fault]:
    """All faults that the scene has a place for."""
    faults = [
        *(
            Fault(f"engine killed at {point}", partial(_kill_at, point), BOTH)
            for point in KillPoint
        ),
        Fault("engine killed", _kill, BOTH),
        Fault("engine killed twice", _kill_twice, BOTH * 2),
        Fault("engine frozen past its session", partial(_freeze, SESSION_SECONDS), BOTH),
        Fault("engine frozen past its claims", partial(_freeze, CLAIM_SECONDS), BOTH),
        Fault("engine stopped in order", _stop),
        Fault("broker killed", _kill_broker),
        Fault("broker frozen", _freeze_broker),
        *_faults_between("engine and Kafka", lambda s, c: _any(s, c).to_kafka, ()),
        *_faults_between("engine and webhook", lambda s, _: s.to_webhook, (WEBHOOK,)),
        *_faults_between("engine and mail server", lambda s, _: s.to_mail, (MAIL,)),
    ]
    if len(scene.replicas) > 1:
        faults.append(Fault("all engines killed", _kill_all, BOTH))
    if scene.database is not None:
        faults += [
            Fault("PostgreSQL killed", _kill_database, BOTH),
            Fault("engine killed while PostgreSQL is away", _kill_without_database, BOTH * 2),
            Fault("PostgreSQL restarted", _restart_database, BOTH),
            Fault("PostgreSQL frozen", _freeze_database, BOTH),
            Fault("clients of PostgreSQL cut off", _terminate, BOTH),
            *_faults_between("engine and PostgreSQL", _way_to_database, BOTH),
        ]
    if scene.disk is not None:
        faults += [
            Fault("disk full", _fill_disk, BOTH),
            Fault("engine killed while the disk is full", _kill_on_full_disk, BOTH * 2),
        ]
    return faults


def deal(faults: Iterable[Fault], count: int, chance: random.Random) -> Iterator[Fault]:
    """So many faults: all of the table in a random order, then all again in another one."""
    deck: list[Fault] = []
    table = list(faults)
    for _ in range(count):
        if not deck:
            deck = chance.sample(table, len(table))
        yield deck.pop()


def _faults_between(where: str, choose: Choice, repeats: tuple[str, ...]) -> list[Fault]:
    strikes: dict[str, StrikeLink] = {
        "cut": _cut,
        "refused": _refuse,
        "delayed": _delay,
        "half-closed to the client": partial(_half_close, Side.CLIENT),
        "half-closed to the server": partial(_half_close, Side.SERVER),
    }
    return [
        Fault(
            f"{where} {name}",
            partial(_strike_one, choose, strike),
            () if strike is _delay else repeats,
        )
        for name, strike in strikes.items()
    ]


def _strike_one(
    choose: Choice,
    strike: StrikeLink,
    scene: Scene,
    chance: random.Random,
) -> None:
    proxy = choose(scene, chance)
    # A mail server has a client only now and then; a cut is to meet one in the midst of its mail.
    scene.await_that(lambda: proxy.is_used, CLIENT_SECONDS)
    scene.sleep(chance.uniform(0.0, 0.1))
    strike(scene, proxy, chance)


def _cut(scene: Scene, proxy: TcpProxy, chance: random.Random) -> None:
    proxy.cut()


def _refuse(scene: Scene, proxy: TcpProxy, chance: random.Random) -> None:
    proxy.down()
    scene.sleep(chance.uniform(0.5, 2.5))
    proxy.up()


def _delay(scene: Scene, proxy: TcpProxy, chance: random.Random) -> None:
    # A send of a dozen chunks takes less than its time-out of 5 s.
    proxy.delay(chance.uniform(0.05, 0.15))
    scene.sleep(2.0)
    proxy.delay(0.0)


def _half_close(side: Side, scene: Scene, proxy: TcpProxy, chance: random.Random) -> None:
    proxy.half_close(side)


def _any(scene: Scene, chance: random.Random) -> Replica:
    return chance.choice(scene.replicas)


def _kill_at(point: str, scene: Scene, chance: random.Random) -> None:
    replica = _any(scene, chance)
    scene.stop(replica)
    replica.start(f"{point}:{chance.randint(1, 5)}")
    # With other replicas it may get nothing to do.
    if replica.await_end(DEATH_SECONDS) is None:
        replica.kill()
    replica.start()


def _kill(scene: Scene, chance: random.Random) -> None:
    replica = _any(scene, chance)
    replica.kill()
    replica.start()


def _kill_twice(scene: Scene, chance: random.Random) -> None:
    _kill(scene, chance)
    scene.sleep(chance.uniform(0.5, 3.0))
    _kill(scene, chance)


def _kill_all(scene: Scene, chance: random.Random) -> None:
    for replica in scene.replicas:
        replica.kill()
    for replica in scene.replicas:
        replica.start()


def _stop(scene: Scene, chance: random.Random) -> None:
    replica = _any(scene, chance)
    scene.stop(replica)
    replica.start()


def _freeze(seconds: float, scene: Scene, chance: random.Random) -> None:
    replica = _any(scene, chance)
    replica.signal(signal.SIGSTOP)
    scene.sleep(seconds + chance.uniform(0.5, 1.5))
    replica.signal(signal.SIGCONT)


def _kill_broker(scene: Scene, chance: random.Random) -> None:
    scene.kafka.kill()
    scene.sleep(chance.uniform(0.0, 2.0))
    scene.kafka.start()


def _freeze_broker(scene: Scene, chance: random.Random) -> None:
    scene.kafka.freeze()
    scene.sleep(SESSION_SECONDS + chance.uniform(0.0, 2.0))
    scene.kafka.thaw()


def _way_to_database(scene: Scene, chance: random.Random) -> TcpProxy:
    way = _any(scene, chance).to_database
    assert way is not None
    return way


def _kill_database(scene: Scene, chance: random.Random) -> None:
    assert scene.database is not None
    scene.database.kill()
    scene.sleep(chance.uniform(0.0, 2.0))
    scene.database.start()


def _kill_without_database(scene: Scene, chance: random.Random) -> None:
    assert scene.database is not None
    scene.database.kill()
    # What was read by now has gone as far as it can.
    scene.sleep(chance.uniform(1.0, 2.0))
    _kill(scene, chance)
    scene.database.start()


def _restart_database(scene: Scene, chance: random.Random) -> None:
    assert scene.database is not None
    scene.database.restart()


def _freeze_database(scene: Scene, chance: random.Random) -> None:
    assert scene.database is not None
    scene.database.freeze()
    scene.sleep(chance.uniform(1.0, 4.0))
    scene.database.thaw()


def _terminate(scene: Scene, chance: random.Random) -> None:
    assert scene.database is not None
    scene.database.terminate_backends()


def _fill_disk(scene: Scene, chance: random.Random) -> None:
    assert scene.disk is not None
    # In a log that has grown there is room for long; a stop in order removes it.
    _stop(scene, chance)
    scene.await_fresh(DEATH_SECONDS)
    scene.disk.fill(LEFT_BYTES)
    scene.sleep(chance.uniform(1.0, 3.0))
    scene.disk.free()


def _kill_on_full_disk(scene: Scene, chance: random.Random) -> None:
    assert scene.disk is not None
    _stop(scene, chance)
    scene.await_fresh(DEATH_SECONDS)
    scene.disk.fill(LEFT_BYTES)
    scene.sleep(chance.uniform(1.0, 2.0))
    _kill(scene, chance)
    scene.disk.free()
