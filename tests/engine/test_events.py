"""The event bus: nobody waits for a subscriber, who is told what was lost."""

from __future__ import annotations

import threading
from typing import Any

import msgspec
import pytest

from tests.harness import Servers, Udp, configuration, proxy, until
from udplb.core.settings import FlowTerms
from udplb.engine.events import (
    QUEUE_MAX,
    SUBSCRIBERS_MAX,
    DrainBegan,
    Event,
    EventBus,
    FlowAdmitted,
    FlowClosed,
    ListenerBound,
    Missed,
)


def event(number: int) -> DrainBegan:
    return DrainBegan(at=0.0, live=number, deadline_s=1.0)


def numbers(events: list[Event]) -> list[int]:
    return [each.live for each in events if isinstance(each, DrainBegan)]


def test_everybody_is_told_in_order() -> None:
    bus = EventBus(lambda: 7.0)
    subscriptions = [bus.subscribe() for _ in range(3)]
    for number in range(10):
        bus.publish(event(number))
    for each in subscriptions:
        assert numbers(each.take()) == list(range(10))
        assert each.take() == []
    assert bus.now() == 7.0


@pytest.mark.parametrize("beyond", [-1, 0, 1, 2, 5_000])
def test_a_slow_subscriber_loses_the_oldest_and_is_told_how_many(beyond: int) -> None:
    bus = EventBus(lambda: 7.0)
    slow = bus.subscribe()
    for number in range(QUEUE_MAX + beyond):
        bus.publish(event(number))
    taken = slow.take()
    lost = max(0, beyond)
    if lost:
        assert taken[0] == Missed(at=7.0, count=lost)
    assert numbers(taken) == list(range(lost, QUEUE_MAX + beyond))
    assert bus.lost == lost
    bus.publish(event(-1))
    assert numbers(slow.take()) == [-1], "told once"


def test_a_cancelled_subscription_hears_no_more() -> None:
    bus = EventBus(lambda: 0.0)
    subscription = bus.subscribe(flows=True)
    assert bus.flows_wanted
    subscription.cancel()
    subscription.cancel()
    assert not bus.flows_wanted
    bus.publish(event(1))
    assert subscription.take() == []


def test_there_is_a_limit_of_subscribers() -> None:
    bus = EventBus(lambda: 0.0)
    subscriptions = [bus.subscribe() for _ in range(SUBSCRIBERS_MAX)]
    with pytest.raises(RuntimeError, match="64"):
        bus.subscribe()
    subscriptions[7].cancel()
    bus.subscribe()


def test_threads_that_come_and_go_leave_nothing() -> None:
    bus = EventBus(lambda: 0.0)

    def come_and_go() -> None:
        for _ in range(3_000):
            bus.subscribe(flows=True).cancel()

    visitors = [threading.Thread(target=come_and_go) for _ in range(4)]
    for each in visitors:
        each.start()
    for each in visitors:
        each.join()
    assert not bus.flows_wanted


def test_while_one_publishes_and_one_takes_nothing_is_lost_unseen() -> None:
    bus = EventBus(lambda: 0.0)
    subscription = bus.subscribe()
    total = 50_000

    def publish() -> None:
        for number in range(total):
            bus.publish(event(number))

    publisher = threading.Thread(target=publish)
    publisher.start()
    seen: list[Event] = []

    def all_accounted_for() -> bool:
        seen.extend(subscription.take())
        missed = sum(each.count for each in seen if isinstance(each, Missed))
        return len(numbers(seen)) + missed == total

    until(all_accounted_for)
    publisher.join()
    assert numbers(seen) == sorted(numbers(seen))


def test_flow_events_only_for_those_who_want_them() -> None:
    bus = EventBus(lambda: 0.0)
    plain, curious = bus.subscribe(), bus.subscribe(flows=True)
    admitted = FlowAdmitted(at=0.0, flow=1, listener="l", client="c", backend="b")
    bus.publish(admitted)
    assert plain.take() == []
    assert curious.take() == [admitted]


def test_flow_events_are_not_even_built_while_nobody_wants_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from udplb.engine import engine as engine_module
    from udplb.engine import events

    built: list[object] = []
    original = events.event_of_flow

    def counting(*arguments: object) -> object:
        built.append(arguments)
        return original(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(engine_module, "event_of_flow", counting)
    terms = FlowTerms(responses=1)
    with Servers() as servers, proxy(configuration(*servers.names, terms=terms)) as p:
        plain = p.engine.bus.subscribe()
        client = Udp()
        client.ask(b"unseen", p.at)
        p.until(lambda p: p.listener.replies == 1)
        assert built == []
        curious = p.engine.bus.subscribe(flows=True)
        client.ask(b"seen", p.at)
        seen: list[Event] = []

        def both() -> bool:
            seen.extend(curious.take())
            return len(seen) == 2

        until(both)
        curious.cancel()
        client.ask(b"unseen", p.at)
        p.until(lambda p: p.listener.replies == 3)
        assert len(built) == 2
        assert not any(isinstance(each, FlowAdmitted) for each in plain.take())
    admitted, closed = seen
    assert isinstance(admitted, FlowAdmitted)
    assert isinstance(closed, FlowClosed)
    assert admitted.flow == closed.flow
    assert closed.client == "{}:{}".format(*client.name)
    assert (closed.reason, closed.requests, closed.request_bytes) == ("answered", 1, 4)
    assert (closed.replies, closed.reply_bytes) == (1, 4)
    assert 0 <= closed.age_s < 60


def below(kind: type[Event]) -> list[type[Event]]:
    """Every kind of event that this one stands for."""
    kinds = kind.__subclasses__()
    return [each for own in kinds for each in below(own)] if kinds else [kind]


def test_every_event_travels_as_json() -> None:
    """Each under a name of its own, so that whoever hears it knows what it is."""
    kinds = below(Event)
    assert len({kind.__name__ for kind in kinds}) == len(kinds)
    values: dict[Any, Any] = {
        str: "x",
        int: 7,
        float: 0.5,
        bool: True,
        float | None: None,
        tuple[str, ...]: ("y",),
    }
    for kind in kinds:
        fields = msgspec.structs.fields(kind)
        made = kind(**{each.name: values[each.type] for each in fields})
        text = msgspec.json.encode(made)
        assert b'"type":"%s"' % kind.__name__.encode() in text
        assert msgspec.json.decode(text, type=kind) == made


def test_events_are_immutable_and_travel_as_json() -> None:
    bound = ListenerBound(at=1.0, listener="l", address="a", cluster="c", receive_buffer=1)
    with pytest.raises(AttributeError):
        bound.listener = "other"  # type: ignore[misc]
    text = msgspec.json.encode(bound)
    assert b'"type":"ListenerBound"' in text
    assert msgspec.json.decode(text, type=ListenerBound | Missed) == bound
