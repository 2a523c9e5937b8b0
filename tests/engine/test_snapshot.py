"""Snapshots: immutable, complete, and JSON by msgspec."""

from __future__ import annotations

import msgspec
import pytest

from tests.harness import Servers, Udp, configuration, proxy
from udplb.core.settings import FlowTerms
from udplb.engine.ranking import FlowQuery
from udplb.engine.snapshot import Snapshot


def picture() -> Snapshot:
    terms = FlowTerms(requests=3)
    with Servers(2) as servers:
        settings = configuration(
            *servers.names, listen=["127.0.0.1", "0.0.0.0"], terms=terms, max_flows=5
        )
        with proxy(settings) as p:
            for number in range(4):
                assert Udp().ask(b"x" * number + b"y", p.at)
            second = int(p.snapshot.listeners[1].address.rpartition(":")[2])
            assert Udp().ask(b"on the second", ("127.0.0.1", second))
            Udp().sendto(b"", p.at)
            p.engine.look_at_flows(FlowQuery())
            p.until(
                lambda p: (
                    p.snapshot.window is not None
                    and p.listener.dropped
                    and p.snapshot.totals.replies == 5
                )
            )
            return p.snapshot


@pytest.fixture(scope="module")
def snapshot() -> Snapshot:
    return picture()


def test_nothing_in_it_can_be_changed(snapshot: Snapshot) -> None:
    with pytest.raises(AttributeError):
        snapshot.state = "other"  # type: ignore[misc]
    with pytest.raises(AttributeError):
        snapshot.totals.flows = 3  # type: ignore[misc]
    assert isinstance(snapshot.listeners, tuple)
    assert isinstance(snapshot.clusters, tuple)
    assert isinstance(snapshot.clusters[0].backends, tuple)


def test_travels_as_json(snapshot: Snapshot) -> None:
    assert msgspec.json.decode(msgspec.json.encode(snapshot), type=Snapshot) == snapshot


def test_totals_are_the_sums(snapshot: Snapshot) -> None:
    for field in ("requests", "request_bytes", "replies", "reply_bytes", "flows", "admitted"):
        parts = [getattr(each, field) for each in snapshot.listeners]
        assert getattr(snapshot.totals, field) == sum(parts)
        backends = [getattr(each, field) for each in snapshot.clusters[0].backends]
        assert sum(backends) == sum(parts), "backends and listeners count the same datagrams"
    assert snapshot.totals.requests == snapshot.totals.replies == 5
    assert snapshot.totals.request_bytes == 1 + 2 + 3 + 4 + 13
    assert snapshot.totals.dropped == 1
    assert snapshot.listeners[0].dropped == {"empty": 1}


def test_rows_say_what_flows_did(snapshot: Snapshot) -> None:
    assert snapshot.window is not None
    rows = snapshot.window.rows
    assert snapshot.window.matched == len(rows) == 5
    for row in rows:
        assert row.state == "current"
        assert (row.requests, row.replies) == (1, 1)
        assert 0 <= row.idle_s <= row.age_s
        assert row.first_reply_s is not None
        assert row.first_reply_s >= 0
        assert row.client.startswith("127.0.0.1:")
    assert {row.listener for row in rows} == {"l0", "l1"}


def test_the_kernels_own_losses_are_seen() -> None:
    """A listener that is not read in time: what its buffer did not take is in the picture."""
    import dataclasses

    settings = configuration(("127.0.0.1", 9), max_flows=1)
    (one,) = settings.listeners
    settings = dataclasses.replace(
        settings, listeners=(dataclasses.replace(one, receive_buffer=16_384),)
    )
    with proxy(settings) as p:
        blocked = p.look_away()
        client = Udp()
        for _ in range(400):
            client.sendto(b"x" * 1_000, p.at)
        blocked.set()
        p.until(lambda p: p.listener.kernel_drops > 0)
        p.until(lambda p: p.listener.requests + p.listener.kernel_drops >= 400)
        assert p.snapshot.totals.kernel_drops >= p.listener.kernel_drops
        assert p.listener.receive_queued == 0
