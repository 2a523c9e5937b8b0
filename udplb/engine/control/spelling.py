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


def _words(request: Change[Any]) -> list[str]:
    match request:
        case Drain(cluster=cluster, backend=backend, deadline_s=None):
            return ["drain", f"{cluster}/{backend}"]
        case Drain(cluster=cluster, backend=backend, at_deadline=way):
            assert request.deadline_s is not None
            limits = ["--deadline", _seconds(request.deadline_s), *_option("--at-deadline", way)]
            return ["drain", f"{cluster}/{backend}", *limits]
        case Undrain(cluster=cluster, backend=backend):
            return ["undrain", f"{cluster}/{backend}"]
        case SetWeight(cluster=cluster, backend=backend, weight=weight):
            return ["weight", f"{cluster}/{backend}", str(weight)]
        case AddBackend(cluster=cluster, address=address, name=name, weight=weight):
            named = _option("--name", name)
            return ["add", cluster, address, *named, *_option("--weight", weight)]
        case RemoveBackend(cluster=cluster, backend=backend):
            return ["remove", f"{cluster}/{backend}"]
        case CloseFlows(flows=flows, filter=None):
            more = ["..."] if len(flows) > FLOWS_SPELLED_MAX else []
            return ["close", *map(str, flows[:FLOWS_SPELLED_MAX]), *more]
        case CloseFlows(filter=text):
            return ["close", *_option("--filter", text)]
        case Reload():
            return ["reload"]
        case Save():
            return ["save"]
        case Revert(cluster=cluster, backend=backend):
            whose = [each for each in (cluster, backend) if each is not None]
            return ["revert", "/".join(whose)] if whose else ["revert"]
        case _:
            raise AssertionError(f"no command line for {request}")


def _option(name: str, value: object) -> list[str]:
    return [] if value is None else [name, str(value)]


def _seconds(span: float) -> str:
    """Never with an exponent, which no duration has."""
    return f"{span:.6f}".rstrip("0").rstrip(".") + "s"
