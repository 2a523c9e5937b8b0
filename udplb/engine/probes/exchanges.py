"""The one table of the probes that exchange datagrams; a tcp probe exchanges nothing."""

from __future__ import annotations

from collections.abc import Callable

from udplb.core.settings import HealthSettings, Probe
from udplb.engine.probes.dns import DnsExchange
from udplb.engine.probes.exchange import Exchange
from udplb.engine.probes.ntp import NtpExchange
from udplb.engine.probes.payload import PayloadExchange
from udplb.engine.probes.radius import RadiusExchange
from udplb.engine.probes.sip import SipExchange
from udplb.engine.probes.stun import StunExchange

EXCHANGES: dict[Probe, Callable[[HealthSettings], Exchange]] = {
    "udp": lambda health: PayloadExchange(health.send, health.expect),
    "dns": lambda health: DnsExchange(health.query_name, health.query_type, health.rcodes),
    "ntp": lambda _: NtpExchange(),
    "stun": lambda _: StunExchange(),
    "sip": lambda _: SipExchange(),
    "radius": lambda health: RadiusExchange(health.secret),
}
