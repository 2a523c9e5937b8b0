"""Snapshots: immutable, complete, and JSON by msgspec."""

from __future__ import annotations

import time

import msgspec
import pytest

from tests.harness import Servers, Udp, configuration, proxy
from udplb.core.settings import FlowTerms, HealthSettings
from udplb.engine.control.requests import Explain, Flows
from udplb.engine.snapshot import Snapshot, summed


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
            p.until(lambda p: p.listener.dropped and p.snapshot.totals.replies == 5)
            return msgspec.structs.replace(p.snapshot, window=p.ask(Flows()))


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


def test_backends_whom_nothing_has_happened_to(snapshot: Snapshot) -> None:
    (cluster,) = snapshot.clusters
    assert (cluster.name, cluster.probe, cluster.all_down, cluster.fail_open) == (
        "c", "off", False, True,
    )  # fmt: skip
    for each in cluster.backends:
        assert (each.up, each.reason, each.changed_at) == (True, "", None)
        assert (each.standing, each.ejections) == ("trusted", 0)
        assert each.probe_latency_s is each.answered_share is None
        assert each.drain is None
        assert not each.draining
        assert (each.refusals, each.unreachable, each.resent) == (0, 0, 0)
        assert snapshot.window is not None
        waits = [row.first_reply_s for row in snapshot.window.rows if row.backend == each.name]
        assert len(waits) >= 2
        assert each.first_reply_s == pytest.approx(sum(wait or 0.0 for wait in waits) / len(waits))
    assert all(each.resent == 0 for each in snapshot.listeners)


def test_a_backend_without_a_reply_has_no_mean_time_to_one() -> None:
    backend = Udp()
    with proxy(configuration(backend.name, ("127.0.0.1", 9))) as p:
        Udp().sendto(b"x", p.at)
        p.until(lambda p: p.listener.requests == 1)
        assert [each.first_reply_s for each in p.backends] == [None, None]


def test_a_backend_that_is_down_or_drains_says_so_in_json() -> None:
    health = HealthSettings(refusals=1, fail_open=False)
    with (
        Servers(2) as servers,
        proxy(configuration(*servers.names, health=health, on_backend_down="move")) as p,
    ):
        clients = [Udp() for _ in range(2)]
        for client in clients:
            client.ask(b"x", p.at)
        p.drain("c", "b1", deadline_s=60, at_deadline="close")
        servers.kill(0)
        before = time.time()
        clients[0].sendto(b"in vain", p.at)
        p.until(lambda p: not p.backends[0].up and p.backends[1].drain is not None)
        snapshot, (down, draining) = p.snapshot, p.backends
        assert down.changed_at is not None
        assert before - 1 < down.changed_at < time.time() + 1, "in seconds since the epoch"
        assert (down.standing, down.ejections) == ("ejected", 1)
        assert draining.drain is not None
        assert draining.drain.deadline_s is not None
        assert 0 <= draining.drain.lasts_s < 30
        assert abs(draining.drain.lasts_s + draining.drain.deadline_s - 60) < 0.001
        assert (draining.drain.way, draining.drain.drained) == ("close", False)
        assert snapshot.clusters[0].all_down
        assert not snapshot.clusters[0].fail_open
    assert msgspec.json.decode(msgspec.json.encode(snapshot), type=Snapshot) == snapshot


def test_the_totals_tell_of_probes() -> None:
    silent = [Udp() for _ in range(3)]
    health = HealthSettings(probe="udp", send=b"ping", interval=60.0, timeout=60.0)
    with proxy(configuration(*(each.name for each in silent), health=health)) as p:
        p.until(lambda p: p.snapshot.totals.probes_in_flight == 3)
        p.engine.forwarding.clusters.checker.not_made = 7
        p.until(lambda p: p.snapshot.totals.probes_not_made == 7)
        last = p.stop()
    assert (last.totals.probes_in_flight, last.totals.probes_not_made) == (0, 7)


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


def test_sums_by_reason() -> None:
    assert summed([{"a": 1, "b": 2}, {"a": 3}]) == {"a": 4, "b": 2}


def test_a_flow_says_when_its_deadline_is() -> None:
    terms = FlowTerms(front_timeout=60.0, back_timeout=30.0)
    with Servers() as servers, proxy(configuration(*servers.names, terms=terms)) as p:
        Udp().ask(b"x", p.at)
        (row,) = p.ask(Flows()).rows
        assert row.ends_in_s is not None
        assert row.ends_in_s + row.age_s == pytest.approx(60.0), "front_timeout after its request"
        (flow,) = p.ask(Explain(listener="l0", client=row.client)).flows
        assert flow.ends_in_s == pytest.approx(60.0 - flow.age_s), "the same as in an explanation"


def test_how_many_flows_a_mean_is_of() -> None:
    with Servers() as servers, proxy(configuration(*servers.names)) as p:
        for _ in range(3):
            Udp().ask(b"x", p.at)
        p.until(lambda p: p.backends[0].first_replies == 3)
