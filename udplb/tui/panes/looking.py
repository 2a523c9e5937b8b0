"""Looking: what the panes draw backends from at one moment, in one value.

While the console is paused it stays what it was, so that nothing moves that should not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from udplb.engine.snapshot import BackendSnapshot, ClusterSnapshot, Snapshot
from udplb.show.paces import Pace, Paces
from udplb.show.quantities import bit_rate, rate
from udplb.show.states import state_of_backend
from udplb.tui.ink import Piece
from udplb.tui.model import BackendKey, BackendTraces, key_of
from udplb.tui.shares import shares
from udplb.tui.slowness import limits
from udplb.tui.themes.glyphs import with_glyph
from udplb.tui.themes.roles import role_of_state

if TYPE_CHECKING:
    from udplb.tui.console import Console


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """One look at the proxy. Two are equal only if they are the same."""

    snapshot: Snapshot
    now: float
    """The moment that is shown, in seconds since the epoch: that of the pause, or of the last
    picture where it is stale."""
    stale: bool
    bits: bool
    paces: Paces | None
    slow: Mapping[BackendKey, float]
    traces: Mapping[BackendKey, BackendTraces]
    glyphs: Mapping[str, str]
    expected: Mapping[BackendKey, float]
    """The share of its cluster's new flows that each backend should get."""
    flows: Mapping[str, int]
    """Live flows by cluster."""
    opened: Mapping[str, float]
    """New flows per second by cluster."""
    limits: Mapping[str, float]
    """Seconds by cluster from which on an answer is slow."""

    def pace(self, backend: BackendSnapshot) -> Pace | None:
        """Its traffic now."""
        return None if self.paces is None else self.paces.backends.get(key_of(backend))

    def share(self, backend: BackendSnapshot) -> float:
        """Its part of the cluster's live flows."""
        return backend.flows / max(1, self.flows[backend.cluster])

    def share_of_new(self, backend: BackendSnapshot) -> float | None:
        """Its part of the cluster's new flows; None while there are none."""
        pace, opened = self.pace(backend), self.opened.get(backend.cluster, 0.0)
        return None if pace is None or opened <= 0 else pace.admitted / opened

    def latency_s(self, backend: BackendSnapshot) -> float | None:
        """Of its last probe, or to the first reply."""
        traces = self.traces.get(key_of(backend))
        if not backend.up:
            return None
        if traces is not None and traces.latency.last is not None:
            return traces.latency.last
        return backend.probe_latency_s

    def word(self, backend: BackendSnapshot) -> str:
        """Its state in one word: that of the proxy, or SLOW, which only the console sees."""
        word = state_of_backend(backend).word
        return "SLOW" if word == "UP" and key_of(backend) in self.slow else word

    def state(self, backend: BackendSnapshot) -> Piece:
        """Glyph, word and colour."""
        word = self.word(backend)
        text = f"{self.glyphs['slow']} SLOW"
        if word != "SLOW":
            text = with_glyph(state_of_backend(backend).text, self.glyphs)
        return Piece(text, role_of_state(word))

    def spell(self, datagrams: float, payload: float) -> str:
        """Traffic per second in the unit that was chosen."""
        return bit_rate(payload) if self.bits else rate(datagrams)


class Looker:
    """Makes the looks of one pane; the same again where nothing would differ."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._look: Look | None = None
        self._basis: tuple[object, ...] = ()

    def look(self, now: float) -> Look | None:
        """The look at this moment; None while there is no picture."""
        console, model = self._console, self._console.model
        snapshot = model.shown
        if snapshot is None:
            return None
        late = model.stale_s(now) is not None
        if model.paused_at is not None:
            now, late = model.paused_at, False
        elif late:
            now = model.arrived_at
        basis = (id(snapshot), snapshot.at, int(now), late, console.bits, id(console.glyphs))
        if self._look is None or basis != self._basis:
            held = self._look if model.paused_at is not None else None
            if held is not None and held.snapshot is snapshot:
                paces, slow = held.paces, held.slow
            else:
                paces, slow = model.paces, console.slow
            self._basis = basis
            self._look = _look(snapshot, now, late, console, paces, slow)
        return self._look


def _look(
    snapshot: Snapshot,
    now: float,
    stale: bool,
    console: Console,
    paces: Paces | None,
    slow: Mapping[BackendKey, float],
) -> Look:
    clusters = snapshot.clusters
    return Look(
        snapshot=snapshot,
        now=now,
        stale=stale,
        bits=console.bits,
        paces=paces,
        slow=slow,
        traces=console.model.backends,
        glyphs=console.glyphs,
        expected={
            (cluster.name, address): share
            for cluster in clusters
            for address, share in shares(cluster).items()
        },
        flows={each.name: sum(backend.flows for backend in each.backends) for each in clusters},
        opened={each.name: _opened(each, paces) for each in clusters},
        limits=limits(snapshot, console.model.backends),
    )


def _opened(cluster: ClusterSnapshot, paces: Paces | None) -> float:
    if paces is None:
        return 0.0
    found = (paces.backends.get(key_of(each)) for each in cluster.backends)
    return sum(pace.admitted for pace in found if pace is not None)
