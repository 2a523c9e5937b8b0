"""Taps: what of a flow is kept, and that nothing is when nobody looks."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.harness import Servers, Udp, configuration, need_linux, proxy, until
from udplb.core.flow import Flow
from udplb.core.settings import FlowTerms
from udplb.core.train import Run, Train
from udplb.engine.control.requests import CloseFlows, Flows
from udplb.engine.listener import Listener
from udplb.engine.snapshot import TAP_BYTES_MAX, TAP_DATAGRAMS_MAX, TappedDatagram
from udplb.engine.tap import Tap, Taps


class Here:
    """A datapath with flows of a real engine."""

    def __init__(self, flows: dict[int, tuple[Listener, Flow]]) -> None:
        self.record: Any = None
        self.flows = flows

    def flow(self, number: int) -> tuple[Listener, Flow] | None:
        return self.flows.get(number)


@pytest.fixture
def here() -> Any:
    """Two live flows, 1 and 2."""
    with Servers() as servers, proxy(configuration(*servers.names)) as p:
        clients = [Udp(), Udp()]
        for each in clients:
            each.ask(b"x", p.at)
        yield Here({n: found for n in (1, 2) if (found := p.engine.forwarding.datapath.flow(n))})


def taps_of(here: Here, now: float = 5.0) -> Taps:
    return Taps(here, lambda: now, lambda: 1_000.0 + now)


def opened(taps: Taps, number: int) -> Tap:
    tap = taps.open(number)
    assert tap is not None
    return tap


def pass_by(here: Here, number: int, train: Train, now: float = 7.0, out: bool = True) -> None:
    """A train of a flow is on its way."""
    if here.record is not None:
        here.record(now, here.flows[number][1], out, train)


def seen(tap: Tap) -> list[bytes]:
    return [each.payload for each in tap.picture().datagrams]


# What is kept


def test_datagrams_stand_in_the_order_in_which_they_passed(here: Here) -> None:
    tap = opened(taps_of(here), 1)
    pass_by(here, 1, Train.of([b"a", b"bb"]))
    pass_by(here, 1, Train.of([b"", b"c"]), 8.0, out=False)
    pass_by(here, 2, Train.of([b"another flow"]))
    picture = tap.picture()
    assert picture.datagrams == (
        TappedDatagram(at=1_007.0, to_backend=True, size=1, payload=b"a"),
        TappedDatagram(at=1_007.0, to_backend=True, size=2, payload=b"bb"),
        TappedDatagram(at=1_008.0, to_backend=False, size=0, payload=b""),
        TappedDatagram(at=1_008.0, to_backend=False, size=1, payload=b"c"),
    )
    listener, flow = here.flows[1]
    assert (picture.flow, picture.live, picture.seen) == (1, True, 4)
    assert picture.client == str(flow.client)
    assert picture.local == str(listener.address)
    assert picture.backend == "b0"


@pytest.mark.parametrize("size", [TAP_BYTES_MAX - 1, TAP_BYTES_MAX, TAP_BYTES_MAX + 1, 65_507])
def test_of_a_datagram_the_beginning_is_kept(here: Here, size: int) -> None:
    tap = opened(taps_of(here), 1)
    payload = bytes(number % 251 for number in range(size))
    pass_by(here, 1, Train.of([payload]))
    pass_by(here, 1, Train([Run((payload + payload[:5],), size, 2, size + 5)]))
    first, second, last = tap.picture().datagrams
    assert (first.size, first.payload) == (size, payload[:TAP_BYTES_MAX])
    assert (second.size, second.payload) == (size, payload[:TAP_BYTES_MAX])
    assert (last.size, last.payload) == (5, payload[:5])


@pytest.mark.parametrize("merged", [False, True])
@pytest.mark.parametrize("count", [63, 64, 65, 200])
def test_the_last_datagrams_of_a_flood(here: Here, count: int, merged: bool) -> None:
    tap = opened(taps_of(here), 1)
    datagrams = [b"%03d" % number for number in range(count)]
    if merged:
        runs = [
            Run((b"".join(part),), 3, len(part), 3 * len(part))
            for part in (datagrams[start : start + 50] for start in range(0, count, 50))
        ]
        train = Train(runs)
    else:
        train = Train.of(datagrams)
    pass_by(here, 1, Train.of([b"old"] * 10))
    pass_by(here, 1, train)
    assert tap.picture().seen == count + 10
    assert seen(tap) == ([b"old"] * 10 + datagrams)[-TAP_DATAGRAMS_MAX:]


def test_a_flood_costs_no_more_than_what_is_kept(here: Here) -> None:
    """Counted, not timed: so many datagrams of a train are looked at."""
    looked_at = []

    class Watched(list[bytes]):
        def __getitem__(self, index: Any) -> Any:
            looked_at.append(index)
            return super().__getitem__(index)

    tap = opened(taps_of(here), 1)
    runs = [Run(Watched([b"x" * 600] * 50), 600, 50, 600 * 50) for _ in range(8)]
    pass_by(here, 1, Train(runs))
    assert (tap.picture().seen, len(looked_at)) == (400, TAP_DATAGRAMS_MAX)


# For how long


def test_nothing_is_kept_when_nobody_looks(here: Here) -> None:
    taps = taps_of(here)
    assert here.record is None
    first, other = opened(taps, 1), opened(taps, 2)
    assert len(taps) == 2
    first.close()
    first.close()
    assert len(taps) == 1
    assert here.record is not None
    pass_by(here, 1, Train.of([b"a"]))
    pass_by(here, 2, Train.of([b"b"]))
    assert seen(other) == [b"b"]
    other.close()
    assert (len(taps), here.record) == (0, None)
    again = opened(taps, 1)
    assert again.picture().seen == 0, "anew"
    again.close()


def test_who_looks_at_the_same_flow_shares_a_tap(here: Here) -> None:
    taps = taps_of(here)
    first = opened(taps, 1)
    pass_by(here, 1, Train.of([b"a"]))
    second = opened(taps, 1)
    assert len(taps) == 1
    assert seen(second) == [b"a"]
    first.close()
    pass_by(here, 1, Train.of([b"b"]))
    assert seen(second) == [b"a", b"b"]
    second.close()
    assert here.record is None


def test_a_flow_that_is_not_there(here: Here) -> None:
    taps = taps_of(here)
    assert taps.open(3) is None
    assert (len(taps), here.record) == (0, None)


# In an engine


def number_of(p: Any, client: Udp) -> int:
    spelled = f"{client.name[0]}:{client.name[1]}"
    (found,) = [row.id for row in p.ask(Flows()).rows if row.client == spelled]
    return int(found)


def test_a_flow_that_ends_stays_to_be_looked_at() -> None:
    with Servers() as servers, proxy(configuration(*servers.names)) as p:
        client = Udp()
        client.ask(b"x", p.at)
        number = number_of(p, client)
        taps = Taps(p.engine.forwarding.datapath, p.engine._clock, time.time)
        tap = p.do(lambda: opened(taps, number))
        client.ask(b"last", p.at)
        p.ask(CloseFlows(flows=(number,)))
        p.until(lambda p: p.listener.flows == 0)
        picture = p.do(tap.picture)
        assert not picture.live
        assert [each.payload for each in picture.datagrams] == [b"last"] * 2
        other = p.do(lambda: opened(taps, number))
        p.do(tap.close)
        p.do(other.close)
        assert p.do(lambda: taps.open(number)) is None


@pytest.mark.parametrize("listen", ["127.0.0.1", "0.0.0.0"])
def test_with_a_header_the_datagrams_are_shown_without(listen: str) -> None:
    with Servers(answer=lambda _: ()) as servers:
        settings = configuration(
            *servers.names, listen=listen, terms=FlowTerms(proxy_protocol="every")
        )
        with proxy(settings) as p:
            client = Udp()
            client.sendto(b"x", ("127.0.0.1", p.port))
            p.until(lambda p: p.listener.requests == 1)
            taps = Taps(p.engine.forwarding.datapath, p.engine._clock, time.time)
            number = number_of(p, client)
            tap = p.do(lambda: opened(taps, number))
            began = time.time()
            client.sendto(b"hello", ("127.0.0.1", p.port))
            until(lambda: servers.received[0][1:])
            assert servers.received[0][1].endswith(b"hello")
            assert len(servers.received[0][1]) > 5
            (shown,) = p.do(tap.picture).datagrams
            assert (shown.size, shown.payload) == (5, b"hello")
            assert began - 1 < shown.at < time.time() + 1
            assert p.do(tap.picture).local == f"127.0.0.1:{p.port}"
            p.do(tap.close)


def test_what_waits_for_room_is_shown_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A full buffer: the train is shown when it is queued, and not again when it goes."""
    from udplb.engine.outlet import BackendOutlet

    with Servers() as servers, proxy(configuration(*servers.names)) as p:
        client = Udp()
        client.ask(b"first", p.at)
        taps = Taps(p.engine.forwarding.datapath, p.engine._clock, time.time)
        number = number_of(p, client)
        tap = p.do(lambda: opened(taps, number))
        full = [True]
        send_one = BackendOutlet.send_one

        def refuse(outlet: BackendOutlet, datagram: bytes) -> object:
            if full[0]:
                full[0] = False
                raise BlockingIOError
            return send_one(outlet, datagram)

        monkeypatch.setattr(BackendOutlet, "send_one", refuse)
        assert client.ask(b"second", p.at) == b"second"
        assert not full[0]
        shown = [(each.to_backend, each.payload) for each in p.do(tap.picture).datagrams]
        assert shown == [(True, b"second"), (False, b"second")]
        p.do(tap.close)


def test_a_flood_on_a_tapped_flow() -> None:
    need_linux()
    with Servers(answer=lambda _: ()) as servers, proxy(configuration(*servers.names)) as p:
        client = Udp()
        client.sendto(b"x", p.at)
        p.until(lambda p: p.listener.requests == 1)
        taps = Taps(p.engine.forwarding.datapath, p.engine._clock, time.time)
        number = number_of(p, client)
        tap = p.do(lambda: opened(taps, number))
        for _ in range(50):
            client.send_run(b"y" * 60_000, 1_000, p.at)
        p.until(lambda p: p.listener.requests + p.snapshot.totals.kernel_drops == 3_001)
        picture = p.do(tap.picture)
        assert picture.seen == p.listener.requests - 1
        assert len(picture.datagrams) == TAP_DATAGRAMS_MAX
        assert {(each.size, each.payload) for each in picture.datagrams} == {
            (1_000, b"y" * TAP_BYTES_MAX)
        }
        p.do(tap.close)
