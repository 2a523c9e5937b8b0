"""What the tests of overlays share: a small file, and how its desired state is told."""

from __future__ import annotations

from udplb.config.load import parse
from udplb.config.overlay import Overlay
from udplb.core.settings import Configuration

FILE = """\
[[listeners]]
name = "dns"
address = "0.0.0.0:53"
cluster = "dns"
[[listeners]]
name = "web"
address = "192.0.2.1:80"
cluster = "web"
[[clusters.dns.backends]]
address = "10.0.0.1:53"
[[clusters.dns.backends]]
name = "edge-2"
address = "10.0.0.2:53"
weight = 2
[[clusters.dns.backends]]
name = "edge-3"
address = "10.0.0.3:53"
weight = 3
state = "drain"
[[clusters.web.backends]]
name = "www"
address = "10.0.1.1:80"
"""


def read(text: str) -> Configuration:
    return parse(text, "f").configuration


DNS = read(FILE)
EMPTY = Overlay()


def backends(overlay: Overlay, file: Configuration = DNS, cluster: str = "dns") -> list[str]:
    """The desired backends: name, weight, state."""
    (found,) = (each for each in overlay.over(file).clusters if each.name == cluster)
    return [f"{each.name} {each.weight} {each.state}" for each in found.backends]
