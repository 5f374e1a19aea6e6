"""Every Prometheus metric of the engine, with its labels; nothing else names one.

Label pairs are created at start (`Metrics.prepare`), so that a zero is visible before the first
failure; above `PREPARED_RULES` rules they appear at first use, which bounds memory and scrape time.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

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
CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

_EVALUATION_BUCKETS = (1e-5, 1e-4, 5e-4, 1e-3, 5e-3, 1e-2, 5e-2, 0.1, 0.5, 1)
_SEND_BUCKETS = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_LATENCY_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30, 300)


class Metrics:
    """The metrics of one engine, in a registry of their own."""

    def __init__(self) -> None:
        registry = CollectorRegistry()
        self.registry: Final = registry
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=registry)

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"alert_engine_{name}", text, labels, registry=registry)

        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return Gauge(f"alert_engine_{name}", text, labels, registry=registry)

        def histogram(name: str, text: str, buckets: Iterable[float], *labels: str) -> Histogram:
            return Histogram(
                f"alert_engine_{name}", text, labels, registry=registry, buckets=tuple(buckets)
            )

        self.events_consumed = counter("events_consumed", "Plate events read and decoded")
        self.tombstones = counter("tombstones", "Records without a value, skipped")
        self.events_duplicate = counter("events_duplicate", "Matches of events stored already")
        self.event_time_replaced = counter(
            "event_time_replaced",
            "Events whose captured_at was unusable, so the Kafka timestamp counts",
            "reason",
        )
        self.rules_matched = counter(
            "rules_matched", "Rules that held on an event", "rule_id", "priority"
        )
        self.rule_errors = counter(
            "rule_errors", "Rules whose evaluation failed on an event", "rule_id", "error_type"
        )
        self.rule_evaluation_time = histogram(
            "rule_evaluation_time_seconds",
            "Time to evaluate all rules on one event",
            _EVALUATION_BUCKETS,
        )
        self.template_errors = counter(
            "template_errors", "Placeholders that failed and were rendered as ?", "rule_id"
        )
        self.dedup_key_errors = counter(
            "dedup_key_errors", "Alerts without cooldown, their key being null or failed", "rule_id"
        )
        self.alerts_triggered = counter("alerts_triggered", "Alerts stored", "rule_id")
        self.alerts_rate_limited = counter(
            "alerts_rate_limited", "Matches suppressed by their rule's cooldown", "rule_id"
        )
        self.alerts_expired = counter(
            "alerts_expired", "Alerts too old to be sent, stored only", "rule_id"
        )
        self.alerts_unrouted = counter(
            "alerts_unrouted", "Alerts of rules that have no enabled channel", "rule_id"
        )
        self.notifications_sent = counter(
            "notifications_sent", "Deliveries that a channel took", "channel", "rule_id"
        )
        self.notifications_failed = counter(
            "notifications_failed", "Tries that failed, by reason", "channel", "error_type"
        )
        self.notifications_dead = counter(
            "notifications_dead", "Deliveries given up for good", "channel", "reason"
        )
        self.notification_retries = counter(
            "notification_retries", "Tries after the first", "channel"
        )
        self.notification_send_time = histogram(
            "notification_send_time_seconds", "Time of one try to send", _SEND_BUCKETS, "channel"
        )
        self.alert_latency = histogram(
            "alert_latency_seconds",
            "From reading the event to the first try of a delivery",
            _LATENCY_BUCKETS,
        )
        self.deliveries_waiting = gauge("deliveries_waiting", "Deliveries not yet done", "channel")
        self.channel_held = gauge("channel_held", "Targets of the channel on hold", "channel")
        self.channel_holds = counter("channel_holds", "Times a target was put on hold", "channel")
        self.dead_letters = counter(
            "dead_letters", "Records handed to the dead-letter topic", "error_type"
        )
        self.dead_letters_waiting = gauge(
            "dead_letters_waiting", "Dead letters kept in the store until their topic takes them"
        )
        self.store_rows = gauge("store_rows", "Rows in the store", "table")
        self.store_errors = counter("store_errors", "Writes to the store that failed")
        self.batch_time = histogram(
            "batch_time_seconds", "From a batch's poll to its commit", _SEND_BUCKETS
        )
        self.consumer_lag = gauge(
            "consumer_lag_records", "Records not yet read", "topic", "partition"
        )
        self.consuming = gauge("consuming", "1 while partitions are assigned and being read")
        self.rules_loaded = gauge("rules_loaded", "Enabled rules in force")
        self.rule_reloads = counter("rule_reloads", "Reloads of the rule files", "result")

    def prepare(
        self,
        rules: Iterable[tuple[str, str]],
        notified: Iterable[tuple[str, str]],
        error_types: Iterable[str],
    ) -> None:
        """Create the label pairs of `rules` (id, priority) and `notified` (channel, rule id).

        `error_types` are the kinds that an evaluation error can have.
        """
        rules, error_types = tuple(rules), tuple(error_types)
        self.rules_loaded.set(len(rules))
        for reason in ("unreadable", "future", "past"):
            self.event_time_replaced.labels(reason)
        for error_type in ("SCHEMA_VALIDATION", "PROCESSING_FAILURE"):
            self.dead_letters.labels(error_type)
        if len(rules) > PREPARED_RULES:
            return
        for rule_id, priority in rules:
            self.rules_matched.labels(rule_id, priority)
            for error_type in error_types:
                self.rule_errors.labels(rule_id, error_type)
            for metric in (
                self.alerts_triggered,
                self.alerts_rate_limited,
                self.alerts_expired,
                self.alerts_unrouted,
                self.template_errors,
                self.dedup_key_errors,
            ):
                metric.labels(rule_id)
        for channel, rule_id in notified:
            self.notifications_sent.labels(channel, rule_id)

    def prepare_channel(self, channel: str, reasons: Iterable[str]) -> None:
        """Create every label pair of one channel; `reasons` are why a try can fail."""
        for reason in reasons:
            self.notifications_failed.labels(channel, reason)
        for metric in (
            self.notification_retries,
            self.notification_send_time,
            self.deliveries_waiting,
            self.channel_held,
            self.channel_holds,
        ):
            metric.labels(channel)

    def exposition(self) -> bytes:
        """The text that `/metrics` answers."""
        return generate_latest(self.registry)
