"""Two listeners on one cluster, and everything at once: random inputs, and the books stay right.

No model foretells the commands here. What must hold after every input: the invariants, that no
client datagram is counted twice or lost without a reason, and that kept bytes are what flows keep.
"""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_network
from math import inf
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.core.playbook import Playbook, backend, client_at, removed
from udplb.core.explain import explain
from udplb.core.flow import ClientAddress, Flow, client_of
from udplb.core.limits import Capacity
from udplb.core.reasons import DropReason
from udplb.core.settings import AtDeadline, BackendState, HealthSettings

CLIENTS = [client_at(host, port) for host in (1, 2, 3) for port in (5, 6)]
NAMES = ["b0", "b1", "b2", "b3"]
LISTENERS = st.integers(0, 1)
WHICH = st.integers(0, 99)
SECONDS = st.sampled_from([0.0, 0.25, 0.5, 1.0, 2.5, 5.0, 11.0])
TRAINS = st.lists(st.sampled_from([b"", b"a", b"bc", bytes(2_000)]), min_size=1, max_size=5)


class Storm(RuleBasedStateMachine):
    """Whatever can happen to a manager, in any order."""

    @initialize(
        balance=st.sampled_from(["round_robin", "hrw", "least_flows"]),
        on_backend_down=st.sampled_from(["move", "move", "close", "keep"]),
        resend=st.sampled_from([True, True, False]),
        requests=st.sampled_from([0, 1, 3]),
        responses=st.integers(0, 2),
        max_age=st.sampled_from([0.0, 3.0]),
        max_flows=st.sampled_from([0, 2, 4]),
        fail_open=st.booleans(),
        eject_below=st.sampled_from([0.0, 0.9]),
    )
    def begin(self, fail_open: bool, eject_below: float, **keys: Any) -> None:
        health = HealthSettings(
            probe="udp", rise=1, fall=2, fail_open=fail_open, eject_below=eject_below
        )
        capacity = Capacity(10)
        first = Playbook(
            backends=3,
            capacity=capacity,
            health=health,
            front_timeout=4.0,
            back_timeout=2.0,
            **keys,
        )
        second = Playbook(cluster=first.cluster, capacity=capacity)
        self.plays = [first, second]
        self.cluster, self.capacity = first.cluster, capacity
        self.received = [0, 0]

    # Datagrams

    @rule(
        at=LISTENERS,
        client=st.sampled_from(CLIENTS),
        train=TRAINS,
        refusals=st.lists(st.sampled_from(["send_failed", "oversize"]), max_size=2),
    )
    def client_train(
        self, at: int, client: ClientAddress, train: list[bytes], refusals: list[str]
    ) -> None:
        play = self.plays[at]
        if play.postponed:
            play.round()
            play.transcript.clear()
        if play.postponed:
            return
        play.refuse_next(*refusals)
        self.received[at] += len(train)
        play.client(client, *train)

    @rule(at=LISTENERS, which=WHICH, train=TRAINS)
    def reply(self, at: int, which: int, train: list[bytes]) -> None:
        if flow := self.a_flow(at, which):
            self.plays[at].reply(flow.id, *train)

    @rule(at=LISTENERS, which=WHICH, sending=st.booleans(), times=st.integers(1, 3))
    def refused(self, at: int, which: int, sending: bool, times: int) -> None:
        for _ in range(times):
            if flow := self.a_flow(at, which):
                self.plays[at].refused(flow.id, sending=sending)
                self.plays[at].transcript.clear()

    @rule(at=LISTENERS, which=WHICH)
    def unreachable(self, at: int, which: int) -> None:
        if flow := self.a_flow(at, which):
            self.plays[at].unreachable(flow.id)

    @rule(at=LISTENERS, which=WHICH)
    def lost_or_failed(self, at: int, which: int) -> None:
        flow = self.a_flow(at, which)
        if flow is None or not flow.requests or flow.kept_bytes or flow.request_bytes:
            return
        if which % 2:
            self.plays[at].lost(flow.id, b"")
        else:
            self.plays[at].failed(flow.id, b"")

    @rule(
        name=st.sampled_from(NAMES),
        why=st.sampled_from([None, "no_port", "no_descriptor", "unreachable"]),
    )
    def openings_fail_or_not(self, name: str, why: str | None) -> None:
        for play in self.plays:
            play.unopenable.pop(name, None)
            if why is not None:
                play.unopenable[name] = DropReason[why.upper()]

    # Health, operators, time

    @rule(name=st.sampled_from(NAMES), well=st.booleans(), ago=SECONDS)
    def probed(self, name: str, well: bool, ago: float) -> None:
        now = self.plays[0].now
        for each in self.cluster.backends:
            if each.name != name:
                continue
            if well:
                self.cluster.probe_succeeded(now, each, now - ago, 0.01)
            else:
                self.cluster.probe_failed(now, each, "refused")

    @rule(
        name=st.sampled_from(NAMES),
        ends=st.booleans(),
        deadline_s=st.sampled_from([0.0, 2.0, inf]),
        way=st.sampled_from([None, "move", "close"]),
    )
    def drain(self, name: str, ends: bool, deadline_s: float, way: AtDeadline | None) -> None:
        for each in self.cluster.backends:
            if each.name == name and ends:
                self.cluster.drain_ended(self.plays[0].now, each)
            elif each.name == name:
                self.cluster.drain_began(self.plays[0].now, each, deadline_s, way)

    @rule(which=st.integers(0, 20), drain_time=SECONDS)
    def backend_removed(self, which: int, drain_time: float) -> None:
        if which < len(self.cluster.backends):
            gone, now = self.cluster.backends[which], self.plays[0].now
            removed(self.cluster, gone, now, now + drain_time)

    @rule(
        on_backend_down=st.sampled_from(["move", "close", "keep"]),
        resend=st.booleans(),
        responses=st.integers(0, 2),
        requests=st.sampled_from([0, 1, 3]),
        balance=st.sampled_from(["round_robin", "hrw", "least_flows", "random"]),
    )
    def cluster_changed(self, **keys: Any) -> None:
        self.plays[0].reconfigured(**keys)

    @rule(
        fail_open=st.booleans(),
        passive=st.booleans(),
        eject_below=st.sampled_from([0.0, 0.9]),
        probe=st.sampled_from(["udp", "udp", "tcp"]),
        fall=st.integers(1, 3),
    )
    def health_changed(self, **keys: Any) -> None:
        health = replace(self.cluster.settings.health, **keys)
        self.plays[0].reconfigured(health=health)

    @rule(
        wanted=st.lists(
            st.tuples(
                st.integers(0, 4),
                st.sampled_from([0, 1, 1, 3]),
                st.booleans(),
                st.sampled_from(["active", "active", "drain"]),
            ),
            max_size=4,
            unique_by=lambda each: each[0],
        ),
        drain_time=SECONDS,
    )
    def backends_changed(
        self, wanted: list[tuple[int, int, bool, BackendState]], drain_time: float
    ) -> None:
        backends = tuple(
            backend(index, weight=weight, backup=backup, state=state)
            for index, weight, backup, state in wanted
        )
        self.plays[0].reconfigured(drain_time, backends=backends)

    @rule(
        at=LISTENERS,
        max_flows=st.sampled_from([0, 2, 4]),
        rate=st.sampled_from([0, 0, 5]),
        denied=st.sampled_from([None, None, 1, 2]),
    )
    def listener_changed(self, at: int, max_flows: int, rate: int, denied: int | None) -> None:
        deny = () if denied is None else (ip_network(client_at(denied)[0]),)
        self.plays[at].listener_changed(max_flows=max_flows, new_flows_per_second=rate, deny=deny)

    @rule(at=LISTENERS, which=st.integers(0, 40), later=SECONDS)
    def listener_replaced_or_removed(self, at: int, which: int, later: float) -> None:
        manager, now = self.plays[at].manager, self.plays[at].now
        if which == 0:
            manager.listener_replaced(now, now + later)
        elif which == 1:
            manager.listener_removed()

    @rule(client=st.sampled_from(CLIENTS), left_out=st.integers(0, 7))
    def explained(self, client: ClientAddress, left_out: int) -> None:
        without = [each for at, each in enumerate(self.cluster.backends) if left_out >> at & 1]
        choice = explain(self.cluster, client_of(client), tuple(without))
        assert len(choice.ranked) == len(self.cluster.backends)
        for play in self.plays:
            play.manager.bar_reason(play.now, client_of(client))

    @rule(at=LISTENERS, odd=st.integers(0, 3))
    def flows_ended(self, at: int, odd: int) -> None:
        self.plays[at].flows_ended("operator", lambda flow: flow.id % 4 == odd)

    @rule(seconds=SECONDS)
    def time_passed(self, seconds: float) -> None:
        for play in self.plays:
            play.wait(seconds)
            play.transcript.clear()
        self.plays[0].tick()

    @rule(at=LISTENERS)
    def fired(self, at: int) -> None:
        self.plays[at].fire()

    def a_flow(self, at: int, which: int) -> Flow | None:
        live = self.plays[at].live
        return self.plays[at].flows[live[which % len(live)]] if live else None

    # What holds

    @invariant()
    def books_are_right(self) -> None:
        kept = 0
        for play in getattr(self, "plays", ()):
            play.transcript.clear()
            play.manager.check_invariants()
            flows = [flow for flow in play.manager.slab.places if flow is not None]
            assert sorted(flow.id for flow in flows) == play.live
            assert not any(flow.opening for flow in flows)
            kept += sum(flow.kept_bytes for flow in flows)
        if hasattr(self, "plays"):
            assert self.capacity.kept_bytes == kept
            lived = self.plays[0].live + self.plays[1].live
            assert self.capacity.live == len(lived) == len(set(lived)), (
                "serial numbers are one line"
            )

    @invariant()
    def every_datagram_is_somewhere_once(self) -> None:
        for play, received in zip(
            getattr(self, "plays", ()), getattr(self, "received", ()), strict=True
        ):
            counters = play.manager.counters
            waiting = sum(each.train.count for each in play.postponed)
            assert received == counters.requests + sum(counters.dropped.values()) + waiting

    def teardown(self) -> None:
        for play in getattr(self, "plays", ()):
            play.transcript.clear()
            play.flows_ended("shutdown")
            while play.manager.next_deadline() <= play.now:
                play.fire()
                play.transcript.clear()
            while play.postponed:
                play.round()
                play.transcript.clear()
            play.over()
        if hasattr(self, "plays"):
            assert (self.capacity.live, self.capacity.kept_bytes) == (0, 0)
            assert all(each.flows == 0 for each in self.cluster.backends)


TestStorm = Storm.TestCase
TestStorm.settings = settings(max_examples=400, stateful_step_count=50, deadline=None)
