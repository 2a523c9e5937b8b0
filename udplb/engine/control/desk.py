"""The desk: answers every request of the table, in the engine's loop, whoever asks.

It decides nothing about flows: what changes goes through the desired state, what looks reads
snapshots, or walks over flows in slices.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, Protocol, assert_never

import msgspec

from udplb.config.overlay import Overlay
from udplb.config.problems import ConfigError
from udplb.core.reasons import CloseReason
from udplb.engine.control.explaining import explain
from udplb.engine.control.file_text import FileReader
from udplb.engine.control.impact import Impact, matching
from udplb.engine.control.requests import (
    COUNT_GROWTH,
    COUNT_GROWTH_MIN,
    AddBackend,
    AnyRequest,
    Backends,
    Change,
    Closed,
    CloseFlows,
    Clusters,
    Diff,
    Difference,
    Done,
    Drain,
    Explain,
    File,
    FileText,
    Flows,
    Listeners,
    Lock,
    Locked,
    Refused,
    Reload,
    RemoveBackend,
    Revert,
    Save,
    SetWeight,
    Status,
    Subscribe,
    Subscribed,
    Touched,
    Undrain,
)
from udplb.engine.control.spelling import command_line
from udplb.engine.desired import DesiredState, problems_of
from udplb.engine.events import Event, EventBus, OperatorActed, Subscription
from udplb.engine.filtering import parse_filter
from udplb.engine.forwarding import Forwarding
from udplb.engine.listener import Listener
from udplb.engine.ranking import FlowQuery
from udplb.engine.rankings import Rankings, Watch
from udplb.engine.reading import ReadingError
from udplb.engine.snapshot import BackendSnapshot, Snapshot
from udplb.engine.tap import Tap, Taps
from udplb.engine.terms import Filter, Predicate

LOOK_PAUSE_S = 0.005
"""After each answer that describes much: to make and to write one takes a millisecond or two."""
CHANGES_PER_SLICE = 64
"""Of a difference: a third of a millisecond."""

_log = logging.getLogger(__name__)


class Pictures(Protocol):
    """Where snapshots come from."""

    @property
    def latest(self) -> Snapshot | None:
        """The one that was published last."""

    async def look(self) -> Snapshot:
        """A fresh one."""


class Feed:
    """One subscriber's stream of snapshots and events."""

    def __init__(
        self,
        pictures: Pictures,
        subscription: Subscription | None,
        watch: Watch | None,
        tap: Tap | None,
    ) -> None:
        self._pictures = pictures
        self._subscription = subscription
        self._watch = watch
        self._tap = tap

    def snapshot(self) -> Snapshot:
        """The latest, with this subscriber's window of flows and the flow that he taps."""
        snapshot = self._pictures.latest
        assert snapshot is not None
        if self._watch is None and self._tap is None:
            return snapshot
        return msgspec.structs.replace(
            snapshot,
            window=None if self._watch is None else self._watch.window,
            tap=None if self._tap is None else self._tap.picture(),
        )

    def events(self) -> list[Event]:
        """Those that wait; a Missed stands in the place of those that are lost."""
        return [] if self._subscription is None else self._subscription.take()

    def close(self) -> None:
        """No more of it."""
        if self._subscription is not None:
            self._subscription.cancel()
        if self._watch is not None:
            self._watch.close()
        if self._tap is not None:
            self._tap.close()


class Desk:
    """Answers requests. Lives in the engine's thread alone."""

    def __init__(
        self,
        pictures: Pictures,
        forwarding: Forwarding,
        desired: DesiredState,
        rankings: Rankings,
        taps: Taps,
        bus: EventBus,
        clock: Callable[[], float],
        engine: str,
    ) -> None:
        """`engine`: this engine's name, that of no other."""
        self._engine = engine
        self._pictures = pictures
        self._forwarding = forwarding
        self._desired = desired
        self._rankings = rankings
        self._taps = taps
        self._bus = bus
        self._now = clock
        self._describing = asyncio.Lock()
        self._explaining = asyncio.Lock()
        self._reading = asyncio.Lock()
        self._reader = FileReader()

    async def answer(self, request: AnyRequest, who: str) -> object:
        """The answer, of the type that the table says. Raises Refused."""
        if isinstance(request, Change):
            return await self._change(request, who)
        match request:
            case Status() | Listeners() | Clusters() | Backends():
                return await self._in_turn(self._describing, self._describe(request))
            case Flows(query=query):
                return await self._rankings.once(_checked(query))
            case Explain():
                explanation = explain(self._forwarding, request, self._now)
                return await self._in_turn(self._explaining, explanation)
            case Diff():
                return await self._diff()
            case File():
                return await self._in_turn(self._reading, self._file())
            case Subscribe(interval_s=interval_s):
                return Subscribed(interval_s=interval_s)  # whoever has a stream makes a feed
            case Lock():
                return Locked()  # its session has seen to it
            case _:
                assert_never(request)

    async def _file(self) -> FileText:
        desired = self._desired
        if desired.path is None:
            raise Refused("refused", "this proxy has no file; it was configured by a program")
        return await self._reader.read(desired.path, lambda: desired.digest)

    async def _in_turn(self, turn: asyncio.Lock, work: Coroutine[Any, Any, object]) -> object:
        """One at a time, with room for datagrams in between: many who ask at once would add up."""
        try:
            async with turn:
                answer = await work
                await asyncio.sleep(LOOK_PAUSE_S)
                return answer
        finally:
            work.close()  # where its turn never came

    async def _describe(self, request: Status | Listeners | Clusters | Backends) -> object:
        snapshot = await self._pictures.look()
        match request:
            case Status():
                return snapshot
            case Listeners():
                return snapshot.listeners
            case Clusters():
                return snapshot.clusters
            case Backends(cluster=cluster):
                return _backends(snapshot, cluster)

    def feed(self, request: Subscribe) -> Feed:
        """The stream that was asked for. Raises Refused."""
        query = None if request.window is None else _checked(request.window)
        tap = None if request.tap is None else self._tapped(request.tap)
        subscription = None
        if request.events or request.flow_events:
            try:
                subscription = self._bus.subscribe(flows=request.flow_events)
            except RuntimeError as error:
                if tap is not None:
                    tap.close()
                raise Refused("busy", str(error)) from None
        watch = None if query is None else self._rankings.watch(query)
        return Feed(self._pictures, subscription, watch, tap)

    def _tapped(self, flow: int) -> Tap:
        tap = self._taps.open(flow)
        if tap is None:
            raise Refused("not_found", f"there is no live flow {flow} to tap; see: udplb flows")
        return tap

    # Changes

    async def _change(self, request: Change[Any], who: str) -> object:
        """Do it, and tell everybody who did what."""
        command = command_line(request)
        try:
            answer = await self._do(request)
        except Refused as refusal:
            self._tell(who, command, f"{refusal.code}: {refusal.message}", done=False)
            raise
        self._tell(who, command, _told(answer), done=True)
        return answer

    def _tell(self, who: str, command: str, result: str, *, done: bool) -> None:
        _log.info("%s: %s: %s", who, command, result)
        self._bus.publish(
            OperatorActed(at=self._bus.now(), who=who, command=command, result=result, done=done)
        )

    async def _do(self, request: Change[Any]) -> Done | Closed:
        desired, generation = self._desired, request.generation
        if request.engine not in (None, self._engine):
            raise Refused("stale", "this proxy was started anew since; look again")
        match request:
            case Drain():
                return await self._drain(request)
            case Undrain(cluster=cluster, backend=backend):
                return await desired.edit(
                    lambda overlay, file: overlay.with_state(file, cluster, backend, "active"),
                    generation,
                )
            case SetWeight(cluster=cluster, backend=backend, weight=weight):
                return await desired.edit(
                    lambda overlay, file: overlay.with_weight(file, cluster, backend, weight),
                    generation,
                )
            case AddBackend(cluster=cluster, address=address, name=name, weight=its_weight):
                return await desired.edit(
                    lambda overlay, file: overlay.with_backend(
                        file, cluster, address, name, its_weight
                    ),
                    generation,
                )
            case RemoveBackend(cluster=cluster, backend=backend):
                return await desired.edit(
                    lambda overlay, file: overlay.without_backend(file, cluster, backend),
                    generation,
                )
            case Revert(cluster=whose, backend=which):
                return await desired.edit(
                    lambda overlay, file: overlay.reverted(file, whose, which), generation
                )
            case CloseFlows():
                return await self._close_flows(request)
            case Reload(expected=expected):
                return await desired.reload("asked for", generation, expected)
            case Save():
                return await desired.save(generation)
            case _:
                raise AssertionError(f"nobody does {request}")

    async def _drain(self, request: Drain) -> Done:
        cluster, backend = request.cluster, request.backend
        deadline_s, way = request.deadline_s, request.at_deadline
        # The drain comes first: it knows the deadline, which is no part of the configuration. Where
        # the backend drains already the deadline is a new one.
        done = await self._desired.edit(
            lambda overlay, file: overlay.with_state(file, cluster, backend, "drain"),
            request.generation,
            lambda: self._forwarding.clusters.drain(cluster, backend, deadline_s, way),
        )
        if done.sentences or deadline_s is None:
            return done
        again = f"cluster {cluster}: backend {backend} drains already; its deadline is new"
        return msgspec.structs.replace(done, sentences=(again,))

    async def _close_flows(self, request: CloseFlows) -> Closed:
        if bool(request.flows) is bool(request.filter):
            raise Refused("bad_request", "name the flows to close by number, or by a filter")
        if request.counted is not None and request.filter is None:
            raise Refused("bad_request", "flows that are named by number need not be counted")
        numbers = frozenset(request.flows)
        self._desired.refuse_stale(request.generation)
        chosen = None if request.filter is None else _filter(request.filter)

        def on(listener: Listener) -> Predicate | bool:
            if chosen is None:
                return lambda flow, now: flow.id in numbers
            return chosen.on(listener.name, listener.settings.cluster)

        listeners = self._forwarding.all_listeners
        found = [flow.id async for flow in matching(listeners, on, self._now)]
        if not found:
            raise Refused("not_found", "no live flow is meant by that; see: udplb flows")
        if request.counted is not None and has_grown(request.counted, len(found)):
            message = f"{len(found)} flows match by now, not {request.counted}; look again"
            raise Refused("stale", message)
        ids = frozenset(found)
        now = self._now()
        for listener in listeners:
            listener.manager.flows_ended(CloseReason.OPERATOR, lambda flow: flow.id in ids)
            self._forwarding.datapath.arm(now, listener)
        return Closed(flows=len(found))

    # The difference

    async def _diff(self) -> Difference:
        desired, forwarding = self._desired, self._forwarding
        file = "" if desired.path is None else str(desired.path)
        impact = Impact(forwarding, self._now)
        problems: tuple[str, ...] = ()
        dropped: tuple[str, ...] = ()
        digest = ""
        on_reload: list[Touched] = []
        if desired.path is not None:
            try:
                preview = await desired.preview()
            except (ConfigError, ReadingError) as error:
                problems = problems_of(error)
            else:
                dropped, digest = preview.dropped, preview.digest.hex()
                for number, change in enumerate(preview.changes):
                    if number % CHANGES_PER_SLICE == 0:
                        await asyncio.sleep(0)
                    flows = await impact.of(change)
                    on_reload.append(
                        Touched(
                            sentence=change.sentence,
                            flows=flows,
                            needs_restart=change.needs_restart,
                        )
                    )
        return Difference(
            file=file,
            problems=problems,
            on_reload=tuple(on_reload),
            drift=tuple(
                Touched(sentence=sentence, flows=impact.of_backend(each.cluster, each.address))
                for each in desired.overlay.backends
                for sentence in Overlay((each,)).drift(desired.file)
            ),
            dropped=dropped,
            flows=forwarding.capacity.live,
            digest=digest,
        )


def has_grown(counted: int, found: int) -> bool:
    """Whether so many flows are more than somebody meant who had counted so many."""
    return found > counted + max(COUNT_GROWTH_MIN, counted * COUNT_GROWTH)


def _backends(snapshot: Snapshot, cluster: str | None) -> tuple[BackendSnapshot, ...]:
    """Of one cluster or of all. Raises Refused."""
    clusters = [each for each in snapshot.clusters if cluster in (None, each.name)]
    if not clusters:
        raise Refused("not_found", f"there is no cluster {cluster}")
    return tuple(backend for each in clusters for backend in each.backends)


def _checked(query: FlowQuery) -> FlowQuery:
    try:
        query.check()
    except ValueError as error:
        raise Refused("bad_request", str(error)) from None
    return query


def _filter(text: str) -> Filter:
    try:
        return parse_filter(text)
    except ValueError as error:
        raise Refused("bad_request", str(error)) from None


def _told(answer: Done | Closed) -> str:
    """What came of a change, in one line."""
    if isinstance(answer, Closed):
        return f"{answer.flows} flows close"
    return "; ".join(answer.sentences) or "nothing had to be changed"
