"""A cluster: what is hashed of a client, who is usable, and what health changes move."""

from __future__ import annotations

import pytest

from tests.core.balance.ground import built, chosen, clients
from tests.core.playbook import backend, came_up, removed, went_down
from udplb.core.address import parse_address
from udplb.core.cluster import Cluster
from udplb.core.notices import Notice
from udplb.core.settings import HealthSettings

SOME = clients(500)
PORTS = [parse_address(f"198.18.0.1:{port}") for port in range(1_000, 1_100)]


@pytest.mark.parametrize("balance", ["hrw", "maglev"])
def test_affinity_by_source_ip_keeps_a_host_together(balance: str) -> None:
    cluster = built(10, balance, affinity="source_ip")
    assert len(set(chosen(cluster, PORTS))) == 1
    assert len(set(chosen(cluster, SOME))) == 10, "hosts spread"


@pytest.mark.parametrize("balance", ["hrw", "maglev"])
def test_affinity_by_source_ip_and_port_spreads_a_host(balance: str) -> None:
    cluster = built(10, balance, affinity="source_ip_port")
    assert len(set(chosen(cluster, PORTS))) == 10
    assert chosen(cluster, PORTS) == chosen(cluster, PORTS)


@pytest.mark.parametrize("affinity", ["source_ip", "source_ip_port"])
def test_a_mapped_client_is_the_ipv4_one(affinity: str) -> None:
    cluster = built(10, "hrw", affinity=affinity)
    mapped = [parse_address(f"[::ffff:198.18.0.{number}]:7") for number in range(50)]
    plain = [parse_address(f"198.18.0.{number}:7") for number in range(50)]
    assert chosen(cluster, mapped) == chosen(cluster, plain)


def test_the_seed_decides() -> None:
    assert chosen(built(10, "hrw", seed=b"1"), SOME) != chosen(built(10, "hrw", seed=b"2"), SOME)


def test_backups_serve_only_while_no_primary_is_up() -> None:
    cluster = built([backend(0), backend(1), backend(2, backup=True)], "round_robin")
    primaries = cluster.backends[:2]
    assert set(chosen(cluster, SOME)) == {"b0", "b1"}
    went_down(cluster, primaries[0])
    assert set(chosen(cluster, SOME)) == {"b1"}
    went_down(cluster, primaries[1])
    assert set(chosen(cluster, SOME)) == {"b2"}
    came_up(cluster, primaries[0])
    assert set(chosen(cluster, SOME)) == {"b0"}


def test_with_all_down_it_fails_open_to_the_primaries() -> None:
    cluster = built([backend(0), backend(1, weight=0), backend(2, backup=True)], "round_robin")
    for each in cluster.backends:
        went_down(cluster, each)
    assert set(chosen(cluster, SOME)) == {"b0"}
    cluster.drain_began(0.0, cluster.backends[0])
    assert set(chosen(cluster, SOME)) == {"b2"}, "no primary may be used: the backups"
    cluster.drain_began(0.0, cluster.backends[2])
    assert set(chosen(cluster, SOME)) == {"-"}


def test_with_all_down_it_drops_where_it_may_not_fail_open() -> None:
    cluster = built(2, "round_robin", fail_open=False)
    went_down(cluster, cluster.backends[0])
    assert set(chosen(cluster, SOME)) == {"b1"}
    went_down(cluster, cluster.backends[1])
    assert set(chosen(cluster, SOME)) == {"-"}


def test_a_backend_that_drains_from_the_start() -> None:
    cluster = built([backend(0, state="drain"), backend(1)], "round_robin")
    assert set(chosen(cluster, SOME)) == {"b1"}
    cluster.drain_ended(0.0, cluster.backends[0])
    assert set(chosen(cluster, SOME)) == {"b0", "b1"}


def test_a_removed_backend_is_gone_for_good() -> None:
    cluster = built(2, "hrw")
    gone = cluster.backends[0]
    removed(cluster, gone)
    came_up(cluster, gone)
    assert [each.name for each in cluster.backends] == ["b1"]
    assert set(chosen(cluster, SOME)) == {"b1"}
    assert (gone.removed, gone.ready) == (True, False)


def test_its_name() -> None:
    assert built(1, "hrw").name == "cluster"


class Witness:
    """Counts who is up whenever it is told something."""

    def __init__(self) -> None:
        self.up: list[int] = []

    def cluster_changed(self, now: float, cluster: Cluster, notice: Notice) -> None:
        self.up.append(sum(each.up for each in cluster.backends))


def test_many_changes_at_once_are_made_before_they_are_told() -> None:
    """A tick that ends a thousand ejections chooses who is usable once, not a thousand times."""
    cluster = built(1_000, "hrw", health=HealthSettings(refusals=1))
    witness = Witness()
    cluster.watchers.append(witness)
    for each in cluster.backends:
        each.health.refused(0.0, 1)
    cluster.time_passed(1.0)
    assert witness.up == [0] * 1_001
    cluster.time_passed(6.0)
    assert witness.up[1_001:] == [1_000] * 1_001
