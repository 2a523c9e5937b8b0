"""Looks at scenes, without a console around them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import msgspec

from tests.tui import scenes
from tests.tui.fake_proxy import NOW, FakeClient
from udplb.engine.snapshot import BackendSnapshot, Snapshot
from udplb.tui.console import Console
from udplb.tui.model import Model
from udplb.tui.panes.looking import Look, Looker
from udplb.tui.slowness import slow_backends
from udplb.tui.themes.glyphs import GLYPHS


def surroundings(*pictures: Snapshot) -> Any:
    """What a look needs of a console that saw these pictures, half a second apart until NOW."""
    model = Model()
    for at, picture in enumerate(pictures, start=1 - len(pictures)):
        model.took([picture], NOW + 0.5 * at)
    slow = {}
    if model.snapshot is not None:
        slow = slow_backends(model.snapshot, model.backends, NOW)
    return SimpleNamespace(model=model, bits=False, glyphs=GLYPHS, slow=slow)


def look_at(*pictures: Snapshot, bits: bool = False, now: float = NOW) -> Look:
    """The look at the last of these; without any at two of the busy proxy."""
    console = surroundings(*(pictures or (scenes.busy(), scenes.busy(step=1))))
    console.bits = bits
    look = Looker(console).look(now)
    assert look is not None
    return look


def named(look: Look, name: str) -> BackendSnapshot:
    """The backend with this name."""
    return next(
        each for cluster in look.snapshot.clusters for each in cluster.backends if each.name == name
    )


def of_backends(*backends: BackendSnapshot, whole: Snapshot | None = None) -> Snapshot:
    """A proxy with one cluster, of these."""
    whole = whole or scenes.busy()
    cluster = msgspec.structs.replace(whole.clusters[0], backends=backends)
    return msgspec.structs.replace(whole, clusters=(cluster,))


def pace(app: Console, client: FakeClient, steps: int = 3) -> None:
    """A few pictures, half a second apart until now, and what happened before."""
    for step in range(1, steps + 1):
        client.snapshot = scenes.busy(step=step)
        app.model.took([client.snapshot], NOW + 0.5 * (step - steps))
    app.model.told(scenes.happenings())
    app.draw()
