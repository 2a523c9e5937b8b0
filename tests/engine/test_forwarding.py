"""Changes at work: from one configuration to another under live sockets, whole or not at all."""

from __future__ import annotations

import asyncio
import errno
import gc
import logging
import random
import socket
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import replace
from ipaddress import IPv4Address, ip_network
from typing import Any

import pytest

from tests.harness import (
    Events,
    Proxy,
    Servers,
    Udp,
    configuration,
    need_linux,
    open_descriptors,
    proxy,
    until,
    with_engine,
)
from tests.programs import free_port
from tests.traffic import Traffic
from udplb.config.changes import Change
from udplb.core.address import Address, normal_ip
from udplb.core.reasons import CloseReason
from udplb.core.settings import (
    BackendSettings,
    Balance,
    ClusterSettings,
    Configuration,
    FlowTerms,
    HealthSettings,
    ListenerSettings,
    OnBackendDown,
)
from udplb.engine import forwarding
from udplb.engine.binding import BindError, StartError
from udplb.engine.control.requests import Drain, Undrain
from udplb.engine.events import BackendWentDown, ListenerBound

LONG = FlowTerms(front_timeout=60.0, back_timeout=60.0)


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is on its way out is looked at often."""
    monkeypatch.setattr(forwarding, "TICK_S", 0.01)


# Configurations


def with_cluster(settings: Configuration, **changes: Any) -> Configuration:
    """The first cluster changed."""
    first, *others = settings.clusters
    return replace(settings, clusters=(replace(first, **changes), *others))


def with_health(settings: Configuration, **changes: Any) -> Configuration:
    return with_cluster(settings, health=replace(settings.clusters[0].health, **changes))


def with_listener(settings: Configuration, number: int = 0, **changes: Any) -> Configuration:
    """One listener changed."""
    listeners = list(settings.listeners)
    listeners[number] = replace(listeners[number], **changes)
    return replace(settings, listeners=tuple(listeners))


def with_second(settings: Configuration, *backends: tuple[str, int]) -> Configuration:
    """A cluster more, called d, with a listener m of its own."""
    found = tuple(backend_at(at) for at in backends) or settings.clusters[0].backends
    cluster = replace(settings.clusters[0], name="d", backends=found)
    listener = replace(settings.listeners[0], name="m", cluster="d")
    return replace(
        settings,
        listeners=(*settings.listeners, listener),
        clusters=(*settings.clusters, cluster),
    )


def backend_at(at: tuple[str, int], **keys: Any) -> BackendSettings:
    address = Address(normal_ip(at[0]), at[1])
    keys.setdefault("name", str(address))
    return BackendSettings(address=address, **keys)


def without(settings: Configuration, number: int) -> Configuration:
    """A backend less."""
    backends = list(settings.clusters[0].backends)
    del backends[number]
    return with_cluster(settings, backends=tuple(backends))


def is_free(port: int) -> bool:
    try:
        Udp("0.0.0.0", port)
    except OSError:
        return False  # another program has it
    return True


def address(host: str, port: int) -> Address:
    return Address(normal_ip(host), port)


def pools(p: Proxy) -> int:
    return p.do(lambda: len(p.engine.forwarding._ports._pools))


def settled(p: Proxy) -> None:
    """Wait until nothing is on its way out."""
    until(lambda: p.do(lambda: not p.engine.forwarding.retiring), "all has retired")


def check(p: Proxy, wanted: Configuration) -> None:
    """The configuration is in force, in every part and in its order."""

    def look() -> None:
        at_work = p.engine.forwarding
        assert at_work.configuration == wanted
        assert tuple(each.settings for each in at_work.listeners) == wanted.listeners
        for listener in at_work.listeners:
            assert listener.manager.settings == listener.settings
            assert listener.manager.cluster is at_work.clusters[listener.settings.cluster]
        for cluster, settings in zip(at_work.clusters, wanted.clusters, strict=True):
            assert replace(cluster.settings, backends=()) == replace(settings, backends=())
            cluster.check_invariants()
        for listener in at_work.all_listeners:
            if not listener.manager.sweeping:
                listener.manager.check_invariants()
        assert at_work.capacity.live == sum(
            len(each.manager.slab) for each in at_work.all_listeners
        )

    p.do(look)


def answered(client: Udp, at: tuple[str, int]) -> bool:
    """Whether there is an answer; asked again, as other programs may have taken many ports."""
    client.settimeout(1.0)
    for _ in range(20):
        client.sendto(b"x", at)
        with suppress(TimeoutError):
            return client.recv(100) == b"x"
    return False


def change_in_the_moment_of(p: Proxy, act: Callable[[], None], wanted: Configuration) -> None:
    """The change is prepared; `act` is done, and nothing comes between that and the commit."""
    at_work = p.engine.forwarding
    refuse_loops = at_work._refuse_loops

    def act_first(*arguments: Any) -> None:
        act()
        refuse_loops(*arguments)

    vars(at_work)["_refuse_loops"] = act_first
    p.change(wanted)
    del vars(at_work)["_refuse_loops"]


# Nothing, and order


def test_nothing_changed_is_nothing_done() -> None:
    with Servers() as servers, proxy(configuration(*servers.names)) as p:
        events = Events(p.engine)
        same = configuration(*servers.names)
        assert p.change(same) == ()
        assert not events.of(ListenerBound)


def test_everything_stands_in_the_order_of_the_file() -> None:
    with Servers(3) as servers:
        settings = with_second(configuration(*servers.names, listen=["127.0.0.1", "127.0.0.1"]))
        turned = replace(
            settings,
            listeners=settings.listeners[::-1],
            clusters=tuple(
                replace(each, backends=each.backends[::-1]) for each in settings.clusters[::-1]
            ),
        )
        with proxy(settings) as p:
            at = p.at
            client = Udp()
            client.ask(b"x", at)
            p.change(turned)
            check(p, turned)
            p.until(lambda p: [each.name for each in p.snapshot.listeners] == ["m", "l1", "l0"])
            p.until(lambda p: [each.name for each in p.snapshot.clusters] == ["d", "c"])
            assert [each.name for each in p.backends] == ["b2", "b1", "b0"]
            assert client.ask(b"y", at) == b"y"
            assert p.snapshot.totals.admitted == 1, "the flow goes on"


# Clusters


def test_weights_names_and_backups() -> None:
    with Servers(3) as servers, proxy(configuration(*servers.names)) as p:
        settings = configuration(*servers.names)
        a, b, c = settings.clusters[0].backends
        wanted = with_cluster(
            settings,
            backends=(replace(a, weight=3), replace(b, name="bee"), replace(c, backup=True)),
        )
        p.change(wanted)
        check(p, wanted)
        for _ in range(16):
            Udp().ask(b"x", p.at)
        assert [len(each) for each in servers.received] == [12, 4, 0]
        p.until(lambda p: [each.name for each in p.backends] == ["b0", "bee", "b2"])
        assert [each.weight for each in p.backends] == [3, 1, 1]
        assert p.backends[2].backup
        p.change(with_cluster(wanted, backends=(replace(a, weight=0), replace(b, weight=0), c)))
        Udp().ask(b"x", p.at)
        assert len(servers.received[2]) == 1


def test_a_drain_by_the_file_and_its_end() -> None:
    with Servers(2) as servers, proxy(configuration(*servers.names)) as p:
        settings = configuration(*servers.names)
        a, b = settings.clusters[0].backends
        client = Udp()
        client.ask(b"x", p.at)
        assert p.change(with_cluster(settings, backends=(replace(a, state="drain"), b)))
        for _ in range(4):
            Udp().ask(b"y", p.at)
        client.ask(b"z", p.at)
        assert [len(each) for each in servers.received] == [2, 4]
        p.until(lambda p: p.backends[0].draining and p.backends[0].drain is not None)
        p.change(settings)
        p.until(lambda p: not p.backends[0].draining)
        for _ in range(4):
            Udp().ask(b"y", p.at)
        assert [len(each) for each in servers.received] == [4, 6]


def test_a_backend_more() -> None:
    with Servers(2) as servers:
        settings = configuration(*servers.names)
        with proxy(without(settings, 1)) as p:
            Udp().ask(b"x", p.at)
            p.change(settings)
            check(p, settings)
            for _ in range(4):
                Udp().ask(b"x", p.at)
            assert [len(each) for each in servers.received] == [3, 2]


def test_flows_of_a_removed_backend_leave() -> None:
    """New datagrams elsewhere at once; a late reply still passes; then it is closed."""
    there, here = Udp(), Udp()
    settings = configuration(there.name, here.name, terms=LONG, drain_timeout=1.0, rest=0.0)
    with proxy(settings) as p:
        client = Udp()
        client.sendto(b"one", p.at)
        _, upstream = there.recvfrom(100)
        p.change(without(settings, 0))
        p.until(lambda p: len(p.backends) == 1)
        until(lambda: not p.do(lambda: p.engine.forwarding.listeners[0].manager.sweeping))
        client.sendto(b"two", p.at)
        assert here.recv(100) == b"two"
        there.sendto(b"late", upstream)
        assert client.recv(100) == b"late"
        p.until(lambda p: p.listener.closed == {"backend_removed": 1})
        assert p.listener.flows == 1
        until(lambda: pools(p) == 1, "its ports are forgotten")


@pytest.mark.parametrize("again", ["in another cluster", "in the same cluster"])
def test_ports_of_one_address_are_kept_while_any_flow_has_one(again: str) -> None:
    """Two that left have the same address: the one without flows must not take the ports away."""
    backend, other = Udp(), Udp()
    settings = configuration(backend.name, other.name, terms=LONG, drain_timeout=0.6, rest=0.0)
    with proxy(settings) as p:
        Udp().sendto(b"x", p.at)
        backend.recv(100)
        if again == "in another cluster":
            p.change(with_second(settings, backend.name, other.name))
        else:
            p.change(without(settings, 0))
            p.change(settings)
        p.change(without(settings, 0))
        until(lambda: p.do(lambda: len(p.engine.forwarding._gone_backends) == 1), "one is over")
        p.until(lambda p: p.listener.closed == {"backend_removed": 1})
        until(lambda: not p.do(lambda: p.engine.forwarding._gone_backends))
        assert pools(p) == 0
    assert p.engine.failure is None


def test_a_backend_that_comes_back_at_once_is_a_new_one() -> None:
    with Servers(2) as servers:
        settings = configuration(*servers.names, terms=LONG, drain_timeout=0.3)
        with proxy(settings) as p:
            client = Udp()
            client.ask(b"x", p.at)
            p.change(without(settings, 0))
            p.change(settings)
            check(p, settings)
            assert client.ask(b"y", p.at) == b"y"
            p.until(lambda p: p.listener.closed == {"backend_removed": 1})
            assert client.ask(b"z", p.at) == b"z"
            # It counts from 0.
            p.until(lambda p: p.backends[0].requests + p.backends[1].requests == 2)
            assert p.snapshot.totals.requests == 3


def test_live_flows_keep_their_terms_and_new_ones_get_the_new() -> None:
    with Servers() as servers:
        settings = configuration(*servers.names, terms=LONG)
        with proxy(settings) as p:
            old = Udp()
            old.ask(b"x", p.at)
            short = FlowTerms(front_timeout=0.1, back_timeout=0.1)
            p.change(with_cluster(settings, terms=short))
            Udp().ask(b"y", p.at)
            p.until(lambda p: p.listener.closed == {"idle": 1})
            assert p.listener.flows == 1
            assert old.ask(b"z", p.at) == b"z"
            assert p.snapshot.totals.admitted == 2
            once = FlowTerms(requests=1, responses=1)
            p.change(with_cluster(settings, terms=once))
            Udp().ask(b"y", p.at)
            p.until(lambda p: p.listener.closed == {"idle": 1, "answered": 1})
            assert p.listener.flows == 1


POLICIES: tuple[Balance, ...] = ("hrw", "maglev", "round_robin", "random", "least_flows")


@pytest.mark.parametrize("balance", POLICIES)
def test_another_policy(balance: Balance) -> None:
    before: Balance = "hrw" if balance != "hrw" else "round_robin"
    with Servers(3) as servers:
        settings = configuration(*servers.names, balance=before)
        with proxy(settings) as p:
            client = Udp()
            client.ask(b"x", p.at)
            for wanted in (
                with_cluster(settings, balance=balance),
                with_cluster(without(settings, 0), balance=balance),
                with_cluster(settings, balance=balance, affinity="source_ip"),
            ):
                p.change(wanted)
                check(p, wanted)
                for _ in range(4):
                    Udp().ask(b"x", p.at)
            client.ask(b"y", p.at)


KEYS: dict[str, Any] = {
    "profile": "session", "balance": "maglev", "affinity": "source_ip", "on_backend_down": "move",
    "resend": False,
}  # fmt: skip
HEALTH: dict[str, Any] = {
    "probe": "udp", "send": b"?", "interval": 1.0, "timeout": 0.5, "rise": 3, "fall": 5, "port": 9,
    "fail_open": False, "passive": False, "refusals": 7, "refusal_window": 3.0, "eject_below": 0.5,
    "expect": b"!", "secret": b"s", "query_name": "x.", "query_type": "A", "rcodes": ("REFUSED",),
}  # fmt: skip


def test_every_key_of_a_cluster_and_its_health_takes_effect_and_goes_back() -> None:
    with Servers(2) as servers:
        settings = configuration(*servers.names)
        assert {*KEYS, "name", "backends", "terms", "health"} == set(
            ClusterSettings.__dataclass_fields__
        )
        assert set(HEALTH) == set(HealthSettings.__dataclass_fields__)
        with proxy(settings) as p:
            client = Udp()
            for step in (
                *(with_cluster(settings, **{key: value}) for key, value in KEYS.items()),
                *(with_health(settings, **{key: value}) for key, value in HEALTH.items()),
                settings,
            ):
                assert p.change(step)
                check(p, step)
                assert client.ask(b"x", p.at) == b"x"
            assert p.snapshot.totals.admitted == 1


@pytest.mark.parametrize(("way", "closed"), [("close", "backend_down"), ("move", "moved")])
def test_on_backend_down_takes_effect_on_live_flows(way: OnBackendDown, closed: str) -> None:
    with Servers(2) as servers:
        terms = FlowTerms(front_timeout=60, back_timeout=0.2)
        settings = configuration(
            *servers.names, terms=terms, health=HealthSettings(refusals=1, refusal_window=60)
        )
        with proxy(settings) as p:
            events = Events(p.engine)
            client = Udp()
            client.ask(b"x", p.at)
            servers.kill(0)
            client.sendto(b"lost", p.at)
            events.first(BackendWentDown)
            assert p.listener.closed == {}
            p.change(with_cluster(settings, on_backend_down=way))
            if way == "move":
                until(lambda: not p.do(lambda: p.engine.forwarding.listeners[0].manager.sweeping))
                assert client.ask(b"y", p.at) in (b"lost", b"y")
            p.until(lambda p: p.listener.closed == {closed: 1})


def test_probes_follow_the_cluster() -> None:
    probing = HealthSettings(probe="udp", send=b"alive?", interval=0.1, timeout=0.1, fall=2, rise=1)
    asked: list[bytes] = []

    def answer(datagram: bytes) -> list[bytes]:
        asked.append(datagram)
        return [datagram]

    with Servers(2, answer=answer) as servers:
        settings = configuration(*servers.names)
        with proxy(settings) as p:
            events = Events(p.engine)
            p.change(with_cluster(settings, health=probing))
            until(lambda: all(b"alive?" in each for each in servers.received))
            p.change(with_cluster(settings, health=replace(probing, send=b"still?")))
            until(lambda: all(b"still?" in each for each in servers.received))
            p.change(with_cluster(without(settings, 0), health=replace(probing, send=b"and you?")))
            until(lambda: b"and you?" in servers.received[1])
            p.change(with_cluster(settings, health=replace(probing, send=b"all?")))
            until(lambda: all(b"all?" in each for each in servers.received))
            assert b"and you?" not in servers.received[0]
            closed = free_port("127.0.0.1")
            p.change(with_cluster(settings, health=replace(probing, probe="tcp", port=closed)))
            assert "tcp" in events.first(BackendWentDown).reason
            p.change(settings)
            until(lambda: p.do(lambda: not p.engine.forwarding.clusters.checker._followed))


def test_a_removed_cluster_is_probed_no_longer() -> None:
    probing = HealthSettings(probe="udp", send=b"alive?", interval=0.1, timeout=0.1)
    with Servers(2) as servers:
        settings = configuration(servers.names[0])
        more = with_second(settings, servers.names[1])
        first, second = more.clusters
        more = replace(more, clusters=(first, replace(second, health=probing)))
        with proxy(more) as p:
            until(lambda: servers.received[1])
            gone = p.do(lambda: p.engine.forwarding.clusters["d"])
            p.change(settings)
            checker = p.engine.forwarding.clusters.checker
            assert p.do(lambda: (checker.in_flight, len(checker._followed))) == (0, 0)
            settled(p)
            assert gone.watchers == [], "whatever happens to it is told to nobody"


# Listeners come and go


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "::1", "::"])
def test_a_listener_comes_and_goes_with_its_cluster(host: str) -> None:
    need_linux()
    port = free_port()
    loopback = "::1" if ":" in host else "127.0.0.1"
    with Servers(2) as servers:
        settings = configuration(servers.names[0], terms=LONG)
        more = with_second(settings, servers.names[1])
        more = with_listener(more, 1, address=address(host, port))
        with proxy(settings) as p:
            before = open_descriptors()
            for turn in range(3):
                p.change(more)
                check(p, more)
                clients = [Udp(loopback) for _ in range(100)]
                for each in clients:
                    assert each.ask(b"x", (loopback, port)) == b"x"
                p.change(settings)
                check(p, settings)
                p.until(lambda p: p.snapshot.totals.admitted == 100 * (turn + 1))
                stranger = clients[0]
                stranger.connect((loopback, port))
                with pytest.raises(ConnectionRefusedError):  # noqa: PT012 - either may be told
                    while True:
                        stranger.send(b"anybody?")
                        stranger.recv(100)
                settled(p)
                p.until(lambda p: p.snapshot.totals.flows == 0)
                assert p.snapshot.totals.admitted == 100 * (turn + 1)
                assert p.snapshot.totals.requests == p.snapshot.totals.replies == 100 * (turn + 1)
                del clients, stranger, each
            assert p.engine.forwarding.gone.closed[CloseReason.LISTENER_REMOVED] == 300
            until(lambda: open_descriptors() <= before)


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "::1", "::"])
def test_a_listener_that_comes_back_at_once_gets_everything(
    host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the one before is still on its way out, and has the same address."""
    need_linux()
    port = free_port()
    loopback = "::1" if ":" in host else "127.0.0.1"
    with Servers() as servers:
        settings = configuration(*servers.names, terms=LONG)
        more = with_listener(with_second(settings), 1, address=address(host, port))
        with proxy(more) as p:
            client = Udp(loopback)
            client.ask(b"x", (loopback, port))
            monkeypatch.setattr(forwarding, "TICK_S", 3_600)
            p.change(more)
            p.do(lambda: None)
            for _ in range(3):
                p.change(settings)
                p.change(more)
                for each in (client, Udp(loopback)):
                    assert each.ask(b"y", (loopback, port)) == b"y"


def test_a_wildcard_takes_the_place_of_a_listener_of_another_name() -> None:
    need_linux()
    port = free_port()
    with Servers() as servers:
        settings = configuration(*servers.names, port=port, terms=LONG)
        other = with_listener(settings, name="other", address=address("0.0.0.0", port))
        with proxy(settings) as p:
            client = Udp()
            client.ask(b"x", p.at)
            p.change(other)
            assert client.ask(b"y", p.at) == b"y"


# Another address

MOVES = [
    ("127.0.0.1", "0.0.0.0"),
    ("0.0.0.0", "127.0.0.1"),
    ("127.0.0.1", "::"),
    ("::", "127.0.0.1"),
    ("0.0.0.0", "::"),
    ("::", "0.0.0.0"),
    ("::1", "::"),
    ("::", "::1"),
    ("127.0.0.1", "127.0.0.2"),
    ("0.0.0.0", "::1"),
]


@pytest.mark.parametrize("same_port", [True, False])
@pytest.mark.parametrize(("old", "new"), MOVES)
def test_another_address(old: str, new: str, same_port: bool) -> None:
    """What waits is answered, and late replies leave from where they were asked."""
    need_linux()
    here, there = free_port(), free_port()
    there = here if same_port else there
    asked, then = ("::1" if each in ("::1",) else "127.0.0.1" for each in (old, new))
    if new == "127.0.0.2":
        then = new
    backend = Udp()
    settings = configuration(backend.name, listen=old, port=here, terms=LONG)
    wanted = with_listener(settings, address=address(new, there))
    with proxy(settings) as p:
        before = open_descriptors()
        early = Udp(asked)
        early.sendto(b"early", (asked, here))
        _, early_upstream = backend.recvfrom(100)
        waiting = [Udp(asked) for _ in range(100)]

        def act(early: Udp = early, waiting: list[Udp] = waiting) -> None:
            for number, client in enumerate(waiting):
                client.sendto(b"%d" % number, (asked, here))
            early.sendto(b"more", (asked, here))

        change_in_the_moment_of(p, act, wanted)
        late = Udp(then)
        late.sendto(b"late", (then, there))
        upstreams = dict(backend.recvfrom(100) for _ in range(102))
        assert upstreams.pop(b"more") == early_upstream
        late_upstream = upstreams.pop(b"late")
        check(p, wanted)
        for question, upstream in upstreams.items():
            backend.sendto(b"re " + question, upstream)
        for number, client in enumerate(waiting):
            reply, source = client.recvfrom(100)
            assert (reply, source[:2]) == (b"re %d" % number, (asked, here))
        # When its flows are leaving, a reply still passes.
        manager = p.engine.forwarding.retiring[0].manager
        until(lambda: p.do(lambda: not manager.sweeping and not manager._current))
        backend.sendto(b"re early", early_upstream)
        reply, source = early.recvfrom(100)
        assert (reply, source[:2]) == (b"re early", (asked, here))
        backend.sendto(b"re late", late_upstream)
        reply, source = late.recvfrom(100)
        assert (reply, source[:2]) == (b"re late", (then, there))
        if asked == then:  # who goes on at the new address is served there
            early.sendto(b"again", (then, there))
            question, upstream = backend.recvfrom(100)
            assert upstream != early_upstream
            backend.sendto(b"re again", upstream)
            reply, source = early.recvfrom(100)
            assert (reply, source[:2]) == (b"re again", (then, there))
        p.do(lambda: manager.flows_ended(CloseReason.OPERATOR, lambda flow: True))
        p.do(lambda: p.engine.forwarding.datapath.deadline_passed(p.engine.forwarding.retiring[0]))
        settled(p)
        del act, waiting, client, early, late
        until(lambda: open_descriptors() <= before + 2, "the old socket is closed")
        (listener,) = p.do(lambda: p.engine.forwarding.all_listeners)
        assert listener.sock.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT) == 0
        assert p.snapshot.totals.dropped == 0


def test_flows_of_the_old_address_end_within_the_drain_timeout() -> None:
    with Servers() as servers:
        port = free_port("127.0.0.1")
        settings = configuration(*servers.names, terms=LONG, drain_timeout=0.1)
        with proxy(settings) as p:
            Udp().ask(b"x", p.at)
            p.change(with_listener(settings, address=address("127.0.0.1", port)))
            settled(p)
            gone = p.engine.forwarding.gone
            assert {reason.value: n for reason, n in gone.closed.items() if n} == {
                "listener_removed": 1
            }
            assert p.snapshot.totals.admitted == 1


def test_there_and_back_while_flows_of_all_are_still_there() -> None:
    need_linux()
    port = free_port()
    with Servers() as servers:
        settings = configuration(*servers.names, port=port, terms=LONG)
        hosts = ("0.0.0.0", "::", "127.0.0.1")
        with proxy(settings) as p:
            client = Udp()
            for turn in range(9):
                wanted = with_listener(settings, address=address(hosts[turn % 3], port))
                assert p.change(wanted)
                for each in (client, Udp()):
                    assert each.ask(b"%d" % turn, ("127.0.0.1", port)) == b"%d" % turn
                until(lambda: p.do(lambda: p.engine.forwarding.retiring))
            assert len(p.engine.forwarding.retiring) >= 2
            (listener,) = p.engine.forwarding.listeners
            for option in (socket.SO_REUSEADDR, socket.SO_REUSEPORT):
                assert listener.sock.getsockopt(socket.SOL_SOCKET, option) == 0


def test_two_listeners_swap_their_addresses() -> None:
    ports = free_port("127.0.0.1"), free_port("127.0.0.1")
    with Servers(2) as servers:
        settings = with_second(configuration(servers.names[0]), servers.names[1])
        here, there = (address("127.0.0.1", port) for port in ports)
        settings = with_listener(with_listener(settings, 0, address=here), 1, address=there)
        swapped = with_listener(with_listener(settings, 0, address=there), 1, address=here)
        with proxy(settings) as p:
            client = Udp()
            for number, wanted in enumerate((settings, swapped, settings, swapped)):
                p.change(wanted)
                check(p, wanted)
                question = b"%d" % number
                assert client.ask(question, ("127.0.0.1", ports[0])) == question
                assert servers.received[number % 2].pop() == question
                assert client.ask(question, ("127.0.0.1", ports[1])) == question
                assert servers.received[1 - number % 2].pop() == question


def test_three_move_up_by_one() -> None:
    """Each takes the address of the next; the last one takes a new one."""
    ports = [free_port("127.0.0.1") for _ in range(4)]
    with Servers() as servers:
        settings = configuration(*servers.names, listen=["127.0.0.1"] * 3)
        for number in range(3):
            settings = with_listener(settings, number, address=address("127.0.0.1", ports[number]))
        moved = settings
        for number in range(3):
            moved = with_listener(moved, number, address=address("127.0.0.1", ports[number + 1]))
        with proxy(settings) as p:
            client = Udp()
            for port in ports[:3]:
                client.ask(b"x", ("127.0.0.1", port))
            p.change(moved)
            check(p, moved)
            for port in ports[1:]:
                assert client.ask(b"y", ("127.0.0.1", port)) == b"y"


# A socket that is handed over


def handovers(settings: Configuration) -> Iterator[Configuration]:
    """Configurations in which the one socket has another owner each time."""
    second = replace(settings.clusters[0], name="d")
    both = replace(settings, clusters=(*settings.clusters, second))
    while True:
        yield with_listener(both, cluster="d")
        yield with_listener(both, name="other", cluster="d")
        yield with_listener(both, name="other", cluster="c")
        yield both


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_handing_a_socket_over_loses_no_datagram(host: str) -> None:
    need_linux()
    with Servers(2) as servers:
        settings = configuration(
            *servers.names, listen=host, port=free_port(), terms=LONG, drain_timeout=0.2, rest=0.0
        )
        steps = handovers(settings)
        with (
            proxy(settings) as p,
            Traffic(("127.0.0.1", p.port), rate=2_000, clients=50) as sessions,
        ):
            totals = 0
            for _ in range(20):
                sessions.go_on(50)
                wanted = next(steps)
                p.change(wanted)
                check(p, wanted)
                p.until(lambda p: p.snapshot.totals.requests >= totals)
                totals = p.snapshot.totals.requests
            assert sessions.hush() == []
            assert sessions.doubled == 0
            assert sessions.strange == []
            settled(p)
            assert p.stop().totals.dropped == 0


def test_what_was_postponed_goes_with_the_socket() -> None:
    """More new clients than a round admits, and the change comes before the next round."""
    with Servers(2) as servers:
        settings = configuration(*servers.names, drain_timeout=0.1)
        wanted = with_listener(with_second(settings, servers.names[1]), cluster="d")
        with proxy(settings) as p:
            clients = [Udp() for _ in range(100)]

            def act() -> None:
                for number, client in enumerate(clients):
                    client.sendto(b"%d" % number, p.at)
                (listener,) = p.engine.forwarding.listeners
                p.engine.forwarding.datapath.listener_readable(listener)
                assert listener.has_postponed

            change_in_the_moment_of(p, act, wanted)
            for number, client in enumerate(clients):
                assert client.recv(100) == b"%d" % number
            settled(p)
            assert p.stop().totals.dropped == 0


def test_coalescing_stays_on_with_another_owner() -> None:
    """The ratchet: a train that is received as one buffer is taken apart by the next owner, too."""
    need_linux()
    with Servers() as servers:
        settings = configuration(*servers.names)
        with proxy(settings) as p:
            client, at = Udp(), p.at
            client.send_run(b"x" * 32_000, 1_000, at)
            client.gather(32)
            p.until(lambda p: p.listener.coalesces)

            def act() -> None:
                client.send_run(b"y" * 32_000, 1_000, at)

            change_in_the_moment_of(p, act, next(handovers(settings)))
            assert client.gather(32) == [b"y" * 1_000] * 32
            p.until(lambda p: p.listener.cluster == "d" and p.listener.coalesces)


def test_a_handed_over_socket_gets_the_buffer_that_is_wanted() -> None:
    with Servers() as servers:
        settings = with_listener(configuration(*servers.names), receive_buffer=1 << 20)
        with proxy(settings) as p:
            assert p.listener.receive_buffer == 1 << 20
            p.change(with_listener(with_second(settings), cluster="d", receive_buffer=1 << 18))
            p.until(lambda p: p.listener.receive_buffer == 1 << 18)
            p.change(with_listener(with_second(settings), name="n", receive_buffer=1 << 19))
            p.until(lambda p: p.listener.name == "n" and p.listener.receive_buffer == 1 << 19)


def test_the_kernels_losses_are_counted_once_and_never_forgotten() -> None:
    need_linux()
    with Servers() as servers:
        settings = with_listener(
            configuration(*servers.names, drain_timeout=0.2), receive_buffer=8_192
        )
        more = with_second(settings)
        with proxy(more) as p:
            looking_away = p.look_away()
            client = Udp()
            for _ in range(100):
                client.sendto(b"x" * 1_000, p.at)
            looking_away.set()
            p.until(lambda p: p.snapshot.totals.kernel_drops > 0)
            lost = p.snapshot.totals.kernel_drops
            for wanted in (
                with_listener(more, cluster="d"),
                with_listener(more, name="other"),
                with_listener(more, address=address("127.0.0.1", free_port("127.0.0.1"))),
                replace(more, listeners=more.listeners[1:]),
            ):
                p.change(wanted)
                p.until(lambda p: len(p.snapshot.listeners) == len(wanted.listeners))
                assert p.snapshot.totals.kernel_drops == lost
                settled(p)
                p.do(lambda: p.engine.forwarding)
                p.until(lambda p: p.snapshot.totals.kernel_drops == lost)


# Ports (KERNEL.md 19)


def test_a_port_that_our_own_upstreams_hold() -> None:
    need_linux()
    backend = Udp()
    settings = configuration(backend.name, terms=LONG)
    with proxy(settings) as p:
        client = Udp()
        client.sendto(b"x", p.at)
        _, upstream = backend.recvfrom(100)
        port = upstream[1]
        wanted = with_listener(settings, address=address("0.0.0.0", port))
        p.change(wanted)
        check(p, wanted)
        (listener,) = p.engine.forwarding.listeners
        assert listener.sock.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT) == 0
        for option in (socket.SO_REUSEADDR, socket.SO_REUSEPORT):
            thief = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            thief.setsockopt(socket.SOL_SOCKET, option, 1)
            with pytest.raises(OSError, match=r"in use") as failed:
                thief.bind(("0.0.0.0", port))
            assert failed.value.errno == errno.EADDRINUSE
            thief.close()
        for number in range(50):  # to the listener, though an upstream has the port, too
            stranger = Udp()
            stranger.sendto(b"%d" % number, ("127.0.0.1", port))
            question, its_upstream = backend.recvfrom(100)
            assert question == b"%d" % number
            assert its_upstream[1] != port
            backend.sendto(b"for the client", upstream)
            assert client.recv(100) == b"for the client"
            backend.sendto(b"re", its_upstream)
            assert stranger.recvfrom(100) == (b"re", ("127.0.0.1", port))


def test_the_port_of_a_probe_is_no_strangers() -> None:
    """A probe that waits for its answer has a port of its own for a moment."""
    need_linux()
    backend = Udp()
    health = HealthSettings(probe="udp", send=b"alive?", interval=0.1, timeout=30.0)
    settings = configuration(backend.name, health=health)
    with proxy(settings) as p:
        _, probe = backend.recvfrom(100)
        wanted = with_listener(settings, address=address("0.0.0.0", probe[1]))
        p.change(wanted)
        check(p, wanted)


def test_upstreams_get_no_listeners_port() -> None:
    need_linux()
    with Servers() as servers:
        settings = configuration(*servers.names)
        with proxy(settings) as p:
            ports = p.do(lambda: p.engine.forwarding._ports)
            following = [port for port in ports._order[:200] if is_free(port)][:10]
            wanted = settings
            p.change(
                replace(
                    settings,
                    listeners=tuple(
                        replace(
                            settings.listeners[0], name=f"l{n}", address=address("0.0.0.0", port)
                        )
                        for n, port in enumerate(following)
                    ),
                )
            )
            backend = ("127.0.0.1", 9)
            taken = [p.do(lambda: ports.take(backend, 0.0)) for _ in range(100)]
            assert not set(taken) & set(following)
            p.change(wanted)


# All or nothing


@contextmanager
def nothing_changes(p: Proxy) -> Iterator[None]:
    """Whatever happens in the block: all is as it was."""

    def state() -> Any:
        at_work = p.engine.forwarding
        return (
            at_work.configuration,
            [(each, each.settings) for each in at_work.all_listeners],
            [(each, each.settings, list(each.backends)) for each in at_work.clusters],
            at_work.capacity.max_flows,
            list(at_work.clusters.checker._followed),
            open_descriptors(),
        )

    before = p.do(state)
    yield
    assert p.do(state) == before


def test_a_failed_bind_undoes_the_whole_change() -> None:
    need_linux()
    stranger = Udp()
    with Servers(2) as servers:
        settings = configuration(*servers.names, max_flows=7)
        probing = HealthSettings(probe="udp", send=b"?")
        wanted = with_cluster(
            with_engine(without(settings, 0), drain_timeout=1.0, max_flows=9), health=probing
        )
        more = with_second(wanted)
        third = replace(more.listeners[0], name="n", address=address("127.0.0.1", stranger.name[1]))
        handed = replace(more.listeners[0], name="handed", cluster="d")
        more = replace(more, listeners=(handed, more.listeners[1], third))
        with proxy(settings) as p:
            client = Udp()
            client.ask(b"x", p.at)
            kept = []  # with its frames: sockets are closed, not just forgotten
            with nothing_changes(p):
                for _ in range(3):
                    with pytest.raises(BindError, match=r"^listener n: .* another prog") as failed:
                        p.change(more)
                    kept.append(failed)
            assert client.ask(b"y", p.at) == b"y"
            assert Udp().ask(b"z", p.at) == b"z"
            assert p.do(lambda: p.engine.forwarding.gone.admitted) == 0
            stranger.close()
            assert p.change(more)
            check(p, more)


def test_without_a_descriptor_a_socket_is_not_handed_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(*_: object) -> None:
        raise BindError("no descriptors left")

    with Servers() as servers:
        settings = configuration(*servers.names)
        with proxy(settings) as p, monkeypatch.context() as patch:
            patch.setattr(forwarding, "hand_over", full)
            with nothing_changes(p), pytest.raises(BindError):
                p.change(next(handovers(settings)))


def test_a_port_shared_for_a_failed_bind_is_shared_no_longer() -> None:
    """Another program is in the way, besides ourselves: our sockets are exclusive as before."""
    need_linux()
    port = free_port()
    with Servers() as servers:
        settings = configuration(*servers.names, port=port)
        with proxy(settings) as p:
            # The kernel looks no further than to the first that shares: it must be the stranger.
            stranger = Udp("127.0.0.2", port)
            with nothing_changes(p), pytest.raises(BindError, match="another program has it"):
                p.change(with_listener(settings, address=address("0.0.0.0", port)))
            (listener,) = p.engine.forwarding.listeners
            assert listener.sock.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT) == 0
            assert Udp().ask(b"x", p.at) == b"x"
            assert not stranger.waiting()


def test_a_loop_is_refused() -> None:
    need_linux()
    hosts = [each for each in forwarding._local_hosts() if each.version == 4]
    with Servers() as servers:
        port = free_port()
        settings = configuration(*servers.names, listen="0.0.0.0", port=port)
        with proxy(settings) as p:
            for host in hosts:
                loop = backend_at((str(host), port))
                with nothing_changes(p), pytest.raises(StartError, match="round for ever"):
                    p.change(
                        with_cluster(settings, backends=(*settings.clusters[0].backends, loop))
                    )


def test_an_address_that_this_machine_got_later_bars_no_other_change() -> None:
    """A backend has become local, as addresses move between machines: operators can still act."""
    backends = ("127.0.0.1", free_port()), ("203.0.113.77", 5_353)
    settings = configuration(*backends, listen="0.0.0.0", port=0)
    settings = with_listener(settings, address=address("0.0.0.0", backends[1][1]))
    with proxy(settings) as p:
        hosts = {*forwarding._local_hosts(), IPv4Address("203.0.113.77")}
        p.do(lambda: p.engine.forwarding.own.hosts_changed(hosts))
        p.ask(Drain(cluster="c", backend="b1", deadline_s=60))
        p.ask(Undrain(cluster="c", backend="b1"))
        p.until(lambda p: not p.backends[1].draining)
        p.change(without(settings, 1))


# Limits and keys of the engine


def test_a_cap_below_the_live_count_closes_nobody() -> None:
    with Servers() as servers:
        settings = configuration(*servers.names)
        with proxy(settings) as p:
            clients = [Udp() for _ in range(5)]
            for each in clients:
                each.ask(b"x", p.at)
            for wanted in (
                with_engine(settings, max_flows=3),
                with_listener(settings, max_flows=3),
            ):
                p.change(wanted)
                check(p, wanted)
                for each in clients:
                    assert each.ask(b"y", p.at) == b"y"
                shed = p.snapshot.totals.shed
                Udp().sendto(b"z", p.at)
                p.until(lambda p: p.snapshot.totals.shed == shed + 1)
            assert p.listener.closed == {}
            p.change(settings)
            assert Udp().ask(b"z", p.at) == b"z"


def test_lists_close_whom_they_deny_in_slices() -> None:
    with Servers() as servers:
        settings = configuration(*servers.names, terms=LONG)
        with proxy(settings) as p:
            good = [Udp("127.0.0.1") for _ in range(150)]
            bad = [Udp("127.0.0.2") for _ in range(150)]
            for each in (*good, *bad):
                each.ask(b"x", p.at)
            p.change(with_listener(settings, deny=(ip_network("127.0.0.2"),)))
            p.until(lambda p: p.listener.closed == {"denied": 150})
            bad[0].sendto(b"y", p.at)
            p.until(lambda p: p.listener.dropped == {"denied": 1})
            assert good[0].ask(b"y", p.at) == b"y"
            p.change(with_listener(settings, allow=(ip_network("127.0.0.2"),)))
            p.until(lambda p: p.listener.closed == {"denied": 300})
            assert bad[0].ask(b"z", p.at) == b"z"


def test_other_limits_of_a_listener() -> None:
    with Servers() as servers:
        settings = configuration(*servers.names)
        with proxy(settings) as p:
            client = Udp()
            client.ask(b"x" * 100, p.at)
            p.change(with_listener(settings, max_datagram_size=50))
            client.sendto(b"x" * 51, p.at)
            assert client.ask(b"x" * 50, p.at) == b"x" * 50
            p.until(lambda p: p.listener.dropped == {"oversize": 1})
            p.change(with_listener(settings, receive_buffer=1 << 17))
            p.until(lambda p: p.listener.receive_buffer == 1 << 17)
            p.change(with_listener(settings, max_flows_per_source=1))
            Udp().sendto(b"x", p.at)
            p.until(lambda p: p.listener.shed == {"max_flows_per_source": 1})
            p.change(with_listener(settings, new_flows_per_second=1))
            Udp().ask(b"x", p.at)
            Udp().sendto(b"x", p.at)
            p.until(lambda p: p.listener.shed.get("new_flows_per_second") == 1)


def test_keys_of_the_engine(caplog: pytest.LogCaptureFixture) -> None:
    with Servers(2) as servers:
        settings = configuration(*servers.names, terms=LONG, drain_timeout=3_600)
        root = logging.getLogger()
        level = root.level
        try:
            with proxy(settings) as p:
                Udp().ask(b"x", p.at)
                wanted = with_engine(settings, drain_timeout=0.1, log_level="error", max_flows=50)
                p.change(wanted)
                assert root.level == logging.ERROR
                p.until(lambda p: p.snapshot.totals.max_flows == 50)
                p.change(without(wanted, 0))
                p.until(lambda p: p.listener.closed == {"backend_removed": 1})
                p.change(with_engine(settings, upstream_port_rest=0.0))
                assert p.do(lambda: p.engine.forwarding._ports._rest_s) == 0.0
                with caplog.at_level(logging.WARNING, logger=forwarding.__name__):
                    for number in (10_000_000, 10_000_000, 20_000_000):
                        p.change(with_engine(settings, max_flows=number, drain_timeout=number))
                lowered = [each for each in caplog.messages if "needs more descriptors" in each]
                assert len(lowered) == 2, "told once for each number"
        finally:
            root.setLevel(level)


# The process ends meanwhile


class Slow:
    """A change whose preparation goes on until it is let go."""

    def __init__(self, p: Proxy, wanted: Configuration, patch: pytest.MonkeyPatch) -> None:
        self.over = False
        self._prepared = forwarding.Forwarding._prepare_clusters

        async def slowly(at_work: Any, *arguments: Any) -> Any:
            while not self.over:
                await asyncio.sleep(0)
            return await self._prepared(at_work, *arguments)

        patch.setattr(forwarding.Forwarding, "_prepare_clusters", slowly)
        self.change: Future[tuple[Change, ...]] = p.engine.call(p.engine.forwarding.change(wanted))


def test_listeners_of_a_change_drain_with_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    port, other = free_port("127.0.0.1"), free_port("127.0.0.1")
    with Servers() as servers:
        settings = configuration(*servers.names, terms=LONG, port=port)
        wanted = with_listener(with_second(settings), 1, address=address("127.0.0.1", other))
        wanted = with_listener(wanted, 0, cluster="d")
        with proxy(settings) as p:
            client = Udp()
            client.ask(b"x", p.at)
            slow = Slow(p, wanted, monkeypatch)
            p.engine.drain()
            p.until(lambda p: p.snapshot.state == "draining")
            slow.over = True
            slow.change.result(20)
            check(p, wanted)
            for to in (port, other):
                Udp().sendto(b"let me in", ("127.0.0.1", to))
            p.until(lambda p: [each.shed for each in p.snapshot.listeners] == [{"draining": 1}] * 2)
            p.engine.drain()
            assert p.engine.wait(10)


def test_a_change_in_the_making_ends_with_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    need_linux()
    with Servers() as servers:
        settings = configuration(*servers.names)
        before = open_descriptors()
        for _ in range(5):
            with proxy(settings) as p:
                slow = Slow(p, with_second(settings), monkeypatch)
                p.do(lambda: None)
                p.engine.stop()
                monkeypatch.undo()
                assert slow.change.cancelled() or slow.change.exception(10)
                assert p.engine.failure is None
                assert len(p.engine.forwarding.listeners) == 1
        until(lambda: open_descriptors() <= before, "no socket is left open")


# Memory


@pytest.mark.parametrize("kind", ["with a cluster", "handed over", "moved", "refused"])
def test_what_is_gone_is_freed_without_the_collector(kind: str) -> None:
    """No full collection ever runs, so that nothing may be part of a cycle."""
    stranger = Udp()
    ports = free_port("127.0.0.1"), free_port("127.0.0.1")
    probing = HealthSettings(probe="udp", send=b"?", interval=0.1, timeout=0.1)
    with Servers() as servers:
        settings = configuration(*servers.names, terms=LONG, drain_timeout=0.0, port=ports[0])
        more = with_listener(with_second(settings), 1, address=address("127.0.0.1", ports[1]))
        first, second = more.clusters
        more = replace(more, clusters=(first, replace(second, health=probing, balance="maglev")))
        steps = {
            "with a cluster": [more, settings],
            "handed over": [with_listener(more, cluster="d"), settings],
            "moved": [with_listener(settings, address=address("127.0.0.1", ports[1])), settings],
            "refused": [with_listener(more, 1, address=address("127.0.0.1", stranger.name[1]))],
        }[kind]
        alive: list[weakref.ref[Any]] = []
        gc.collect()
        gc.disable()
        try:
            with proxy(settings) as p:
                client = Udp()

                def note() -> None:
                    at_work = p.engine.forwarding
                    for listener in at_work.listeners:
                        alive.extend(map(weakref.ref, (listener, listener.manager)))
                    alive.extend(map(weakref.ref, at_work.clusters))

                p.do(note)
                lasting = len({each() for each in alive})
                for turn in range(40 if kind == "with a cluster" else 10):
                    for step in steps:
                        with suppress(BindError):
                            p.change(step)
                        p.do(note)
                        if turn < 3:
                            for each in step.listeners if kind != "refused" else ():
                                client.ask(b"x", ("127.0.0.1", each.address.port))
                settled(p)
                until(lambda: not p.do(lambda: p.engine.forwarding._gone_backends))
                left = lambda: {each() for each in alive} - {None}  # noqa: E731
                until(lambda: len(p.do(left)) <= lasting, "all is freed")
        finally:
            gc.enable()


# All at once


def test_a_storm_of_changes() -> None:
    """Any configuration after any other, while clients come and go: nothing breaks."""
    need_linux()
    chance = random.Random(4)
    ports = [free_port() for _ in range(3)]
    hosts = ("127.0.0.1", "0.0.0.0", "::", "::1")
    terms = (FlowTerms(), FlowTerms(responses=1), FlowTerms(requests=2), FlowTerms(max_age=0.05))
    probing = HealthSettings(probe="udp", send=b"?", interval=0.1, timeout=0.1)
    with Servers(4) as servers:

        def cluster(name: str) -> ClusterSettings:
            chosen = chance.sample(range(4), chance.randrange(1, 5))
            return ClusterSettings(
                name=name,
                balance=chance.choice(POLICIES),
                affinity=chance.choice(("source_ip", "source_ip_port")),
                on_backend_down=chance.choice(("keep", "move", "close")),
                resend=chance.random() < 0.5,
                terms=chance.choice(terms),
                health=chance.choice((HealthSettings(), probing)),
                backends=tuple(
                    backend_at(
                        servers.names[each],
                        weight=chance.choice((1, 1, 5)),
                        state="drain" if place and chance.random() < 0.3 else "active",
                    )
                    for place, each in enumerate(chosen)
                ),
            )

        def any_configuration() -> Configuration:
            names = chance.sample("abc", chance.randrange(1, 4))
            taken = chance.sample(ports, chance.randrange(1, 4))
            called = chance.sample(("x", "y", "z"), len(taken))
            return Configuration(
                engine=with_engine(
                    start,
                    drain_timeout=chance.choice((0.0, 0.05, 30.0)),
                    upstream_port_rest=chance.choice((0.0, 0.5)),
                ).engine,
                clusters=tuple(map(cluster, names)),
                listeners=tuple(
                    ListenerSettings(
                        name=name,
                        address=address(chance.choice(hosts), port),
                        cluster=chance.choice(names),
                        receive_buffer=chance.choice((1 << 18, 1 << 20)),
                    )
                    for name, port in zip(called, taken, strict=True)
                ),
            )

        start = configuration(*servers.names)
        with proxy(start) as p:
            before = open_descriptors()
            regulars = {host: Udp(host) for host in ("127.0.0.1", "::1")}
            last = p.snapshot.totals
            for _ in range(150):
                wanted = any_configuration()
                p.change(wanted)
                check(p, wanted)
                for listener in wanted.listeners:
                    host = "::1" if listener.address.host == "::1" else "127.0.0.1"
                    at = (host, listener.address.port)
                    for client in (regulars[host], Udp(host)):
                        assert answered(client, at), listener
                totals = p.snapshot.totals
                for name in ("requests", "replies", "admitted", "dropped", "shed", "kernel_drops"):
                    assert getattr(totals, name) >= getattr(last, name), name
                last = totals
            p.change(start)
            for each in regulars.values():
                each.close()
            p.change(with_engine(start, drain_timeout=0.0))
            assert p.engine.failure is None
            listeners = p.do(lambda: len(p.engine.forwarding.all_listeners))
            assert open_descriptors() <= before + 2 * listeners + last.flows + 50
