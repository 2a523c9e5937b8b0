"""Changes: their sentences, what needs a restart, and that every key of the file can change."""

from __future__ import annotations

from dataclasses import fields, replace
from ipaddress import ip_network
from typing import Any, get_args

import pytest

from tests.config.configurations import large
from udplb.config.changes import (
    RESTART_FIELDS,
    BackendAdded,
    BackendChanged,
    BackendRemoved,
    BackendsReordered,
    Change,
    ClusterAdded,
    ClusterChanged,
    ClusterRemoved,
    ClustersReordered,
    EngineChanged,
    ListenerAdded,
    ListenerChanged,
    ListenerRemoved,
    ListenersReordered,
    cluster_of,
)
from udplb.config.keys import BACKENDS, CLUSTERS, ENGINE, HEALTH, LISTENERS
from udplb.core.address import parse_address
from udplb.core.settings import BackendSettings, EngineSettings

CONFIGURATION = large(3)
LISTENER = CONFIGURATION.listeners[0]
CLUSTER = CONFIGURATION.clusters[0]
BACKEND = CLUSTER.backends[2]
PLAIN = BackendSettings(address=parse_address("10.0.0.12:53"), name="10.0.0.12:53")
NETWORKS = tuple(ip_network(f"10.{n}.0.0/16") for n in range(9))


def engine(field: str, before: object, after: object) -> EngineChanged:
    return EngineChanged(field=field, before=before, after=after)


def listener(field: str, before: object, after: object) -> ListenerChanged:
    return ListenerChanged(listener="dns", field=field, before=before, after=after)


def cluster(field: str, before: object, after: object, name: str = "dns") -> ClusterChanged:
    return ClusterChanged(cluster=name, field=field, before=before, after=after)


def backend(
    field: str, before: object, after: object, name: str = "10.0.0.12:53"
) -> BackendChanged:
    return BackendChanged(
        cluster="dns", address=PLAIN.address, name=name, field=field, before=before, after=after
    )


SENTENCES: list[tuple[Change, str]] = [
    (engine("drain_timeout", 30.0, 60.0), "engine: drain_timeout 30s → 1m"),
    (engine("hash_seed", b"hunter2", b"0"), "engine: hash_seed changed"),
    (
        engine("metrics_address", None, parse_address("127.0.0.1:9464")),
        "engine: metrics_address off → 127.0.0.1:9464",
    ),
    (
        ListenerAdded(settings=LISTENER, index=0),
        "listener dns: added, 192.0.2.1:53 to cluster many",
    ),
    (ListenerRemoved(settings=LISTENER), "listener dns: removed, 192.0.2.1:53"),
    (
        listener("address", parse_address("0.0.0.0:53"), parse_address("[::]:53")),
        "listener dns: address 0.0.0.0:53 → [::]:53",
    ),
    (listener("receive_buffer", 4 << 20, 5000), "listener dns: receive_buffer 4MiB → 5kB"),
    (
        listener("allow", (), NETWORKS),
        "listener dns: allow [] → [10.0.0.0/16, 10.1.0.0/16, 10.2.0.0/16, 10.3.0.0/16, and 5 more]",
    ),
    (ListenersReordered(names=("a", "b")), "listeners: in another order"),
    (ClusterAdded(settings=CLUSTER, index=0), "cluster many: added with 3 backends"),
    (
        ClusterAdded(settings=replace(CLUSTER, backends=(PLAIN,)), index=0),
        "cluster many: added with 1 backend",
    ),
    (ClusterRemoved(settings=CLUSTER), "cluster many: removed"),
    (cluster("balance", "hrw", "maglev"), "cluster dns: balance hrw → maglev"),
    (cluster("front_timeout", 30.0, 0.5), "cluster dns: front_timeout 30s → 500ms"),
    (cluster("resend", True, False), "cluster dns: resend true → false"),
    (cluster("health.interval", 5.0, 90.0), "cluster dns: health.interval 5s → 90s"),
    (cluster("health.secret", b"hunter2", b""), "cluster dns: health.secret changed"),
    (cluster("health.port", 0, 54), "cluster dns: health.port the backend's own → 54"),
    (
        cluster("health.send", b"hi\x1b[2J", b"x" * 4096),
        'cluster dns: health.send "hex:68691b5b324a" → "' + "x" * 59 + '…"',
    ),
    (cluster("balance", "hrw", "maglev", "a\x1b[2J"), "cluster a\\x1b[2J: balance hrw → maglev"),
    (ClustersReordered(names=("a", "b")), "clusters: in another order"),
    (
        BackendAdded(cluster="web", settings=replace(BACKEND, name="edge-7", weight=5), index=0),
        "cluster web: backend edge-7 (10.1.0.2:53) added, weight 5",
    ),
    (
        BackendAdded(cluster="web", settings=replace(PLAIN, backup=True, state="drain"), index=0),
        "cluster web: backend 10.0.0.12:53 added, weight 1, backup, draining",
    ),
    (
        BackendRemoved(cluster="web", settings=BACKEND),
        "cluster web: backend edge-2 (10.1.0.2:53) removed",
    ),
    (backend("weight", 1, 3), "cluster dns: backend 10.0.0.12:53 weight 1 → 3"),
    (backend("state", "active", "drain", "e"), "cluster dns: backend e state active → drain"),
    (
        BackendsReordered(cluster="web", addresses=(PLAIN.address,)),
        "cluster web: backends in another order",
    ),
]


@pytest.mark.parametrize(("change", "sentence"), SENTENCES)
def test_a_change_tells_itself_in_one_line(change: Change, sentence: str) -> None:
    assert change.sentence == sentence


def test_every_kind_of_change_is_told() -> None:
    assert {type(change) for change, _ in SENTENCES} == set(get_args(Change))


def test_what_needs_a_restart() -> None:
    live = {"log_level", "drain_timeout", "max_flows", "upstream_port_rest", "busy_poll"}
    assert {field.name for field in fields(EngineSettings)} == live | RESTART_FIELDS
    for change, _ in SENTENCES:
        on_restart = isinstance(change, EngineChanged) and change.field in RESTART_FIELDS
        assert change.needs_restart is on_restart


def test_secrets_are_in_no_representation() -> None:
    assert not any("hunter" in repr(change) for change, _ in SENTENCES)


def test_the_cluster_that_a_change_is_about() -> None:
    for change, sentence in SENTENCES:
        about = cluster_of(change)
        if sentence.startswith("cluster ") and "\\" not in sentence:
            assert sentence.startswith(f"cluster {about}: ")
        elif not sentence.startswith("cluster "):
            assert about is None


@pytest.mark.parametrize(
    "key", [key.name for key in CLUSTERS.keys] + [f"health.{key.name}" for key in HEALTH.keys]
)
def test_every_key_of_a_cluster_can_change(key: str) -> None:
    """And nothing but that key does."""

    def values() -> dict[str, Any]:
        (many, _) = changed.clusters
        parts = {f"health.{each.name}": getattr(many.health, each.name) for each in HEALTH.keys}
        terms = {each.name: getattr(many.terms, each.name) for each in fields(many.terms)}
        plain = {each.name: getattr(many, each.name, None) for each in CLUSTERS.keys}
        return plain | terms | parts

    changed = CONFIGURATION
    before = values()
    change = cluster(key, before[key], "something else", "many")
    changed = change.applied_to(CONFIGURATION)
    assert values() == before | {key: "something else"}
    assert changed.clusters[1] == CONFIGURATION.clusters[1]
    assert cluster(key, "something else", before[key], "many").applied_to(changed) == CONFIGURATION


def test_every_other_key_has_a_sentence() -> None:
    for key in ENGINE.keys:
        assert engine(key.name, b"1", b"2").sentence.startswith(f"engine: {key.name}")
    for key in LISTENERS.keys:
        assert listener(key.name, 1, 2).sentence.startswith(f"listener dns: {key.name}")
    for key in BACKENDS.keys:
        assert backend(key.name, 1, 2).sentence.startswith("cluster dns: backend 10")


def test_a_change_touches_the_backend_of_its_address_alone() -> None:
    change = BackendChanged(
        cluster="many",
        address=BACKEND.address,
        name=BACKEND.name,
        field="weight",
        before=BACKEND.weight,
        after=77,
    )
    many, few = change.applied_to(CONFIGURATION).clusters
    assert [each.weight for each in many.backends] == [1, 2, 77]
    assert few is CONFIGURATION.clusters[1]
