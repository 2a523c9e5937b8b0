"""The desk: every request of the table is answered, and everybody hears of what was changed."""

from __future__ import annotations

import hashlib
import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest

from tests.engine.control.ground import RawClient
from tests.harness import Events, Proxy, Servers, Udp, configuration, proxy, until
from udplb.config.load import load
from udplb.core.settings import FlowTerms
from udplb.engine.control.desk import Feed, has_grown
from udplb.engine.control.requests import (
    COUNT_GROWTH_MIN,
    REQUESTS,
    AddBackend,
    Backends,
    Change,
    CloseFlows,
    Clusters,
    Diff,
    Drain,
    Explain,
    File,
    Flows,
    Listeners,
    Lock,
    Refused,
    Reload,
    RemoveBackend,
    Request,
    Revert,
    Save,
    SetWeight,
    Status,
    Subscribe,
    Undrain,
    answer_type,
)
from udplb.engine.control.spelling import command_line
from udplb.engine.events import (
    QUEUE_MAX,
    SUBSCRIBERS_MAX,
    DrainBegan,
    FlowAdmitted,
    Missed,
    OperatorActed,
)
from udplb.engine.ranking import FlowQuery
from udplb.engine.snapshot import TapSnapshot

FILE = """\
[[listeners]]
name = "l0"
address = "127.0.0.1:{port}"
cluster = "c"
{listener}
[clusters.c]
balance = "round_robin"
front_timeout = "60s"
[[clusters.c.backends]]
name = "b0"
address = "{a}"
{backend}
{more}
"""
SECOND = """
[[clusters.c.backends]]
name = "b1"
address = "{b}"
"""


@contextmanager
def of_a_file(tmp_path: Path) -> Iterator[tuple[Proxy, Any]]:
    """A proxy of a file that nobody watches but `write` writes anew."""
    path = tmp_path / "udplb.toml"
    with Servers(2) as servers, pytest.MonkeyPatch.context() as patch:
        patch.setattr("udplb.engine.watching.FileWatch.start", lambda watch: None)
        a, b = ("{}:{}".format(*each) for each in servers.names)
        values = {"port": Udp().name[1], "a": a, "listener": "", "backend": ""}

        def write(more: str = SECOND, **changes: str) -> None:
            text = FILE.format(**(values | changes | {"more": more.format(b=b)}))
            path.write_text(text)

        write()
        loaded = load(path)
        with proxy(loaded.configuration, file=path, digest=loaded.digest) as p:
            yield p, write


# The table


def test_every_request_has_an_answer_of_its_type(tmp_path: Path) -> None:
    with of_a_file(tmp_path) as (p, write):
        Udp().ask(b"x", p.at)
        write(backend="weight = 2")
        requests: list[Request[Any]] = [
            Status(), Listeners(), Clusters(), Backends(), Backends(cluster="c"), Flows(),
            Explain(listener="l0", client="192.0.2.1:5"), Diff(), File(),
            Subscribe(), Lock(),
            Drain(cluster="c", backend="b0"), Undrain(cluster="c", backend="b0"),
            SetWeight(cluster="c", backend="b1", weight=3),
            AddBackend(cluster="c", address="127.0.0.1:9"),
            RemoveBackend(cluster="c", backend="127.0.0.1:9"),
            CloseFlows(flows=(1,)), Reload(), Save(), Revert(),
        ]  # fmt: skip
        assert {type(each) for each in requests} == set(REQUESTS)
        for request in requests:
            answer = p.ask(request)
            kind = answer_type(type(request))
            spoken = msgspec.json.decode(msgspec.json.encode(answer), type=kind)
            assert spoken == answer, request


def test_answers_agree_with_each_other() -> None:
    with Servers(2) as servers, proxy(configuration(*servers.names)) as p:
        Udp().ask(b"x", p.at)
        status = p.ask(Status())
        assert status.totals.replies == 1
        assert [each.name for each in p.ask(Listeners())] == ["l0"]
        assert p.ask(Clusters())[0].backends == p.ask(Backends())
        assert p.ask(Backends(cluster="c")) == p.ask(Backends())
        with pytest.raises(Refused, match="there is no cluster d"):
            p.ask(Backends(cluster="d"))
        assert p.ask(Subscribe(interval_s=2.0)).interval_s == 2.0


# Flows


def test_flows_are_filtered_sorted_and_limited() -> None:
    with Servers(2) as servers, proxy(configuration(*servers.names)) as p:
        clients = [Udp(f"127.0.0.{1 + number % 2}") for number in range(10)]
        for number, client in enumerate(clients):
            for _ in range(number + 1):
                client.ask(b"x", p.at)
        query = FlowQuery(sort="datagrams", filter="client=127.0.0.2", limit=2)
        window = p.ask(Flows(query=query))
        assert window.matched == 5
        assert [each.client for each in window.rows] == [
            "{}:{}".format(*clients[number].name) for number in (9, 7)
        ]
        for bad in (FlowQuery(filter="colour=red"), FlowQuery(sort=cast(Any, "beauty"))):
            with pytest.raises(Refused) as refused:
                p.ask(Flows(query=bad))
            assert refused.value.code == "bad_request"


def test_flows_are_closed_by_number_and_by_filter() -> None:
    terms = FlowTerms(front_timeout=60)
    with Servers(2) as servers:
        settings = configuration(*servers.names, terms=terms, listen=["127.0.0.1"] * 2)
        with proxy(settings) as p:
            ports = [int(each.address.rpartition(":")[2]) for each in p.snapshot.listeners]
            clients = [Udp() for _ in range(200)]
            for number, client in enumerate(clients):
                client.ask(b"x", ("127.0.0.1", ports[number // 100]))
            window = p.ask(Flows(query=FlowQuery(limit=1_000)))
            three = tuple(row.id for row in window.rows[:3])
            assert p.ask(CloseFlows(flows=(*three, 10_000))).flows == 3
            p.until(lambda p: p.snapshot.totals.flows == 197)
            closed = p.ask(CloseFlows(filter="listener=l1 backend=b0")).flows
            p.until(lambda p: p.snapshot.totals.flows == 197 - closed)
            assert 45 <= closed <= 50
            assert p.snapshot.listeners[0].closed.get("operator", 0) in (0, 1, 2, 3)
            total = sum(each.closed["operator"] for each in p.snapshot.listeners if each.closed)
            assert total == 3 + closed
            left = p.ask(Flows(query=FlowQuery(filter="listener=l1 backend=b0")))
            assert left.matched in (0, closed), "a window is 2 s old at most"


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (CloseFlows(), "bad_request"),
        (CloseFlows(flows=(1,), filter="backend=b0"), "bad_request"),
        (CloseFlows(filter="colour=red"), "bad_request"),
        (CloseFlows(flows=(99,)), "not_found"),
        (CloseFlows(filter="backend=nobody"), "not_found"),
        (CloseFlows(flows=(1,), generation=7), "stale"),
        (CloseFlows(flows=(1,), engine="another"), "stale"),
        (CloseFlows(filter="backend=b0", engine="another"), "stale"),
        (CloseFlows(flows=(1,), counted=1), "bad_request"),
    ],
)
def test_flows_that_cannot_be_meant(request_: CloseFlows, code: str) -> None:
    with Servers() as servers, proxy(configuration(*servers.names)) as p:
        events = Events(p.engine)
        client = Udp()
        client.ask(b"x", p.at)
        with pytest.raises(Refused) as refused:
            p.ask(request_)
        assert refused.value.code == code
        assert not events.first(OperatorActed).done
        assert client.ask(b"y", p.at) == b"y"
        assert p.ask(Status()).totals.admitted == 1


def test_flows_of_a_listener_on_its_way_out_can_be_closed() -> None:
    terms = FlowTerms(front_timeout=60, back_timeout=60)
    with Servers() as servers:
        settings = configuration(*servers.names, terms=terms)
        second = replace(settings.clusters[0], name="d")
        wanted = replace(
            settings,
            clusters=(*settings.clusters, second),
            listeners=(replace(settings.listeners[0], cluster="d"),),
        )
        with proxy(settings) as p:
            Udp().ask(b"x", p.at)
            p.change(wanted)
            until(lambda: p.ask(CloseFlows(filter="state=leaving")).flows == 1)
            until(lambda: not p.do(lambda: p.engine.forwarding.retiring))
            assert p.ask(Status()).totals.flows == 0


# Who did what


def test_everybody_hears_who_did_what(tmp_path: Path) -> None:
    with of_a_file(tmp_path) as (p, write):
        events = Events(p.engine)
        good: list[Change[Any]] = [
            Drain(cluster="c", backend="b0", deadline_s=60.0, at_deadline="move"),
            Undrain(cluster="c", backend="b0"),
            SetWeight(cluster="c", backend="b0", weight=1),
            Save(),
            Reload(),
        ]
        for request in good:
            p.ask(request)
        bad = SetWeight(cluster="c", backend="nobody", weight=1)
        with pytest.raises(Refused):
            p.ask(bad)
        p.ask(Status())
        write(backend="weight = 'heavy'")
        with pytest.raises(Refused):
            p.ask(Reload())
        until(lambda: len(events.of(OperatorActed)) == len(good) + 2)
        acts = events.of(OperatorActed)
        assert [each.command for each in acts] == [*map(command_line, (*good, bad)), "udplb reload"]
        assert {each.who for each in acts} == {"a test"}
        assert [each.done for each in acts] == [True] * len(good) + [False] * 2
        assert acts[0].result == "cluster c: backend b0 state active → drain"
        assert acts[2].result == acts[3].result == "nothing had to be changed"
        assert acts[5].result.startswith("not_found: cluster c has no backend nobody")
        assert acts[6].result.startswith("invalid: ")


@pytest.mark.parametrize("spelled", ["b0", "{0}:{1}", "[::ffff:{0}]:{1}", "[::FFFF:7f00:1]:{1}"])
def test_a_deadline_holds_however_the_backend_is_called(spelled: str) -> None:
    with Servers(2) as servers, proxy(configuration(*servers.names)) as p:
        p.drain("c", spelled.format(*servers.names[0]), deadline_s=60, at_deadline="move")
        p.until(lambda p: p.backends[0].drain is not None)
        drain = p.backends[0].drain
        assert drain is not None
        assert drain.deadline_s is not None
        assert 0 < drain.deadline_s <= 60
        assert drain.way == "move"
        again = p.drain("c", spelled.format(*servers.names[0]), deadline_s=600)
        (sentence,) = again.sentences
        assert sentence.endswith(" drains already; its deadline is new")
        assert again.generation == 2
        p.until(lambda p: (p.backends[0].drain or drain).deadline_s > 60)  # type: ignore[operator]


def test_a_drain_that_is_refused_has_not_begun() -> None:
    with Servers(2) as servers, proxy(configuration(*servers.names)) as p:
        with pytest.raises(Refused):
            p.ask(Drain(cluster="c", backend="b0", deadline_s=1.0, generation=9))
        assert not p.ask(Status()).clusters[0].backends[0].draining


@pytest.mark.parametrize(
    ("counted", "found", "grown"),
    [
        (0, 10, False), (0, 11, True), (5, 15, False), (5, 16, True), (200, 220, False),
        (200, 221, True), (18_000, 19_800, False), (18_000, 19_801, True), (300, 0, False),
    ],
)  # fmt: skip
def test_a_count_grows_by_a_tenth_or_by_ten(counted: int, found: int, grown: bool) -> None:
    assert has_grown(counted, found) is grown


def test_flows_that_came_to_match_since_they_were_counted_are_not_closed() -> None:
    with Servers() as servers, proxy(configuration(*servers.names)) as p:
        clients = [Udp() for _ in range(COUNT_GROWTH_MIN + 2)]
        for client in clients:
            client.ask(b"x", p.at)
        with pytest.raises(Refused, match="12 flows match by now, not 1; look again") as refused:
            p.ask(CloseFlows(filter="backend=b0", counted=1))
        assert refused.value.code == "stale"
        assert p.ask(Status()).totals.flows == len(clients)
        assert p.ask(CloseFlows(filter="backend=b0", counted=2)).flows == len(clients)


def test_whoever_has_another_engine_in_mind_is_refused() -> None:
    with Servers() as servers:
        settings = configuration(*servers.names)
        with proxy(settings) as p:
            first = p.ask(Status()).engine
            assert len(first) == 16
            for request in (Reload(engine="x"), SetWeight(cluster="c", backend="b0", weight=2)):
                change = msgspec.structs.replace(request, engine="x")
                with pytest.raises(Refused, match="started anew since; look again") as refused:
                    p.ask(change)
                assert refused.value.code == "stale"
            change = SetWeight(cluster="c", backend="b0", weight=2, engine=first)
            assert p.ask(change).generation == 2
        with proxy(settings) as p:
            Udp().ask(b"x", p.at)
            assert p.ask(Status()).engine != first
            with pytest.raises(Refused) as refused:
                p.ask(CloseFlows(flows=(1,), engine=first))
            assert refused.value.code == "stale"
            assert p.ask(Status()).totals.flows == 1


def test_greeting_and_snapshots_name_the_same_engine(tmp_path: Path) -> None:
    place = tmp_path / "control.sock"
    with Servers() as servers, proxy(configuration(*servers.names), control_socket=place) as p:
        client = RawClient(place)
        assert client.hear()["engine"] == p.ask(Status()).engine == p.engine.name


# The difference


def test_a_reload_is_that_of_the_file_whose_difference_was_shown(tmp_path: Path) -> None:
    with of_a_file(tmp_path) as (p, write):
        path = tmp_path / "udplb.toml"
        write(backend="weight = 2")
        shown = p.ask(Diff()).digest
        assert shown == hashlib.sha256(path.read_bytes()).hexdigest()
        write(backend="weight = 3")
        with pytest.raises(Refused, match="changed since the difference was shown") as refused:
            p.ask(Reload(expected=shown))
        assert refused.value.code == "stale"
        told = p.ask(Status()).configuration
        assert (told.generation, told.rejected, told.last_reload) == (1, 0, None)
        done = p.ask(Reload(expected=p.ask(Diff()).digest))
        assert done.sentences == ("cluster c: backend b0 weight 1 → 3",)
        write(backend="weight = 2")
        assert p.ask(Reload()).generation == 3, "whoever was shown nothing may"


def test_a_file_with_mistakes_has_no_difference_to_expect(tmp_path: Path) -> None:
    with of_a_file(tmp_path) as (p, write):
        shown = p.ask(Diff()).digest
        write(backend="weight = -5")
        assert p.ask(Diff()).digest == ""
        with pytest.raises(Refused) as refused:
            p.ask(Reload(expected=shown))
        assert refused.value.code == "invalid"


def test_a_difference_tells_the_flows_that_it_would_touch(tmp_path: Path) -> None:
    with of_a_file(tmp_path) as (p, write):
        for number in range(6):
            Udp(f"127.0.0.{1 + number % 3}").ask(b"x", p.at)

        def touched() -> dict[str, int]:
            return {each.sentence: each.flows for each in p.ask(Diff()).on_reload}

        assert touched() == {}
        assert p.ask(Diff()).flows == 6
        write(more="")
        ((sentence, flows),) = touched().items()
        assert ("b1" in sentence, "removed" in sentence, flows) == (True, True, 3)
        write(backend='weight = 0\nstate = "drain"')
        assert list(touched().values()) == [3, 3]
        write(listener='deny = ["127.0.0.3"]\nmax_flows = 1')
        assert sorted(touched().values()) == [0, 2]
        write(more=SECOND + "\n[clusters.c.health]\nfall = 9")
        assert list(touched().values()) == [0]
        p.ask(Drain(cluster="c", backend="b0"))
        difference = p.ask(Diff())
        assert [each.flows for each in difference.drift] == [3]
        assert p.ask(Status()).configuration.generation == 2, "to look changes nothing"


# Streams


def feed_of(p: Proxy, request: Subscribe) -> Feed:
    return p.do(lambda: p.engine.desk.feed(request))


def test_a_stream_gives_events_and_snapshots_with_a_window() -> None:
    with Servers() as servers, proxy(configuration(*servers.names)) as p:
        Udp().ask(b"x", p.at)
        feed = feed_of(p, Subscribe(window=FlowQuery(limit=3), flow_events=True))
        until(lambda: p.do(feed.snapshot).window is not None)
        window = p.do(feed.snapshot).window
        assert window is not None
        assert window.matched == 1
        assert p.snapshot.window is None, "a window is its owner's alone"
        Udp().ask(b"y", p.at)
        p.ask(SetWeight(cluster="c", backend="b0", weight=4))
        kinds = {type(each) for each in p.do(feed.events)}
        assert {FlowAdmitted, OperatorActed} <= kinds
        assert p.do(feed.events) == []
        p.do(feed.close)
        assert not p.engine.bus.flows_wanted
        assert p.do(lambda: len(p.engine._rankings)) == 0


def test_a_stream_of_snapshots_alone_costs_no_subscription() -> None:
    with Servers() as servers, proxy(configuration(*servers.names)) as p:
        feed = feed_of(p, Subscribe(events=False))
        assert p.do(feed.events) == []
        assert p.do(feed.snapshot).window is None
        assert p.do(feed.snapshot).tap is None
        assert not p.engine.bus._subscriptions
        p.do(feed.close)


def test_who_is_slow_misses_the_oldest_and_is_told() -> None:
    with Servers() as servers, proxy(configuration(*servers.names)) as p:
        feed = feed_of(p, Subscribe())
        for number in range(QUEUE_MAX + 7):
            p.engine.bus.publish(DrainBegan(at=0.0, live=number, deadline_s=1.0))
        missed, *events = p.do(feed.events)
        assert isinstance(missed, Missed)
        assert missed.count == 7
        assert len(events) == QUEUE_MAX
        p.do(feed.close)


def test_streams_are_bounded_and_a_bad_window_takes_none() -> None:
    with Servers() as servers, proxy(configuration(*servers.names)) as p:
        feeds = [feed_of(p, Subscribe()) for _ in range(SUBSCRIBERS_MAX)]
        with pytest.raises(Refused) as refused:
            feed_of(p, Subscribe())
        assert refused.value.code == "busy"
        for feed in feeds:
            p.do(feed.close)
        with pytest.raises(Refused) as refused:
            feed_of(p, Subscribe(window=FlowQuery(filter="colour=red")))
        assert refused.value.code == "bad_request"
        assert not p.engine.bus._subscriptions


# Taps


def flow_of(p: Proxy) -> int:
    """The number of the only flow."""
    (row,) = p.ask(Flows()).rows
    return row.id


def tap_of(p: Proxy, feed: Feed) -> TapSnapshot:
    tap = p.do(feed.snapshot).tap
    assert tap is not None
    return tap


def test_a_tap_shows_both_directions_until_the_feed_is_closed() -> None:
    with Servers() as servers, proxy(configuration(*servers.names)) as p:
        client = Udp()
        client.ask(b"before", p.at)
        number = flow_of(p)
        feed = feed_of(p, Subscribe(tap=number))
        assert tap_of(p, feed).datagrams == ()
        assert client.ask(b"hello", p.at) == b"hello"
        tap = tap_of(p, feed)
        assert (tap.flow, tap.live, tap.seen) == (number, True, 2)
        assert [(each.to_backend, each.payload) for each in tap.datagrams] == [
            (True, b"hello"),
            (False, b"hello"),
        ]
        assert p.snapshot.tap is None, "a tap is its owner's alone"
        p.do(feed.close)
        p.do(feed.close)
        assert p.engine.forwarding.datapath.record is None
        assert client.ask(b"after", p.at) == b"after"


def test_a_tap_with_a_window() -> None:
    with Servers() as servers, proxy(configuration(*servers.names)) as p:
        Udp().ask(b"x", p.at)
        feed = feed_of(p, Subscribe(tap=flow_of(p), window=FlowQuery(limit=1)))
        until(lambda: p.do(feed.snapshot).window is not None)
        assert tap_of(p, feed).live
        p.do(feed.close)


def test_a_flow_that_is_not_there_cannot_be_tapped() -> None:
    with Servers() as servers, proxy(configuration(*servers.names)) as p:
        Udp().ask(b"x", p.at)
        with pytest.raises(Refused, match="no live flow 99 to tap") as caught:
            feed_of(p, Subscribe(tap=99))
        assert caught.value.code == "not_found"
        assert not p.engine.bus._subscriptions
        assert p.engine.forwarding.datapath.record is None


def test_a_feed_that_is_refused_leaves_no_tap() -> None:
    with Servers() as servers, proxy(configuration(*servers.names)) as p:
        Udp().ask(b"x", p.at)
        feeds = [feed_of(p, Subscribe()) for _ in range(SUBSCRIBERS_MAX)]
        with pytest.raises(Refused) as refused:
            feed_of(p, Subscribe(tap=flow_of(p)))
        assert refused.value.code == "busy"
        assert p.engine.forwarding.datapath.record is None
        for feed in feeds:
            p.do(feed.close)


# The file


def test_the_file_as_it_is_on_disk(tmp_path: Path) -> None:
    with of_a_file(tmp_path) as (p, write):
        before = p.ask(File())
        path = tmp_path / "udplb.toml"
        assert (before.file, before.text) == (str(path), path.read_text())
        assert (before.cut, before.in_force) == (False, True)
        write(backend="weight = 2")
        saved = p.ask(File())
        assert "weight = 2" in saved.text
        assert not saved.in_force, "nobody has read it"
        p.ask(Reload())
        assert p.ask(File()).in_force
        write(backend="weight = 0.5")
        with pytest.raises(Refused):
            p.ask(Reload())
        assert not p.ask(File()).in_force, "it was read, and not applied"
        path.unlink()
        with pytest.raises(Refused) as caught:
            p.ask(File())
        assert caught.value.code == "not_found"


def test_a_proxy_without_a_file_has_none_to_show() -> None:
    with Servers() as servers, proxy(configuration(*servers.names)) as p:
        with pytest.raises(Refused, match="configured by a program") as caught:
            p.ask(File())
        assert caught.value.code == "refused"


# Through the socket


def test_a_tap_through_the_socket_ends_with_its_subscription(tmp_path: Path) -> None:
    at = tmp_path / "udplb.sock"
    with Servers() as servers, proxy(configuration(*servers.names), control_socket=at) as p:
        client = Udp()
        client.ask(b"x", p.at)
        datapath = p.engine.forwarding.datapath
        with RawClient(at) as console:
            assert console.hear()["type"] == "hello"
            console.say({"request": "subscribe", "id": 1, "tap": 77, "events": False})
            refusal = console.hear()
            assert (refusal["type"], refusal["code"]) == ("error", "not_found")
            request = {"request": "subscribe", "events": False, "interval_s": 0.1}
            console.say({**request, "id": 2, "tap": flow_of(p)})
            assert console.hear()["type"] == "answer"
            client.ask(b"\xffhi", p.at)

            def tapped() -> list[Any]:
                said = console.hear()
                return said["snapshot"]["tap"]["datagrams"] if said["type"] == "snapshot" else []

            while not (datagrams := tapped()):
                pass
            assert [each["payload"] for each in datagrams] == ["/2hp"] * 2
            console.say({**request, "id": 3, "tap": flow_of(p)})
            assert datapath.record is not None, "another one replaces it"
            console.say({**request, "id": 4})
            until(lambda: p.do(lambda: datapath.record) is None)
            console.say({**request, "id": 5, "tap": flow_of(p)})
            until(lambda: p.do(lambda: datapath.record) is not None)
        until(lambda: p.do(lambda: datapath.record) is None, "the connection is closed")


def test_what_was_asked_for_is_done_though_the_asker_is_gone(tmp_path: Path) -> None:
    """A connection that dies in the middle of a change; one in the middle of a look is cut off."""
    at = tmp_path / "udplb.sock"
    with Servers() as servers, proxy(configuration(*servers.names), control_socket=at) as p:
        for number, change in enumerate((True, False, True)):
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
                client.connect(str(at))
                assert b"hello" in client.recv(1_000)
                request = msgspec.json.encode(
                    SetWeight(cluster="c", backend="b0", weight=number + 2) if change else Flows()
                )
                client.sendall(request + b"\n")
        p.until(lambda p: p.backends[0].weight == 4)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            client.connect(str(at))
            client.settimeout(20)
            client.sendall(b'{"request": "status", "id": 5}\n')
            lines = client.makefile("rb")
            lines.readline()
            answer = json.loads(lines.readline())
            assert answer["id"] == 5
        assert Udp().ask(b"x", p.at) == b"x"
