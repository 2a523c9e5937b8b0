"""The operator's overlay: what was changed at run time and is not in the file.

The desired state is the file with the overlay on top. The overlay is a value: every operation
gives a new one, or refuses in one line. What is equal to the file is no entry, so that an empty
overlay and a state as the file says are the same thing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, Literal

from udplb.config.backend_overlay import BackendOverlay, desired
from udplb.config.keys import BACKENDS
from udplb.config.rebasing import rebased
from udplb.config.relations import looping_to
from udplb.config.rivals import Called, address_meant, listening_of
from udplb.config.spelling import spell_backend, spell_name
from udplb.config.wording import cut, echo, meant
from udplb.core.address import Address
from udplb.core.settings import BackendSettings, BackendState, ClusterSettings, Configuration

GUESSES_MAX = 64
"""Names that a wrong one is compared with in search of the one that was meant: each costs time in
which no datagram moves."""

_KINDS = {key.name: key.kind for key in BACKENDS.keys}


class OverlayError(Exception):
    """An operation that is not done; the message is one line that says what to do."""

    def __init__(self, code: Literal["not_found", "refused"], message: str) -> None:
        super().__init__(message)
        self.code: Literal["not_found", "refused"] = code


@dataclass(frozen=True, slots=True)
class Overlay:
    """All that operators changed; immutable. `len` counts entries: fields with another value.

    `file` is always the configuration of the file that was read last; when another one is read
    the overlay is `rebased`.
    """

    backends: tuple[BackendOverlay, ...] = ()
    """In the order in which they were first touched; each backend once."""

    def __len__(self) -> int:
        return sum(map(len, self.backends))

    def over(self, file: Configuration) -> Configuration:
        """The desired state: added backends stand at the end of their cluster."""
        parts = self.by_cluster()
        clusters = tuple(
            desired(cluster, parts[cluster.name]) if cluster.name in parts else cluster
            for cluster in file.clusters
        )
        return replace(file, clusters=clusters) if parts else file

    def drift(self, file: Configuration) -> tuple[str, ...]:
        """What is not as in the file: a sentence for each entry of a backend, one for its
        coming or going."""
        sentences: list[str] = []
        parts = self.by_cluster()
        for cluster in file.clusters:
            mine = parts.get(cluster.name, {})
            if not mine:
                continue
            place = f"cluster {spell_name(cluster.name)}: backend"
            written = {each.address: each for each in cluster.backends if each.address in mine}
            for address, overlay in mine.items():
                base = written.get(address)
                what = _drift(overlay.settled(base), base)
                sentences += [f"{place} {each}" for each in what]
        return tuple(sentences)

    # What operators do

    def with_weight(self, file: Configuration, cluster: str, backend: str, weight: int) -> Overlay:
        """Another weight for a backend. Raises OverlayError."""
        return self._with_field(file, cluster, backend, "weight", weight)

    def with_state(
        self, file: Configuration, cluster: str, backend: str, state: BackendState
    ) -> Overlay:
        """A backend drains, or takes new flows again. Raises OverlayError."""
        return self._with_field(file, cluster, backend, "state", state)

    def with_backend(
        self,
        file: Configuration,
        cluster: str,
        address: str,
        name: str | None = None,
        weight: int | None = None,
    ) -> Overlay:
        """One more backend, or one of the file again that was removed here. Raises OverlayError.

        Without a name or a weight it has those of the file, else its address and 1.
        """
        settings = _cluster(file, cluster)
        place = f"cluster {spell_name(cluster)}"
        overlay = BackendOverlay(
            cluster=cluster,
            address=_read(place, "address", address),
            present=True,
            name=None if name is None else _read(place, "name", name),
            weight=None if weight is None else _read(place, "weight", weight),
        )
        base = _written(settings, overlay.address)
        rival = Called(self._desired(settings)).rival(overlay.over(base))
        if rival is not None:
            raise OverlayError("refused", f"{place}: {rival}; choose another address or name")
        listener = looping_to(overlay.address, listening_of(file))
        if listener is not None:
            raise OverlayError(
                "refused",
                f"{place}: {overlay.address} is listener {spell_name(listener)} of our own:"
                " datagrams would go round for ever; name another backend",
            )
        return self._with(overlay.settled(base))

    def without_backend(self, file: Configuration, cluster: str, backend: str) -> Overlay:
        """One backend less. Raises OverlayError."""
        settings = _cluster(file, cluster)
        there = self._desired(settings)
        found = self._found(settings, there, backend)
        if len(there) == 1:
            raise OverlayError(
                "refused",
                f"cluster {spell_name(cluster)}: {spell_name(found.name)} is its last backend;"
                " add another one first, or drain it",
            )
        overlay = BackendOverlay(cluster=cluster, address=found.address, present=False)
        return self._with(overlay.settled(_written(settings, found.address)))

    def reverted(
        self, file: Configuration, cluster: str | None = None, backend: str | None = None
    ) -> Overlay:
        """As the file says: everything, one cluster, or one backend. Raises OverlayError."""
        if cluster is None:
            if backend is not None:
                raise OverlayError("refused", "name the cluster of the backend, too")
            return Overlay()
        settings = _cluster(file, cluster)
        if backend is None:
            return Overlay(tuple(each for each in self.backends if each.cluster != cluster))
        # One that was removed here may be meant, too; who has taken over its name comes first.
        there = (*self._desired(settings), *settings.backends)
        found = self._found(settings, there, backend)
        rest = self._with(BackendOverlay(cluster=cluster, address=found.address))
        others = [each for each in rest._desired(settings) if each.address != found.address]
        base = _written(settings, found.address)
        why = Called(others).rival(base) if base else None
        if base is None and not others:
            why = "it would have no backend"
        if why is not None:
            raise OverlayError(
                "refused",
                f"cluster {spell_name(cluster)}: {why}; revert the whole cluster",
            )
        return rest

    # Between two files

    def rebased(self, old: Configuration, new: Configuration) -> tuple[Overlay, tuple[str, ...]]:
        """What is left of it when another file is read, and a sentence for each dropped entry.

        What the file changed, has no more, or contradicts is dropped; what it says by now
        vanishes; the rest stays.
        """
        backends, sentences = rebased(self.backends, old, new)
        return Overlay(backends), sentences

    # Parts

    def by_cluster(self) -> dict[str, dict[Address, BackendOverlay]]:
        """Its parts, by the names of their clusters."""
        parts: dict[str, dict[Address, BackendOverlay]] = {}
        for each in self.backends:
            parts.setdefault(each.cluster, {})[each.address] = each
        return parts

    def _of(self, cluster: ClusterSettings) -> dict[Address, BackendOverlay]:
        return {each.address: each for each in self.backends if each.cluster == cluster.name}

    def _desired(self, cluster: ClusterSettings) -> tuple[BackendSettings, ...]:
        """The backends that the cluster should have."""
        return desired(cluster, self._of(cluster)).backends

    def _with(self, overlay: BackendOverlay) -> Overlay:
        """One backend's part replaced, at its place or at the end."""
        key = (overlay.cluster, overlay.address)
        parts = {(each.cluster, each.address): each for each in self.backends} | {key: overlay}
        return Overlay(tuple(each for each in parts.values() if each))

    def _with_field(
        self, file: Configuration, cluster: str, backend: str, field: str, value: object
    ) -> Overlay:
        settings = _cluster(file, cluster)
        found = self._found(settings, self._desired(settings), backend)
        place = f"cluster {spell_name(cluster)}: backend {spell_name(found.name)}"
        values: dict[str, Any] = {field: _read(place, field, value)}
        overlay = self._of(settings).get(found.address)
        if overlay is None:
            overlay = BackendOverlay(cluster=cluster, address=found.address)
        base = _written(settings, found.address)
        return self._with(replace(overlay, **values).settled(base))

    def _found(
        self, settings: ClusterSettings, there: Iterable[BackendSettings], word: str
    ) -> BackendSettings:
        """The backend that is called so. Raises OverlayError."""
        backends = tuple(there)
        found = _called(backends, word)
        if found is not None:
            return found
        gone = _called(settings.backends, word)
        hint = "it was removed here; add it again, or revert that" if gone else ""
        hint = hint or _did_you_mean(word, (each.name for each in backends))
        raise OverlayError(
            "not_found",
            f"cluster {spell_name(settings.name)} has no backend {spell_name(word)}; {hint}",
        )


def _drift(overlay: BackendOverlay, base: BackendSettings | None) -> Iterator[str]:
    """What is not as in the file about one backend."""
    backend = overlay.over(base)
    name = spell_name(backend.name)
    if overlay.present is False:
        yield f"{name}: removed here, in the file"
    elif overlay.present:
        weight = f" with weight {overlay.weight}" if overlay.weight is not None else ""
        drained = ", drained" if backend.state == "drain" else ""
        yield f"{spell_backend(backend)}: added here{weight}{drained}, not in the file"
    elif base is not None:
        for field, value in overlay.fields.items():
            says = getattr(base, field)
            if field == "state":
                here, there = ("drained", "active") if value == "drain" else ("active", "drained")
                yield f"{name}: {here} here, {there} in the file"
            else:
                here, there = spell_name(str(value)), spell_name(str(says))
                yield f"{name}: {field} {here} here, {there} in the file"


def _cluster(file: Configuration, name: str) -> ClusterSettings:
    for cluster in file.clusters:
        if cluster.name == name:
            return cluster
    hint = _did_you_mean(name, (cluster.name for cluster in file.clusters))
    raise OverlayError("not_found", f"there is no cluster {spell_name(name)}; {hint}")


def _written(settings: ClusterSettings, address: Address) -> BackendSettings | None:
    """What the file says of the backend."""
    return next((each for each in settings.backends if each.address == address), None)


def _called(backends: Iterable[BackendSettings], word: str) -> BackendSettings | None:
    address = address_meant(word)
    for backend in backends:
        if backend.name == word or (address is not None and backend.address == address):
            return backend
    return None


def _read(place: str, field: str, value: object) -> Any:
    """A value as the file's own rules read it. Raises OverlayError."""
    try:
        return _KINDS[field].read(value)
    except ValueError as reason:
        raise OverlayError("refused", f"{place}: {field} {echo(value)}: {reason}") from None


def _did_you_mean(word: str, names: Iterable[str]) -> str:
    """What to do about a wrong name. Only names that can be near are looked at, and not many."""
    short = cut(word)
    alike = (
        name
        for name in names
        if abs(len(name) - len(short)) <= 2 and (name[:1] == word[:1] or name[-1:] == word[-1:])
    )
    near = meant(short, islice(alike, GUESSES_MAX))
    return f"did you mean {spell_name(near)}?" if near else "see: udplb backends"
