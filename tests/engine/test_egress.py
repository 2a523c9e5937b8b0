"""Egress queues: bounds at the limit, one below and one above, and order."""

from __future__ import annotations

from udplb.core.train import Train
from udplb.engine.egress import EgressQueue


def train(size: int, name: int = 0) -> Train:
    return Train.of([bytes([name]) * size])


def test_first_in_first_out() -> None:
    queue: EgressQueue[str] = EgressQueue(10, 1_000)
    for name in range(5):
        assert queue.append(f"way {name}", train(10, name))
    assert [queue.pop() for _ in range(5)] == [(f"way {n}", train(10, n)) for n in range(5)]
    assert not queue


def test_trains_at_the_limit() -> None:
    queue: EgressQueue[None] = EgressQueue(3, 1_000)
    assert [queue.append(None, train(1)) for _ in range(4)] == [True, True, True, False]
    assert len(queue) == 3
    queue.pop()
    assert [queue.append(None, train(1)) for _ in range(2)] == [True, False]


def test_bytes_at_the_limit() -> None:
    for size, fits in ((99, True), (100, True), (101, False)):
        queue: EgressQueue[None] = EgressQueue(9, 1_000)
        assert queue.append(None, train(900))
        assert queue.append(None, train(size)) is fits


def test_what_is_taken_out_makes_room() -> None:
    queue: EgressQueue[None] = EgressQueue(9, 1_000)
    for _ in range(50):
        assert queue.append(None, train(700))
        assert not queue.append(None, train(301))
        queue.pop()


def test_a_rest_that_is_put_back_stays_first_and_counts() -> None:
    queue: EgressQueue[None] = EgressQueue(9, 1_000)
    queue.append(None, train(600, 1))
    queue.append(None, train(400, 2))
    queue.pop()
    queue.put_back(None, train(500, 3))
    assert not queue.append(None, train(101))
    assert queue.append(None, train(100, 4))
    assert [queue.pop()[1] for _ in range(3)] == [train(500, 3), train(400, 2), train(100, 4)]


def test_a_refused_train_leaves_no_trace() -> None:
    queue: EgressQueue[None] = EgressQueue(2, 10)
    assert not queue.append(None, train(11))
    assert len(queue) == 0
    assert queue.append(None, train(10))


def test_there_is_room_for_the_first_datagrams_of_a_large_train() -> None:
    queue = EgressQueue[str](trains_max=2, bytes_max=100)
    train = Train.of([b"x" * 40] * 4)
    assert queue.room_for(train) == 2
    assert not queue.append("way", train)
    assert queue.append("way", train.split(2)[0])
    assert queue.room_for(train) == 0
    assert queue.room_for(Train.of([b"", b"y" * 20, b"z"])) == 2
    assert queue.append("way", Train.of([b""]))
    assert queue.room_for(Train.of([b""])) == 0, "two trains are all that may wait"
