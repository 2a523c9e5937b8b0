"""Retirement: whatever a listener still owes is done before its socket is closed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from tests.harness import Udp, need_linux
from udplb.core.flow import Flow
from udplb.engine import kernel
from udplb.engine.retirement import Retirement


class Manager:
    """What a retirement tells a flow manager."""

    def __init__(self) -> None:
        self.slab: list[Flow] = []
        self.sweeping = False
        self.told: list[str] = []

    def listener_removed(self) -> None:
        self.told.append("removed")

    def listener_replaced(self, now: float, end_by: float) -> None:
        self.told.append(f"replaced at {now:g}, until {end_by:g}")

    def withdraw(self) -> None:
        self.told.append("withdraw")


class Listener:
    """A socket with things that wait."""

    def __init__(self) -> None:
        self.sock = Udp()
        self.sock.setblocking(False)
        self.manager = Manager()
        self.egress: list[bytes] = []
        self.has_postponed = False
        self.taken_over: list[object] = []

    @property
    def has_waiting(self) -> bool:
        return self.has_postponed or kernel.receive_queue(self.sock).queued > 0

    def take_over(self, other: object) -> None:
        self.taken_over.append(other)


@dataclass
class Datapath:
    """Notes what is asked of it."""

    done: list[str]

    def stop_reading(self, listener: Listener) -> None:
        self.done.append("stop reading")

    def arm(self, now: float, listener: Listener) -> None:
        self.done.append("arm")

    def retire(self, listener: Listener) -> None:
        self.done.append("retire")
        listener.sock.close()


Ground = tuple[Listener, Datapath, Retirement]


@pytest.fixture
def ground() -> Ground:
    listener, datapath = Listener(), Datapath([])
    return listener, datapath, Retirement(datapath, listener)  # type: ignore[arg-type]


@contextmanager
def busy(listener: Listener, retirement: Retirement, what: str) -> Iterator[None]:
    """While this holds it is not over."""
    before = getattr(listener.manager if what in ("slab", "sweeping") else listener, what)
    holder = listener.manager if what in ("slab", "sweeping") else listener
    setattr(holder, what, [1] if isinstance(before, list) else True)
    yield
    assert not retirement.went_on(5.0)
    assert listener.sock.fileno() >= 0
    setattr(holder, what, before)


LEFT = ["slab", "sweeping", "egress", "has_postponed"]


@pytest.mark.parametrize("left", LEFT)
def test_a_removed_one_is_closed_when_nothing_is_left(ground: Ground, left: str) -> None:
    listener, datapath, retirement = ground
    retirement.removed(1.0)
    assert datapath.done == ["stop reading", "arm"], "what closes its flows has to be started"
    assert listener.manager.told == ["removed"]
    with busy(listener, retirement, left):
        pass
    assert retirement.went_on(6.0)
    assert datapath.done[2:] == ["retire"]
    assert listener.manager.told == ["removed", "withdraw"]


def test_a_removed_one_gets_nothing_more(ground: Ground) -> None:
    need_linux()
    listener, _, retirement = ground
    retirement.removed(1.0)
    client = Udp()
    client.connect(listener.sock.name)
    client.send(b"anybody?")
    with pytest.raises(ConnectionRefusedError):
        client.recv(100)


@pytest.mark.parametrize("left", LEFT)
def test_one_whose_socket_is_handed_over(ground: Ground, left: str) -> None:
    listener, datapath, retirement = ground
    successor = Listener()
    retirement.taken_over(1.0, successor, 31.0)  # type: ignore[arg-type]
    assert successor.taken_over == [listener]
    assert listener.manager.told == ["replaced at 1, until 31"]
    assert datapath.done == ["stop reading", "arm"]
    client = Udp()
    client.sendto(b"for the successor", listener.sock.name)
    with busy(listener, retirement, left):
        pass
    assert retirement.went_on(6.0), "what waits in the socket is another's"
    assert listener.manager.told[1:] == ["withdraw"]


@pytest.mark.parametrize("left", ["slab", "sweeping", "egress"])
def test_one_that_listens_elsewhere_now_is_read_dry_first(ground: Ground, left: str) -> None:
    need_linux()
    listener, datapath, retirement = ground
    client = Udp()
    client.sendto(b"waits", listener.sock.name)
    retirement.moved(1.0, 31.0)
    assert datapath.done == []
    assert not retirement.went_on(2.0)
    assert listener.manager.told == [], "its flows may still take what waits"
    assert listener.sock.waiting() == [b"waits"]
    listener.sock.setblocking(False)
    listener.has_postponed = True
    assert not retirement.went_on(3.0)
    assert listener.manager.told == []
    listener.has_postponed = False
    with busy(listener, retirement, left):
        pass
    assert listener.manager.told == ["replaced at 5, until 31"]
    assert datapath.done == ["stop reading", "arm"]
    assert retirement.went_on(6.0)
    assert listener.manager.told[1:] == ["withdraw"]


def test_it_gets_nothing_new_but_may_send(ground: Ground) -> None:
    need_linux()
    listener, _, retirement = ground
    retirement.moved(1.0, 31.0)
    client = Udp()
    listener.sock.sendto(b"a reply", client.name)
    assert client.recvfrom(100) == (b"a reply", listener.sock.name)
    client.connect(listener.sock.name)
    client.send(b"anybody?")
    with pytest.raises(ConnectionRefusedError):
        client.recv(100)


def test_elsewhere_than_on_linux_its_flows_close_at_once(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kernel, "LINUX", False)
    listener, datapath, retirement = ground
    retirement.moved(1.0, 31.0)
    assert listener.manager.told == ["removed"]
    assert retirement.went_on(2.0)
    assert datapath.done == ["stop reading", "arm", "retire"]
