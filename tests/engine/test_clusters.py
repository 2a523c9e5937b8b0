"""Clusters at work: drains, forecasts, what is told to whom, and the way to the probes."""

from __future__ import annotations

import asyncio
import logging
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace

import pytest

from tests.harness import (
    Events,
    Proxy,
    Servers,
    Udp,
    configuration,
    open_descriptors,
    proxy,
    until,
)
from tests.traffic import Traffic
from udplb.core import health as core_health
from udplb.core.cluster import Cluster
from udplb.core.settings import AtDeadline, FlowTerms, HealthSettings, OnBackendDown, Probe
from udplb.engine import clusters as clusters_module
from udplb.engine import forecasts
from udplb.engine.clusters import Clusters
from udplb.engine.control.requests import Refused
from udplb.engine.events import (
    BackendCameUp,
    BackendDrainBegan,
    BackendDrained,
    BackendDrainEnded,
    BackendDrainExpired,
    BackendWentDown,
    ClusterWentDown,
    EventBus,
)
from udplb.engine.snapshot import DrainSnapshot

PROBING = HealthSettings(probe="udp", send=b"alive?", interval=0.2, timeout=0.2, fall=3, rise=2)
FOUND_WITHIN_S = 3 * 0.2 + 0.2
"""DESIGN.md: fall x interval + timeout."""


# Drains: what is told


@pytest.mark.parametrize(
    ("cluster", "backend", "message"),
    [
        ("c", "b7", "cluster c has no backend b7"),
        ("c", "127.0.0.1:1", "cluster c has no backend 127.0.0.1:1"),
        ("c", "", "cluster c has no backend"),
        ("d", "b0", "there is no cluster d"),
    ],
)
def test_who_is_not_there_cannot_be_drained(cluster: str, backend: str, message: str) -> None:
    with Servers() as servers, proxy(configuration(*servers.names)) as p:
        for act in (p.drain, p.undrain):
            with pytest.raises(Refused, match=f"^{message}") as refused:
                act(cluster, backend)
            assert refused.value.code == "not_found"
        assert Udp().ask(b"x", p.at) == b"x"
        assert not p.backends[0].draining


@pytest.mark.parametrize("by", ["name", "address"])
def test_an_empty_backend_is_drained_at_once(by: str, caplog: pytest.LogCaptureFixture) -> None:
    with (
        caplog.at_level(logging.INFO, logger="udplb"),
        Servers(2) as servers,
        proxy(configuration(*servers.names)) as p,
    ):
        events = Events(p.engine)
        address = "{}:{}".format(*servers.names[1])
        p.drain("c", "b1" if by == "name" else address)
        drained = events.first(BackendDrained)
        assert (drained.cluster, drained.backend, drained.address) == ("c", "b1", address)
        assert 0 <= drained.took_s < 1
        (began,) = events.of(BackendDrainBegan)
        assert (began.flows, began.deadline_s, began.way) == (0, None, "close")
        assert abs(began.at - time.time()) < 60
        for _ in range(10):
            Udp().ask(b"x", p.at)
        p.until(lambda p: p.backends[0].flows == 10)
        drain = p.backends[1].drain
        assert drain is not None
        assert p.backends[1].draining
        assert (drain.drained, drain.deadline_s, drain.way) == (True, None, "close")
        assert len(events.of(BackendDrained)) == 1
    told = [each.getMessage() for each in caplog.records if each.name == clusters_module.__name__]
    assert told == [
        f"cluster c: backend b1 ({address}) drains, with 0 flows",
        f"cluster c: backend b1 ({address}) is drained, after 0.0 s",
    ]
    kinds = [type(each) for each in events.all]
    assert kinds.index(BackendDrainBegan) < kinds.index(BackendDrained)


def test_a_drain_goes_on_until_the_last_flow_has_ended() -> None:
    """500 live flows under traffic: no new one on the backend, and nothing lost."""
    terms = FlowTerms(front_timeout=1.5, back_timeout=1.5)
    with (
        Servers(2) as servers,
        proxy(configuration(*servers.names, terms=terms)) as p,
        Traffic(p.at, rate=1_000, clients=1_000) as sessions,
    ):
        events = Events(p.engine)
        sessions.go_on(1_000)
        p.until(lambda p: [backend.flows for backend in p.backends] == [500, 500])
        p.drain("c", "b0")
        began = events.first(BackendDrainBegan)
        assert (began.flows, began.deadline_s) == (500, None)
        with Traffic(p.at, rate=200, fresh=True) as strangers:
            sessions.go_on(1_500)
            assert p.backends[0].flows == p.backends[0].admitted == 500
            assert p.backends[0].replies > 1_000, "its flows live on"
            assert not events.of(BackendDrained)
            sessions.hush()
            drained = events.first(BackendDrained)
            strangers.go_on(50)
            strangers.hush()
            p.until(lambda p: p.backends[0].flows == 0)
            print(
                sessions.told("\na drain of 500 flows", 0), "; ",
                strangers.told("new clients", 0), f"; drained after {drained.took_s:.2f} s",
                sep="",
            )  # fmt: skip
            assert sessions.lost == strangers.lost == []
        assert p.backends[0].admitted == 500
        assert len(events.of(BackendDrained)) == 1
        assert abs(drained.at - began.at - drained.took_s) < 0.1
        assert not events.of(BackendDrainExpired)
        assert p.listener.dropped == {}


@pytest.mark.parametrize("way", ["move", "close"])
def test_a_drain_with_a_deadline(way: AtDeadline) -> None:
    terms = FlowTerms(back_timeout=0.5)
    with (
        Servers(2) as servers,
        proxy(configuration(*servers.names, terms=terms)) as p,
        Traffic(p.at, rate=1_000, clients=1_000) as sessions,
    ):
        events = Events(p.engine)
        sessions.go_on(1_000)
        p.until(lambda p: [backend.flows for backend in p.backends] == [500, 500])
        p.drain("c", "b0", deadline_s=1.0, at_deadline=way)
        began = events.first(BackendDrainBegan)
        assert (began.deadline_s, began.way) == (1.0, way)
        p.until(lambda p: p.backends[0].drain is not None)
        drain = p.backends[0].drain
        assert drain is not None
        assert drain.deadline_s is not None
        assert 0 < drain.deadline_s <= 1.0
        expired = events.first(BackendDrainExpired)
        late = expired.at - began.at - 1.0
        assert -0.05 < late < 1.0, "within a second of it"
        assert (expired.flows, expired.way) == (500, way)
        drained = events.first(BackendDrained)
        sessions.go_on(1_000)
        assert p.backends[0].admitted == 500
        sessions.hush()
        print(
            sessions.told(f"\na drain's deadline, {way}", 0),
            f"; deadline {late * 1000:+.0f} ms, empty {drained.took_s - 1.0:.2f} s after it",
            sep="",
        )
        p.until(lambda p: p.listener.closed == {"drained": 500})
        assert [backend.flows for backend in p.backends] == [0, 1_000]
        # Whoever closes does not wait for the replies that are on their way.
        assert len(sessions.lost) <= (0 if way == "move" else 20)
        assert not sessions.strange
        assert len(events.of(BackendDrainExpired)) == len(events.of(BackendDrained)) == 1
        if way == "close":
            assert drained.took_s < 1.0 + 1.0


@pytest.mark.parametrize(
    ("on_backend_down", "way"), [("keep", "close"), ("move", "move"), ("close", "close")]
)
def test_the_way_is_that_of_backends_that_go_down(
    on_backend_down: OnBackendDown, way: AtDeadline
) -> None:
    with Servers(2) as servers:
        settings = configuration(*servers.names, on_backend_down=on_backend_down)
        with proxy(settings) as p:
            clients = [Udp() for _ in range(2)]
            for client in clients:
                client.ask(b"x", p.at)
            events = Events(p.engine)
            p.drain("c", "b0", deadline_s=0.0)
            assert events.first(BackendDrainExpired).way == way
            for client in clients:
                assert client.ask(b"y", p.at) == b"y"
            p.until(lambda p: p.backends[0].requests == 1)


def test_an_undrained_backend_takes_new_flows_again() -> None:
    with Servers(2) as servers, proxy(configuration(*servers.names)) as p:
        events = Events(p.engine)
        clients = [Udp() for _ in range(10)]
        for client in clients:
            client.ask(b"x", p.at)
        p.drain("c", "b0", deadline_s=60)
        p.until(lambda p: p.backends[0].draining)
        for _ in range(4):
            Udp().ask(b"x", p.at)
        p.until(lambda p: [backend.admitted for backend in p.backends] == [5, 9])
        p.undrain("c", "b0")
        ended = events.first(BackendDrainEnded)
        assert (ended.cluster, ended.backend) == ("c", "b0")
        p.until(lambda p: not p.backends[0].draining and p.backends[0].drain is None)
        for _ in range(4):
            Udp().ask(b"x", p.at)
        p.until(lambda p: [backend.admitted for backend in p.backends] == [7, 11])
        p.undrain("c", "b0")
        p.drain("c", "b1")
        until(lambda: len(events.of(BackendDrainBegan)) == 2)
        assert len(events.of(BackendDrainEnded)) == 1, "who does not drain is not undrained"
        assert not events.of(BackendDrained)
        assert p.listener.closed == {}


def test_a_backend_that_drains_from_the_start_can_be_undrained() -> None:
    with Servers(2) as servers:
        settings = configuration(*servers.names)
        (cluster,) = settings.clusters
        first, second = cluster.backends
        backends = (replace(first, state="drain"), second)
        settings = replace(settings, clusters=(replace(cluster, backends=backends),))
        with proxy(settings) as p:
            for _ in range(4):
                Udp().ask(b"x", p.at)
            p.until(lambda p: [backend.admitted for backend in p.backends] == [0, 4])
            assert p.backends[0].draining
            assert p.backends[0].drain is None
            p.undrain("c", "b0")
            p.until(lambda p: not p.backends[0].draining)
            for _ in range(4):
                Udp().ask(b"x", p.at)
            p.until(lambda p: [backend.admitted for backend in p.backends] == [2, 6])


def test_a_second_drain_changes_the_deadline() -> None:
    with Servers(2) as servers, proxy(configuration(*servers.names)) as p:
        for _ in range(2):
            Udp().ask(b"x", p.at)
        events = Events(p.engine)
        p.drain("c", "b0", deadline_s=3_600)
        p.drain("c", "b0", deadline_s=0.2, at_deadline="close")
        assert events.first(BackendDrained).took_s < 10
        assert len(events.of(BackendDrainExpired)) == 1
        p.until(lambda p: p.listener.closed == {"drained": 1})


def test_with_all_backends_draining_there_is_none() -> None:
    """Not even under fail_open: the operator wants no new flows there."""
    with Servers(2) as servers, proxy(configuration(*servers.names)) as p:
        events = Events(p.engine)
        client = Udp()
        client.ask(b"x", p.at)
        for name in ("b0", "b1"):
            p.drain("c", name)
        until(lambda: len(events.of(BackendDrainBegan)) == 2)
        Udp().sendto(b"nobody is there", p.at)
        p.until(lambda p: p.listener.dropped == {"no_backend": 1})
        assert client.ask(b"y", p.at) == b"y"
        assert not events.of(ClusterWentDown), "nobody is down"


def test_a_drain_is_nothing_to_an_engine_that_has_ended() -> None:
    with Servers(2) as servers, proxy(configuration(*servers.names)) as p:
        p.stop()
        with pytest.raises(Refused, match="the proxy has ended"):
            p.drain("c", "b0")


def test_a_process_drains_while_a_backend_does() -> None:
    terms = FlowTerms(front_timeout=0.3, back_timeout=0.3)
    with Servers(2) as servers, proxy(configuration(*servers.names, terms=terms)) as p:
        for _ in range(10):
            Udp().ask(b"x", p.at)
        p.drain("c", "b0", deadline_s=60)
        p.engine.drain()
        assert p.engine.wait(10)
        assert p.listener.closed == {"idle": 10}


# Forecasts


def test_the_forecast_of_a_drain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has stopped is quiet, and for how long its flow is still there is known."""
    monkeypatch.setattr(forecasts, "GOOD_FOR_S", 0.05)
    terms = FlowTerms(front_timeout=6.0, back_timeout=6.0)
    with (
        Servers(2) as servers,
        proxy(configuration(*servers.names, terms=terms)) as p,
        Traffic(p.at, rate=400, clients=40) as quiet,
        ExitStack() as later,
    ):
        p.until(lambda p: p.listener.flows == 40)
        busy = later.enter_context(Traffic(p.at, rate=400, clients=40))
        p.until(lambda p: p.backends[0].flows == 40)
        quiet.go_on(200)
        busy.go_on(200)
        quiet.hush()
        hushed_at = time.monotonic()
        p.drain("c", "b0")

        def drain(p: Proxy) -> DrainSnapshot:
            found = p.backends[0].drain
            assert found is not None
            return found

        p.until(lambda p: p.backends[0].drain is not None)
        p.until(lambda p: (drain(p).active, drain(p).quiet) == (20, 20))
        told, left = drain(p), 6.0 - (time.monotonic() - hushed_at)
        assert told.quiet_for_s is not None
        print(
            f"\n{told.active} active, {told.quiet} quiet for {told.quiet_for_s:.2f} s more;"
            f" their timeouts are over in {left:.2f} s"
        )
        assert abs(told.quiet_for_s - left) < 1.0
        p.until(lambda p: p.backends[0].flows == 20)
        assert p.backends[1].drain is None
        busy.hush()
        p.until(lambda p: drain(p).active == 0, "nobody is active any more")
        p.until(lambda p: drain(p).drained)
        until(lambda: not p.engine.forwarding.clusters._forecasting, "nobody looks any more")
        p.until(lambda p: drain(p).active is drain(p).quiet is drain(p).quiet_for_s is None)


# Probes


@pytest.mark.parametrize("on_backend_down", ["keep", "move"])
def test_silence_is_found_by_a_udp_probe(on_backend_down: OnBackendDown) -> None:
    with (
        Servers(2) as servers,
        proxy(configuration(*servers.names, health=PROBING, on_backend_down=on_backend_down)) as p,
    ):
        events = Events(p.engine)
        clients = [Udp() for _ in range(10)]
        for client in clients:
            client.ask(b"before", p.at)
        ours = clients[0:10:2]
        p.until(lambda p: all(backend.probe_latency_s is not None for backend in p.backends))
        servers.silence(0)
        silent_at = time.time()
        for client in clients:
            client.sendto(b"meanwhile", p.at)
        down = events.first(BackendWentDown)
        found_after = down.at - silent_at
        assert (down.backend, down.reason) == ("b0", "3 udp probes timed out")
        for number in range(10):
            assert Udp().ask(b"%d" % number, p.at) == b"%d" % number
        p.until(lambda p: p.backends[1].admitted == 15 and p.backends[0].admitted == 5)
        servers.revive(0)
        back_at = time.time()
        up = events.first(BackendCameUp)
        assert (up.backend, up.reason) == ("b0", "2 udp probes succeeded")
        print(
            f"\nsilence found after {found_after:.3f} s (at most {FOUND_WITHIN_S:g}), "
            f"up {up.at - back_at:.3f} s after it was back"
        )
        assert found_after < FOUND_WITHIN_S + 1.0
        for client in clients:
            assert client.recv(100) == b"meanwhile", "a late reply finds its client"
        for number, client in enumerate(ours):
            assert client.ask(b"after %d" % number, p.at) == b"after %d" % number
        if on_backend_down == "keep":
            p.until(lambda p: p.listener.admitted == 20)
            assert servers.received[0][-1] == b"after 4"
        else:
            # Its clients sent nothing while it was down, but the flows had left.
            p.until(lambda p: p.listener.admitted == 25)
        assert len(events.of(BackendWentDown)) == len(events.of(BackendCameUp)) == 1
        assert p.snapshot.clusters[0].probe == "udp"


def test_live_flows_do_not_jump_when_their_backend_is_back() -> None:
    terms = FlowTerms(back_timeout=0.2)
    with (
        Servers(2) as servers,
        proxy(
            configuration(*servers.names, terms=terms, health=PROBING, on_backend_down="move")
        ) as p,
    ):
        events = Events(p.engine)
        clients = [Udp() for _ in range(10)]
        for client in clients:
            client.ask(b"before", p.at)
        servers.silence(0)
        events.first(BackendWentDown)
        for client in clients:
            assert client.ask(b"moved", p.at) == b"moved"
        servers.revive(0)
        events.first(BackendCameUp)
        for client in clients:
            assert client.ask(b"still there", p.at) == b"still there"
        p.until(lambda p: p.backends[1].flows == 10 and p.listener.closed == {"moved": 5})
        assert p.listener.admitted == 15
        for _ in range(10):
            Udp().ask(b"new", p.at)
        p.until(lambda p: [backend.admitted for backend in p.backends] == [10, 15])


def test_a_flapping_probe_below_fall_moves_nobody() -> None:
    health = replace(PROBING, fall=50)
    with (
        Servers(2) as servers,
        proxy(configuration(*servers.names, health=health, on_backend_down="move")) as p,
    ):
        events = Events(p.engine)
        clients = [Udp() for _ in range(10)]
        for client in clients:
            client.ask(b"x", p.at)
        checker = p.engine.forwarding.clusters.checker
        for _ in range(3):
            servers.silence(0)
            made = checker.made
            until(lambda: checker.made >= made + 4)
            servers.revive(0)
            made = checker.made
            until(lambda: checker.made >= made + 4)
        for client in clients:
            client.ask(b"y", p.at)
        p.until(lambda p: p.listener.admitted == 10 and p.listener.replies == 20)
        assert not events.of(BackendWentDown)
        assert p.backends[0].up


def test_a_port_that_nobody_listens_on_is_found_by_a_tcp_probe() -> None:
    """Both backends have the same companion port, on addresses of their own."""
    with ExitStack() as stack:
        companions = [stack.enter_context(tcp_listener("127.0.0.1", 0))]
        port = companions[0].getsockname()[1]
        companions.append(stack.enter_context(tcp_listener("127.0.0.2", port)))
        one = stack.enter_context(Servers(1, host="127.0.0.1"))
        two = stack.enter_context(Servers(1, host="127.0.0.2"))
        health = replace(PROBING, probe="tcp", port=port)
        p = stack.enter_context(proxy(configuration(*one.names, *two.names, health=health)))
        events = Events(p.engine)
        client = Udp()
        client.ask(b"before", p.at)
        p.until(lambda p: all(backend.probe_latency_s is not None for backend in p.backends))
        companions[0].close()
        closed_at = time.time()
        down = events.first(BackendWentDown)
        assert (down.backend, down.reason) == ("b0", f"3 tcp probes refused at port {port}")
        found_after = down.at - closed_at
        assert client.ask(b"after", p.at) == b"after"
        stack.enter_context(tcp_listener("127.0.0.1", port))
        back_at = time.time()
        up = events.first(BackendCameUp)
        assert up.reason == "2 tcp probes succeeded"
        print(f"\ntcp: down after {found_after:.3f} s, up after {up.at - back_at:.3f} s")
        assert found_after < FOUND_WITHIN_S + 1.0
        assert p.listener.admitted == 1
        companions[1].close()


def test_a_tcp_probe_does_not_see_silence() -> None:
    """The kernel completes the handshake for a process that is stopped: the docs say so."""
    with tcp_listener("127.0.0.1", 0) as companion, Servers(1) as servers:
        health = replace(PROBING, probe="tcp", port=companion.getsockname()[1], interval=0.1)
        with proxy(configuration(*servers.names, health=health)) as p:
            servers.silence(0)
            checker = p.engine.forwarding.clusters.checker
            until(lambda: checker.made >= 10)
            assert p.backends[0].up


def test_who_answers_too_little_is_ejected(monkeypatch: pytest.MonkeyPatch) -> None:
    """Silence without a probe: the answered share tells, where `responses` is set."""
    monkeypatch.setattr(core_health, "RATIO_WINDOW_S", 0.5)
    terms = FlowTerms(responses=1)
    health = HealthSettings(eject_below=0.5)
    with (
        Servers(2) as servers,
        proxy(configuration(*servers.names, terms=terms, health=health)) as p,
        Traffic(p.at, rate=200, fresh=True) as traffic,
    ):
        events = Events(p.engine)
        p.until(lambda p: all(backend.answered_share for backend in p.backends))
        servers.silence(0)
        down = events.first(BackendWentDown)
        print(f"\n{down.reason}")
        assert down.backend == "b0"
        assert down.reason.endswith("replies came, ejected for 5 s")
        p.until(lambda p: (p.backends[0].answered_share or 0.0) < 0.5)
        assert (p.backends[1].answered_share or 0.0) > 0.5
        servers.revive(0)
        traffic.hush()


@contextmanager
def tcp_listener(host: str, port: int) -> Iterator[socket.socket]:
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(64)
        yield listener


@pytest.mark.skipif(sys.platform != "linux", reason="/proc")
@pytest.mark.parametrize("probe", ["udp", "tcp"])
def test_a_stopped_engine_leaves_no_descriptor_open(probe: Probe) -> None:
    silent = [Udp() for _ in range(20)]
    before = open_descriptors()
    for _ in range(3):
        health = replace(PROBING, probe=probe, timeout=5.0, interval=5.0)
        if probe == "tcp":  # a way that leads nowhere: the probes are on their way for ever
            settings = configuration(*((f"192.0.2.{n}", 9) for n in range(20)), health=health)
        else:
            settings = configuration(*(each.name for each in silent), health=health)
        with proxy(settings) as p:
            checker = p.engine.forwarding.clusters.checker
            until(lambda: checker.made + checker.not_made >= 20)
            if probe == "udp":
                assert checker.in_flight == 20
                assert open_descriptors() >= before + 20
        assert checker.in_flight == 0
        del p
    assert open_descriptors() <= before


# The engine's side


def test_clusters_are_found_by_name_and_walked_in_order() -> None:
    settings = configuration(("127.0.0.1", 9))
    (cluster,) = settings.clusters
    named = [replace(cluster, name=name) for name in ("z", "a", "m")]
    loop = asyncio.new_event_loop()
    try:
        clusters = Clusters(
            loop,
            time.monotonic,
            EventBus(time.time),
            (),
            lambda now, listener: None,
            probe_ports=(),
        )
        prepared = []
        for each in reversed(named):
            made = Cluster(replace(each, backends=()), b"0")
            preparation = made.prepare(each)
            assert preparation.build(100)
            prepared.append((made, preparation))
        assert clusters.change(0.0, named, prepared, 0.0) == []
        assert [each.name for each in clusters] == ["z", "a", "m"]
        assert clusters["a"].settings is named[1]
        assert clusters.get("b") is None
        pictures = [each for each in clusters.pictures(0.0) if each is not None]
        assert [each.name for each in pictures] == ["z", "a", "m"]
        with pytest.raises(KeyError):
            clusters["b"]
        clusters.drain("b", "b0", None, None)
        clusters.drain("a", "b9", None, None)
        (gone,) = clusters.change(0.0, named[1:], (), 0.0)
        assert gone.address == cluster.backends[0].address
        assert [each.name for each in clusters] == ["a", "m"]
        clusters.stop()
    finally:
        loop.close()


def test_maglev_is_ready_before_the_first_datagram() -> None:
    with Servers(2) as servers, proxy(configuration(*servers.names, balance="maglev")) as p:
        for number in range(20):
            assert Udp().ask(b"%d" % number, p.at) == b"%d" % number
        p.until(lambda p: all(backend.flows for backend in p.backends))


def test_time_is_brought_a_few_times_a_second() -> None:
    assert 0.05 <= clusters_module.TICK_S <= 0.5, "an ejection and a deadline are that exact"
