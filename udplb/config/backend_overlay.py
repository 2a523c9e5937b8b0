"""What operators changed about one backend: the part that an overlay is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from udplb.core.address import Address
from udplb.core.settings import BackendSettings, BackendState, ClusterSettings

FIELDS = ("name", "weight", "state")
"""The fields of a backend that operators may set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendOverlay:
    """What was changed about one backend. None: nothing, it is as in the file."""

    cluster: str
    address: Address
    present: bool | None = None
    """True: added, the file does not have it. False: removed, and nothing else matters."""
    name: str | None = None
    weight: int | None = None
    state: BackendState | None = None

    def __len__(self) -> int:
        return len(self.fields) + (self.present is not None)

    @property
    def fields(self) -> dict[str, Any]:
        """The backend's fields that have a value of their own here."""
        values = {field: getattr(self, field) for field in FIELDS}
        return {field: value for field, value in values.items() if value is not None}

    def over(self, base: BackendSettings | None) -> BackendSettings:
        """The backend as it should be; `base` is what the file says, if it has it."""
        return replace(base or self._unwritten, **self.fields)

    def settled(self, base: BackendSettings | None) -> BackendOverlay:
        """The same without all that the file says anyway."""
        if self.present is False or (base is None and not self.present):
            gone = False if base is not None else None
            return BackendOverlay(cluster=self.cluster, address=self.address, present=gone)
        under = base or self._unwritten
        changed: dict[str, Any] = {
            name: None if value == getattr(under, name) else value
            for name, value in self.fields.items()
        }
        return replace(self, present=None if base else True, **changed)

    @property
    def _unwritten(self) -> BackendSettings:
        """What a file would mean that writes the address alone."""
        return BackendSettings(address=self.address, name=str(self.address))


ByAddress = Mapping[Address, BackendOverlay]
"""The part of an overlay that is about one cluster."""


def desired(cluster: ClusterSettings, overlays: ByAddress) -> ClusterSettings:
    """The cluster of the file as it should be; added backends stand at its end."""
    backends = []
    written = set()
    for backend in cluster.backends:
        overlay = overlays.get(backend.address)
        if overlay is None:
            backends.append(backend)
            continue
        written.add(backend.address)
        if overlay.present is not False:
            backends.append(overlay.over(backend))
    backends += [
        overlay.over(None)
        for address, overlay in overlays.items()
        if overlay.present and address not in written
    ]
    return replace(cluster, backends=tuple(backends))
