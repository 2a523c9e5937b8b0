"""The one table of the probes that exchange datagrams; a tcp probe exchanges nothing."""

from __future__ import annotations

import sys
from collections.abc import Callable

from udplb.core.settings import HealthSettings, Probe
from udplb.engine.probes.exchange import Exchange
from udplb.engine.probes.ntp import NtpExchange
from udplb.engine.probes.payload import PayloadExchange
from udplb.engine.probes.radius import RadiusExchange
from udplb.engine.probes.sip import SipExchange
from udplb.engine.probes.stun import StunExchange


def is_loaded(probe: Probe) -> bool:
    """Whether all that the exchanges of this probe need is imported."""
    return probe != "dns" or "udplb.engine.probes.dns" in sys.modules


def load(probe: Probe) -> None:
    """Import what the exchanges of this probe need, if they need more than the others.

    For dns that takes about 30 ms when it is done for the first time: a thread other than the
    engine's does it before the engine meets the probe.
    """
    if probe == "dns":
        from udplb.engine.probes import dns  # noqa: F401, PLC0415 - see above


def _dns(health: HealthSettings) -> Exchange:
    # Here and not above: few configurations have a dns probe, and its library costs 4 MB.
    from udplb.engine.probes.dns import DnsExchange  # noqa: PLC0415

    return DnsExchange(health.query_name, health.query_type, health.rcodes)


EXCHANGES: dict[Probe, Callable[[HealthSettings], Exchange]] = {
    "udp": lambda health: PayloadExchange(health.send, health.expect),
    "dns": _dns,
    "ntp": lambda _: NtpExchange(),
    "stun": lambda _: StunExchange(),
    "sip": lambda _: SipExchange(),
    "radius": lambda health: RadiusExchange(health.secret),
}
