"""Questions about backends: drain, undrain, weight, add, remove."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from udplb.config.kinds import Duration
from udplb.core.settings import WEIGHT_MAX, AtDeadline
from udplb.engine.control.requests import (
    AddBackend,
    Drain,
    Flows,
    RemoveBackend,
    SetWeight,
    Undrain,
)
from udplb.engine.control.spelling import command_line
from udplb.engine.ranking import FlowQuery
from udplb.engine.snapshot import FlowWindow, Snapshot
from udplb.show.backends import target_of
from udplb.show.quantities import count, plural, share
from udplb.tui.dialogs.consequences import Pair, consequences, guard, projected, table
from udplb.tui.dialogs.dialog import Answers, Field
from udplb.tui.dialogs.plan import Plan, Text, listed
from udplb.tui.ink import Piece
from udplb.tui.model import BackendKey, Model, key_of
from udplb.tui.shares import shares, with_backend

if TYPE_CHECKING:
    from udplb.tui.console import Console

STAYERS = "age>10m idle<30s"
"""The flows that may not end by themselves soon."""
MANY_FLOWS = 0.25
"""Of the live flows: to close more needs their number to be typed."""
NEW = "new"


def draining(model: Model, keys: Sequence[BackendKey]) -> Plan | str:
    """No new flows on these."""
    pairs, generation = _find(model, keys)
    pairs = [(cluster, backend) for cluster, backend in pairs if not backend.draining]
    if not pairs:
        return "it drains already, or is gone"
    stayers: dict[BackendKey, int] = {}

    def lines(answers: Answers) -> Text:
        pairs = _now(model, keys)
        flows = sum(backend.flows for _, backend in pairs)
        until = answers.get("deadline")
        way = answers.get("then")
        then = {"move": "then they move", "close": "then they are CLOSED"}.get(
            way or "", "then as the cluster says, moved or CLOSED"
        )
        end = f"at most {until}, {then}" if until else "until they end by themselves"
        text = [[Piece(plural(flows, "flow"), "heading"), Piece(f" stay {end}; no new ones")]]
        if stayers:
            long = sum(stayers.values())
            ink = "slow" if long else "quiet"
            text += [
                [
                    Piece(f"{count(long)} of them", ink),
                    Piece(" have been active for 10 min and more: they may not finish"),
                ]
            ]
        return [*text, *consequences(pairs), *_names(pairs)]

    def requests(answers: Answers) -> Sequence[Drain]:
        deadline = _seconds(answers.get("deadline", ""))
        way = _way(answers.get("then", ""))
        if way is not None and deadline is None:
            raise ValueError("what happens at the deadline needs a deadline")
        if deadline == 0:
            raise ValueError("deadline: a moment at least, as 1s; remove takes it out at once")
        return [
            Drain(cluster=cluster.name, backend=backend.address, deadline_s=deadline,
                  at_deadline=way, generation=generation)
            for cluster, backend in pairs
        ]  # fmt: skip

    return Plan(
        title=f"Drain {_called(pairs)}?",
        verb="Drain",
        lines=lines,
        requests=requests,
        fields=(
            Field("deadline", "deadline", hint="none; or 60s, 5m"),
            Field("then", "at deadline", hint="as the cluster says; or move, close"),
        ),
        optional=True,
        names=_names_of(pairs),
        word=lambda answers: _word_of_drain(model, keys, answers),
        undo=_spelled([Undrain(cluster=c.name, backend=b.name) for c, b in pairs]),
        find_out=partial(_find_stayers, pairs, stayers),
    )


def undraining(model: Model, keys: Sequence[BackendKey]) -> Plan | str:
    """New flows on these again."""
    pairs, generation = _find(model, keys)
    pairs = [(cluster, backend) for cluster, backend in pairs if backend.draining]
    if not pairs:
        return "it does not drain"

    def lines(answers: Answers) -> Text:
        text: list[Sequence[Piece]] = []
        for cluster, backend in _now(model, keys):
            after = with_backend(
                cluster, msgspec.structs.replace(backend, draining=False, drain=None)
            )
            part = shares(after).get(backend.address)
            gets = "no new flows: it is down" if part is None else f"{share(part)} of the new flows"
            text.append([Piece(f"{target_of(backend)} gets {gets}")])
        return text[:8]

    return Plan(
        title=f"Undrain {_called(pairs)}?",
        verb="Undrain",
        lines=lines,
        requests=lambda answers: [
            Undrain(cluster=cluster.name, backend=backend.address, generation=generation)
            for cluster, backend in pairs
        ],
        names=_names_of(pairs),
        undo=_spelled([Drain(cluster=c.name, backend=b.name) for c, b in pairs]),
    )


def weighing(model: Model, keys: Sequence[BackendKey]) -> Plan | str:
    """Another weight for these."""
    pairs, generation = _find(model, keys)
    if not pairs:
        return "it is gone"

    def lines(answers: Answers) -> Text:
        try:
            weight = _weight(answers.get("weight", ""))
        except ValueError:
            weight = None
        return projected(_now(model, keys), weight)

    def requests(answers: Answers) -> Sequence[SetWeight]:
        weight = _weight(answers.get("weight", ""))
        if weight is None:
            raise ValueError("a weight is needed")
        return [
            SetWeight(
                cluster=cluster.name, backend=backend.address, weight=weight, generation=generation
            )
            for cluster, backend in pairs
        ]

    weights = {backend.weight for _, backend in pairs}
    return Plan(
        title=f"Weight of {_called(pairs)}",
        verb="Set",
        lines=lines,
        requests=requests,
        fields=(Field("weight", "weight", str(weights.pop()) if len(weights) == 1 else ""),),
        word=lambda answers: guard(_now(model, keys)) if _is_zero(answers) else None,
        names=_names_of(pairs),
        undo=_spelled(
            [SetWeight(cluster=c.name, backend=b.name, weight=b.weight) for c, b in pairs]
        ),
    )


def removing(model: Model, keys: Sequence[BackendKey]) -> Plan | str:
    """These leave their clusters."""
    pairs, generation = _find(model, keys)
    if not pairs:
        return "it is gone"

    def lines(answers: Answers) -> Text:
        pairs = _now(model, keys)
        flows = sum(backend.flows for _, backend in pairs)
        return [
            [Piece(plural(flows, "flow"), "heading"), Piece(" leave: new datagrams go elsewhere")],
            [Piece("at once, late replies still pass, then the rest is closed (drain_timeout)")],
            *consequences(pairs),
            *_names(pairs),
            [Piece("drain it first, and nobody is cut off", "quiet")] if flows else [],
        ]

    return Plan(
        title=f"Remove {_called(pairs)}?",
        verb="Remove",
        lines=lines,
        requests=lambda answers: [
            RemoveBackend(cluster=cluster.name, backend=backend.address, generation=generation)
            for cluster, backend in pairs
        ],
        names=_names_of(pairs),
        word=lambda answers: guard(_now(model, keys)),
        undo=_spelled(
            [
                AddBackend(cluster=c.name, address=b.address, name=b.name, weight=b.weight)
                for c, b in pairs
            ]
        ),
    )


BUILDERS: Mapping[str, Callable[[Model, Sequence[BackendKey]], Plan | str]] = {
    "drain": draining,
    "undrain": undraining,
    "weight": weighing,
    "remove": removing,
}
"""By the actions' names."""


def adding(model: Model, cluster: str) -> Plan | str:
    """One more backend."""
    snapshot = model.snapshot
    if snapshot is None:
        return "nothing is known of the proxy yet"
    clusters = {each.name: each for each in snapshot.clusters}

    def lines(answers: Answers) -> Text:
        into = clusters.get(answers.get("cluster", ""))
        if into is None:
            return [[Piece(f"clusters: {', '.join(clusters)}", "quiet")]]
        try:
            given = _weight(answers.get("weight", ""))
        except ValueError:
            given = None
        weight = 1 if given is None else given
        if not into.backends:
            return [[Piece("it will be the first of its cluster")]]
        newcomer = msgspec.structs.replace(
            into.backends[0], address=NEW, name=answers.get("name") or NEW, weight=weight,
            up=True, draining=False, drain=None, backup=False,
        )  # fmt: skip
        return table(into, with_backend(into, newcomer))

    def requests(answers: Answers) -> Sequence[AddBackend]:
        for name in ("cluster", "address"):
            if not answers.get(name):
                raise ValueError(f"{name} is needed")
        if answers["cluster"] not in clusters:
            raise ValueError(f"there is no such cluster; there are: {', '.join(clusters)}")
        return [
            AddBackend(
                cluster=answers["cluster"],
                address=answers["address"],
                name=answers["name"] or None,
                weight=_weight(answers["weight"]),
                generation=snapshot.configuration.generation,
            )
        ]

    return Plan(
        title="Add a backend",
        verb="Add",
        lines=lines,
        requests=requests,
        fields=(
            Field("address", "address", hint="10.0.0.17:5000 or [2001:db8::17]:5000"),
            Field("name", "name", hint="its address"),
            Field("weight", "weight", hint="1"),
            Field("cluster", "cluster", cluster),
        ),
    )


# Names


def _names(pairs: Sequence[Pair]) -> Text:
    return listed([target_of(backend) for _, backend in pairs]) if len(pairs) > 1 else []


def _names_of(pairs: Sequence[Pair]) -> dict[str, str]:
    return {backend.address: backend.name for _, backend in pairs}


def _called(pairs: Sequence[Pair]) -> str:
    return target_of(pairs[0][1]) if len(pairs) == 1 else plural(len(pairs), "backend")


def _spelled(requests: Sequence[Undrain | Drain | SetWeight | AddBackend]) -> str:
    return command_line(requests[0]) if len(requests) == 1 else ""


# Finding


def _now(model: Model, keys: Sequence[BackendKey]) -> list[Pair]:
    """The targets as they are at this moment: their health may have changed since the question."""
    return _find(model, keys)[0]


def _live(model: Model) -> int:
    return 0 if model.snapshot is None else model.snapshot.totals.flows


def _word_of_drain(model: Model, keys: Sequence[BackendKey], answers: Answers) -> str | None:
    """Their number where a deadline may close many flows; else as for all that takes them out."""
    left = _now(model, keys)
    flows = sum(backend.flows for _, backend in left)
    many = flows > MANY_FLOWS * _live(model)
    return str(flows) if many and _cuts(answers) else guard(left)


def _cuts(answers: Answers) -> bool:
    """Whether a deadline may close what is left."""
    try:
        deadline, way = _seconds(answers.get("deadline", "")), _way(answers.get("then", ""))
    except ValueError:
        return False  # which is told first
    return deadline is not None and way != "move"


def _is_zero(answers: Answers) -> bool:
    try:
        return _weight(answers.get("weight", "")) == 0
    except ValueError:
        return False


def _find(model: Model, keys: Sequence[BackendKey]) -> tuple[list[Pair], int]:
    """The backends as they are now, and the generation in which they are so."""
    snapshot = model.snapshot
    if snapshot is None:
        return [], 0
    wanted = frozenset(keys)
    return _pairs(snapshot, wanted), snapshot.configuration.generation


def _pairs(snapshot: Snapshot, wanted: frozenset[BackendKey]) -> list[Pair]:
    return [
        (cluster, backend)
        for cluster in snapshot.clusters
        for backend in cluster.backends
        if key_of(backend) in wanted
    ]


def _find_stayers(
    pairs: Sequence[Pair],
    stayers: dict[BackendKey, int],
    console: Console,
    redraw: Callable[[], None],
) -> None:
    """Ask how many flows have lived long and are active still."""

    def found(key: BackendKey, window: FlowWindow) -> None:
        stayers[key] = window.matched
        redraw()

    for cluster, backend in pairs[:8]:
        query = FlowQuery(
            backend=backend.address, filter=f'cluster="{cluster.name}" {STAYERS}', limit=1
        )
        console.ask(Flows(query=query), partial(found, key_of(backend)), lambda error: None)


# Answers


def _seconds(text: str) -> float | None:
    if not text:
        return None
    try:
        return float(Duration("0s", "24h").read(float(text) if text.isdigit() else text))
    except ValueError as error:
        raise ValueError(f"deadline: {error}") from None


def _way(text: str) -> AtDeadline | None:
    match text:
        case "":
            return None
        case "move":
            return "move"
        case "close":
            return "close"
        case _:
            raise ValueError("at deadline: move or close, or nothing")


def _weight(text: str) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 4 and int(text) <= WEIGHT_MAX):
        raise ValueError(f"weight: a number from 0 to {WEIGHT_MAX}")
    return int(text)
