"""The file is saved again and again under traffic: whom it does not concern, loses nothing."""

from __future__ import annotations

import os
import random
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.e2e.control import (
    Running,
    Told,
    backend,
    cluster,
    engine,
    listener,
    running,
    text_of,
)
from tests.e2e.sequences import NOT_OURS, Result, Sequences, backends_and_clients
from tests.harness import Udp, need_linux, until
from tests.programs import descriptors, free_port, resident_bytes
from udplb.config.load import load
from udplb.engine.events import ConfigurationChanged, ConfigurationRejected

pytestmark = pytest.mark.e2e

FLOWS, RATE = 200, 5_000
STILL, TOUCHED, SPARE = 4, 4, 4
"""Backends that no save touches, those that are there and changed, those that come and go."""
SAVES, BROKEN = 100, 20
HURRIED = 30
MEMORY_GROWN_MAX = 16 << 20

TIMEOUTS = ("30s", "40s", "50s")


@dataclass(frozen=True)
class Wish:
    """What a version of the file says."""

    socket: Path
    port: int
    ports: tuple[int, ...]
    """Of the backends: still, touched, spare."""
    weights: tuple[int, ...] = (1,) * TOUCHED
    spares: tuple[int, ...] = ()
    front_timeout: str = "30s"
    second_port: int = 0
    """Of a second listener; 0: there is none."""
    max_flows: int = 0

    @property
    def text(self) -> str:
        """The file."""
        weights = [1] * STILL + list(self.weights)
        backends = [
            backend(f"127.0.0.1:{port}", f"b{number}", weight=weight)
            for number, (port, weight) in enumerate(zip(self.ports, weights, strict=False))
        ]
        spare = self.ports[STILL + TOUCHED :]
        backends += [backend(f"127.0.0.1:{spare[n]}", f"s{n}") for n in self.spares]
        keys = f'balance = "hrw"\nfront_timeout = "{self.front_timeout}"\nback_timeout = "30s"'
        listeners = [listener("l", self.port, "c", f"max_flows = {self.max_flows}")]
        if self.second_port:
            listeners.append(listener("second", self.second_port, "c"))
        return text_of(engine(self.socket), *listeners, cluster("c", backends, keys))

    @property
    def in_force(self) -> dict[str, int]:
        """The weights that it asks for, by address."""
        ports = self.ports
        still = {f"127.0.0.1:{port}": 1 for port in ports[:STILL]}
        touched = {
            f"127.0.0.1:{port}": weight
            for port, weight in zip(ports[STILL:], self.weights, strict=False)
        }
        spare = {f"127.0.0.1:{ports[STILL + TOUCHED + n]}": 1 for n in self.spares}
        return still | touched | spare

    def other(self, chance: random.Random, second_port: int) -> Wish:
        """Another version: one thing is different, or two."""
        what = chance.randrange(5)
        if what == 0:
            place = chance.randrange(TOUCHED)
            weight = (self.weights[place] + chance.randrange(1, 9)) % 10
            return replace(
                self, weights=(*self.weights[:place], weight, *self.weights[place + 1 :])
            )
        if what == 1:
            spares = tuple(n for n in range(SPARE) if (n in self.spares) ^ (chance.random() < 0.5))
            return replace(self, spares=spares, max_flows=self.max_flows + 1)
        if what == 2:
            return replace(self, front_timeout=chance.choice(_others(TIMEOUTS, self.front_timeout)))
        if what == 3:
            return replace(self, second_port=0 if self.second_port else second_port)
        return replace(self, max_flows=self.max_flows + 1)


def _others(choices: tuple[str, ...], but: str) -> list[str]:
    return [each for each in choices if each != but]


@dataclass
class Scene:
    """A proxy before twelve backends, traffic through it, and what it tells."""

    proxy: Running
    told: Told
    wish: Wish
    traffic: Sequences

    def save(self, text: str) -> None:
        """Save the file, as editors do that write in place."""
        self.proxy.file.write_text(text)


@contextmanager
def scene(folder: Path, delay_ms: int = 30) -> Iterator[Scene]:
    need_linux()
    port, socket = free_port(), folder / "s"
    count = STILL + TOUCHED + SPARE
    with backends_and_clients(
        port, flows=FLOWS, rate=RATE, backends=count, delay_ms=delay_ms
    ) as traffic:
        wish = Wish(socket=socket, port=port, ports=tuple(traffic.ports))
        file = folder / "udplb.toml"
        file.write_text(wish.text)
        with running(file, socket) as proxy, Told(proxy) as told:
            yield Scene(proxy, told, wish, traffic)


def judge(result: Result, untouched: Callable[[int], bool] = lambda backend: True) -> int:
    """Assert that flows of untouched backends lost nothing; how many there were."""
    assert result.strange == 0
    of_untouched = [each for each in result.clients if all(map(untouched, each.backends))]
    for number, client in enumerate(of_untouched):
        assert client.sent > 0
        assert client.whole, f"client {number}: {client}"
        assert len(client.upstreams) == 1, f"another flow, or another backend: {client.upstreams}"
    return len(of_untouched)


def no_kernel_drops(proxy: Running) -> None:
    """Else the machine lost datagrams, and not the proxy."""
    assert proxy.status().totals.kernel_drops == 0, "the kernel dropped datagrams: too busy"


# Broken versions: what is put in, and where; every one is reported with the line of its mark

MARK = "# here"
IN_ENGINE, IN_LISTENER, IN_CLUSTER, IN_BACKEND = (
    "[engine]\n", "[[listeners]]\n", "[clusters.c]\n", "[[clusters.c.backends]]\n",
)  # fmt: skip
BREAKS: tuple[tuple[str, str, str], ...] = (
    ("", "= 3 # here\n", "not valid TOML"),
    ("", "[clusters.c # here\n", "not valid TOML"),
    ("", "[engine] # here\n", "not valid TOML"),
    (IN_ENGINE, 'log_level = "loud" # here\n', "log_level"),
    (IN_ENGINE, "hash_sed = 3 # here\n", "hash_seed"),
    (IN_ENGINE, 'drain_timeout = "30 parsecs" # here\n', "drain_timeout"),
    (IN_ENGINE, "max_flows = -1 # here\n", "max_flows"),
    (IN_LISTENER, 'allow = ["10.0.0.0/99"] # here\n', "allow"),
    (IN_LISTENER, 'receive_buffer = "much" # here\n', "receive_buffer"),
    (IN_LISTENER, "max_datagram_size = 70_000 # here\n", "max_datagram_size"),
    (IN_CLUSTER, 'on_backend_down = "panic" # here\n', "on_backend_down"),
    (IN_CLUSTER, "responses = 1.5 # here\n", "responses"),
    (IN_CLUSTER, "affinity = true # here\n", "affinity"),
    (IN_CLUSTER, '[clusters.c.health]\nprobe = "ping" # here\n', "probe"),
    (IN_BACKEND, 'state = "asleep" # here\n', "state"),
    ("", '[[clusters.c.backends]]\naddress = "127.0.0.1:{first}" # here\n', "address"),
    ("", '[[clusters.c.backends]]\naddress = "example.org:53" # here\n', "address"),
    ("", '[[clusters.c.backends]]\naddress = "127.0.0.1:{listener}" # here\n', "address"),
    ("", '[[clusters.c.backends]]\nweight = 1_001 # here\naddress = "10.0.0.9:53"\n', "weight"),
    (
        "",
        '[[listeners]]\nname = "m"\naddress = "127.0.0.1:1"\ncluster = "d" # here\n',
        "cluster",
    ),
)


def broken(wish: Wish, number: int) -> tuple[str, int, str]:
    """A version that is not valid, the line of its mistake, and a word that tells of it."""
    after, what, word = BREAKS[number % len(BREAKS)]
    what = what.format(first=wish.ports[0], listener=wish.port)
    text = wish.text
    place = text.index(after) + len(after) if after else len(text)
    if what.startswith("[clusters.c.health]"):
        place = len(text)
    text = text[:place] + what + text[place:]
    line = text[: text.index(MARK)].count("\n") + 1
    return text, line, word


def test_a_hundred_saves_under_traffic(tmp_path: Path) -> None:
    chance = random.Random(4)
    second_port = free_port()
    with scene(tmp_path) as s:
        proxy, wish, seconds = s.proxy, s.wish, 0
        s.traffic.begin()
        until(lambda: proxy.status().totals.flows == FLOWS, "all flows")
        fds, memory = descriptors(proxy.pid), 0
        rejected = 0
        took: list[float] = []
        for number in range(SAVES):
            if number % (SAVES // BROKEN) == 2:
                text, line, word = broken(wish, rejected)
                verdict = s.told.judged(s.save, text)
                assert isinstance(verdict, ConfigurationRejected), (text, verdict)
                at = f"{proxy.file}:{line}: "
                assert any(p.startswith(at) and word in p for p in verdict.problems), verdict
                proxy.log.wait_for(at)
                rejected += 1
            wish = wish.other(chance, second_port) if number < SAVES - 1 else s.wish
            if wish.text == proxy.file.read_text():
                wish = replace(wish, max_flows=number + 1)
            verdict = s.told.judged(s.save, wish.text)
            assert isinstance(verdict, ConfigurationChanged), verdict
            assert verdict.sentences
            if wish.second_port:
                seconds += Udp().ask(NOT_OURS, ("127.0.0.1", second_port)) == NOT_OURS
            snapshot = proxy.status()
            assert snapshot.configuration.last_reload is not None
            took.append(snapshot.configuration.last_reload.took_s)
            if number == SAVES // 10:
                memory = resident_bytes(proxy.pid)
        configuration = proxy.status().configuration
        assert (configuration.reloads, configuration.rejected) == (SAVES, BROKEN)
        assert proxy.weights() == wish.in_force == s.wish.in_force
        done = proxy.run("diff")
        assert (done.returncode, "are the same" in done.stdout) == (0, True), done
        grown = resident_bytes(proxy.pid) - memory
        result = s.traffic.result()
        untouched = judge(result, lambda backend: backend < STILL)
        no_kernel_drops(proxy)
        until(lambda: descriptors(proxy.pid) <= fds + 4, "descriptors as at first")
        print(
            f"\n{SAVES} saves and {BROKEN} broken versions: {result}; {untouched} flows of"
            f" backends that stayed; applied {1e3 * sum(took) / len(took):.0f} ms after they were"
            f" seen ({1e3 * max(took):.0f} at most); descriptors {fds} -> {descriptors(proxy.pid)},"
            f" memory +{grown >> 10} KiB; {seconds} asked the second listener"
        )
        assert untouched > FLOWS // 6
        assert all(client.whole for client in result.clients), "removed backends answered, too"
        assert grown < MEMORY_GROWN_MAX
        assert seconds > 0


def test_saves_as_fast_as_they_come(tmp_path: Path) -> None:
    """Nobody waits for one to be applied: the last one is in force in the end."""
    chance = random.Random(5)
    with scene(tmp_path) as s:
        s.traffic.begin()
        until(lambda: s.proxy.status().totals.flows == FLOWS, "all flows")
        wish = s.wish
        for number in range(HURRIED):
            wish = replace(wish.other(chance, 0), second_port=0)
            s.save(broken(wish, number)[0] if number % 7 == 3 else wish.text)
            s.told.take(chance.choice((0.0, 0.005, 0.1, 0.2)))
        wish = replace(wish, max_flows=9_999)
        s.save(wish.text)
        until(lambda: s.proxy.weights() == wish.in_force, "the last one")
        until(lambda: "are the same" in s.proxy.run("diff").stdout, "no difference")
        configuration = s.proxy.status().configuration
        result = s.traffic.result()
        untouched = judge(result, lambda backend: backend < STILL)
        no_kernel_drops(s.proxy)
        print(
            f"\n{HURRIED + 1} hurried saves, {configuration.reloads} applied,"
            f" {configuration.rejected} rejected: {result};"
            f" {untouched} flows of backends that stayed"
        )
        assert configuration.last_reload is not None
        assert configuration.last_reload.problems == ()
        assert 0 < configuration.reloads <= HURRIED, "saves are taken together"


def test_a_listener_moves_and_changes_its_cluster(tmp_path: Path) -> None:
    """Flows of a listener that stays do not notice; datagrams in its old socket are not lost."""
    with scene(tmp_path) as s:
        proxy, wish, port = s.proxy, s.wish, free_port()
        s.traffic.begin()
        until(lambda: proxy.status().totals.flows == FLOWS, "all flows")
        other = cluster("d", [backend(f"127.0.0.1:{wish.ports[0]}")])
        moved: list[str] = []
        for number in range(8):
            name, where = ("c", "d")[number % 2], port + number // 2 % 2
            text = text_of(wish.text, listener("m", where, name), other)
            verdict = s.told.judged(s.save, text)
            assert isinstance(verdict, ConfigurationChanged), verdict
            moved += verdict.sentences
            assert Udp().ask(NOT_OURS, ("127.0.0.1", where)) == NOT_OURS
            (found,) = (each for each in proxy.status().listeners if each.name == "m")
            assert (found.address, found.cluster) == (f"127.0.0.1:{where}", name)
        result = s.traffic.result()
        assert judge(result) == FLOWS
        no_kernel_drops(proxy)
        print(f"\na listener beside that changed {len(moved)} times: {result}")
        assert len(moved) >= 10


def test_the_busy_listener_changes_cluster_and_address(tmp_path: Path) -> None:
    """Its own flows go over to successors; whatever was sent is answered, however late."""
    with scene(tmp_path, delay_ms=300) as s:
        proxy, wish = s.proxy, s.wish
        s.traffic.begin()
        until(lambda: proxy.status().totals.flows == FLOWS, "all flows")
        other = cluster("d", [backend(f"127.0.0.1:{port}") for port in wish.ports[:STILL]])
        for name in ("d", "c", "d", "c"):
            text = wish.text.replace('cluster = "c"', f'cluster = "{name}"') + other + "\n"
            verdict = s.told.judged(s.save, text)
            assert isinstance(verdict, ConfigurationChanged), verdict
        # From one address to all of them and back: the port is the same, the socket another.
        for address in (f"0.0.0.0:{wish.port}", f"127.0.0.1:{wish.port}"):
            text = wish.text.replace(f"127.0.0.1:{wish.port}", address)
            verdict = s.told.judged(s.save, text)
            assert isinstance(verdict, ConfigurationChanged), verdict
        result = s.traffic.result()
        snapshot = proxy.status()
        no_kernel_drops(proxy)
        print(f"\n4 changes of its cluster, 2 of its address: {result}")
        assert result.strange == 0
        assert snapshot.totals.dropped == 0, snapshot.listeners
        assert all(client.whole for client in result.clients)


def test_a_failed_bind_undoes_the_whole_change(tmp_path: Path) -> None:
    with scene(tmp_path) as s, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        taken = other.getsockname()[1]
        s.traffic.begin()
        until(lambda: s.proxy.status().totals.flows == FLOWS, "all flows")
        wish = replace(s.wish, weights=(9,) * TOUCHED, second_port=taken)
        fds = descriptors(s.proxy.pid)
        verdict = s.told.judged(s.save, wish.text)
        assert isinstance(verdict, ConfigurationRejected), verdict
        assert f"127.0.0.1:{taken}" in verdict.problems[0]
        assert s.proxy.weights() == s.wish.in_force
        until(lambda: descriptors(s.proxy.pid) <= fds + 2)
        verdict = s.told.judged(s.save, replace(wish, second_port=0).text)
        assert isinstance(verdict, ConfigurationChanged), verdict
        assert s.proxy.weights() == wish.in_force
        result = s.traffic.result()
        assert judge(result) == FLOWS
        print(f"\na bind that failed: {result}")


def test_every_break_breaks(tmp_path: Path) -> None:
    """The broken versions above are broken where they say, and nowhere before."""
    wish = Wish(socket=tmp_path / "s", port=21_000, ports=tuple(range(22_000, 22_012)))
    file = tmp_path / "udplb.toml"
    file.write_text(wish.text)
    load(file)
    assert len(BREAKS) == BROKEN
    assert os.path.getsize(file) > 0
