"""The engine as a whole: start, drain, end, and what it does when something raises."""

from __future__ import annotations

import asyncio
import dataclasses
import errno
import logging
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.harness import (
    REPOSITORY,
    Proxy,
    Servers,
    Udp,
    configuration,
    need_linux,
    proxy,
    until,
)
from udplb.core.manager import FlowManager
from udplb.core.settings import FlowTerms
from udplb.engine import clusters, forwarding
from udplb.engine.binding import BindError, StartError
from udplb.engine.control.requests import Flows, Refused, Status
from udplb.engine.control.server import Server
from udplb.engine.datapath import Datapath
from udplb.engine.engine import Engine
from udplb.engine.events import DrainBegan, EngineStarted, EngineStopped, ListenerBound
from udplb.engine.listener import Listener
from udplb.engine.ports import Ports
from udplb.engine.ranking import FlowQuery


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if "udplb" in thread.name]


def test_start_tells_the_real_address() -> None:
    with Servers() as servers, proxy(configuration(*servers.names)) as p:
        assert p.port > 0
        assert p.snapshot.state == "running"
    assert p.snapshot.state == "stopped"
    assert threads() == []


def test_a_listener_that_cannot_be_bound_leaves_nothing() -> None:
    taken = Udp()
    settings = configuration(("127.0.0.1", 9), listen=["127.0.0.1", "127.0.0.1"])
    first, second = settings.listeners
    from udplb.core.address import Address

    address = Address(first.address.ip, taken.name[1])
    settings = dataclasses.replace(
        settings, listeners=(first, dataclasses.replace(second, address=address))
    )
    before = len(os.listdir("/proc/self/fd")) if sys.platform == "linux" else 0
    for _ in range(3):
        with pytest.raises(BindError, match="another program has it"):
            Engine(settings).start()
    assert threads() == []
    if sys.platform == "linux":
        assert len(os.listdir("/proc/self/fd")) <= before


def test_a_bug_at_the_start_is_raised_and_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(forwarding, "port_shares", broken)
    engine = Engine(configuration(("127.0.0.1", 9)))
    raised: list[BaseException] = []

    def start() -> None:
        try:
            engine.start()
        except BaseException as error:  # noqa: BLE001 - looked at below
            raised.append(error)

    starter = threading.Thread(target=start, daemon=True)
    starter.start()
    starter.join(10)
    assert not starter.is_alive(), "start() waits for ever"
    assert isinstance(raised[0], RuntimeError)
    assert engine.wait(10)


def test_what_the_system_refuses_at_the_start_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(forwarding, "port_shares", broken)
    engine = Engine(configuration(("127.0.0.1", 9)))
    with pytest.raises(StartError, match=r"^cannot start: too many open files; .*ulimit -n\)$"):
        engine.start()
    assert engine.wait(10)


def test_a_backend_that_is_our_own_listener_is_refused() -> None:
    """By any address of this machine, where the listener has them all."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    hosts = [each for each in forwarding._local_hosts() if each.version == 4]
    assert hosts
    for host in hosts:
        settings = configuration((str(host), port), listen="0.0.0.0", port=port)
        with pytest.raises(StartError, match="is one of our own listeners"):
            Engine(settings).start()


def test_a_full_epoll_sheds_and_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """ENOSPC: fs.epoll.max_user_watches is shared with other programs of the user."""
    with Servers() as servers, proxy(configuration(*servers.names)) as p:
        client = Udp()
        assert client.ask(b"before", p.at) == b"before"
        poller = p.engine.forwarding.datapath._poller

        def full(fd: int) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr(poller, "watch", full)
            Udp().sendto(b"shed", p.at)
            p.until(lambda p: p.listener.shed == {"no_descriptor": 1})
        assert client.ask(b"after", p.at) == b"after"
        assert Udp().ask(b"new", p.at) == b"new"


def test_stop_is_stop_and_may_come_twice() -> None:
    with proxy(configuration(("127.0.0.1", 9))) as p:
        p.stop()
        p.stop()
        p.engine.drain()
        assert p.engine.wait(1)


# Drain


def test_a_drain_with_no_flow_ends_at_once() -> None:
    with proxy(configuration(("127.0.0.1", 9), drain_timeout=60)) as p:
        p.engine.drain()
        assert p.engine.wait(10)
        assert p.engine.closed_at_the_end == 0


def test_a_drain_sheds_new_clients_and_lets_flows_finish() -> None:
    terms = FlowTerms(front_timeout=60, responses=1)
    backend = Udp()
    with proxy(configuration(backend.name, terms=terms, drain_timeout=60)) as p:
        clients = [Udp() for _ in range(3)]
        upstreams = []
        for number, client in enumerate(clients):
            client.sendto(b"%d" % number, p.at)
            upstreams.append(backend.recvfrom(10))
        p.engine.drain()
        p.until(lambda p: p.snapshot.state == "draining")
        stranger = Udp()
        stranger.sendto(b"let me in", p.at)
        p.until(lambda p: p.listener.shed == {"draining": 1})
        assert p.listener.dropped == {"draining": 1}
        clients[0].sendto(b"I go on", p.at)
        upstreams.append(backend.recvfrom(10))
        for query, upstream in upstreams:
            assert not p.engine.wait(0)
            backend.sendto(b"answer " + query, upstream)
        assert p.engine.wait(10), "the last flow is gone"
        assert clients[1].recv(100) == b"answer 1"
        assert sorted(clients[0].gather(2)) == [b"answer 0", b"answer I go on"]
        assert not stranger.waiting()
        assert p.listener.closed == {"answered": 3}
        assert p.engine.closed_at_the_end == 0
        assert p.snapshot.state == "stopped"


def test_a_drain_ends_when_its_time_is_up() -> None:
    with Servers() as servers, proxy(configuration(*servers.names, drain_timeout=0.3)) as p:
        clients = [Udp() for _ in range(600)]  # more than one slice of closes
        for number, client in enumerate(clients):
            assert client.ask(b"%d" % number, p.at) == b"%d" % number
        p.engine.drain()
        assert p.engine.wait(20)
        assert p.listener.closed == {"shutdown": 600}
        assert p.engine.closed_at_the_end == 600
        assert p.engine.failure is None


def test_a_second_drain_ends_at_once() -> None:
    with Servers() as servers, proxy(configuration(*servers.names, drain_timeout=3_600)) as p:
        Udp().ask(b"x", p.at)
        p.engine.drain()
        p.until(lambda p: p.snapshot.state == "draining")
        p.engine.drain()
        assert p.engine.wait(10)
        assert p.engine.failure is None


def test_a_drain_waits_for_requests_of_flows_that_leave() -> None:
    """`requests = 1`: the successor is refused, and the flow that leaves carries on."""
    terms = FlowTerms(requests=1, back_timeout=0.5)
    with Servers() as servers, proxy(configuration(*servers.names, terms=terms)) as p:
        client = Udp()
        client.ask(b"first", p.at)
        p.engine.drain()
        p.until(lambda p: p.snapshot.state == "draining")
        assert client.ask(b"second", p.at) == b"second"
        assert p.engine.wait(10)
        assert p.listener.closed == {"requests": 1}
        assert p.listener.succession_refused == 1


def test_postponed_trains_are_not_forgotten_by_a_drain() -> None:
    terms = FlowTerms(requests=1, responses=1)
    with (
        Servers() as servers,
        proxy(configuration(*servers.names, terms=terms, listen="0.0.0.0", drain_timeout=5)) as p,
    ):
        client, at = Udp(), ("127.0.0.1", p.port)
        blocked = p.look_away()
        client.send_run(b"".join(b"%04d" % number for number in range(128)), 4, at)
        p.engine.drain()
        blocked.set()
        assert p.engine.wait(20)
        totals = p.snapshot.totals
        assert totals.requests + totals.dropped == 128
        assert totals.replies == totals.requests


# The end takes its time


@pytest.fixture
def slow_end(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """The control socket closes when the event is set, as a client does not read."""
    over = threading.Event()
    stop = Server.stop

    async def slowly(server: Server) -> None:
        while not over.is_set():
            await asyncio.sleep(0.001)
        await stop(server)

    monkeypatch.setattr(Server, "stop", slowly)
    return over


def test_nothing_that_comes_at_the_end_cuts_it_off(
    tmp_path: Path, slow_end: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Signals, a drain's time, and what looks after flows: all come while the rest is closed."""
    monkeypatch.setattr(forwarding, "TICK_S", 0.001)
    monkeypatch.setattr(forwarding, "HOSTS_INTERVAL_S", 0.001)
    monkeypatch.setattr(clusters, "TICK_S", 0.001)
    at = tmp_path / "udplb.sock"
    with Servers() as servers:
        settings = configuration(*servers.names, drain_timeout=0.05)
        with proxy(settings, control_socket=at) as p:
            Udp().ask(b"x", p.at)
            second = dataclasses.replace(settings.clusters[0], name="d")
            moved = dataclasses.replace(settings.listeners[0], cluster="d")
            wanted = dataclasses.replace(settings, clusters=(second,), listeners=(moved,))
            p.change(dataclasses.replace(wanted, engine=settings.engine))
            p.engine.drain()
            p.engine.drain()
            p.until(lambda p: p.snapshot.state == "stopped")
            last = p.snapshot
            for _ in range(3):
                p.engine.drain()
                p.engine.reload("SIGHUP")
                p.engine._post(p.engine._end)
            with pytest.raises(Refused, match="ended"):
                p.ask(Status())
            assert not p.engine.wait(0.2), "its control socket is still to be closed"
            slow_end.set()
            assert p.engine.wait(10)
            assert p.engine.failure is None
            assert p.snapshot is last
            assert p.snapshot.totals.replies == 1
    assert not at.exists()


def test_a_change_in_the_making_is_not_committed_while_the_rest_is_closed(
    tmp_path: Path, slow_end: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare = forwarding.Forwarding._prepare_clusters
    prepared = threading.Event()

    async def slowly(at_work: Any, *arguments: Any) -> Any:
        while not prepared.is_set():
            await asyncio.sleep(0)
        return await prepare(at_work, *arguments)

    with Servers(2) as servers:
        settings = configuration(*servers.names)
        second = dataclasses.replace(settings.listeners[0], name="m")
        wanted = dataclasses.replace(settings, listeners=(*settings.listeners, second))
        with proxy(settings, control_socket=tmp_path / "udplb.sock") as p:
            monkeypatch.setattr(forwarding.Forwarding, "_prepare_clusters", slowly)
            change = p.engine.call(p.engine.forwarding.change(wanted))
            p.engine._post(p.engine._end)
            p.until(lambda p: p.snapshot.state == "stopped")
            prepared.set()
            until(change.done)
            slow_end.set()
            assert p.engine.wait(10)
            assert change.cancelled()
            assert len(p.engine.forwarding.listeners) == 1
            assert p.engine.failure is None


def test_a_bug_at_the_end_is_told_and_the_rest_is_closed(
    tmp_path: Path, slow_end: threading.Event, caplog: pytest.LogCaptureFixture
) -> None:
    at = tmp_path / "udplb.sock"

    def bug() -> None:
        raise ZeroDivisionError("a bug")

    with (
        caplog.at_level(logging.CRITICAL),
        proxy(configuration(("127.0.0.1", 9)), fails=True, control_socket=at) as p,
    ):
        p.engine._post(p.engine._end)
        p.until(lambda p: p.snapshot.state == "stopped")
        p.engine._loop.call_soon_threadsafe(bug)
        until(lambda: p.engine.failure is not None)
        slow_end.set()
        assert p.engine.wait(10)
    assert isinstance(p.engine.failure, ZeroDivisionError)
    assert not at.exists()


def test_a_reload_that_waits_when_the_end_comes_does_nothing_more(tmp_path: Path) -> None:
    file = tmp_path / "udplb.toml"
    file.write_text("x = 1")
    for _ in range(5):
        with proxy(configuration(("127.0.0.1", 9)), file=file) as p:
            for _ in range(5):
                p.engine.reload("SIGHUP")
            p.engine.stop()
            assert p.engine.failure is None
            assert not p.engine._tasks


# Events and pictures


def test_events_of_a_life() -> None:
    engine = Engine(configuration(("127.0.0.1", 9)))
    subscription = engine.bus.subscribe()
    engine.start()
    engine.drain()
    engine.wait(10)
    engine.stop()
    kinds = [type(event) for event in subscription.take()]
    assert kinds == [ListenerBound, EngineStarted, DrainBegan, EngineStopped]


def test_a_window_of_flows_is_there_for_the_asking() -> None:
    with Servers() as servers, proxy(configuration(*servers.names)) as p:
        clients = [Udp() for _ in range(30)]
        for number, client in enumerate(clients):
            for _ in range(number + 1):
                client.ask(b"x", p.at)
        assert p.snapshot.window is None
        window = p.ask(Flows(query=FlowQuery(sort="datagrams", limit=5)))
        assert window.matched == 30
        assert [row.requests for row in window.rows] == [30, 29, 28, 27, 26]
        assert window.rows[0].client == "{}:{}".format(*clients[29].name)


@pytest.mark.parametrize(
    "query", [FlowQuery(limit=-1), FlowQuery(offset=-50), FlowQuery(limit=0), FlowQuery(offset=99)]
)
def test_an_odd_query_ends_nothing(query: FlowQuery) -> None:
    with Servers() as servers, proxy(configuration(*servers.names)) as p:
        Udp().ask(b"x", p.at)
        assert p.ask(Flows(query=query)).matched == 1


def test_threads_that_look_and_command_delay_nobody() -> None:
    """Snapshots, subscriptions, queries and datagrams at once, from many threads."""
    with Servers() as servers, proxy(configuration(*servers.names)) as p:
        over = threading.Event()

        def look() -> None:
            while not over.wait(0.001):
                subscription = p.engine.bus.subscribe(flows=True)
                assert p.ask(Flows(query=FlowQuery(sort="bytes"))).matched >= 0
                assert p.snapshot.totals.flows >= 0
                subscription.take()
                subscription.cancel()

        lookers = [threading.Thread(target=look) for _ in range(4)]
        for each in lookers:
            each.start()
        try:
            for number in range(50):
                assert Udp().ask(b"%d" % number, p.at) == b"%d" % number
        finally:
            over.set()
            for each in lookers:
                each.join()
        assert not p.engine.bus.flows_wanted


# Something raises


@pytest.mark.parametrize(
    ("where", "what"),
    [
        (FlowManager, "client_train_received"),
        (FlowManager, "backend_train_received"),
        (FlowManager, "upstream_opened"),
        (FlowManager, "deadline_passed"),
        (Datapath, "_close_sockets"),
        (Datapath, "upstreams_ready"),
        (Listener, "read_round"),
        (Ports, "give_back"),
        (Ports, "take"),
    ],
)
def test_what_raises_ends_the_engine_loudly(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    where: type[object],
    what: str,
) -> None:
    """It never goes on with half a decision, and it never hangs."""
    terms = FlowTerms(responses=1, front_timeout=0.2)

    def bug(*_: object) -> None:
        raise ZeroDivisionError("a bug")

    with (
        caplog.at_level(logging.CRITICAL),
        Servers() as servers,
        proxy(configuration(*servers.names, terms=terms), fails=True) as p,
    ):
        client = Udp()
        if what != "upstream_opened":
            client.ask(b"x", p.at)
            p.until(lambda p: p.listener.replies == 1 and p.listener.flows == 0)
        # Bound methods that the loop already holds would not see a patch of the class.
        monkeypatch.setattr(where, what, bug)
        if what in ("read_round", "upstreams_ready", "_close_sockets"):
            monkeypatch.setattr(Datapath, "_now", bug, raising=False)
            monkeypatch.setattr(p.engine.forwarding.datapath, "_now", bug)
        if what == "deadline_passed":
            servers.sockets[0].close()
        client.sendto(b"y", p.at)
        assert p.engine.wait(10), "the engine hangs"
        assert isinstance(p.engine.failure, ZeroDivisionError)
    assert "the engine ends" in caplog.text
    assert threads() == []


# Without descriptors

SCARCE = """
import os, resource, sys, threading, time
sys.path[:0] = [{repository!r}]
from tests.harness import Servers, Udp, configuration, proxy, until
from udplb.core.settings import FlowTerms
from udplb.engine import clusters, forwarding

forwarding.HOSTS_INTERVAL_S = 0.05
terms = FlowTerms(front_timeout=2.0, back_timeout=2.0)
with Servers() as servers, proxy(configuration(*servers.names, terms=terms, rest=0.0)) as p:
    clients = [Udp() for _ in range(60)]
    old = clients[0]
    old.ask(b"before", p.at)
    used = max(map(int, os.listdir("/proc/self/fd")))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (used + 8, hard))  # room for some flows
    for number, client in enumerate(clients[1:]):
        client.sendto(b"%d" % number, p.at)
    p.until(lambda p: p.listener.admitted + p.listener.dropped.get("no_descriptor", 0) == 60)
    shed = p.listener.dropped["no_descriptor"]
    assert p.listener.shed["no_descriptor"] == shed > 0
    assert old.ask(b"still here", p.at) == b"still here"
    began, spent = time.monotonic(), time.process_time()
    while time.monotonic() - began < 1.0:
        time.sleep(0.2)  # idle: a busy loop would show
    busy = time.process_time() - spent
    p.until(lambda p: p.listener.flows == 0)  # they end, and there is room again
    assert clients[-1].ask(b"recovered", p.at) == b"recovered"
    assert p.engine.failure is None
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
print(f"shed {{shed}}, busy {{busy:.3f}} s of 1 s")
assert busy < 0.5
"""


def test_without_descriptors_it_sheds_stays_calm_and_recovers() -> None:
    need_linux()
    script = SCARCE.format(repository=str(REPOSITORY))
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False
    )
    print(done.stdout)
    assert done.returncode == 0, done.stderr


def test_a_limit_of_64_descriptors_is_enough_to_start_and_to_shed() -> None:
    need_linux()
    script = f"""
import sys
sys.path[:0] = [{str(REPOSITORY)!r}]
from tests.harness import Servers, Udp, configuration, proxy
with Servers() as servers, proxy(configuration(*servers.names)) as p:
    assert p.snapshot.totals.max_flows == 44
    clients = [Udp() for _ in range(10)]
    for client in clients:
        client.ask(b"x", p.at)
"""
    done = subprocess.run(
        ["bash", "-c", 'ulimit -n 64; exec "$0" -c "$1"', sys.executable, script],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_proxies_in_one_process_do_not_meet() -> None:
    with Servers() as servers:
        running = [Proxy(configuration(*servers.names)) for _ in range(3)]
        try:
            for each in running:
                assert Udp().ask(b"x", each.at) == b"x"
        finally:
            for each in running:
                each.stop()
    until(lambda: threads() == [])


def test_snapshots_replace_each_other() -> None:
    with Servers() as servers, proxy(configuration(*servers.names)) as p:
        first: Any = p.snapshot
        Udp().ask(b"x", p.at)
        p.until(lambda p: p.listener.replies == 1)
        assert first.totals.replies == 0
        assert p.snapshot is not first
