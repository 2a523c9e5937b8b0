"""Impact: how many live flows a change would touch; walks over flows go in slices."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import cast

from udplb.config.changes import (
    BackendChanged,
    BackendRemoved,
    Change,
    ClusterChanged,
    ListenerChanged,
    ListenerRemoved,
)
from udplb.core.address import Address
from udplb.core.flow import Flow
from udplb.core.limits import NetworkSet
from udplb.core.settings import Network
from udplb.engine.forwarding import Forwarding
from udplb.engine.listener import Listener
from udplb.engine.terms import Predicate
from udplb.engine.walk import SLICE_S, pause_after, steps_over


async def matching(
    listeners: Sequence[Listener],
    on: Callable[[Listener], Predicate | bool],
    clock: Callable[[], float],
) -> AsyncIterator[Flow]:
    """The live flows for which the listener's predicate holds, in slices."""
    began = clock()
    for listener in tuple(listeners):
        holds = on(listener)
        if holds is False:
            continue
        for places in steps_over(listener.manager.slab):
            for flow in places:
                if flow is not None and (holds is True or holds(flow, began)):
                    yield flow
            if (took_s := clock() - began) >= SLICE_S / 2:
                await asyncio.sleep(pause_after(took_s))
                began = clock()


class Impact:
    """How many live flows changes would touch, as things stand when it is made."""

    def __init__(self, forwarding: Forwarding, clock: Callable[[], float]) -> None:
        self._forwarding = forwarding
        self._clock = clock
        self._of_backends = {
            (cluster.name, backend.address): backend.flows
            for cluster in forwarding.clusters
            for backend in cluster.backends
        }

    def of_backend(self, cluster: str, address: Address) -> int:
        """Flows of the backend at this address; of one that is not there none."""
        return self._of_backends.get((cluster, address), 0)

    async def of(self, change: Change) -> int:
        """Flows that close, leave or move with this change, or that a drain has to wait for."""
        match change:
            case BackendRemoved(cluster=cluster, settings=settings):
                return self.of_backend(cluster, settings.address)
            case (
                BackendChanged(cluster=cluster, address=address, field="state", after="drain")
                | BackendChanged(cluster=cluster, address=address, field="weight", after=0)
            ):
                return self.of_backend(cluster, address)
            case ListenerRemoved(settings=settings):
                return self._on(settings.name)
            case ListenerChanged(listener=name, field="address" | "cluster"):
                return self._on(name)
            case ListenerChanged(listener=name, field="allow" | "deny" as field, after=after):
                return await self._denied(name, field, cast(tuple[Network, ...], after))
            case ClusterChanged(cluster=cluster, field="on_backend_down", after="move" | "close"):
                return self._on_backends_that_are_down(cluster)
            case _:
                return 0  # live flows go on; those of a cluster that goes are its listeners'

    def _on(self, name: str) -> int:
        listener = self._forwarding.listener(name)
        return 0 if listener is None else len(listener.manager.slab)

    def _on_backends_that_are_down(self, name: str) -> int:
        cluster = self._forwarding.clusters.get(name)
        if cluster is None or not cluster.some_up:
            return 0
        return sum(backend.flows for backend in cluster.backends if not backend.up)

    async def _denied(self, name: str, field: str, networks: Sequence[Network]) -> int:
        """Flows whose clients this one list no longer admits."""
        listener = self._forwarding.listener(name)
        if listener is None or not networks:
            return 0
        named = NetworkSet(networks)
        admits = field == "allow"

        def denied(flow: Flow, now: float) -> bool:
            return (flow.client.ip in named) is not admits

        return len([flow async for flow in matching((listener,), lambda _: denied, self._clock)])
