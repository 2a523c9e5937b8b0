"""The shell that answers at once: every flow opens, every train passes, every flow expires."""

from __future__ import annotations

import itertools

import pytest

from bench import core_alone
from bench.core_alone import Bench, client_address, orders, run

FLOWS = 200


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few trains, and the collector as it was."""
    monkeypatch.setattr(core_alone, "PICKED", 50)
    monkeypatch.setattr(core_alone, "spare_the_datapath", lambda: None)


def test_flows_open_forward_and_expire() -> None:
    bench = Bench(FLOWS)
    bench.fill()
    assert len(bench.flows) == len(bench.manager.slab) == FLOWS
    bench.manager.check_invariants()
    bench.trains(itertools.cycle(range(FLOWS)))
    counters = bench.manager.counters
    assert counters.admitted == FLOWS
    assert counters.requests == FLOWS + 50 * core_alone.TRAIN
    assert counters.replies == 50 * core_alone.TRAIN
    bench.expire()
    assert bench.closed == FLOWS
    assert len(bench.manager.slab) == 0


def test_clients_differ_and_come_again() -> None:
    clients = [client_address(number) for number in range(120_000)]
    assert len(set(clients)) == len(clients)
    assert client_address(70_000) == clients[70_000]
    assert client_address(70_000) is not clients[70_000]


def test_every_order_stays_within_the_table() -> None:
    for order in orders(FLOWS).values():
        assert set(itertools.islice(order, 1_000)) <= set(range(FLOWS))
    busy = orders(1_000_000)["busy_train_us"]
    assert len(set(itertools.islice(busy, 5_000))) <= core_alone.BUSY


def test_all_figures_come() -> None:
    assert set(run(FLOWS, 0.0)) == {
        "train_us", "random_train_us", "busy_train_us", "admit_us", "memory_kib", "expiry_s",
        "longest_ms",
    }  # fmt: skip
