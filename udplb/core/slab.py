"""The slab: flows by index, so that walks over all of them can go in slices, come what may."""

from __future__ import annotations

from array import array

from udplb.core.flow import Flow


class Slab:
    """Places for flows; a freed place is used again, the latest first."""

    __slots__ = ("_free", "places")

    def __init__(self) -> None:
        self.places: list[Flow | None] = []
        self._free = array("L")
        """No list: its numbers would be small objects that pin what ended flows leave behind."""

    def __len__(self) -> int:
        return len(self.places) - len(self._free)

    def add(self, flow: Flow) -> None:
        """Give `flow` a place; its `index` says which."""
        if self._free:
            flow.index = self._free.pop()
            self.places[flow.index] = flow
        else:
            flow.index = len(self.places)
            self.places.append(flow)

    def remove(self, flow: Flow) -> None:
        """Free the place of `flow`; an empty slab gives all its memory back."""
        self.places[flow.index] = None
        self._free.append(flow.index)
        if len(self._free) == len(self.places):
            self.places.clear()
            del self._free[:]
