"""Commands that look at a running proxy and change nothing."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import TypeVar

from udplb.cli import arguments
from udplb.cli.arguments import Flag, Interval, Json, SocketPath, Watch
from udplb.cli.asking import proxy
from udplb.cli.endings import BAD_USAGE, DONE, Complaint, misused
from udplb.cli.following import follow
from udplb.cli.output import Output
from udplb.cli.watching import Picture, screen_for
from udplb.cli.watching import watch as watch_pictures
from udplb.config.wording import quote
from udplb.engine.control.requests import (
    INTERVAL_MAX_S,
    INTERVAL_MIN_S,
    WITHOUT_MAX,
    Backends,
    Diff,
    Explain,
    Flows,
    Listeners,
    Status,
)
from udplb.engine.ranking import OFFSET_MAX, WINDOW_MAX, FlowQuery, SortKey
from udplb.engine.snapshot import BackendSnapshot, FlowWindow, Snapshot
from udplb.show.backends import page_of_backends
from udplb.show.difference import page_of_difference
from udplb.show.explanation import page_of_explanation
from udplb.show.flows import page_of_flows, summary_of
from udplb.show.listeners import page_of_listeners
from udplb.show.paces import Paces
from udplb.show.page import Page
from udplb.show.status import page_of_status

INTERVAL_S = 1.0
"""Seconds between two pictures, where nothing else is asked for."""

Answer = TypeVar("Answer")


def status(
    *,
    json: Json = False,
    watch: Watch = False,
    interval: Interval = None,
    socket: SocketPath = None,
) -> int:
    """The whole proxy on one page: state, configuration, drift, traffic, drops, clusters.

    For example:

        udplb status
        udplb status --watch --interval 2s
        udplb status --json
    """
    picture = Picture(
        request=Status(),
        pick=lambda snapshot: snapshot,
        page=lambda snapshot, paces: page_of_status(snapshot, time.time(), paces),
    )
    return _look(picture, json, watch, interval, socket)


def listeners(
    *,
    json: Json = False,
    watch: Watch = False,
    interval: Interval = None,
    socket: SocketPath = None,
) -> int:
    """All listeners: flows, datagrams and bytes both ways, drops by reason.

    For example:

        udplb listeners
        udplb listeners --watch
    """
    picture = Picture(
        request=Listeners(), pick=lambda snapshot: snapshot.listeners, page=page_of_listeners
    )
    return _look(picture, json, watch, interval, socket)


def backends(
    cluster: str | None = None,
    /,
    *,
    json: Json = False,
    watch: Watch = False,
    interval: Interval = None,
    socket: SocketPath = None,
) -> int:
    """All backends, or those of one cluster: state, weight, flows, traffic, health.

    For example:

        udplb backends
        udplb backends dns --watch

    Parameters
    ----------
    cluster
        Only the backends of this cluster.
    """
    asked = None if cluster is None else arguments.name_of("cluster", cluster)
    picture = Picture(
        request=Backends(cluster=asked),
        pick=partial(_backends_of, asked),
        page=lambda shown, paces: page_of_backends(shown, time.time(), paces),
    )
    return _look(picture, json, watch, interval, socket)


def flows(
    *,
    sort: SortKey = "rate",
    ascending: Flag = False,
    limit: int = 20,
    offset: int = 0,
    listener: str | None = None,
    backend: str | None = None,
    filter: str | None = None,
    json: Json = False,
    watch: Watch = False,
    interval: Interval = None,
    socket: SocketPath = None,
) -> int:
    """The live flows: a window of them, sorted and filtered.

    A filter is one or more of these terms, and all have to hold: free text,
    client=203.0.113.0/24, backend=edge-4, cluster=dns, listener=dns, state=leaving, idle<5s,
    age>10m, rate>100, bytes>=1MiB, requests=0, replies=0; ! before a term means not so.

    For example:

        udplb flows --sort rate --limit 20
        udplb flows --filter "backend=edge-4 idle<5s" --watch
        udplb flows --filter "!client=10.0.0.0/8" --json

    Parameters
    ----------
    sort
        What the flows are sorted by, the highest first; rate is datagrams per second.
    ascending
        The lowest first.
    limit
        How many rows, at most 1000.
    offset
        How many rows of the order to leave out at its begin, at most 1000.
    listener
        Only flows of this listener.
    backend
        Only flows of this backend, by name or address.
    filter
        Only flows for which this holds; see above.
    """
    query = _query(sort, ascending, limit, offset, listener, backend, filter)
    output = Output()

    def page(window: FlowWindow, _: Paces | None) -> Page:
        rest = summary_of(window, query) if output.terminal else ()
        return (*page_of_flows(window, query), *rest)

    picture = Picture(
        request=Flows(query=query), pick=lambda snapshot: snapshot.window, page=page, window=query
    )
    return _look(picture, json, watch, interval, socket)


def events(
    *, flows: Flag = False, json: Json = False, watch: Flag = False, socket: SocketPath = None
) -> int:
    """What happens, as it happens, until Ctrl-C: health, drains, configuration, operators.

    For example:

        udplb events
        udplb events --flows --json

    Parameters
    ----------
    flows
        Events of single flows, too: each that is opened or closed.
    watch
        Changes nothing: events are always followed.
    """
    with proxy(socket) as client:
        return follow(client, Output(), flows=flows, json=json)


def explain(
    listener: str,
    client: str,
    /,
    *,
    without: tuple[str, ...] = (),
    json: Json = False,
    socket: SocketPath = None,
) -> int:
    """Where a new flow of a client would go, and why; its flow now, and its last drop.

    For example:

        udplb explain dns 203.0.113.9:40112
        udplb explain dns [2001:db8::9]:5353 --without edge-3

    Parameters
    ----------
    listener
        The listener's name.
    client
        The client's IP address, with its port or without: 192.0.2.1, 192.0.2.1:5353,
        2001:db8::1, [2001:db8::1]:5353.
    without
        As if this backend were down, by name or address; may be given more than once.
    """
    if len(without) > WITHOUT_MAX:
        raise misused(f"--without: {len(without)} backends; allowed: at most {WITHOUT_MAX}")
    request = Explain(
        listener=arguments.name_of("listener", listener),
        client=arguments.client(client),
        without=tuple(arguments.name_of("backend", each) for each in without),
    )
    output = Output()
    with proxy(socket) as asked:
        told = asked.ask(request)
    if json:
        output.document(told)
    else:
        output.show(page_of_explanation(told, without))
    return DONE


def diff(*, json: Json = False, socket: SocketPath = None) -> int:
    """The file on disk against what runs, with the live flows that each difference touches.

    Exit code 0, whether or not anything differs; 2 if the file on disk is not valid.

    For example:

        udplb diff
        udplb diff --json
    """
    output = Output()
    with proxy(socket) as client:
        told = client.ask(Diff())
    if json:
        output.document(told)
    else:
        output.show(page_of_difference(told))
    if told.problems:
        message = f"{told.file} is not valid: a reload would change nothing"
        raise Complaint(message, BAD_USAGE, told.problems)
    return DONE


def _look(
    picture: Picture[Answer], json: bool, again: bool, interval: str | None, socket: Path | None
) -> int:
    """Show it once, or again and again."""
    if interval is not None and not again:
        raise misused("--interval goes with --watch")
    interval_s = INTERVAL_S if interval is None else _interval(interval)
    output = Output()
    with proxy(socket) as client:
        if again:
            return watch_pictures(client, picture, interval_s, screen_for(output, json))
        answer = client.ask(picture.request)
    if json:
        output.document(answer)
    else:
        output.show(picture.page(answer, None))
    return DONE


def _query(
    sort: SortKey,
    ascending: bool,
    limit: int,
    offset: int,
    listener: str | None,
    backend: str | None,
    conditions: str | None,
) -> FlowQuery:
    """Raises Complaint."""
    return FlowQuery(
        sort=sort,
        ascending=ascending,
        limit=_between("--limit", limit, 1, WINDOW_MAX),
        offset=_between("--offset", offset, 0, OFFSET_MAX),
        listener=None if listener is None else arguments.name_of("listener", listener),
        backend=None if backend is None else arguments.name_of("backend", backend),
        filter="" if conditions is None else arguments.filter_of(conditions),
    )


def _interval(word: str) -> float:
    return arguments.seconds_of(
        "--interval", word, f"{INTERVAL_MIN_S * 1000:.0f}ms", f"{INTERVAL_MAX_S:.0f}s"
    )


def _between(option: str, number: int, least: int, most: int) -> int:
    if not least <= number <= most:
        raise misused(f"{option}: found {number}; allowed: a whole number from {least} to {most}")
    return number


def _backends_of(cluster: str | None, snapshot: Snapshot) -> tuple[BackendSnapshot, ...]:
    """Raises Complaint where there is no such cluster."""
    if cluster is not None and all(each.name != cluster for each in snapshot.clusters):
        raise Complaint(f"there is no cluster {quote(cluster)}")
    return tuple(
        backend
        for each in snapshot.clusters
        if cluster in (None, each.name)
        for backend in each.backends
    )
