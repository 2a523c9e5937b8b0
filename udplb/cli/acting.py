"""Commands that change a running proxy. Each says what is different now."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from udplb.cli import arguments
from udplb.cli.arguments import Flag, Json, SocketPath, TargetWord
from udplb.cli.asking import proxy
from udplb.cli.draining import wait_until_drained
from udplb.cli.endings import DONE, FAILED, complain, misused
from udplb.cli.output import Output
from udplb.config.wording import quote
from udplb.core.settings import AtDeadline
from udplb.engine.control.requests import (
    CLOSES_MAX,
    AddBackend,
    Change,
    Closed,
    CloseFlows,
    Done,
    Drain,
    Flows,
    Reload,
    RemoveBackend,
    Revert,
    Save,
    SetWeight,
    Undrain,
)
from udplb.engine.ranking import FlowQuery
from udplb.show.changes import page_of_done
from udplb.show.flows import page_of_flows
from udplb.show.quantities import count, plural

ASKED_ABOUT = 5
"""Flows that are shown before somebody is asked whether to close them and others."""


def drain(
    target: TargetWord,
    /,
    *,
    wait: Flag = False,
    deadline: str | None = None,
    at_deadline: AtDeadline | None = None,
    json: Json = False,
    socket: SocketPath = None,
) -> int:
    """No new flows on a backend; those that it has live to their end, or to a deadline.

    For example:

        udplb drain dns/edge-3
        udplb drain dns/10.0.0.13:53 --wait --deadline 60s --at-deadline move

    Parameters
    ----------
    wait
        Show the progress, and end when the last flow is gone: exit code 0 then, 1 if the backend
        takes new flows again or is removed meanwhile. Ctrl-C ends the waiting, not the drain.
    deadline
        How long the flows may stay, as "60s", "2m", "1h" or in seconds; default: as long as it
        takes.
    at_deadline
        What happens to the flows that are left then; default: what on_backend_down says.
    """
    backend = arguments.target(target)
    if at_deadline is not None and deadline is None:
        raise misused("--at-deadline goes with --deadline")
    if wait and json:
        raise misused("--json does not go with --wait; udplb events --json tells of drains")
    request = Drain(
        cluster=backend.cluster,
        backend=backend.backend,
        deadline_s=None if deadline is None else arguments.seconds_of("--deadline", deadline),
        at_deadline=at_deadline,
    )
    if not wait:
        return _change(request, f"{target} drains already", json, socket)
    with proxy(socket) as client:
        return wait_until_drained(client, request, backend, Output())


def undrain(target: TargetWord, /, *, json: Json = False, socket: SocketPath = None) -> int:
    """New flows on a backend again.

    For example:

        udplb undrain dns/edge-3
    """
    backend = arguments.target(target)
    request = Undrain(cluster=backend.cluster, backend=backend.backend)
    return _change(request, f"{target} does not drain", json, socket)


def weight(
    target: TargetWord, number: int, /, *, json: Json = False, socket: SocketPath = None
) -> int:
    """Another weight for a backend; 0: no new flows.

    For example:

        udplb weight dns/edge-3 2

    Parameters
    ----------
    number
        From 0 to 1000; a backend of weight 2 gets twice the new flows of one of weight 1.
    """
    backend = arguments.target(target)
    request = SetWeight(
        cluster=backend.cluster,
        backend=backend.backend,
        weight=arguments.weight_of("NUMBER", number),
    )
    return _change(request, f"{target} has weight {number} already", json, socket)


def add(
    cluster: str,
    address: str,
    /,
    *,
    name: str | None = None,
    weight: int | None = None,
    json: Json = False,
    socket: SocketPath = None,
) -> int:
    """One more backend in a cluster.

    For example:

        udplb add dns 10.0.0.14:53 --name edge-4 --weight 2
        udplb add dns [2001:db8::14]:53

    Parameters
    ----------
    cluster
        The cluster's name.
    address
        Where the backend is: a literal IP address and a port.
    name
        What people call it; default: its address.
    weight
        From 0 to 1000; default: 1, or what the file says of a backend that was removed here.
    """
    request = AddBackend(
        cluster=arguments.name_of("cluster", cluster),
        address=arguments.backend_address(address),
        name=None if name is None else arguments.new_name(name),
        weight=None if weight is None else arguments.weight_of("--weight", weight),
    )
    return _change(request, f"{cluster} has {address} already", json, socket)


def remove(target: TargetWord, /, *, json: Json = False, socket: SocketPath = None) -> int:
    """A backend leaves its cluster; its flows leave, and end within drain_timeout.

    For example:

        udplb remove dns/edge-3
    """
    backend = arguments.target(target)
    request = RemoveBackend(cluster=backend.cluster, backend=backend.backend)
    return _change(request, f"{target} is gone already", json, socket)


def close(
    *flows: int,
    filter: str | None = None,
    yes: Flag = False,
    json: Json = False,
    socket: SocketPath = None,
) -> int:
    """Close flows, by their numbers or by a filter.

    Exit code 1 if fewer flows were there than numbers were given. On a terminal, more than one
    flow is closed by filter only after a yes.

    For example:

        udplb close 4711 4712
        udplb close --filter "client=198.51.100.0/24" --yes

    Parameters
    ----------
    flows
        The flows' numbers, as udplb flows shows them.
    filter
        Instead of numbers: close all flows for which this holds. udplb flows --help describes
        filters, and udplb flows --filter shows what would be closed.
    yes
        Do not ask.
    """
    numbers = tuple(dict.fromkeys(flows))
    if bool(numbers) == (filter is not None):
        raise misused('say which: udplb close FLOW..., or udplb close --filter "client=192.0.2.1"')
    if len(numbers) > CLOSES_MAX or any(number < 1 for number in numbers):
        raise misused(f"flows have numbers from 1 on, and one call closes {CLOSES_MAX:,} at most")
    text = None if filter is None else arguments.filter_of(filter)
    if text is not None and not text.strip():
        raise misused('an empty filter means all flows; "client=0.0.0.0/0" says so')
    asks = text is not None and not yes and sys.stdin.isatty() and sys.stderr.isatty()
    with proxy(socket) as client:
        if asks and text is not None:
            first = client.ask(Flows(query=FlowQuery(filter=text, limit=ASKED_ABOUT)))
            if first.matched > 1:
                Output().show(page_of_flows(first, FlowQuery(filter=text)))
                if not _agreed(f"Close {plural(first.matched, 'flow')}?"):
                    return complain("nothing is closed", FAILED)
        closed = client.ask(CloseFlows(flows=numbers, filter=text))
    return _tell_closed(closed, len(numbers), text, json)


def reload(*, json: Json = False, socket: SocketPath = None) -> int:
    """Read the file again and apply it, now. What is wrong with it is listed, with exit code 2.

    For example:

        udplb diff
        udplb reload
    """
    return _change(Reload(), "the file says what runs already: nothing to change", json, socket)


def save(*, json: Json = False, socket: SocketPath = None) -> int:
    """Write what operators changed into the file; its comments and their places stay.

    For example:

        udplb diff
        udplb save
    """
    return _change(Save(), "operators changed nothing: nothing to save", json, socket)


def revert(
    scope: Annotated[str | None, Parameter(name="CLUSTER[/BACKEND]")] = None,
    /,
    *,
    json: Json = False,
    socket: SocketPath = None,
) -> int:
    """Undo what operators changed: all of it, or that of one cluster or backend.

    For example:

        udplb revert
        udplb revert dns
        udplb revert dns/edge-3

    Parameters
    ----------
    scope
        Only what was changed in this cluster, or on this backend of it.
    """
    cluster, backend = arguments.scope(scope)
    where = "" if scope is None else f" in {scope}"
    request = Revert(cluster=cluster, backend=backend)
    return _change(request, f"operators changed nothing{where}: nothing to undo", json, socket)


def _change(request: Change[Done], nothing: str, json: bool, socket: Path | None) -> int:
    """Ask for it, and say what is different now; `nothing`: what to say if nothing is."""
    output = Output()
    with proxy(socket) as client:
        done = client.ask(request)
    if json:
        output.document(done)
    else:
        output.show(page_of_done(done, nothing))
    for warning in done.warnings:
        complain(f"warning: {warning}", DONE)
    return DONE


def _agreed(question: str) -> bool:
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _tell_closed(closed: Closed, asked: int, text: str | None, json: bool) -> int:
    output = Output()
    if json:
        output.document(closed)
    elif closed.flows:
        output.line(f"{plural(closed.flows, 'flow')} closed")
    elif text is not None:
        output.line(f"no flow matches {quote(text)}")
    if closed.flows < asked:
        gone = asked - closed.flows
        return complain(f"{count(gone)} of {plural(asked, 'flow')} not found", FAILED)
    return DONE
