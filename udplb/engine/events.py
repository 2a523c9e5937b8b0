"""Events, and the bus that brings them to subscribers: bounded, the oldest are lost and counted."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

import msgspec

from udplb.core.flow import Flow
from udplb.core.reasons import CloseReason

SUBSCRIBERS_MAX = 64
QUEUE_MAX = 4_096
"""Events that wait for one subscriber."""


class Event(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Something that happened in the engine, at `at` seconds since the epoch."""

    at: float


class EngineStarted(Event, frozen=True, kw_only=True):
    """All listeners are bound and are being read."""

    listeners: int
    max_flows: int


class EngineStopped(Event, frozen=True, kw_only=True):
    """The last event."""

    closed_flows: int
    """Flows that had to be closed because their time was up."""


class ListenerBound(Event, frozen=True, kw_only=True):
    """A listener's socket is open."""

    listener: str
    address: str
    cluster: str
    receive_buffer: int


class DrainBegan(Event, frozen=True, kw_only=True):
    """The process takes no new flows and ends when the last one has."""

    live: int
    deadline_s: float


class BackendEvent(Event, frozen=True, kw_only=True):
    """Something that happened to a backend."""

    cluster: str
    backend: str
    address: str


class BackendWentDown(BackendEvent, frozen=True, kw_only=True):
    """New flows avoid the backend while another is up."""

    reason: str


class BackendCameUp(BackendEvent, frozen=True, kw_only=True):
    """The backend takes new flows again."""

    reason: str


class ClusterWentDown(Event, frozen=True, kw_only=True):
    """No backend of the cluster is up that takes new flows."""

    cluster: str
    fail_open: bool
    """New flows are spread over all backends as if they were up; else they are dropped."""


class ClusterCameUp(Event, frozen=True, kw_only=True):
    """After all were down, a backend of the cluster is up again."""

    cluster: str


class BackendDrainBegan(BackendEvent, frozen=True, kw_only=True):
    """The backend takes no new flows; those that it has live to their end, or to the deadline."""

    flows: int
    deadline_s: float | None
    """Seconds from now; None: as long as it takes."""
    way: str
    """What happens to the flows that are left then: move or close."""


class BackendDrainExpired(BackendEvent, frozen=True, kw_only=True):
    """A drain's deadline has passed; what is left moves or closes now."""

    flows: int
    way: str


class BackendDrained(BackendEvent, frozen=True, kw_only=True):
    """The last flow of a draining backend is gone."""

    took_s: float


class BackendDrainEnded(BackendEvent, frozen=True, kw_only=True):
    """The operator wants new flows on the backend again."""


class ConfigurationChanged(Event, frozen=True, kw_only=True):
    """Another configuration is in force."""

    generation: int
    why: str
    """Who or what brought it: the file was saved, SIGHUP, an operator, ..."""
    sentences: tuple[str, ...]
    """A sentence for each change; none where the file says the same in other words."""


class ConfigurationRejected(Event, frozen=True, kw_only=True):
    """The file was read again and is not applied; the configuration in force stays."""

    problems: tuple[str, ...]
    """FILE:LINE: key: message, for each mistake."""


class ConfigurationSaved(Event, frozen=True, kw_only=True):
    """What operators had changed stands in the file now."""

    file: str
    sentences: tuple[str, ...]


class OperatorActed(Event, frozen=True, kw_only=True):
    """Somebody asked for a change, through the control socket or at a console."""

    who: str
    command: str
    """The same as a command line."""
    result: str
    """What came of it, or why it was refused."""
    done: bool


class FlowAdmitted(Event, frozen=True, kw_only=True):
    """A flow was opened. Built only while somebody subscribes to flows."""

    flow: int
    listener: str
    client: str
    backend: str


class FlowClosed(Event, frozen=True, kw_only=True):
    """A flow ended. Built only while somebody subscribes to flows."""

    flow: int
    listener: str
    client: str
    backend: str
    reason: str
    age_s: float
    requests: int
    request_bytes: int
    replies: int
    reply_bytes: int


def event_of_flow(
    listener: str, flow: Flow, reason: CloseReason | None, at: float, now: float
) -> FlowAdmitted | FlowClosed:
    """The event that a flow was opened (no reason) or closed; `now` is the engine's clock."""
    if reason is None:
        return FlowAdmitted(
            at=at,
            flow=flow.id,
            listener=listener,
            client=str(flow.client),
            backend=flow.backend.name,
        )
    return FlowClosed(
        at=at,
        flow=flow.id,
        listener=listener,
        client=str(flow.client),
        backend=flow.backend.name,
        reason=reason.value,
        age_s=now - flow.admitted_at,
        requests=flow.requests,
        request_bytes=flow.request_bytes,
        replies=flow.replies,
        reply_bytes=flow.reply_bytes,
    )


class Missed(Event, frozen=True, kw_only=True):
    """The subscriber was too slow: so many events before this one are lost."""

    count: int


class Subscription:
    """One subscriber's queue. Read by one thread; filled by the engine's."""

    def __init__(self, bus: EventBus, flows: bool, clock: Callable[[], float]) -> None:
        self.flows = flows
        """Whether events of single flows are wanted."""
        self._bus = bus
        self._clock = clock
        self._queue: deque[tuple[int, Event]] = deque(maxlen=QUEUE_MAX)
        self._numbered = 0
        self._read = 0

    def put(self, event: Event) -> None:
        """Queue an event; the oldest makes room if there is none."""
        self._numbered += 1
        self._queue.append((self._numbered, event))

    def take(self) -> list[Event]:
        """All events that wait; where some were lost, a Missed stands in their place."""
        taken: list[Event] = []
        while True:
            try:
                number, event = self._queue.popleft()
            except IndexError:
                return taken
            lost = number - self._read - 1
            if lost:
                self._bus.count_lost(lost)
                taken.append(Missed(at=self._clock(), count=lost))
            self._read = number
            taken.append(event)

    def cancel(self) -> None:
        """No more events."""
        self._bus.unsubscribe(self)


class EventBus:
    """Tells every subscriber what happens; never waits for one."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._subscriptions: tuple[Subscription, ...] = ()
        self._changing = threading.Lock()
        """Held by subscribers of all threads while they come and go; never to publish."""
        self.lost = 0
        """Events that slow subscribers missed."""

    @property
    def flows_wanted(self) -> bool:
        """Whether anybody wants events of single flows."""
        return any(each.flows for each in self._subscriptions)

    def subscribe(self, *, flows: bool = False) -> Subscription:
        """A new subscription. RuntimeError when there are SUBSCRIBERS_MAX already."""
        subscription = Subscription(self, flows, self._clock)
        with self._changing:
            if len(self._subscriptions) >= SUBSCRIBERS_MAX:
                raise RuntimeError(f"{SUBSCRIBERS_MAX} subscribers are the most there can be")
            self._subscriptions = (*self._subscriptions, subscription)
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        """Forget the subscription."""
        with self._changing:
            self._subscriptions = tuple(s for s in self._subscriptions if s is not subscription)

    def count_lost(self, count: int) -> None:
        """A subscriber missed so many events."""
        with self._changing:
            self.lost += count

    def publish(self, event: Event) -> None:
        """Tell everybody who wants to know."""
        of_flow = isinstance(event, FlowAdmitted | FlowClosed)
        for subscription in self._subscriptions:
            if subscription.flows or not of_flow:
                subscription.put(event)

    def now(self) -> float:
        """The time that events carry, in seconds since the epoch."""
        return self._clock()
