"""One engine for half an hour under load, with outages and reloads: is it as it was?

`python -m benchmarks.soak --minutes 30 [--store postgresql]`, or `make soak`, needs a real Kafka
(`KAFKA_BOOTSTRAP_SERVERS`, or Java and the jars that the tests fetch). 1,000 events a second, of
which 10 make an alert to two webhooks; each minute the rules are reloaded, and in every fourth
minute one of the webhooks is away. Every ten seconds a row tells what the engine takes and how fast
it is. What is flat in the last third against the second third is said at the end; the exit status
is 1 where something is not. The store grows with the alerts that it keeps, and is not judged.

Latency is from the read of an event to its alert's first hand-over to a channel, by the engine's
own histogram: between two bounds of its buckets the quantiles are interpolated.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psycopg
from prometheus_client.parser import text_string_to_metric_families

from benchmarks import traffic
from benchmarks.brokers import BrokerKind, is_at_hand, open_topics
from benchmarks.machine import (
    describe,
    open_file_count,
    processor_seconds,
    resident_megabytes,
    thread_count,
)
from benchmarks.readings import register
from benchmarks.stores import StoreKind
from engine.demo.servers import RegistryServer
from tests.support.engine_process import EngineProcess
from tests.support.http_receiver import HttpReceiver
from tests.support.patience import await_that
from tests.support.postgresql import PostgreSQL
from tests.support.site import Site

RATE: Final = 1_000
SHARE: Final = 0.01
RULES: Final = 1_000
SAMPLE_SECONDS: Final = 10.0
#: In every so many minutes, one is an outage.
OUTAGE_EVERY: Final = 4
STEADY, FAILING = "steady", "failing"
HEAD: Final = "   time   MB  threads  files  p50 ms  p99 ms   lag  store MB  CPU %  waiting"

Buckets = Mapping[float, float]


@dataclass(frozen=True, slots=True)
class Sample:
    """The engine at one moment; `buckets` has the alerts since its start, by their latency."""

    at: float
    processor_seconds: float
    megabytes: float
    threads: int
    files: int
    lag: float
    waiting: float
    store_megabytes: float
    buckets: Buckets


@dataclass(frozen=True, slots=True)
class Third:
    """A third of the run, in means; latencies in milliseconds."""

    megabytes: float
    threads: float
    files: float
    lag: float
    p50: float
    p99: float


@dataclass(frozen=True, slots=True)
class Bound:
    """How much more than in the second third is still flat."""

    what: str
    value: Callable[[Third], float]
    factor: float
    more: float

    def is_kept(self, second: Third, last: Third) -> bool:
        """Whether it is flat."""
        return self.value(last) <= self.value(second) * self.factor + self.more


BOUNDS: Final = (
    Bound("memory, MB", lambda each: each.megabytes, 1.03, 1.0),
    Bound("threads", lambda each: each.threads, 1.0, 0.5),
    Bound("open files", lambda each: each.files, 1.0, 0.5),
    Bound("lag, events", lambda each: each.lag, 1.0, RATE / 10),
    Bound("latency p50, ms", lambda each: each.p50, 1.25, 1.0),
    Bound("latency p99, ms", lambda each: each.p99, 1.5, 5.0),
)


def quantile(share: float, later: Buckets, earlier: Buckets) -> float:
    """The latency that this share of the alerts between two samples kept, in milliseconds."""
    counts = {bound: count - earlier.get(bound, 0.0) for bound, count in sorted(later.items())}
    total = max(counts.values(), default=0.0)
    lower, below = 0.0, 0.0
    for bound, count in counts.items():
        if total and count >= share * total:
            if bound == float("inf"):
                break
            return (lower + (bound - lower) * (share * total - below) / (count - below)) * 1e3
        lower, below = bound, count
    return lower * 1e3 if total else float("nan")


def mean_of(samples: Sequence[Sample]) -> Third:
    """What these samples say together."""

    def mean(values: Iterator[float]) -> float:
        return sum(values) / len(samples)

    first, last = samples[0].buckets, samples[-1].buckets
    return Third(
        mean(each.megabytes for each in samples),
        mean(each.threads for each in samples),
        mean(each.files for each in samples),
        mean(each.lag for each in samples),
        quantile(0.5, last, first),
        quantile(0.99, last, first),
    )


class Soak:
    """The engine, its surroundings, and what is done to them."""

    def __init__(self, site: Site, engine: EngineProcess, failing: HttpReceiver) -> None:
        self.samples: list[Sample] = []
        self._site = site
        self._engine = engine
        self._failing = failing
        self._text = site.rules.read_text()

    def run(self, seconds: float) -> None:
        """Sample, reload and cut off until the time is over."""
        started = time.monotonic()
        print(HEAD, flush=True)
        self._sample(started)
        minute = 0
        while time.monotonic() - started < seconds:
            time.sleep(SAMPLE_SECONDS)
            self._sample(started)
            if int((time.monotonic() - started) / 60) > minute:
                minute += 1
                self._begin_minute(minute)
        self._failing.up()

    def _begin_minute(self, minute: int) -> None:
        is_out = minute % OUTAGE_EVERY == OUTAGE_EVERY - 2
        (self._failing.down if is_out else self._failing.up)()
        anew = self._site.rules.with_suffix(".new")
        anew.write_text(self._text.replace("Rule watchlist", f"Rule watchlist, minute {minute}"))
        anew.replace(self._site.rules)

    def _sample(self, started: float) -> None:
        pid, sums, buckets = self._engine.pid, defaultdict[str, float](float), dict[float, float]()
        for family in text_string_to_metric_families(self._engine.get("/metrics")[1]):
            for each in family.samples:
                sums[each.name.removeprefix("alert_engine_")] += each.value
                if each.name == "alert_engine_alert_latency_seconds_bucket":
                    buckets[float(each.labels["le"])] = each.value
        sample = Sample(
            time.monotonic() - started,
            processor_seconds(pid),
            resident_megabytes(pid),
            thread_count(pid),
            open_file_count(pid),
            sums["consumer_lag_records"],
            sums["deliveries_waiting"],
            store_bytes(self._site.environment["STATE_URL"]) / 1e6,
            buckets,
        )
        if self.samples:
            print(_row(self.samples[-1], sample), flush=True)
        self.samples.append(sample)


def _row(before: Sample, now: Sample) -> str:
    p50, p99 = (quantile(share, now.buckets, before.buckets) for share in (0.5, 0.99))
    busy = (now.processor_seconds - before.processor_seconds) / (now.at - before.at)
    minutes, seconds = divmod(int(now.at), 60)
    return (
        f"{minutes:4}:{seconds:02} {now.megabytes:4.0f} {now.threads:8} {now.files:6}"
        f" {p50:7.1f} {p99:7.1f} {now.lag:5.0f} {now.store_megabytes:9.1f} {busy:6.0%}"
        f" {now.waiting:8.0f}"
    )


def store_bytes(url: str) -> int:
    """How large the store is: SQLite's files, or PostgreSQL's database."""
    if url.startswith("sqlite:///"):
        path = Path(url.removeprefix("sqlite:///"))
        return sum(each.stat().st_size for each in path.parent.glob(f"{path.name}*"))
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT pg_database_size(current_database())").fetchone()
    assert row is not None
    return int(row[0])


def verdicts(samples: Sequence[Sample]) -> Iterator[tuple[bool, str]]:
    """For each bound whether it is kept, and a line that says so."""
    third = len(samples) // 3
    second, last = mean_of(samples[third : 2 * third]), mean_of(samples[2 * third :])
    for bound in BOUNDS:
        is_flat = bound.is_kept(second, last)
        values = f"{bound.value(second):10.1f} {bound.value(last):10.1f}"
        yield is_flat, f"{bound.what:<18} {values}  {'flat' if is_flat else 'NOT FLAT'}"


def soak(minutes: float, kind: StoreKind) -> bool:
    """Run it; whether all is flat and every alert has arrived at both webhooks."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="soak-")))
        topics = stack.enter_context(open_topics(BrokerKind.REAL))
        registry = stack.enter_context(RegistryServer())
        steady, failing = (stack.enter_context(HttpReceiver()) for _ in range(2))
        environment = {}
        if kind is StoreKind.POSTGRESQL:
            server = stack.enter_context(PostgreSQL(fsync=True))
            environment["STATE_URL"] = server.create_database()
        rules = traffic.rules_with_watchlist(RULES, STEADY, FAILING)
        for name, receiver in ((STEADY, steady), (FAILING, failing)):
            rules = rules.replace(f"https://{name}.example/", f"{receiver.url}/{name}")
        site = Site(folder, topics.broker, registry.url, rules, environment)
        engine = stack.enter_context(site.start())
        engine.wait_ready()
        seconds = round(minutes * 60)
        schema_id = register(registry.url)
        publisher = traffic.start(
            topics.bootstrap_servers, site.topic, RATE, seconds + 5, SHARE, schema_id
        )
        run = Soak(site, engine, failing)
        run.run(seconds)
        assert publisher.wait(60) == 0
        site.await_consumed(120)
        alerts = engine.metric("alert_engine_alerts_triggered_total", rule_id="watchlist") or 0
        received = (steady.requests, failing.requests)
        # The longest time between two probes of a target that is held, and its backlog.
        await_that(
            lambda: all(len(each.all()) >= alerts for each in received), patience_seconds=180
        )
        counts = [
            len({request.json()["alert"]["id"] for request in each.all()}) for each in received
        ]
        assert engine.stop() == 0
    print(f"\n{int(alerts):,} alerts; {counts[0]:,} and {counts[1]:,} of them arrived\n")
    found = list(verdicts(run.samples))
    print(f"{'':<18} {'2nd third':>10} {'last third':>10}")
    print("\n".join(line for _, line in found))
    return all(is_flat for is_flat, _ in found) and counts == [alerts, alerts]


def main(arguments: Sequence[str] | None = None) -> int:
    """0 where all is flat, 1 where something is not, 2 without a real Kafka."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description="A soak.")
    parser.add_argument("--minutes", type=float, default=30.0)
    kinds = [kind.lower() for kind in StoreKind]
    parser.add_argument("--store", choices=kinds, default=kinds[0])
    given = parser.parse_args(arguments)
    if not is_at_hand(BrokerKind.REAL):
        print("no real Kafka: set KAFKA_BOOTSTRAP_SERVERS, or run the tests once", file=sys.stderr)
        return 2
    print("\n".join([*describe(), ""]))
    kind = next(kind for kind in StoreKind if kind.lower() == given.store)
    return 0 if soak(given.minutes, kind) else 1


if __name__ == "__main__":
    sys.exit(main())
