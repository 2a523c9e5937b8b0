"""Pictures: in slices, each replaced by a later one, also while everything changes."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from tests.harness import Proxy, Servers, Udp, configuration, proxy, until
from udplb.config.load import load
from udplb.core.address import Address, normal_ip
from udplb.core.settings import BackendSettings, Configuration
from udplb.engine import pictures as pictures_module
from udplb.engine.control.requests import Diff, Explain, Reload, Save, SetWeight, Status
from udplb.engine.garbage import spare_the_datapath
from udplb.engine.pictures import Pictures
from udplb.engine.snapshot import BACKENDS_PER_SLICE

MANY = 2_000


def many(at: tuple[str, int], count: int = MANY, weight: int = 1) -> Configuration:
    """One backend that answers; the others get no flows."""
    settings = configuration(at)
    cluster = settings.clusters[0]
    others = tuple(
        BackendSettings(
            address=Address(normal_ip(f"10.0.{number // 250}.{number % 250}"), 53),
            name=f"n{number}",
            weight=weight,
        )
        for number in range(count - 1)
    )
    return replace(settings, clusters=(replace(cluster, backends=(*cluster.backends, *others)),))


class Steps:
    """How much an engine's loop worked in one go, without a turn for anybody else.

    In time of the processor, so that it does not matter what else runs on this machine.
    """

    def __init__(self, p: Proxy) -> None:
        self._longest_s = 0.0
        self._at = 0.0
        self._loop = p.engine._loop
        self._over = False
        p.do(self._tick)

    def _tick(self) -> None:
        now = time.thread_time()
        self._longest_s = max(self._longest_s, now - self._at)
        self._at = now
        if not self._over:
            self._loop.call_later(0.0005, self._tick)

    def took(self) -> float:
        """The longest so far, in milliseconds; from now on anew."""
        longest, self._longest_s = self._longest_s, 0.0
        return longest * 1000

    def stop(self) -> None:
        self._over = True


def test_a_picture_of_many_backends_is_made_in_slices() -> None:
    with Servers() as servers, proxy(many(servers.names[0])) as p:
        slices = p.do(lambda: sum(1 for _ in pictures(p)._slices()))
        assert slices == -(-MANY // BACKENDS_PER_SLICE) - 1
        seen = p.ask(Status())
        assert len(seen.clusters[0].backends) == MANY
        assert [each.name for each in seen.clusters[0].backends[:3]] == ["b0", "n0", "n1"]


def pictures(p: Proxy) -> Pictures:
    assert p.engine._pictures is not None
    return p.engine._pictures


def test_a_picture_while_the_backends_are_replaced() -> None:
    """It is of the old ones or of the new ones, never of both."""
    with Servers() as servers:
        old = many(servers.names[0])
        few = configuration(*servers.names)
        with proxy(old) as p:
            slices = pictures(p)._slices()
            p.do(lambda: next(slices))
            p.change(few)
            p.do(lambda: next(slices))
            seen: list[Any] = []

            def finish() -> None:
                for _ in slices:
                    pass
                seen.append(pictures(p).latest)

            p.do(finish)
            assert len(seen[0].clusters[0].backends) == MANY
            assert len(p.ask(Status()).clusters[0].backends) == 1
            p.until(lambda p: len(p.backends) == 1)


def test_a_fresh_picture_shows_what_was_just_done(monkeypatch: pytest.MonkeyPatch) -> None:
    with Servers() as servers, proxy(configuration(*servers.names)) as p:
        monkeypatch.setattr(pictures_module, "INTERVAL_S", 3_600)
        p.ask(SetWeight(cluster="c", backend="b0", weight=3))
        seen = p.ask(Status())
        assert seen.clusters[0].backends[0].weight == 3
        assert seen.configuration.generation == 2
        assert p.snapshot is seen, "it is the latest for everybody"


def test_totals_never_fall_while_listeners_come_and_go() -> None:
    with Servers() as servers:
        one = configuration(*servers.names, drain_timeout=0.1)
        second = replace(one.listeners[0], name="m")
        two = replace(one, listeners=(second, *one.listeners))
        only = replace(one, listeners=(second,))
        names = ("requests", "request_bytes", "replies", "reply_bytes", "admitted", "dropped")
        with proxy(one) as p:
            client, last = Udp(), p.snapshot.totals
            for wanted in (two, one, only, two, only, one):
                p.change(wanted)
                called = [each.name for each in wanted.listeners]
                p.until(lambda p: [each.name for each in p.snapshot.listeners] == called)
                client.ask(b"x", p.at)
                Udp().sendto(b"", p.at)
                for _ in range(5):
                    totals = p.ask(Status()).totals
                    assert all(getattr(totals, name) >= getattr(last, name) for name in names)
                    last = totals
            p.until(lambda p: p.snapshot.totals.replies == 6)
            assert p.stop().totals.requests == 6


def test_the_last_picture_is_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    """None that was begun before the end, and in slices, replaces it."""
    with Servers() as servers, proxy(many(servers.names[0])) as p:
        Udp().ask(b"x", p.at)
        halfway = pictures(p)._slices()
        p.do(lambda: next(halfway))
        last = p.stop()
        assert last.state == "stopped"
        assert list(halfway)
        assert p.snapshot is last


TOML = """
[[listeners]]
name = "l"
address = "127.0.0.1:{port}"
cluster = "c"
[clusters.c]
balance = "{balance}"
"""
BACKEND = """
[[clusters.c.backends]]
address = "10.{tens}.{hundreds}.{ones}:53"
weight = {weight}
"""


@pytest.fixture
def no_full_collections() -> Iterator[None]:
    """As in production, see udplb/engine/garbage.py."""
    thresholds = gc.get_threshold()
    spare_the_datapath()
    yield
    gc.set_threshold(*thresholds)
    gc.unfreeze()


@pytest.mark.usefixtures("no_full_collections")
def test_two_thousand_backends_hold_nobody_up_for_long(tmp_path: Any) -> None:
    """The longest step on the loop of whatever operators do; it is printed, and bounded loosely."""
    path = tmp_path / "udplb.toml"
    port = Udp().name[1]

    def write(tens: int, weight: int, balance: str) -> None:
        text = TOML.format(port=port, balance=balance)
        for number in range(MANY):
            text += BACKEND.format(
                tens=tens, hundreds=number // 250, ones=number % 250, weight=weight
            )
        path.write_text(text)

    write(0, 1, "hrw")
    loaded = load(path)
    engine: dict[str, Any] = {"file": path, "digest": loaded.digest}
    with proxy(loaded.configuration, **engine) as p:
        steps = Steps(p)
        told: list[str] = []

        def measure(what: str, act: Callable[[], object]) -> None:
            steps.took()
            act()
            told.append(f"{what} {steps.took():.1f}")

        measure("idle", lambda: p.ask(Status()))
        measure("explain", lambda: p.ask(Explain(listener="l", client="192.0.2.1:5353")))
        measure("drain", lambda: p.drain("c", "10.0.0.1:53"))
        write(0, 2, "hrw")
        measure("diff of weights", lambda: p.ask(Diff()))
        measure("reload of weights", lambda: p.ask(Reload()))
        write(1, 2, "maglev")
        measure("diff of all", lambda: p.ask(Diff()))
        measure("reload of all", lambda: p.ask(Reload()))
        measure("explain maglev", lambda: p.ask(Explain(listener="l", client="192.0.2.1:5353")))
        measure("weight", lambda: p.ask(SetWeight(cluster="c", backend="10.1.0.1:53", weight=9)))
        measure("save", lambda: p.ask(Save()))
        steps.stop()
        until(lambda: p.snapshot.configuration.drift == ())
        print("\nlongest step in ms:", "; ".join(told))
        assert all(float(each.rpartition(" ")[2]) < 100 for each in told), "quadratic?"
