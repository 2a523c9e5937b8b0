"""The feed: what the client brings is delivered, and what is looked at can change at any time."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tests.harness import until
from tests.tui import scenes
from tests.tui.fake_proxy import NOW, FakeClient, FakeStream
from udplb.client import Item, Lost, NoProxyError, Refused, Resumed, Stream
from udplb.engine.control.requests import Subscribe
from udplb.engine.events import ClusterCameUp
from udplb.engine.ranking import FlowQuery
from udplb.engine.snapshot import Snapshot
from udplb.tui.feed import Feed

EVENT = ClusterCameUp(at=NOW, cluster="game")


class Ground:
    """A feed on a fake proxy, and what it delivered."""

    def __init__(self, client: FakeClient) -> None:
        self.client = client
        self.items: list[Item] = []
        self.refused: list[str] = []
        self.feed = Feed(
            client,
            lambda items, query: self.items.extend(items),
            self.refused.append,
            interval_s=0.5,
        )

    def pictures(self) -> list[FakeStream]:
        """The streams of pictures that are open."""
        return [
            each
            for each in self.client.streams
            if each.request.snapshots and not each.closed.is_set()
        ]


@contextmanager
def ground(client: FakeClient | None = None) -> Iterator[Ground]:
    made = Ground(client or FakeClient(scenes.busy()))
    made.feed.start()
    try:
        yield made
    finally:
        made.feed.stop()
        names = {thread.name for thread in threading.enumerate()}
        assert not {"udplb-pictures", "udplb-events"} & names, "no thread is left"
        assert all(each.closed.is_set() for each in made.client.streams), "nor a stream"


def test_pictures_and_events_are_delivered() -> None:
    with ground() as on:
        until(lambda: any(isinstance(item, Snapshot) for item in on.items))
        until(lambda: len(on.client.streams) == 2)
        on.client.tell(EVENT)
        until(lambda: EVENT in on.items)
        for each in on.client.streams:  # a loss is told by the stream of pictures alone
            each.put(Lost(at=NOW, why="gone", retry_in_s=1.0), Resumed(missed_s=3.0))
        until(lambda: any(isinstance(item, Resumed) for item in on.items))
        on.client.tell(EVENT)
        until(lambda: on.items.count(EVENT) == 2)
        assert sum(isinstance(item, Lost) for item in on.items) == 1


def test_what_is_looked_at_changes_the_stream_of_pictures() -> None:
    with ground() as on:
        until(on.pictures)
        (first,) = on.pictures()
        query = FlowQuery(sort="rate")
        on.feed.look_at(window=query, tap=None, interval_s=0.25)
        until(lambda: on.pictures() and on.pictures() != [first])
        until(first.closed.is_set)
        (second,) = on.pictures()
        assert (second.request.window, second.request.interval_s) == (query, 0.25)
        on.feed.look_at(window=query, tap=None, interval_s=0.25)
        assert on.pictures() == [second], "the same again changes nothing"
        on.feed.look_at(window=query, tap=7, interval_s=0.25)
        until(lambda: on.pictures() and on.pictures()[-1].request.tap == 7)


def test_resync_connects_anew() -> None:
    with ground() as on:
        until(lambda: len(on.client.streams) == 2)
        before = list(on.client.streams)
        on.feed.resync()
        until(lambda: all(each.closed.is_set() for each in before))
        until(lambda: len(on.client.streams) >= 4)


class Refusing(FakeClient):
    """Refuses to tap, and has no proxy for a while."""

    absent = 0

    def subscribe(self, request: Subscribe) -> Stream:
        if self.absent > 0:
            self.absent -= 1
            raise NoProxyError("no socket there")
        if request.tap is not None:
            raise Refused("not_found", "there is no flow 7")
        return super().subscribe(request)


def test_a_flow_that_is_gone_ends_the_tap_alone() -> None:
    with ground(Refusing(scenes.busy())) as on:
        until(on.pictures)
        on.feed.look_at(window=None, tap=7, interval_s=0.5)
        until(lambda: on.refused == ["there is no flow 7"])
        until(lambda: on.pictures() and on.pictures()[-1].request.tap is None)


def test_a_proxy_that_is_not_there_is_waited_for() -> None:
    client = Refusing(scenes.busy())
    client.absent = 2
    with ground(client) as on:
        until(lambda: any(isinstance(item, Lost) for item in on.items))
        until(lambda: any(isinstance(item, Snapshot) for item in on.items))


def test_a_tap_does_not_pass_to_another_proxy() -> None:
    """Numbers of flows begin anew with each process: the same number is another flow."""
    client = scenes.proxy()
    with ground(client) as on:
        on.feed.look_at(window=None, tap=7, interval_s=0.5)
        until(lambda: on.pictures() and on.pictures()[-1].request.tap == 7)
        client.tap = None
        client.show(client.snapshot)  # its stream has dropped the tap
        until(lambda: on.refused)
        assert "another process" in on.refused[0]
        on.feed.look_at(window=FlowQuery(), tap=7, interval_s=0.5)
        until(lambda: on.pictures() and on.pictures()[-1].request.window == FlowQuery())
        assert on.pictures()[-1].request.tap is None
