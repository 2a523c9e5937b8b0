"""Explaining: where a new flow of one client would go, with everything that bears on it."""

from __future__ import annotations

from collections.abc import Callable

from udplb.config.rivals import address_meant
from udplb.config.wording import quote
from udplb.core.address import Address, normal_ip, parse_address
from udplb.core.backend import Backend
from udplb.core.cluster import Cluster
from udplb.core.explain import explain as explain_choice
from udplb.core.flow import Flow, State, client_of
from udplb.engine.control.impact import matching
from udplb.engine.control.requests import Explain, Explanation, FlowNow, LastDrop, Ranked, Refused
from udplb.engine.forwarding import Forwarding
from udplb.engine.listener import Listener

ANY_PORT = 40_000
"""A client's, where none was named and it does not matter."""
FLOWS_MAX = 16
"""Of one client on one listener: its current one and those that are leaving."""


async def explain(
    forwarding: Forwarding, request: Explain, clock: Callable[[], float]
) -> Explanation:
    """The answer. Raises Refused if the listener, a backend or the client is not what it says."""
    listener = forwarding.listener(request.listener)
    if listener is None:
        known = ", ".join(each.name for each in forwarding.listeners)
        raise Refused("not_found", f"there is no listener {request.listener}; there are: {known}")
    cluster = listener.manager.cluster
    client = _client(request.client)
    flows = await _flows(listener, client, clock)
    by_port = cluster.hashes and cluster.settings.affinity == "source_ip_port"
    if client.port == 0 and by_port:
        if len(flows) != 1:
            raise Refused(
                "bad_request",
                f"cluster {cluster.name} hashes the port, too: name the client with the port that"
                f" it sends from, as {_spelled(Address(client.ip, ANY_PORT))}",
            )
        client = flows[0].client
    choice = explain_choice(cluster, client, tuple(_backends(cluster, request.without)))
    now = clock()
    barred = listener.manager.bar_reason(now, Address(client.ip, client.port or ANY_PORT))
    return Explanation(
        listener=listener.name,
        client=_spelled(client),
        cluster=cluster.name,
        balance=cluster.settings.balance,
        affinity=cluster.settings.affinity if choice.hash_key is not None else None,
        hash_key=choice.hash_key,
        hash=None if choice.hash is None else f"{choice.hash:016x}",
        ranked=tuple(
            Ranked(
                name=each.backend.name,
                address=str(each.backend.address),
                usable=each.usable,
                note=each.note,
            )
            for each in choice.ranked
        ),
        chosen=None if choice.chosen is None else choice.chosen.name,
        why=choice.why,
        barred=None if barred is None else barred.value,
        flows=tuple(_flow_now(flow, now) for flow in flows),
        last_drop=_last_drop(forwarding, client, now),
    )


def _client(text: str) -> Address:
    """The client that is meant; port 0 where none was named."""
    try:
        return Address(normal_ip(text.strip("[]")), 0)
    except ValueError:
        pass
    try:
        return parse_address(text)
    except ValueError as error:
        raise Refused("bad_request", f"client {quote(text)}: {error}") from None


def _spelled(client: Address) -> str:
    return str(client) if client.port else str(client.ip)


def _backends(cluster: Cluster, words: tuple[str, ...]) -> list[Backend]:
    found: list[Backend] = []
    for given in words:
        word = given.removeprefix(f"{cluster.name}/")  # as commands call it
        address = address_meant(word)
        named = [
            each for each in cluster.backends if each.is_called(word) or each.address == address
        ]
        if not named:
            known = ", ".join(each.name for each in cluster.backends[:10])
            raise Refused(
                "not_found", f"cluster {cluster.name} has no backend {word}; there are: {known}"
            )
        found += named
    return found


async def _flows(listener: Listener, client: Address, clock: Callable[[], float]) -> list[Flow]:
    """The client's live flows, the current ones first."""

    def is_its(flow: Flow, now: float) -> bool:
        return flow.client.ip == client.ip and client.port in (0, flow.client.port)

    found: list[Flow] = []
    async for flow in matching((listener,), lambda _: is_its, clock):
        found.append(flow)
        if len(found) == FLOWS_MAX:
            break
    found = [flow for flow in found if flow.live]
    return sorted(found, key=lambda flow: (flow.state is not State.CURRENT, -flow.id))


def _flow_now(flow: Flow, now: float) -> FlowNow:
    return FlowNow(
        id=flow.id,
        backend=flow.backend.name,
        backend_address=str(flow.backend.address),
        state=flow.state.value,
        age_s=now - flow.admitted_at,
        idle_s=now - max(flow.last_request_at, flow.last_reply_at),
        ends_in_s=max(0.0, flow.due() - now),
        requests=flow.requests,
        replies=flow.replies,
    )


def _last_drop(forwarding: Forwarding, client: Address, now: float) -> LastDrop | None:
    for drop in reversed(forwarding.recent_drops):
        dropped = client_of(drop.client_address)
        if dropped.ip == client.ip and client.port in (0, dropped.port):
            return LastDrop(
                ago_s=now - drop.at, reason=drop.reason.value, meaning=drop.reason.meaning
            )
    return None
