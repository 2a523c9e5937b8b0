"""The checker over real sockets, under the test's own clock."""

from __future__ import annotations

import asyncio
import os
import resource
import socket
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest
import uvloop

from tests.engine.probes.ground import TCP, UDP, Cluster, Ground, descriptors
from tests.harness import Servers, Udp, need_linux, until
from tests.programs import free_port
from udplb.core.backend import Backend
from udplb.core.proxy_protocol import LOCAL
from udplb.core.settings import HealthSettings, ProxyProtocol
from udplb.engine.descriptors import raise_descriptor_limit
from udplb.engine.probes import attempt
from udplb.engine.probes.checker import STEPS_PER_TURN, HealthChecker
from udplb.engine.probes.schedule import PROBES_MAX


def dead_port() -> int:
    """A port that nobody holds."""
    return free_port()


# Results


def test_a_reply_is_a_success_with_its_latency(ground: Ground) -> None:
    server = Udp()
    cluster = Cluster(server.name)
    ground.start(cluster)
    asked, asker = server.recvfrom(100)
    assert asked == b"ping"
    ground.loop.now += 0.25
    server.sendto(b"<pong>", asker)
    ground.until(lambda: cluster.good)
    assert cluster.good == [(1_000.25, "b0", 1_000.0, 0.25)]
    assert cluster.bad == []
    assert ground.checker.in_flight == 0
    assert (ground.checker.made, ground.checker.most_in_flight) == (1, 1)


def test_silence_is_a_failure_when_the_time_is_over(ground: Ground) -> None:
    server = Udp()
    cluster = Cluster(server.name)
    ground.start(cluster)
    ground.pass_time(1.999)
    assert (cluster.bad, ground.checker.in_flight) == ([], 1)
    ground.pass_time(0.002)
    assert cluster.bad == [(1_002.001, "b0", "timed out")]
    assert ground.checker.in_flight == 0
    assert server.gather(1) == [b"ping"]
    assert server.waiting() == []


@pytest.mark.parametrize("health", [UDP, TCP])
def test_a_refusal_is_a_failure_at_once(ground: Ground, health: HealthSettings) -> None:
    cluster = Cluster(("127.0.0.1", dead_port()), health=health)
    ground.start(cluster)
    ground.until(lambda: cluster.bad)
    assert cluster.bad == [(1_000.0, "b0", "refused")]
    assert ground.checker.in_flight == 0


def test_a_wrong_reply_is_none_and_the_right_one_counts(ground: Ground) -> None:
    server = Udp()
    cluster = Cluster(server.name)
    ground.start(cluster)
    _, asker = server.recvfrom(100)
    server.sendto(b"who?", asker)
    ground.pass_time(1)
    assert ground.checker.in_flight == 1
    server.sendto(b"pong", asker)
    ground.until(lambda: cluster.good)
    assert cluster.bad == []


def test_only_wrong_replies_are_told_when_the_time_is_over(ground: Ground) -> None:
    server = Udp()
    cluster = Cluster(server.name)
    ground.start(cluster)
    server.sendto(b"who?", server.recvfrom(100)[1])
    ground.pass_time(1)
    assert cluster.bad == []
    ground.pass_time(1)
    assert cluster.whys == ["answered something else"]


def test_a_definite_failure_ends_a_probe_at_once(ground: Ground) -> None:
    server = Udp()
    cluster = Cluster(server.name, health=HealthSettings(probe="dns"))
    ground.start(cluster)
    query, asker = server.recvfrom(100)
    server.sendto(query[:2] + b"\x81\x82" + query[4:], asker)
    ground.until(lambda: cluster.bad)
    assert cluster.bad == [(1_000.0, "b0", "answered SERVFAIL")]


@pytest.mark.parametrize(("size", "good"), [(4095, True), (4096, True), (4097, False)])
def test_a_huge_reply_is_none(ground: Ground, size: int, good: bool) -> None:
    server = Udp()
    cluster = Cluster(server.name)
    ground.start(cluster)
    server.sendto(b"pong".ljust(size, b"."), server.recvfrom(100)[1])
    ground.pass_time(1)
    assert bool(cluster.good) is good
    ground.pass_time(1)
    assert cluster.whys == ([] if good else ["answered something else"])


def test_a_reply_from_elsewhere_is_none(ground: Ground) -> None:
    server, stranger = Udp(), Udp()
    cluster = Cluster(server.name, health=HealthSettings(probe="udp", send=b"ping"))
    ground.start(cluster)
    _, asker = server.recvfrom(100)
    stranger.sendto(b"pong", asker)
    ground.pass_time(1)
    assert (cluster.good, ground.checker.in_flight) == ([], 1)
    ground.pass_time(1)
    assert cluster.whys == ["timed out"]


@pytest.mark.parametrize("count", [15, 16, 17])
def test_a_probe_looks_at_so_many_replies(ground: Ground, count: int) -> None:
    server = Udp()
    cluster = Cluster(server.name)
    ground.start(cluster)
    _, asker = server.recvfrom(100)
    for _ in range(count):
        server.sendto(b"no", asker)
    server.sendto(b"pong", asker)
    ground.until(lambda: cluster.good or cluster.bad)
    assert bool(cluster.good) is (count < attempt.REPLIES_MAX)
    assert cluster.whys == ([] if count < attempt.REPLIES_MAX else ["answered something else"])


def test_what_came_in_time_counts_though_the_loop_was_held_up(ground: Ground) -> None:
    server = Udp()
    cluster = Cluster(server.name)
    ground.start(cluster)
    server.sendto(b"pong", server.recvfrom(100)[1])
    ground.loop.now += 100
    ground.loop._readers.clear()  # the timer has its turn before the poller
    ground.loop.turn()
    assert (len(cluster.good), cluster.bad) == (1, [])
    ground.loop._readers[ground.checker._poller.fileno()] = ground.checker._ready


# Where probes go


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_probes_go_to_the_port_of_the_settings(ground: Ground, host: str) -> None:
    data, companion = Udp(host), Udp(host)
    cluster = Cluster(data.name, health=UDP)
    cluster.change(port=companion.name[1])
    ground.start(cluster)
    _, asker = companion.recvfrom(100)
    assert data.waiting() == []
    companion.sendto(b"pong", asker)
    ground.until(lambda: cluster.good)


@pytest.mark.parametrize("mode", ["off", "first", "until_reply", "every"])
def test_probes_speak_for_themselves_where_headers_are_wanted(
    ground: Ground, mode: ProxyProtocol
) -> None:
    server = Udp()
    for health in (UDP, HealthSettings(probe="ntp")):
        ground.start(Cluster(server.name, health=health, proxy_protocol=mode))
        asked = server.recv(100)
        assert asked.startswith(LOCAL) is (mode != "off")
        assert len(asked.removeprefix(LOCAL)) == (4 if health is UDP else 48)


def test_backends_without_new_flows_are_probed_too(ground: Ground) -> None:
    server = Udp()
    cluster = Cluster(server.name, server.name)
    cluster.backends[0].weight = 0
    cluster.backends[1].draining = True
    ground.start(cluster)
    assert server.gather(2) == [b"ping", b"ping"]


def test_probes_over_udp_have_the_ports_that_are_theirs() -> None:
    server = Udp()
    with closing(Udp()) as free:
        port = free.name[1]
    ground = Ground(ports=[port])
    first, second = Cluster(server.name), Cluster(server.name)
    ground.start(first)
    asked, asker = server.recvfrom(100)
    assert (asked, asker[1]) == (b"ping", port)
    ground.start(second)
    assert (second.bad, ground.checker.not_made) == ([], 1), "the one port is taken"
    ground.checker.stop()


def test_a_zone_that_there_is_not_is_unreachable(ground: Ground) -> None:
    cluster = Cluster(("fe80::1%there-is-none", 53))
    ground.start(cluster)
    assert cluster.whys == ["unreachable"]


def test_a_link_local_backend_is_asked_through_its_interface(ground: Ground) -> None:
    need_linux()
    with Servers(host="::1") as servers:
        cluster = Cluster(("::1%lo", servers.names[0][1]), health=UDP)
        cluster.change(expect=b"")
        ground.start(cluster)
        ground.until(lambda: cluster.good)


# Connections


def test_a_stopped_process_still_connects(ground: Ground) -> None:
    """What DESIGN.md says of tcp: the kernel completes the handshake."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        cluster = Cluster(server.getsockname(), health=TCP)
        ground.start(cluster)
        ground.until(lambda: cluster.good)
        assert cluster.bad == []
        connection, _ = server.accept()
        with connection:
            connection.settimeout(5)
            with pytest.raises(ConnectionResetError):
                connection.recv(1)


def test_a_connection_that_is_not_answered_times_out(ground: Ground) -> None:
    """A full backlog lets SYNs go unanswered."""
    need_linux()
    with socket.create_server(("127.0.0.1", 0), backlog=0) as server:
        held = []
        for _ in range(4):
            held.append(socket.socket())
            held[-1].setblocking(False)
            held[-1].connect_ex(server.getsockname())
        cluster = Cluster(server.getsockname(), health=TCP)
        ground.start(cluster)
        ground.pass_time(1.9)
        assert (cluster.bad, ground.checker.in_flight) == ([], 1)
        ground.pass_time(0.2)
        assert cluster.whys == ["timed out"]
        for each in held:
            each.close()


# Changes


def test_a_backend_that_is_gone_has_its_probe_closed(ground: Ground) -> None:
    server = Udp()
    cluster = Cluster(server.name, server.name)
    before = descriptors()
    ground.start(cluster)
    assert descriptors() == before + 2
    held = [each.attempt for each in ground.checker._by_descriptor.values()]
    askers = [server.recvfrom(100)[1] for _ in range(2)]
    cluster.backends = cluster.backends[1:]
    ground.checker.follow(cluster)
    assert descriptors() == before + 1
    assert ground.checker.in_flight == 1
    for asker in askers:
        server.sendto(b"pong", asker)
    ground.until(lambda: cluster.good)
    assert [name for _, name, _, _ in cluster.good] == ["b1"]
    ground.pass_time(100)
    assert {name for _, name, _ in cluster.bad} <= {"b1"}
    assert [each.sock.fileno() for each in held if each] == [-1, -1], "not left to the collector"


def test_a_new_backend_is_probed_and_the_others_are_left_alone(ground: Ground) -> None:
    server = Udp()
    cluster = Cluster(server.name)
    ground.start(cluster)
    _, asker = server.recvfrom(100)
    cluster.backends = [*cluster.backends, *Cluster(server.name).backends]
    ground.checker.follow(cluster)
    ground.until(lambda: ground.checker.made == 2)
    assert ground.checker.in_flight == 2
    server.sendto(b"pong", asker)
    ground.until(lambda: cluster.good)


@pytest.mark.parametrize("end", ["off", "forget", "stop"])
def test_whoever_is_no_longer_probed_hears_nothing(end: str) -> None:
    before = descriptors()
    ground, server = Ground(), Udp()
    cluster = Cluster(server.name)
    ground.start(cluster)
    _, asker = server.recvfrom(100)
    match end:
        case "off":
            cluster.change(probe="off")
            ground.checker.follow(cluster)
        case "forget":
            ground.checker.forget(cluster)
    if end != "stop":
        assert ground.checker.in_flight == 0
        server.sendto(b"pong", asker)
        ground.pass_time(100)
        assert (ground.checker.made, ground.loop.waiting) == (1, 0)
    ground.checker.stop()
    server.close()
    assert (cluster.good, cluster.bad) == ([], [])
    assert descriptors() == before


def test_changed_settings_end_a_probe_and_start_another(ground: Ground) -> None:
    server = Udp()
    cluster = Cluster(server.name)
    ground.start(cluster)
    _, asker = server.recvfrom(100)
    cluster.change(send=b"hello", expect=b"hi")
    ground.checker.follow(cluster)
    assert ground.checker.in_flight == 0
    server.sendto(b"pong", asker)
    ground.until(lambda: ground.checker.made == 2)
    asked, asker = server.recvfrom(100)
    assert asked == b"hello"
    server.sendto(b"hi", asker)
    ground.until(lambda: cluster.good)
    assert (len(cluster.good), cluster.bad) == (1, [])


def test_settings_of_other_things_disturb_no_probe(ground: Ground) -> None:
    server = Udp()
    cluster = Cluster(server.name)
    ground.start(cluster)
    cluster.change(rise=7, fall=8, fail_open=False, passive=False, refusals=9, eject_below=0.5)
    ground.checker.follow(cluster)
    assert (ground.checker.made, ground.checker.in_flight) == (1, 1)
    server.sendto(b"pong", server.recvfrom(100)[1])
    ground.until(lambda: cluster.good)


def test_a_cluster_may_act_while_it_is_told(ground: Ground) -> None:
    """All probes are late at once; the first one told ends all others."""

    class Acting(Cluster):
        def probe_failed(self, now: float, backend: Backend, why: str) -> None:
            super().probe_failed(now, backend, why)
            ground.checker.forget(self)

    server = Udp()
    cluster = Acting(*[server.name] * 5)
    ground.start(cluster)
    ground.pass_time(2)
    assert cluster.whys == ["timed out"]
    assert ground.checker.in_flight == 0


# When probes start


def test_the_next_probe_starts_an_interval_after_the_last(ground: Ground) -> None:
    server = Udp()
    cluster = Cluster(server.name)
    ground.start(cluster)
    server.sendto(b"pong", server.recvfrom(100)[1])
    ground.until(lambda: cluster.good)
    ground.pass_time(9.99)
    assert ground.checker.made == 1
    ground.pass_time(0.02)
    assert ground.checker.made == 2


def test_a_probe_that_outlasts_the_interval_delays_the_next(ground: Ground) -> None:
    server = Udp()
    cluster = Cluster(server.name)
    cluster.change(interval=1.0, timeout=5.0)
    ground.start(cluster)
    ground.pass_time(4.9)
    assert (ground.checker.made, ground.checker.in_flight) == (1, 1)
    ground.pass_time(0.2)
    assert (ground.checker.made, ground.checker.in_flight) == (2, 1)
    assert cluster.whys == ["timed out"]


# Limits


def test_one_turn_starts_so_many(ground: Ground) -> None:
    server = Udp()
    ground.checker.follow(Cluster(*[server.name] * (2 * STEPS_PER_TURN + 1)))
    before, steps = 0, []
    while ground.checker.made < 2 * STEPS_PER_TURN + 1:
        ground.loop.turn()
        steps.append(ground.checker.made - before)
        before = ground.checker.made
    assert max(steps) == STEPS_PER_TURN


def test_so_many_are_in_flight_and_the_others_wait(ground: Ground) -> None:
    if raise_descriptor_limit() < PROBES_MAX + 100:
        pytest.skip("too few descriptors")
    server = Udp()
    cluster = Cluster(*[server.name] * (PROBES_MAX + 50))
    ground.checker.follow(cluster)
    ground.until(lambda: ground.checker.made == PROBES_MAX)
    ground.pass_time(1)
    assert ground.checker.in_flight == ground.checker.most_in_flight == PROBES_MAX
    assert ground.checker.made == PROBES_MAX
    ground.loop.now += 1
    ground.until(lambda: ground.checker.made == PROBES_MAX + 50)
    ground.until(lambda: len(cluster.bad) == PROBES_MAX)
    assert ground.checker.in_flight == 50
    assert ground.checker.most_in_flight == PROBES_MAX


def test_those_that_waited_start_in_slices_too(ground: Ground) -> None:
    if raise_descriptor_limit() < PROBES_MAX + 100:
        pytest.skip("too few descriptors")
    server = Udp()
    many, waiting = Cluster(*[server.name] * PROBES_MAX), Cluster(*[server.name] * 40)
    ground.checker.follow(many)
    ground.until(lambda: ground.checker.made == PROBES_MAX)
    ground.checker.follow(waiting)
    ground.pass_time(1)
    assert ground.checker.made == PROBES_MAX
    ground.checker.forget(many)
    for started in (STEPS_PER_TURN, 2 * STEPS_PER_TURN, 40):
        ground.loop.turn()
        assert ground.checker.made == PROBES_MAX + started


@contextmanager
def no_descriptor_left() -> Iterator[None]:
    """The limit is where the lowest free descriptor is."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest = os.dup(0)
    os.close(lowest)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_no_descriptor_says_nothing_about_a_backend(ground: Ground) -> None:
    server = Udp()
    cluster = Cluster(server.name)
    with no_descriptor_left():
        ground.start(cluster)
        ground.pass_time(10)
    assert (cluster.good, cluster.bad) == ([], [])
    assert (ground.checker.made, ground.checker.not_made) == (0, 2)
    ground.pass_time(10)
    server.sendto(b"pong", server.recvfrom(100)[1])
    ground.until(lambda: cluster.good)
    assert (ground.checker.made, ground.checker.not_made) == (1, 2)


def test_a_poller_without_memory_says_nothing_about_a_backend(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(fd: int) -> None:
        raise OSError(28, "no space left")

    monkeypatch.setattr(ground.checker._poller, "watch", full)
    server = Udp()
    cluster = Cluster(server.name)
    before = descriptors()
    ground.start(cluster)
    assert (cluster.bad, ground.checker.not_made) == ([], 1)
    assert descriptors() == before


# Real loops


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_on_a_real_loop(new_loop: type[asyncio.AbstractEventLoop]) -> None:
    """Each probed again and again; a refused one and a silent one, too."""
    silent = Udp()
    loop = new_loop()
    checker = HealthChecker(loop)
    with Servers(20) as servers:
        cluster = Cluster(*servers.names, ("127.0.0.1", dead_port()), silent.name)
        cluster.change(interval=0.1, timeout=0.5, expect=b"")
        begun = time.monotonic()
        checker.follow(cluster)

        def look() -> None:
            if len(cluster.good) >= 100 and {"refused", "timed out"} <= set(cluster.whys):
                loop.stop()
            else:
                assert time.monotonic() < begun + 20
                loop.call_later(0.005, look)

        loop.call_soon(look)
        loop.run_forever()
        took = time.monotonic() - begun
    checker.stop()
    loop.close()
    assert took >= 4 * 0.08, "five probes of each: four intervals"
    assert {name for _, name, _, _ in cluster.good} == {f"b{number}" for number in range(20)}
    assert {(name, why) for _, name, why in cluster.bad} == {
        ("b20", "refused"),
        ("b21", "timed out"),
    }
    assert all(0 < latency < 1 for *_, latency in cluster.good)
    until(lambda: checker.in_flight == 0)
