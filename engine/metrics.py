"""Every Prometheus metric of the engine, with its labels; all are defined here.

The `prepare` methods create label pairs at the start, so that a zero is visible before the first
failure. Above `PREPARED_RULES` rules they appear at first use, which bounds memory and scrape time.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from typing import Any, Final, Self

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)

PREPARED_RULES: Final = 500
# Rules times kinds of evaluation error: 10,000 pairs would cost 10 MB and 0.2 s a scrape.
PREPARED_ERROR_PAIRS: Final = 2_000
CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

_EVALUATION_BUCKETS = (1e-5, 1e-4, 5e-4, 1e-3, 5e-3, 1e-2, 5e-2, 0.1, 0.5, 1.0)
_SEND_BUCKETS = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_LATENCY_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0, 300.0)


class _Family:
    """Makes the metrics of one registry, all under the prefix `alert_engine_`."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"alert_engine_{name}", text, labels, registry=self._registry)

    def gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"alert_engine_{name}", text, labels, registry=self._registry)

    def histogram(
        self, name: str, text: str, buckets: tuple[float, ...], *labels: str
    ) -> Histogram:
        return Histogram(
            f"alert_engine_{name}", text, labels, registry=self._registry, buckets=buckets
        )


class Increments:
    """What is added to counters together, once it is known to hold."""

    def __init__(self) -> None:
        self._amounts: dict[tuple[Counter, tuple[str, ...]], int] = {}

    def add(self, counter: Counter, *labels: str, amount: int = 1) -> None:
        """Add to the counter of these labels' values, at `apply`."""
        key = (counter, labels)
        self._amounts[key] = self._amounts.get(key, 0) + amount

    def apply(self) -> None:
        """Add everything to the counters."""
        for (counter, labels), amount in self._amounts.items():
            (counter.labels(*labels) if labels else counter).inc(amount)


class Metrics:
    """The metrics of one engine, in a registry of their own; any thread may set them."""

    def __init__(self) -> None:
        self.registry: Final = CollectorRegistry()
        # The totals that `show_gaps` and `show_lost_lines` have counted so far.
        self._shown_gaps: dict[tuple[Counter, str, str], int] = {}
        self._shown_lost_lines = 0
        self._lost_lines_lock = threading.Lock()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self.registry)
        make = _Family(self.registry)
        build = make.gauge("build_info", "1; the label tells the version", "version")
        build.labels(version("alpr-alert-engine")).set(1)
        self._create_stream(make)
        self._create_rules(make)
        self._create_alerts(make)
        self._create_channels(make)
        self._create_store(make)
        self._create_log(make)

    def prepare(
        self,
        rules: Iterable[tuple[str, str]],
        notified: Iterable[tuple[str, str]],
        error_types: Iterable[str],
        scheduled: Iterable[str] = (),
    ) -> None:
        """Create the label pairs of `rules` (id, priority) and `notified` (channel, rule id).

        `error_types` are the possible kinds of an evaluation error, `scheduled` the ids of the
        rules with time intervals.
        """
        rules, error_types = tuple(rules), tuple(error_types)
        self.rules_loaded.set(len(rules))
        for reason in ("unreadable", "future", "past"):
            self.event_time_replaced.labels(reason)
        for reason in ("unit", "past", "future"):
            self.record_time_replaced.labels(reason)
        for reason in ("size", "age"):
            self.dead_letters_dropped.labels(reason)
        for error_type in ("SCHEMA_VALIDATION", "PROCESSING_FAILURE"):
            self.dead_letters.labels(error_type)
        if len(rules) > PREPARED_RULES:
            return
        if len(rules) * len(error_types) <= PREPARED_ERROR_PAIRS:
            for rule_id, _ in rules:
                for error_type in error_types:
                    self.rule_errors.labels(rule_id, error_type)
        for rule_id, priority in rules:
            self.rules_matched.labels(rule_id, priority)
            for metric in (
                self.alerts_triggered,
                self.alerts_rate_limited,
                self.alerts_expired,
                self.alerts_silenced,
                self.alerts_unrouted,
                self.template_errors,
                self.dedup_key_absent,
                self.dedup_key_errors,
            ):
                metric.labels(rule_id)
        for rule_id in scheduled:
            for verdict in ("inactive", "muted"):
                self.matches_out_of_time.labels(rule_id, verdict)
        for channel, rule_id in notified:
            self.notifications_sent.labels(channel, rule_id)

    def prepare_fields(self, fields: Iterable[str]) -> None:
        """Create the label of each field whose values the schema limits beyond its type."""
        for field in fields:
            self.event_values_out_of_range.labels(field)

    def prepare_channel(self, channel: str, reasons: Iterable[str], kinds: Iterable[str]) -> None:
        """Create every label pair of one channel.

        `reasons` are those of a failed try, `kinds` those of a message.
        """
        for kind in kinds:
            self.messages.labels(channel, kind)
        for reason in reasons:
            self.notifications_failed.labels(channel, reason)
            self.notifications_dead.labels(channel, reason)
        for metric in (
            self.notification_retries,
            self.notification_send_time,
            self.deliveries_waiting,
            self.channel_held,
            self.channel_holds,
        ):
            metric.labels(channel)

    def show_watchlists(self, rows: Mapping[str, int]) -> None:
        """Set the row count of each watchlist in force, and remove those that are gone."""
        self.watchlist_rows.clear()
        for name, count in rows.items():
            self.watchlist_rows.labels(name).set(count)

    def show_refused(self, refused: Mapping[str, bool]) -> None:
        """Set for each watchlist whether its file is refused, and remove those that are gone."""
        self.watchlist_refused.clear()
        for name, is_refused in refused.items():
            self.watchlist_refused.labels(name).set(is_refused)

    def show_gaps(
        self, lost: Mapping[tuple[str, int], int], cut: Mapping[tuple[str, int], int]
    ) -> None:
        """Count lost records and cut partitions, given as totals since the consumer's start."""
        for counter, totals in ((self.records_lost, lost), (self.partitions_cut, cut)):
            for (topic, number), total in totals.items():
                key = (counter, topic, str(number))
                counter.labels(*key[1:]).inc(total - self._shown_gaps.get(key, 0))
                self._shown_gaps[key] = total

    def show_lost_lines(self, total: int) -> None:
        """Count lost log lines, given as the total since the start of the process."""
        with self._lost_lines_lock:
            self.log_lines_lost.inc(max(0, total - self._shown_lost_lines))
            self._shown_lost_lines = max(total, self._shown_lost_lines)

    def exposition(self) -> bytes:
        """The text of `/metrics`."""
        return generate_latest(self.registry)

    def total(self, name: str) -> float:
        """The sum of a metric's samples over all labels, such as `alerts_triggered_total`."""
        return sum(
            sample.value
            for metric in self.registry.collect()
            for sample in metric.samples
            if sample.name == f"alert_engine_{name}"
        )

    def _create_stream(self, make: _Family) -> None:
        self.events_consumed = make.counter("events_consumed", "Plate events read and decoded")
        self.events_duplicate = make.counter(
            "events_duplicate", "Matches of events that were stored for their rule already"
        )
        self.event_time_replaced = make.counter(
            "event_time_replaced",
            "Events whose captured_at was unusable, so that the Kafka timestamp counts",
            "reason",
        )
        self.record_time_replaced = make.counter(
            "record_time_replaced",
            "Events whose Kafka timestamp was unusable as it is, so that captured_at counts",
            "reason",
        )
        self.event_values_out_of_range = make.counter(
            "event_values_out_of_range", "Events with a value that the schema rules out", "field"
        )
        self.tombstones = make.counter("tombstones", "Records without a value, skipped")
        self.dead_letters = make.counter(
            "dead_letters", "Records that could not be processed", "error_type"
        )
        self.dead_letters_waiting = make.gauge(
            "dead_letters_waiting", "Dead letters kept in the store until their topic takes them"
        )
        self.dead_letters_dropped = make.counter(
            "dead_letters_dropped",
            "Dead letters that their topic never took, dropped from the store",
            "reason",
        )
        self.batch_time = make.histogram(
            "batch_time_seconds", "From the read of a batch to its commit", _SEND_BUCKETS
        )
        self.consumer_lag = make.gauge(
            "consumer_lag_records", "Records not read yet", "topic", "partition"
        )
        self.records_lost = make.counter(
            "records_lost", "Records that were deleted before they were read", "topic", "partition"
        )
        self.partitions_cut = make.counter(
            "partitions_cut",
            "Times that a partition ended before the next offset and was read from its start",
            "topic",
            "partition",
        )
        self.heartbeat_age = make.gauge(
            "heartbeat_age_seconds", "How long the thread has been at its step", "thread"
        )
        self.consuming = make.gauge("consuming", "1 while partitions are assigned and read")

    def _create_rules(self, make: _Family) -> None:
        self.rules_loaded = make.gauge("rules_loaded", "Enabled rules in force")
        self.rules_outdated = make.gauge(
            "rules_outdated", "1 while the rule files hold faults, so that older rules are in force"
        )
        self.watchlist_rows = make.gauge(
            "watchlist_rows",
            "Rows of the watchlist in force, those left out not among them",
            "watchlist",
        )
        self.watchlist_refused = make.gauge(
            "watchlist_refused",
            "1 while the watchlist's file has too few rows, so that the list before is in force",
            "watchlist",
        )
        self.rule_reloads = make.counter(
            "rule_reloads", "Loads of changed rule files and watchlists", "outcome"
        )
        self.rules_matched = make.counter(
            "rules_matched", "Events on which the rule held", "rule_id", "priority"
        )
        self.rule_errors = make.counter(
            "rule_errors", "Events on which the rule's evaluation failed", "rule_id", "error_type"
        )
        self.rule_evaluation_time = make.histogram(
            "rule_evaluation_time_seconds",
            "Time to evaluate all rules on one event",
            _EVALUATION_BUCKETS,
        )

    def _create_alerts(self, make: _Family) -> None:
        self.alerts_triggered = make.counter(
            "alerts_triggered", "Alerts stored that nobody had silenced", "rule_id"
        )
        self.alerts_rate_limited = make.counter(
            "alerts_rate_limited", "Matches suppressed by the rule's cooldown", "rule_id"
        )
        self.matches_out_of_time = make.counter(
            "matches_out_of_time",
            "Matches outside of the rule's active time intervals, or inside of a muting one",
            "rule_id",
            "verdict",
        )
        self.alerts_expired = make.counter(
            "alerts_expired", "Alerts too old to be sent, stored only", "rule_id"
        )
        self.alerts_silenced = make.counter(
            "alerts_silenced", "Matches that a silence kept from being sent", "rule_id"
        )
        self.alerts_unrouted = make.counter(
            "alerts_unrouted", "Alerts of rules that have no enabled channel", "rule_id"
        )
        self.template_errors = make.counter(
            "template_errors", "Placeholders that failed and were rendered as ?", "rule_id"
        )
        self.dedup_key_absent = make.counter(
            "dedup_key_absent", "Matches whose key was null or empty: camera and track", "rule_id"
        )
        self.dedup_key_errors = make.counter(
            "dedup_key_errors", "Matches whose key failed: camera and track", "rule_id"
        )
        self.alert_latency = make.histogram(
            "alert_latency_seconds",
            "From the read of the event to the alert's first hand-over to a channel",
            _LATENCY_BUCKETS,
        )

    def _create_channels(self, make: _Family) -> None:
        self.notifications_sent = make.counter(
            "notifications_sent", "Deliveries that the channel took", "channel", "rule_id"
        )
        self.messages = make.counter(
            "messages", "Messages that the channel took, of one alert or several", "channel", "kind"
        )
        self.notifications_failed = make.counter(
            "notifications_failed", "Tries that failed", "channel", "error_type"
        )
        self.notifications_dead = make.counter(
            "notifications_dead", "Deliveries given up for good", "channel", "reason"
        )
        self.notification_retries = make.counter(
            "notification_retries", "Tries after a delivery's first", "channel"
        )
        self.notification_send_time = make.histogram(
            "notification_send_time_seconds", "Time of one try to send", _SEND_BUCKETS, "channel"
        )
        self.deliveries_waiting = make.gauge(
            "deliveries_waiting", "Deliveries not done yet", "channel"
        )
        self.channel_held = make.gauge("channel_held", "Targets of the channel on hold", "channel")
        self.channel_holds = make.counter(
            "channel_holds", "Times that a target of the channel was put on hold", "channel"
        )

    def _create_store(self, make: _Family) -> None:
        self.store_writable = make.gauge("store_writable", "1 while the store takes writes")
        self.store_rows = make.gauge("store_rows", "Rows in the store", "table")
        self.replicas = make.gauge("replicas", "Engines that run on the store, this one too")
        self.replicas_disagree = make.gauge(
            "replicas_disagree", "1 while engines on the store have different rules"
        )
        self.store_errors = make.counter("store_errors", "Reads and writes that the store refused")

    def _create_log(self, make: _Family) -> None:
        self.log_lines_lost = make.counter(
            "log_lines_lost", "Log lines that could not be written, because nobody reads them"
        )


class _NoCounter(Counter):
    def labels(self, *values: Any, **named: Any) -> Self:
        return self

    def inc(self, amount: float = 1, exemplar: dict[str, str] | None = None) -> None:
        """Nothing."""


class _NoHistogram(Histogram):
    def labels(self, *values: Any, **named: Any) -> Self:
        return self

    def observe(self, amount: float, exemplar: dict[str, str] | None = None) -> None:
        """Nothing."""


def uncounted() -> Metrics:
    """Metrics whose counters and histograms stay at zero, for a simulation, which nobody asks.

    To count by rule would take a third of its time.
    """
    metrics = Metrics()
    counter, histogram = (
        _NoCounter("none", "", registry=None),
        _NoHistogram("no", "", registry=None),
    )
    for name, each in vars(metrics).items():
        if isinstance(each, Counter):
            setattr(metrics, name, counter)
        elif isinstance(each, Histogram):
            setattr(metrics, name, histogram)
    return metrics
