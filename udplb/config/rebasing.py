"""An overlay meets another file: what stays, what vanishes, what is dropped with a sentence.

What the file changed wins. What it says by now is no entry any more. What can no longer be
together with it goes, until the state is one that a file could have.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from udplb.config.backend_overlay import FIELDS, BackendOverlay, desired
from udplb.config.relations import Listening, looping_to
from udplb.config.rivals import Called, listening_of
from udplb.config.spelling import spell_backend, spell_name
from udplb.core.address import Address
from udplb.core.settings import BackendSettings, ClusterSettings, Configuration

_Overlays = dict[Address, BackendOverlay]
_Backends = dict[Address, BackendSettings]


def rebased(
    overlays: tuple[BackendOverlay, ...], old: Configuration, new: Configuration
) -> tuple[tuple[BackendOverlay, ...], tuple[str, ...]]:
    """What is left of an overlay that was made over `old`, and what to say of the rest."""
    by_cluster: dict[str, _Overlays] = {}
    for each in overlays:
        by_cluster.setdefault(each.cluster, {})[each.address] = each
    clusters = {cluster.name: cluster for cluster in new.clusters}
    before = {cluster.name: cluster for cluster in old.clusters}
    listening = listening_of(new)
    left: dict[tuple[str, Address], BackendOverlay] = {}
    sentences: list[str] = []
    for name, of_cluster in by_cluster.items():
        step = _Rebasing(name, before.get(name), clusters.get(name), sentences)
        for address, overlay in step.run(of_cluster, listening).items():
            left[name, address] = overlay
    # In the old order: it decides in which order added backends stand.
    keys = [(each.cluster, each.address) for each in overlays]
    return tuple(left[key] for key in keys if key in left), tuple(sentences)


class _Rebasing:
    """One cluster's part of it."""

    def __init__(
        self,
        name: str,
        before: ClusterSettings | None,
        now: ClusterSettings | None,
        sentences: list[str],
    ) -> None:
        self._place = f"cluster {spell_name(name)}: backend"
        self._before = before
        self._now = now
        self._sentences = sentences

    def run(self, overlays: _Overlays, listening: Listening[str]) -> _Overlays:
        before = _those_of(self._before, overlays)
        if self._now is None:
            for each in overlays.values():
                self._drop_all(each, before.get(each.address), "the file no longer has the cluster")
            return {}
        now = _those_of(self._now, overlays)
        left = (
            self._kept(each, before.get(each.address), now.get(each.address))
            for each in overlays.values()
        )
        return self._together(self._now, {each.address: each for each in left if each}, listening)

    def _kept(
        self, overlay: BackendOverlay, before: BackendSettings | None, now: BackendSettings | None
    ) -> BackendOverlay:
        """What the file did not decide."""
        if now is None and overlay.present is None:
            self._drop_all(overlay, before, "the file no longer has the backend")
        elif now is not None and overlay.present is not False:
            called, meant = overlay.over(before), overlay.over(None)
            for field in FIELDS:
                value, says = getattr(overlay, field), getattr(now, field)
                if overlay.present and field == "weight":
                    value = meant.weight
                same = before is not None and getattr(before, field) == says
                if value is not None and value != says and not same:
                    why = f"the file now says {spell_name(str(says))}"
                    self._drop_field(called, field, value, why)
                    overlay = replace(overlay, **{field: None})  # type: ignore[arg-type]
        return overlay.settled(now)

    def _together(
        self, cluster: ClusterSettings, overlays: _Overlays, listening: Listening[str]
    ) -> _Overlays:
        """What can be together with the file, with the rest, and with our listeners."""
        # What is dropped gives its words back, and with them somebody else may be in conflict.
        while self._drop_rivals(cluster, overlays, listening):
            pass
        if overlays and not desired(cluster, overlays).backends:
            # Nothing was added, so every backend of the file was removed: the last one returns.
            _, last = overlays.popitem()
            self._drop_all(
                last, _those_of(cluster, [last.address])[last.address], "it is the last backend"
            )
        return overlays

    def _drop_rivals(
        self, cluster: ClusterSettings, overlays: _Overlays, listening: Listening[str]
    ) -> bool:
        """Drop whoever is in conflict; whether there was anybody."""
        named = {address for address, each in overlays.items() if each.present or each.name}
        if not named:
            return False
        backends = desired(cluster, overlays).backends
        called = Called(each for each in backends if each.address not in named)
        found = False
        for backend in backends:
            if backend.address not in named:
                continue
            overlay = overlays[backend.address]
            listener = looping_to(backend.address, listening) if overlay.present else None
            why = called.rival(backend)
            if listener is not None:
                why = f"its address is listener {spell_name(listener)} of our own"
            if why is None:
                called.add(backend)
                continue
            found = True
            if overlay.present:
                del overlays[backend.address]
                self._drop_all(overlay, None, why)
            else:
                self._drop_field(backend, "name", backend.name, why)
                overlays[backend.address] = replace(overlay, name=None)
        for address in named:
            if address in overlays and not overlays[address]:
                del overlays[address]
        return found

    def _drop_all(self, overlay: BackendOverlay, base: BackendSettings | None, why: str) -> None:
        backend = overlay.over(base)
        if overlay.present is None:
            for field, value in overlay.fields.items():
                self._drop_field(backend, field, value, why)
            return
        done = "added" if overlay.present else "removed"
        whom = spell_backend(backend)
        self._sentences.append(f"{self._place} {whom}: {done} here, that is dropped: {why}")

    def _drop_field(self, backend: BackendSettings, field: str, value: object, why: str) -> None:
        self._sentences.append(
            f"{self._place} {spell_name(backend.name)}: {field} {spell_name(str(value))},"
            f" set here, is dropped: {why}"
        )


def _those_of(cluster: ClusterSettings | None, addresses: Iterable[Address]) -> _Backends:
    """Some of the backends of a cluster, by their addresses."""
    wanted = set(addresses)
    backends = cluster.backends if cluster is not None else ()
    return {each.address: each for each in backends if each.address in wanted}
