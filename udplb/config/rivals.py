"""Who may stand beside whom: what `relations.py` asks of a file, asked of backends that operators
add or that a new file meets.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address

from udplb.config.relations import Listening
from udplb.config.spelling import spell_name
from udplb.core.address import Address, parse_address
from udplb.core.settings import BackendSettings, Configuration


def listening_of(configuration: Configuration) -> Listening[str]:
    """The names of the listeners, by port and address; for `relations.looping_to`."""
    listening: dict[int, dict[IPv4Address | IPv6Address, str]] = {}
    for listener in configuration.listeners:
        ip, port = listener.address
        listening.setdefault(port, {})[ip] = listener.name
    return listening


def address_meant(word: str) -> Address | None:
    """The address that a word spells, if it does."""
    try:
        return parse_address(word)
    except ValueError:
        return None


class Called:
    """By which words the backends of one cluster are called: no two may answer to the same."""

    def __init__(self, backends: Iterable[BackendSettings] = ()) -> None:
        self._by_address: dict[Address, BackendSettings] = {}
        self._by_name: dict[str, BackendSettings] = {}
        for backend in backends:
            self.add(backend)

    def add(self, backend: BackendSettings) -> None:
        """One more backend that is there."""
        self._by_address[backend.address] = backend
        self._by_name[backend.name] = backend

    def rival(self, backend: BackendSettings) -> str | None:
        """Why this backend cannot be there, too, in words; None if it can."""
        same = self._by_address.get(backend.address)
        if same is not None:
            as_name = "" if same.name == str(same.address) else f", as {spell_name(same.name)}"
            return f"{same.address} is there already{as_name}"
        for word in (backend.name, str(backend.address)):
            other = self._by_name.get(word)
            if other is not None:
                return f"{other.address} is called {spell_name(word)} already"
        meant = address_meant(backend.name)
        if meant in self._by_address and str(meant) == backend.name:
            return f"{spell_name(backend.name)} is another backend's address"
        return None
