from __future__ import annotations

from channels.alert import Alert, Priority
from engine.delivery.target_queue import WaitingDeliveries
from engine.store import Delivery

ALERT = Alert("a1", "r1", "A rule", Priority.LOW, "text", "", "")


def delivery(delivery_id: int) -> Delivery:
    return Delivery(delivery_id, ALERT, "mail", "mail/ann", 0, 0)


def filled(*delivery_ids: int, has_more: bool = False) -> WaitingDeliveries:
    queue = WaitingDeliveries()
    queue.begin_page()
    queue.end_page([delivery(each) for each in delivery_ids], has_more=has_more)
    return queue


def claimed(queue: WaitingDeliveries) -> int | None:
    taken = queue.claim()
    return taken.delivery_id if taken else None


def test_a_new_queue_knows_of_no_work() -> None:
    queue = WaitingDeliveries()
    assert not queue.has_work
    assert not queue.needs_page
    assert queue.claim() is None


def test_a_page_is_claimed_in_its_order() -> None:
    queue = filled(3, 1)
    assert [claimed(queue), claimed(queue), claimed(queue)] == [3, 1, None]
    assert queue.claimed == {3, 1}


def test_a_page_that_was_full_is_followed_by_another() -> None:
    queue = filled(1, has_more=True)
    assert not queue.needs_page
    queue.claim()
    assert queue.needs_page


def test_a_page_that_was_not_full_is_the_last() -> None:
    queue = filled(1)
    queue.claim()
    assert not queue.needs_page
    assert not queue.has_work


def test_news_make_the_page_be_read_again() -> None:
    queue = filled(1, 2)
    queue.look_again()
    assert queue.needs_page
    queue.begin_page()
    assert queue.claim() is None


def test_one_reads_the_store_at_a_time() -> None:
    queue = WaitingDeliveries()
    queue.look_again()
    queue.begin_page()
    queue.look_again()
    assert not queue.needs_page
    queue.end_page([], has_more=False)
    assert queue.needs_page


def test_what_is_put_back_is_looked_for_again_and_what_is_settled_is_not() -> None:
    queue = filled(1, 2)
    queue.claim()
    queue.claim()
    queue.remove(1)
    assert not queue.has_work
    queue.put_back(2)
    assert queue.needs_page
    assert not queue.claimed
