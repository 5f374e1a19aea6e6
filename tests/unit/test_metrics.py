from __future__ import annotations

from importlib.metadata import version

from engine.metrics import PREPARED_RULES, Increments, Metrics


def lines_of(metrics: Metrics) -> list[str]:
    return metrics.exposition().decode().splitlines()


def test_label_pairs_exist_before_the_first_failure() -> None:
    metrics = Metrics()
    metrics.prepare([("r1", "high")], [("email", "r1")], ["no_such_key"])
    metrics.prepare_channel("email", ["timeout"], ["group"])
    lines = lines_of(metrics)
    for expected in (
        'alert_engine_rules_matched_total{priority="high",rule_id="r1"} 0.0',
        'alert_engine_rule_errors_total{error_type="no_such_key",rule_id="r1"} 0.0',
        'alert_engine_alerts_triggered_total{rule_id="r1"} 0.0',
        'alert_engine_alerts_rate_limited_total{rule_id="r1"} 0.0',
        'alert_engine_notifications_sent_total{channel="email",rule_id="r1"} 0.0',
        'alert_engine_notifications_failed_total{channel="email",error_type="timeout"} 0.0',
        'alert_engine_notification_send_time_seconds_count{channel="email"} 0.0',
        "alert_engine_events_consumed_total 0.0",
        "alert_engine_rule_evaluation_time_seconds_count 0.0",
        "alert_engine_rules_loaded 1.0",
    ):
        assert expected in lines


def test_rules_with_time_intervals_have_their_pairs_and_others_none() -> None:
    metrics = Metrics()
    metrics.prepare([("r1", "high"), ("r2", "high")], [], [], ["r1"])
    found = [each for each in lines_of(metrics) if "out_of_time_total{" in each]
    assert found == [
        'alert_engine_matches_out_of_time_total{rule_id="r1",verdict="inactive"} 0.0',
        'alert_engine_matches_out_of_time_total{rule_id="r1",verdict="muted"} 0.0',
    ]


def test_many_rules_get_their_pairs_at_first_use_only() -> None:
    metrics = Metrics()
    metrics.prepare([(f"r{n}", "low") for n in range(PREPARED_RULES + 1)], [], ["type"])
    assert not any("rule_id=" in line for line in lines_of(metrics))
    assert f"alert_engine_rules_loaded {PREPARED_RULES + 1}.0" in lines_of(metrics)


def test_two_engines_in_one_process_do_not_share_metrics() -> None:
    first, second = Metrics(), Metrics()
    first.events_consumed.inc()
    assert "alert_engine_events_consumed_total 0.0" in lines_of(second)


def test_a_total_sums_over_all_labels() -> None:
    metrics = Metrics()
    metrics.alerts_triggered.labels("a").inc(2)
    metrics.alerts_triggered.labels("b").inc(3)
    assert metrics.total("alerts_triggered_total") == 5
    assert metrics.total("nothing_total") == 0


def test_the_version_is_a_metric() -> None:
    expected = f'alert_engine_build_info{{version="{version("alpr-alert-engine")}"}} 1.0'
    assert expected in lines_of(Metrics())


def test_lists_that_are_gone_are_forgotten() -> None:
    metrics = Metrics()
    metrics.show_watchlists({"stolen": 1_200, "staff": 3})
    assert 'alert_engine_watchlist_rows{watchlist="stolen"} 1200.0' in lines_of(metrics)
    metrics.show_watchlists({"staff": 4})
    lines = [line for line in lines_of(metrics) if line.startswith("alert_engine_watchlist_rows")]
    assert lines == ['alert_engine_watchlist_rows{watchlist="staff"} 4.0']


def test_every_list_says_whether_it_is_refused() -> None:
    metrics = Metrics()
    metrics.show_refused({"stolen": True, "staff": False})
    assert metrics.total("watchlist_refused") == 1
    metrics.show_refused({"staff": False})
    lines = [line for line in lines_of(metrics) if line.startswith("alert_engine_watchlist_ref")]
    assert lines == ['alert_engine_watchlist_refused{watchlist="staff"} 0.0']


def test_lost_log_lines_are_counted_from_their_total() -> None:
    metrics = Metrics()
    for total in (0, 3, 3, 10):
        metrics.show_lost_lines(total)
    assert metrics.total("log_lines_lost_total") == 10


def test_every_metric_of_a_channel_alone_has_its_label_before_the_first_delivery() -> None:
    metrics = Metrics()
    metrics.prepare_channel("email", [], [])
    unprepared = [
        name
        for name, metric in vars(metrics).items()
        if getattr(metric, "_labelnames", ()) == ("channel",) and not metric._metrics
    ]
    assert unprepared == []


def test_increments_are_added_together_when_they_are_applied() -> None:
    metrics, increments = Metrics(), Increments()
    increments.add(metrics.alerts_triggered, "r1")
    increments.add(metrics.alerts_triggered, "r1", amount=2)
    increments.add(metrics.events_duplicate)
    assert metrics.total("alerts_triggered_total") == 0
    increments.apply()
    assert metrics.total("alerts_triggered_total") == 3
    assert metrics.total("events_duplicate_total") == 1
