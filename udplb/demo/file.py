"""The demo's udplb.toml: a real file, to be looked at, edited, reloaded and saved."""

from __future__ import annotations

from pathlib import Path

from udplb.demo.cast import CLUSTERS, DENIED_NETWORK, DNS, GAME, LOOPBACK
from udplb.demo.zone import ORIGIN

DATAGRAM_SIZE_MAX = 1_400
"""Bytes that the game's listener takes."""
NEW_FLOWS_PER_SECOND = 400
"""Of the DNS listener: twice and more what resolvers need, and less than a flood."""
FLOWS_PER_SOURCE = 16
"""Of the game's listener."""
PING = "ping"
"""What probes send to the game's servers."""
_INTERVAL_MIN_S = _TIMEOUT_MIN_S = 0.1

_TEXT = """\
# The configuration of `udplb demo`. Change it and save it: the proxy follows at once.
# The directory is private, and is gone when the demo ends.

[engine]
log_level = "warning"
metrics_address = "off"
control_socket = "{control_socket}"
drain_timeout = "1s"  # a demo may end at once

# Resolvers ask from a new port each time: many short flows.
[[listeners]]
name = "dns"
address = "{dns_listener}"
cluster = "dns"
new_flows_per_second = {new_flows_per_second}  # a flood is shed beyond that

# Players stay for a while: fewer flows, long ones, in trains.
[[listeners]]
name = "game"
address = "{game_listener}"
cluster = "game"
max_datagram_size = {datagram_size_max}
{sources}
[clusters.dns]
profile = "dns"  # a flow ends when its queries are answered
balance = "round_robin"
on_backend_down = "move"
{dns_backends}
[clusters.dns.health]
probe = "dns"  # a real query, answered or not
query_name = "{origin}"
query_type = "SOA"
interval = "{interval}"
timeout = "{timeout}"

[clusters.game]
profile = "session"
affinity = "source_ip_port"  # all players are on this machine
on_backend_down = "move"  # players of a dead server go on elsewhere
front_timeout = "{idle}"  # the profile's 3 minutes are long for a demo
back_timeout = "{idle}"
{game_backends}
[clusters.game.health]
probe = "udp"
send = "{ping}"
expect = "{ping}"
interval = "{interval}"
timeout = "{timeout}"
"""

_SOURCES = """\
max_flows_per_source = {flows_per_source}
deny = ["{denied}"]
"""


def configuration_text(
    listeners: dict[str, int],
    backends: dict[str, int],
    control_socket: Path,
    *,
    many_hosts: bool,
    speed: float = 1.0,
) -> str:
    """The file. `listeners` and `backends`: the port of each cluster and CLUSTER/NAME.

    `many_hosts`: clients come from many addresses, so that limits by source mean something.
    `speed`: how many times faster than usual the play goes; spans of time are shorter by it.
    """
    sources = _SOURCES.format(flows_per_source=FLOWS_PER_SOURCE, denied=DENIED_NETWORK)
    return _TEXT.format(
        control_socket=_escaped(str(control_socket)),
        dns_listener=f"{LOOPBACK}:{listeners[DNS]}",
        game_listener=f"{LOOPBACK}:{listeners[GAME]}",
        new_flows_per_second=NEW_FLOWS_PER_SECOND,
        datagram_size_max=DATAGRAM_SIZE_MAX,
        sources=sources if many_hosts else "",
        dns_backends=_backends(DNS, backends),
        game_backends=_backends(GAME, backends),
        origin=ORIGIN,
        ping=PING,
        interval=_span(max(_INTERVAL_MIN_S, 1.0 / speed)),
        timeout=_span(max(_TIMEOUT_MIN_S, 0.5 / speed)),
        idle=_span(8.0 / speed),
    )


def _backends(cluster: str, ports: dict[str, int]) -> str:
    return "".join(
        f'\n[[clusters.{cluster}.backends]]\nname = "{name}"\n'
        f'address = "{LOOPBACK}:{ports[f"{cluster}/{name}"]}"\n'
        for name in CLUSTERS[cluster]
    )


def _span(seconds: float) -> str:
    milliseconds = round(1_000 * seconds)
    whole, rest = divmod(milliseconds, 1_000)
    return f"{milliseconds}ms" if rest else f"{whole}s"


def _escaped(text: str) -> str:
    """As TOML has it between double quotes."""
    return text.replace("\\", "\\\\").replace('"', '\\"')
