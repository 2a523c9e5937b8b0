"""Who may open a flow: lists, sources and caps of one listener, checked at admission alone."""

from __future__ import annotations

from udplb.core.address import Address
from udplb.core.limits import Capacity, NetworkSet, OwnAddresses, TokenBucket
from udplb.core.reasons import DropReason
from udplb.core.settings import ListenerSettings


class Admission:
    """Decides on new flows of one listener, and counts the live ones for its caps."""

    def __init__(self, settings: ListenerSettings, capacity: Capacity, own: OwnAddresses) -> None:
        self._capacity = capacity
        self._own = own
        self._take_over(settings)
        self._rate = TokenBucket(settings.new_flows_per_second)
        self._live = 0
        self._by_source: dict[bytes, int] = {}
        self.draining = False
        """No new flows at all."""

    def settings_changed(self, now: float, settings: ListenerSettings) -> None:
        """The operator set other limits; flows that exist are counted as before."""
        self._take_over(settings)
        self._rate.rate_changed(now, settings.new_flows_per_second)

    def _take_over(self, settings: ListenerSettings) -> None:
        self._settings = settings
        self._allow = NetworkSet(settings.allow)
        self._deny = NetworkSet(settings.deny)

    def denies(self, client: Address) -> bool:
        """Whether allow and deny keep this client out."""
        if self._deny and client.ip in self._deny:
            return True
        return bool(self._allow) and client.ip not in self._allow

    def bar(self, client: Address) -> DropReason | None:
        """Why this client may have no flow at any time; None: it may."""
        if self.denies(client):
            return DropReason.DENIED
        if client.port == 0 or client in self._own:
            return DropReason.BAD_SOURCE
        return None

    def shed(self, now: float, client: Address) -> DropReason | None:
        """Why there is no flow for this client now; None: there is, and its rate token is taken."""
        reason = self._full(client)
        if reason is None and not self._rate.take(now):
            return DropReason.NEW_FLOWS_PER_SECOND
        return reason

    def refusal(self, now: float, client: Address) -> DropReason | None:
        """Why this client would get no flow now; nothing is taken."""
        reason = self.bar(client) or self._full(client)
        if reason is None and not self._rate.has_one(now):
            return DropReason.NEW_FLOWS_PER_SECOND
        return reason

    def _full(self, client: Address) -> DropReason | None:
        settings, capacity = self._settings, self._capacity
        if self.draining:
            return DropReason.DRAINING
        if capacity.live >= capacity.max_flows or 0 < settings.max_flows <= self._live:
            return DropReason.MAX_FLOWS
        if 0 < settings.max_flows_per_source <= self._by_source.get(client.source, 0):
            return DropReason.MAX_FLOWS_PER_SOURCE
        return None

    def admitted(self, client: Address) -> None:
        """A flow of this client lives."""
        self._live += 1
        self._capacity.live += 1
        source = client.source
        self._by_source[source] = self._by_source.get(source, 0) + 1

    def closed(self, client: Address) -> None:
        """A flow of this client is gone."""
        self._live -= 1
        self._capacity.live -= 1
        source = client.source
        live = self._by_source[source] - 1
        if live:
            self._by_source[source] = live
        else:
            del self._by_source[source]

    def token_unused(self) -> None:
        """The flow whose rate token was taken last was not opened after all."""
        self._rate.give_back()

    def shrink(self) -> None:
        """Give back the memory of a table that once was large and is empty now."""
        if not self._by_source:
            self._by_source.clear()

    def check_settings(self, settings: ListenerSettings) -> None:
        """It goes by these settings."""
        assert self._settings is settings

    def check_invariants(self, live: int) -> None:
        """The caps count exactly the flows that live."""
        assert self._live == live
        assert sum(self._by_source.values()) == live
        assert all(count > 0 for count in self._by_source.values())
        assert 0 <= live <= self._capacity.live <= self._capacity.highest
