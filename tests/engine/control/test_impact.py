"""Impact: which live flows a change would touch, told before it is made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from ipaddress import ip_network
from typing import Any

import pytest

from tests.harness import Proxy, Servers, Udp, configuration, proxy
from udplb.config.difference import difference
from udplb.core.address import Address, normal_ip
from udplb.core.settings import BackendSettings, Configuration, HealthSettings
from udplb.engine.control.impact import Impact, matching
from udplb.engine.events import BackendWentDown


def touched(p: Proxy, before: Configuration, after: Configuration) -> list[int]:
    """The flows that each change would touch."""

    async def look() -> list[int]:
        impact = Impact(p.engine.forwarding, p.engine._clock)
        return [await impact.of(change) for change in difference(before, after)]

    return p.engine.call(look()).result(20)


Edit = Callable[[Configuration], Configuration]


def backends(*fields: dict[str, Any] | None) -> Edit:
    """Each backend with other fields, or gone (None)."""

    def edit(settings: Configuration) -> Configuration:
        cluster = settings.clusters[0]
        kept = tuple(
            replace(each, **keys)
            for each, keys in zip(cluster.backends, fields, strict=True)
            if keys is not None
        )
        return replace(settings, clusters=(replace(cluster, backends=kept),))

    return edit


def cluster(**keys: Any) -> Edit:
    return lambda settings: replace(settings, clusters=(replace(settings.clusters[0], **keys),))


def listener(**keys: Any) -> Edit:
    return lambda settings: replace(
        settings, listeners=(replace(settings.listeners[0], **keys), *settings.listeners[1:])
    )


def engine(**keys: Any) -> Edit:
    return lambda settings: replace(settings, engine=replace(settings.engine, **keys))


NEW = BackendSettings(address=Address(normal_ip("10.0.0.1"), 53), name="n")

# Two listeners with 6 flows each, half of them from 127.0.0.2; 4 flows on each of three backends.
EDITS: list[tuple[Edit, list[int]]] = [
    (backends({}, {}, {}), []),
    (backends(None, {}, {}), [4]),
    (backends(None, {"weight": 0}, {"weight": 7}), [4, 0, 4]),
    (backends({"state": "drain"}, {"name": "bee"}, {"backup": True}), [4, 0, 0]),
    (cluster(balance="hrw"), [0]),
    (cluster(on_backend_down="move"), [0]),
    (cluster(backends=(NEW,)), [0, 4, 4, 4]),
    (listener(address=Address(normal_ip("127.0.0.9"), 9)), [6]),
    (listener(cluster="c", max_flows=1), [0]),
    (listener(deny=(ip_network("127.0.0.2/32"),)), [3]),
    (listener(deny=(ip_network("127.0.0.3/32"),)), [0]),
    (listener(allow=(ip_network("127.0.0.2/32"),)), [3]),
    (listener(allow=(ip_network("127.0.0.0/8"),)), [0]),
    (listener(name="other"), [0, 6]),
    (lambda settings: replace(settings, listeners=settings.listeners[1:]), [6]),
    (engine(max_flows=1), [0]),
]


def test_how_many_flows_each_change_would_touch() -> None:
    with Servers(3) as servers:
        settings = configuration(*servers.names, listen=["127.0.0.1"] * 2)
        with proxy(settings) as p:
            clients = []
            for name in (each.address for each in p.snapshot.listeners):
                for number in range(6):
                    clients.append(Udp(f"127.0.0.{1 + number % 2}"))
                    clients[-1].ask(b"x", ("127.0.0.1", int(name.rpartition(":")[2])))
            for edit, expected in EDITS:
                after = edit(settings)
                found = touched(p, settings, after)
                assert sorted(found) == sorted(expected), difference(settings, after)


@pytest.mark.parametrize(("way", "flows"), [("keep", 0), ("move", 3), ("close", 3)])
def test_flows_of_backends_that_are_down(way: Any, flows: int) -> None:
    from tests.harness import Events

    health = HealthSettings(refusals=1, refusal_window=60)
    with Servers(2) as servers:
        before: Any = "move" if way == "keep" else "keep"
        settings = configuration(*servers.names, health=health)
        with proxy(settings) as p:
            events = Events(p.engine)
            clients = [Udp() for _ in range(6)]
            for each in clients:
                each.ask(b"x", p.at)
            other = cluster(on_backend_down=way)(settings)
            settings = cluster(on_backend_down=before)(settings)
            assert touched(p, settings, other) == [0], "all are up"
            servers.kill(0)
            clients[0].sendto(b"y", p.at)
            events.first(BackendWentDown)
            assert touched(p, settings, other) == [flows]
            servers.kill(1)
            clients[1].sendto(b"y", p.at)
            p.until(lambda p: p.snapshot.clusters[0].all_down)
            assert touched(p, settings, other) == [0], "with none up all stay"


def test_what_is_not_there_has_no_flows() -> None:
    with Servers() as servers:
        settings = configuration(*servers.names)
        strange = replace(
            settings,
            listeners=(replace(settings.listeners[0], name="unknown"),),
            clusters=(replace(settings.clusters[0], name="unknown"),),
        )
        gone = replace(strange, clusters=(replace(strange.clusters[0], backends=(NEW,)),))
        with proxy(settings) as p:
            Udp().ask(b"x", p.at)
            denied = listener(deny=(ip_network("127.0.0.0/8"),))
            assert touched(p, strange, denied(strange)) == [0]
            assert touched(p, strange, gone) == [0, 0]
            assert touched(p, strange, cluster(on_backend_down="move")(strange)) == [0]


def test_a_walk_pauses_and_goes_on_while_flows_come_and_go() -> None:
    """With a clock that jumps, every step is a slice."""
    with Servers() as servers, proxy(configuration(*servers.names)) as p:
        clients = [Udp() for _ in range(100)]
        for each in clients:
            each.ask(b"x", p.at)
        ticks = iter(range(1_000_000))
        found: list[int] = []

        async def walk() -> None:
            jumping = lambda: next(ticks) * 0.001  # noqa: E731
            async for flow in matching(p.engine.forwarding.listeners, lambda _: True, jumping):
                found.append(flow.id)

        walking = p.engine.call(walk())
        Udp().ask(b"y", p.at)
        walking.result(20)
        assert found[:100] == list(range(1, 101))
        assert len(set(found)) == len(found) <= 101
