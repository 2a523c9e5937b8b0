"""Requests spelled as command lines: for events, for the log, for whoever wants to do it again."""

from __future__ import annotations

from shlex import join
from typing import Any

from udplb.config.wording import escape
from udplb.engine.control.requests import (
    AddBackend,
    Change,
    CloseFlows,
    Drain,
    Reload,
    RemoveBackend,
    Revert,
    Save,
    SetWeight,
    Undrain,
)

FLOWS_SPELLED_MAX = 5


def command_line(request: Change[Any]) -> str:
    """What one would type for it: `udplb drain dns/a --deadline 60s`."""
    return escape(f"udplb {join(_words(request))}")


def _seconds(span: float) -> str:
    """Never with an exponent, which no duration has."""
    return f"{span:.6f}".rstrip("0").rstrip(".") + "s"


def _words(request: Change[Any]) -> list[str]:
    match request:
        case Drain(cluster=cluster, backend=backend, deadline_s=deadline_s, at_deadline=way):
            words = ["drain", f"{cluster}/{backend}"]
            if deadline_s is None:
                return words
            words += ["--deadline", _seconds(deadline_s)]
            return words + ([] if way is None else ["--at-deadline", way])
        case Undrain(cluster=cluster, backend=backend):
            return ["undrain", f"{cluster}/{backend}"]
        case SetWeight(cluster=cluster, backend=backend, weight=weight):
            return ["weight", f"{cluster}/{backend}", str(weight)]
        case AddBackend(cluster=cluster, address=address, name=name, weight=weight):
            words = ["add", cluster, address]
            words += [] if name is None else ["--name", name]
            return words + ([] if weight is None else ["--weight", str(weight)])
        case RemoveBackend(cluster=cluster, backend=backend):
            return ["remove", f"{cluster}/{backend}"]
        case CloseFlows(flows=flows, filter=text):
            if text is not None:
                return ["close", "--filter", text]
            more = ["..."] if len(flows) > FLOWS_SPELLED_MAX else []
            return ["close", *map(str, flows[:FLOWS_SPELLED_MAX]), *more]
        case Reload():
            return ["reload"]
        case Save():
            return ["save"]
        case Revert(cluster=cluster, backend=backend):
            if cluster is None:
                return ["revert"]
            return ["revert", cluster if backend is None else f"{cluster}/{backend}"]
        case _:
            raise AssertionError(f"no command line for {request}")
