"""How far each lost alert came: its record in Kafka, the group's offset, the alert in the store.

It says whose fault a loss is. A record that the topic lacks was lost by the broker; one that is
committed and has no alert, by the engine's stream; an alert that is stored and marked as sent, by
the delivery or by the receiver.
"""

from __future__ import annotations

import re
from collections.abc import Sequence, Set
from typing import Final

from confluent_kafka import Consumer, TopicPartition

from engine.store import OpenMode, StoredAlert, open_store
from tests.chaos.judge import Lost
from tests.chaos.scene import Scene
from tests.support.offsets import committed
from tests.support.patience import PATIENCE_SECONDS
from tests.support.site import Site

MOST_ALERTS: Final = 1_000_000
_BATCH: Final = 10_000
#: An event's first text of this form is its id.
_ID: Final = re.compile(rb"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def trace(scene: Scene, lost: Sequence[Lost]) -> list[str]:
    """One line for each of them; to be called while the broker and the store are there."""
    if not lost:
        return []
    ids = {each.match.event.event_id for each in lost}
    places = _places(scene.site, ids)
    offsets = committed(scene.site.broker.bootstrap_servers, scene.site.group, scene.site.topic)
    alerts = _alerts(scene.state_url, ids)
    return [_line(each, places, offsets, alerts) for each in lost]


def _line(
    lost: Lost,
    places: dict[str, list[tuple[int, int]]],
    offsets: dict[int, int],
    alerts: dict[tuple[str, str], StoredAlert],
) -> str:
    rule_id, event_id = lost.match.rule.rule_id, lost.match.event.event_id
    records = [
        f"partition {partition} offset {offset} ({offsets[partition]} is committed)"
        for partition, offset in places.get(event_id, [])
    ]
    alert = alerts.get((rule_id, event_id))
    told = [
        f"{each.channel} is {each.state} after {each.tries} tries, changed at {each.changed_us}"
        f" {each.reason} {each.detail}".rstrip()
        for each in (alert.deliveries if alert else ())
        if each.channel == lost.recipient
    ]
    return (
        f"{rule_id} {event_id} at {lost.recipient}:"
        f" record {', '.join(records) or 'none in the topic'};"
        f" alert {f'{alert.alert.alert_id} stored at {alert.stored_us}' if alert else 'none'};"
        f" delivery {', '.join(told) or 'none'}"
    )


def _places(site: Site, event_ids: Set[str]) -> dict[str, list[tuple[int, int]]]:
    """Partition and offset of each record of these events that the broker has."""
    consumer = Consumer(
        {
            "bootstrap.servers": site.broker.bootstrap_servers,
            "group.id": f"{site.group}-trace",
            "enable.auto.commit": False,
        }
    )
    places: dict[str, list[tuple[int, int]]] = {}
    try:
        for number in (
            consumer.list_topics(site.topic, PATIENCE_SECONDS).topics[site.topic].partitions
        ):
            place = TopicPartition(site.topic, number, 0)
            place.offset, end = consumer.get_watermark_offsets(place, PATIENCE_SECONDS)
            consumer.assign([place])
            position = place.offset
            while position < end:
                messages = consumer.consume(min(_BATCH, end - position), PATIENCE_SECONDS)
                assert messages, f"partition {number} ends at {position} and not at {end}"
                for message in messages:
                    found = _ID.search(message.value() or b"")
                    position = (message.offset() or 0) + 1
                    if found and (event_id := found[0].decode()) in event_ids:
                        places.setdefault(event_id, []).append((number, position - 1))
    finally:
        consumer.close()
    return places


def _alerts(state_url: str, event_ids: Set[str]) -> dict[tuple[str, str], StoredAlert]:
    """The stored alerts on these events, by rule and event."""
    with open_store(state_url, OpenMode.TOOL) as store:
        return {
            (each.alert.rule_id, event_id): each
            for each in store.archive.alerts(MOST_ALERTS)
            if (event_id := str(each.alert.event.get("event_id"))) in event_ids
        }
