"""The flow manager against a model of the flow table: small, slow, and written from DESIGN.md.

The model knows no buckets, slab, sweep or token bucket of the core: it is a list of flows and
some sums. It foretells every command but the choice of the backend, which it only finds allowed.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from ipaddress import ip_network
from math import inf
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from tests.core.playbook import START, Playbook, backend, came_up, client_at, went_down
from tests.core.transcript import Line, answers, closes, opens, reads, sends
from udplb.core.flow import ClientAddress
from udplb.core.reasons import SHED_REASONS, DropReason
from udplb.core.settings import HealthSettings

TICK = 1 / 64
DENIED_HOST = 3
BLIND = HealthSettings(passive=False)
"""The model knows nothing of refusals."""
CLIENTS = [client_at(host, port) for host in (1, 2, DENIED_HOST) for port in (0, 5, 6)]
SECONDS = st.integers(1, 64 * 8).map(lambda ticks: ticks * TICK)
TIMEOUTS = st.integers(3, 64 * 8).map(lambda ticks: ticks * TICK)
"""None below LOOK_AGAIN_S: a flow that was read once more is next looked at after that."""
DATAGRAMS = st.lists(st.sampled_from([b"", b"a", b"bc"]), min_size=1, max_size=7)


Terms = dict[str, Any]


@dataclass
class Copy:
    """What a flow should be."""

    number: int
    client: ClientAddress
    backend: str
    born: float
    left: float
    last_request: float
    last_reply: float = -inf
    requests: int = 0
    replies: int = 0
    leaving: str = ""
    end_by: float = inf
    succeeded: bool = False
    terms: Terms = field(default_factory=dict)
    """Those of its admission."""


class Model:
    """The flow table as DESIGN.md tells it."""

    def __init__(self, terms: Terms, caps: dict[str, int]) -> None:
        self.terms = terms
        self.caps = caps
        self.denied = [DENIED_HOST]
        self.flows: list[Copy] = []
        self.serial = 0
        self.tokens, self.tokens_at = float(caps["new_flows_per_second"]), START
        self.draining = False
        self.down: list[str] = []
        self.backends = ["b0", "b1", "b2"]
        self.owed: Counter[str] = Counter()
        self.admitted = self.succession_refused = self.sent = 0
        self.closed: Counter[str] = Counter()
        self.dropped: Counter[str] = Counter()
        self.shed: Counter[str] = Counter()

    # Who

    def current(self, client: ClientAddress) -> Copy | None:
        found = [flow for flow in self.flows if flow.client == client and not flow.leaving]
        assert len(found) <= 1
        return found[0] if found else None

    def carrier(self, client: ClientAddress) -> Copy | None:
        """The client's flow that left last, if nobody succeeded it and it lives."""
        own = [flow for flow in self.flows if flow.client == client and flow.leaving]
        return own[-1] if own and not own[-1].succeeded else None

    def is_denied(self, client: ClientAddress) -> bool:
        return client[0] in [client_at(host)[0] for host in self.denied]

    def usable(self) -> list[str]:
        return [name for name in self.backends if name not in self.down] or self.backends

    # Datagrams

    def client_train(
        self,
        now: float,
        client: ClientAddress,
        train: list[bytes],
        failures: Iterator[str],
        choices: Iterator[str],
    ) -> list[Line]:
        out: list[Line] = []
        flow = self.current(client)
        rest = self.take(now, flow, train, out) if flow else train
        while rest:
            denied = self.is_denied(client)
            if denied or client[1] == 0:
                self.dropped["denied" if denied else "bad_source"] += len(rest)
                break
            carrier = self.carrier(client)
            while carrier is None and rest and not rest[0]:
                self.dropped["empty"] += 1
                rest = rest[1:]
            if not rest:
                break
            reason = self.refusal(now, client)
            if not reason:
                reason = self.open(now, client, failures, choices, out)
            if reason:
                self.refuse(now, carrier, rest, reason, out)
                break
            if carrier is not None:
                carrier.succeeded = True
            rest = self.take(now, self.flows[-1], rest, out)
        return out

    def take(self, now: float, flow: Copy, train: list[bytes], out: list[Line]) -> list[bytes]:
        count = int(min(flow.left, len(train)))
        self.send(now, flow, train[:count], out)
        flow.left -= count
        if flow.left == 0:
            flow.leaving = "requests"
        return train[count:]

    def send(self, now: float, flow: Copy, train: list[bytes], out: list[Line]) -> None:
        flow.requests += len(train)
        self.owed[flow.backend] += len(train) * flow.terms["responses"]
        flow.last_request = now
        self.sent += len(train)
        out.append(sends(flow.number, *train))

    def refusal(self, now: float, client: ClientAddress) -> str:
        """Why there is no new flow; the rate is asked last, and pays only what is admitted."""
        caps, rate = self.caps, self.caps["new_flows_per_second"]
        self.refill(now)
        of_source = sum(flow.client[0] == client[0] for flow in self.flows)
        if self.draining:
            return "draining"
        if 0 < caps["max_flows"] <= len(self.flows):
            return "max_flows"
        if 0 < caps["max_flows_per_source"] <= of_source:
            return "max_flows_per_source"
        if rate and self.tokens < 1:
            return "new_flows_per_second"
        return "" if self.usable() else "no_backend"

    def refill(self, now: float) -> None:
        rate = self.caps["new_flows_per_second"]
        self.tokens = min(float(rate), self.tokens + (now - self.tokens_at) * rate)
        self.tokens_at = now

    def caps_changed(self, now: float, caps: dict[str, int]) -> None:
        """Another rate finds the bucket as full as it was, by the new measure."""
        before, after = self.caps["new_flows_per_second"], caps["new_flows_per_second"]
        self.refill(now)
        if before != after:
            self.tokens = (self.tokens / before if before else 1.0) * after
        self.caps = caps

    def open(
        self,
        now: float,
        client: ClientAddress,
        failures: Iterator[str],
        choices: Iterator[str],
        out: list[Line],
    ) -> str:
        self.serial += 1
        choice = next(choices)
        assert choice in self.usable()
        out.append(opens(self.serial, choice))
        failure = next(failures, "")
        if failure not in ("", "no_descriptor") and len(self.usable()) > 1:
            first, choice = choice, next(choices)
            assert choice in self.usable()
            assert choice != first
            out.append(opens(self.serial, choice))
            failure = next(failures, "")
        if not failure:
            left = self.terms["requests"] or inf
            flow = Copy(self.serial, client, choice, now, left, now, terms=self.terms)
            self.flows.append(flow)
            self.admitted += 1
            self.tokens -= 1
        return failure

    def refuse(
        self, now: float, carrier: Copy | None, rest: list[bytes], reason: str, out: list[Line]
    ) -> None:
        if reason in SHED_REASONS:
            self.shed[reason] += 1
        if carrier is None:
            self.dropped[reason] += len(rest)
        else:
            self.succession_refused += len(rest)
            self.send(now, carrier, rest, out)

    def reply(self, now: float, flow: Copy, train: list[bytes]) -> list[Line]:
        flow.replies += len(train)
        flow.last_reply = now
        return [answers(flow.number, *train), *self.if_answered(flow)]

    def failed(self, flow: Copy, count: int, reason: str) -> list[Line]:
        flow.requests -= count
        self.owed[flow.backend] -= count * flow.terms["responses"]
        self.sent -= count
        self.dropped[reason] += count
        if not flow.leaving:
            flow.left += count
        return self.if_answered(flow)

    def if_answered(self, flow: Copy) -> list[Line]:
        owed = flow.requests * flow.terms["responses"]
        return [self.close(flow, "answered")] if 0 < owed <= flow.replies else []

    def close(self, flow: Copy, reason: str) -> Line:
        self.flows.remove(flow)
        self.closed[reason] += 1
        return closes(flow.number, reason)

    # Time

    def due(self, flow: Copy) -> float:
        front: float = flow.terms["front_timeout"]
        back: float = flow.terms["back_timeout"]
        if flow.leaving:
            return min(max(flow.last_request, flow.last_reply) + back, flow.end_by)
        idle = max(flow.last_request + front, flow.last_reply + back)
        max_age: float = flow.terms["max_age"]
        return min(idle, flow.born + max_age) if max_age else idle

    def next_due(self) -> float:
        return min(map(self.due, self.flows), default=inf)

    def time_passed(self, now: float, waiting: dict[int, list[bytes]]) -> list[Line]:
        """Everything that is due is handled; what waits in a socket is found."""
        out: list[Line] = []
        for flow in list(self.flows):
            old = 0 < flow.terms["max_age"] <= now - flow.born
            if old and not flow.leaving:
                flow.leaving, flow.left = "max_age", 0
            if self.due(flow) > now:
                continue
            if now >= flow.end_by:
                out.append(self.close(flow, flow.leaving))
                continue
            out.append(reads(flow.number))
            found = waiting.pop(flow.number, None)
            if found:
                out += self.reply(now, flow, found)
            else:
                out.append(self.close(flow, flow.leaving or "idle"))
        return out


def denying(hosts: list[int]) -> tuple[Any, ...]:
    return tuple(ip_network(f"{client_at(host)[0]}/32") for host in hosts)


def by_flow(lines: Iterable[Line]) -> dict[int, list[Line]]:
    """In what order flows are due at one time is nobody's business."""
    grouped: dict[int, list[Line]] = defaultdict(list)
    for line in lines:
        grouped[line.flow].append(line)
    return dict(grouped)


class TheManagerAndItsModel(RuleBasedStateMachine):
    """Random inputs go to both."""

    @initialize(
        balance=st.sampled_from(["round_robin", "random", "least_flows", "hrw"]),
        front=TIMEOUTS,
        back=TIMEOUTS,
        responses=st.integers(0, 2),
        requests=st.sampled_from([0, 0, 1, 2, 5]),
        max_age=st.one_of(st.just(0.0), SECONDS),
        max_flows=st.sampled_from([0, 0, 1, 4]),
        per_source=st.sampled_from([0, 0, 1, 2]),
        rate=st.sampled_from([0, 0, 1, 8]),
    )
    def begin(
        self,
        balance: str,
        front: float,
        back: float,
        responses: int,
        requests: int,
        max_age: float,
        max_flows: int,
        per_source: int,
        rate: int,
    ) -> None:
        terms: Terms = {
            "front_timeout": front,
            "back_timeout": back,
            "responses": responses,
            "requests": requests,
            "max_age": max_age,
        }
        caps: dict[str, Any] = {
            "max_flows": max_flows,
            "max_flows_per_source": per_source,
            "new_flows_per_second": rate,
        }
        self.play = Playbook(
            backends=3, balance=balance, health=BLIND, deny=denying([DENIED_HOST]), **terms, **caps
        )
        self.model = Model(terms, caps)

    @rule(
        client=st.sampled_from(CLIENTS),
        train=DATAGRAMS,
        failures=st.lists(
            st.sampled_from(["unreachable", "no_port", "no_descriptor"]), max_size=2
        ).flatmap(lambda some: st.sampled_from([[], [], some])),
    )
    def client_train(self, client: ClientAddress, train: list[bytes], failures: list[str]) -> None:
        self.play.open_failures.extend(DropReason[reason.upper()] for reason in failures)
        self.play.client(client, *train)
        self.play.open_failures.clear()
        came = self.play.commands()
        choices = (str(line.what[0]) for line in came if line.verb == "opens")
        expected = self.model.client_train(self.play.now, client, train, iter(failures), choices)
        assert came == expected
        assert next(choices, None) is None

    @precondition(lambda self: self.model.flows)
    @rule(which=st.integers(0, 99), train=DATAGRAMS)
    def backend_train(self, which: int, train: list[bytes]) -> None:
        flow = self.model.flows[which % len(self.model.flows)]
        self.play.reply(flow.number, *train)
        assert self.play.commands() == self.model.reply(self.play.now, flow, train)

    @precondition(lambda self: any(flow.requests for flow in self.model.flows))
    @rule(which=st.integers(0, 99), count=st.integers(1, 3))
    def request_failed(self, which: int, count: int) -> None:
        asked = [flow for flow in self.model.flows if flow.requests]
        flow = asked[which % len(asked)]
        count = min(count, flow.requests)
        self.play.failed(flow.number, *[b""] * count, reason="queue_full")
        assert self.play.commands() == self.model.failed(flow, count, "queue_full")

    @rule(seconds=SECONDS, waiting=st.lists(st.tuples(st.integers(0, 99), DATAGRAMS), max_size=3))
    def time_passed(self, seconds: float, waiting: list[tuple[int, list[bytes]]]) -> None:
        """The timer fires whenever it is to."""
        in_sockets = self.put_in_sockets(waiting)
        until, expected = self.play.now + seconds, list[Line]()
        self.play.wait(seconds)
        while (due := self.model.next_due()) <= until:
            expected += self.model.time_passed(due, in_sockets)
        self.play.waiting.clear()
        assert by_flow(self.play.commands()) == by_flow(expected)

    @rule(seconds=SECONDS, waiting=st.lists(st.tuples(st.integers(0, 99), DATAGRAMS), max_size=3))
    def time_jumped(self, seconds: float, waiting: list[tuple[int, list[bytes]]]) -> None:
        """The timer fires late, and once."""
        in_sockets = self.put_in_sockets(waiting)
        self.play.now += seconds
        self.play.fire()
        expected = self.model.time_passed(self.play.now, in_sockets)
        self.play.waiting.clear()
        assert by_flow(self.play.commands()) == by_flow(expected)
        assert self.play.manager.next_deadline() > self.play.now

    def put_in_sockets(self, waiting: list[tuple[int, list[bytes]]]) -> dict[int, list[bytes]]:
        for which, train in waiting if self.model.flows else ():
            number = self.model.flows[which % len(self.model.flows)].number
            self.play.waiting[number] = train
        return dict(self.play.waiting)

    @rule(name=st.sampled_from(["b0", "b1", "b2"]))
    def backend_went_down_or_up(self, name: str) -> None:
        if name not in self.model.backends:
            return
        if name in self.model.down:
            self.model.down.remove(name)
            came_up(self.play.cluster, self.play.backend(name))
        else:
            self.model.down.append(name)
            went_down(self.play.cluster, self.play.backend(name))

    @rule(
        front=TIMEOUTS,
        responses=st.integers(0, 2),
        requests=st.sampled_from([0, 0, 1, 5]),
        max_age=st.one_of(st.just(0.0), SECONDS),
        balance=st.sampled_from(["round_robin", "random", "least_flows", "hrw"]),
        resend=st.booleans(),
    )
    def cluster_changed(self, balance: str, resend: bool, front: float, **terms: Any) -> None:
        """Live flows keep the terms that they were admitted with."""
        terms = {**self.model.terms, **terms, "front_timeout": front}
        self.play.reconfigured(balance=balance, resend=resend, **terms)
        self.model.terms = terms
        self.fire_now()

    @rule(
        drain_time=SECONDS, order=st.permutations(["b0", "b1", "b2", "b3"]), count=st.integers(0, 4)
    )
    def backends_changed(self, drain_time: float, order: list[str], count: int) -> None:
        """Some stay, some go, and some join; who comes back is another."""
        names, before = order[:count], self.model.backends
        backends = tuple(backend(int(name[1:]), weight=1 + int(name[1:])) for name in names)
        self.play.reconfigured(drain_time, backends=backends)
        self.model.backends = names
        for name in before:
            if name not in names:
                self.gone(name, drain_time)
        self.fire_now()

    @rule(
        max_flows=st.sampled_from([0, 1, 4]),
        per_source=st.sampled_from([0, 1, 2]),
        rate=st.sampled_from([0, 1, 8]),
        denied=st.sampled_from([[], [DENIED_HOST], [DENIED_HOST, 1], [2]]),
    )
    def listener_changed(
        self, max_flows: int, per_source: int, rate: int, denied: list[int]
    ) -> None:
        caps: dict[str, Any] = {
            "max_flows": max_flows,
            "max_flows_per_source": per_source,
            "new_flows_per_second": rate,
        }
        self.play.listener_changed(deny=denying(denied), **caps)
        self.model.caps_changed(self.play.now, caps)
        self.model.denied = denied
        ending = [flow for flow in self.model.flows if self.model.is_denied(flow.client)]
        self.fire_now([self.model.close(flow, "denied") for flow in ending])

    @rule(which=st.integers(0, 60), later=SECONDS)
    def listener_replaced_or_removed(self, which: int, later: float) -> None:
        manager, now = self.play.manager, self.play.now
        if which == 0:
            manager.listener_replaced(now, now + later)
            for flow in self.model.flows:
                self.leaves(flow, "listener_removed", now + later)
            self.fire_now()
        elif which == 1:
            manager.listener_removed()
            closed = [self.model.close(each, "listener_removed") for each in [*self.model.flows]]
            self.fire_now(closed)
        self.model.draining |= which <= 1

    def gone(self, name: str, drain_time: float) -> None:
        """The flows of a backend of this name that is no longer there are leaving."""
        self.model.down = [each for each in self.model.down if each != name]
        for flow in self.model.flows:
            if flow.backend == name:
                self.leaves(flow, "backend_removed", self.play.now + drain_time)
                flow.backend = f"{name}, gone"
        del self.model.owed[name]

    def leaves(self, flow: Copy, reason: str, end_by: float) -> None:
        flow.leaving = flow.leaving or reason
        flow.left = 0
        flow.end_by = min(flow.end_by, end_by)

    @rule(which=st.integers(0, 20), drain_time=SECONDS)
    def backend_removed(self, which: int, drain_time: float) -> None:
        if which >= len(self.model.backends):
            return
        name = self.model.backends.pop(which)
        self.play.backend_removed(name, drain_time)
        self.gone(name, drain_time)
        self.fire_now()

    @rule(
        reason=st.sampled_from(["denied", "operator"]),
        odd=st.integers(0, 1),
        really=st.sampled_from([False, False, True]),
    )
    def flows_ended(self, reason: str, odd: int, really: bool) -> None:
        if not really:
            return
        self.play.flows_ended(reason, lambda flow: flow.id % 2 == odd)
        ending = [flow for flow in self.model.flows if flow.number % 2 == odd]
        self.fire_now([self.model.close(flow, reason) for flow in ending])

    def fire_now(self, expected: Iterable[Line] = ()) -> None:
        self.play.fire()
        expected = [*expected, *self.model.time_passed(self.play.now, {})]
        assert by_flow(self.play.commands()) == by_flow(expected)

    @rule(which=st.integers(0, 30))
    def drain_began(self, which: int) -> None:
        if which == 0:
            self.model.draining = True
            self.play.drain_began()

    @invariant()
    def both_agree(self) -> None:
        if not hasattr(self, "model"):
            return
        play, model, counters = self.play, self.model, self.play.manager.counters
        assert play.live == sorted(flow.number for flow in model.flows)
        for copy in model.flows:
            flow = play.flows[copy.number]
            assert (flow.requests, flow.replies) == (copy.requests, copy.replies)
            assert str(flow.state) == ("leaving" if copy.leaving else "current")
            assert flow.backend.name + (", gone" if flow.backend.removed else "") == copy.backend
            assert copy.left in (flow.left, inf)
        assert play.closed() == model.closed
        assert play.dropped() == model.dropped
        assert play.shed() == model.shed
        assert (counters.admitted, counters.requests) == (model.admitted, model.sent)
        assert counters.succession_refused == model.succession_refused
        assert play.capacity.live == len(model.flows)
        backends = Counter(flow.backend for flow in model.flows)
        for each in play.cluster.backends:
            assert each.flows == backends[each.name]
            assert each.owed == model.owed[each.name]
        assert play.manager.next_deadline() <= model.next_due(), "it would be late"

    def teardown(self) -> None:
        if hasattr(self, "play"):
            self.play.over()
            assert self.play.capacity.live == 0
            assert all(each.flows == 0 for each in self.play.cluster.backends)


TestTheManagerAndItsModel = TheManagerAndItsModel.TestCase
TestTheManagerAndItsModel.settings = settings(
    max_examples=500, stateful_step_count=40, deadline=None
)
