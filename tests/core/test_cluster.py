"""A cluster: what is hashed of a client, who is usable, and what health changes move."""

from __future__ import annotations

import pytest

from tests.core.balance.ground import built, chosen, clients
from tests.core.playbook import backend
from udplb.core.address import parse_address

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
    cluster.backend_went_down(primaries[0])
    assert set(chosen(cluster, SOME)) == {"b1"}
    cluster.backend_went_down(primaries[1])
    assert set(chosen(cluster, SOME)) == {"b2"}
    cluster.backend_came_up(primaries[0])
    assert set(chosen(cluster, SOME)) == {"b0"}


def test_with_all_down_it_fails_open_to_the_primaries() -> None:
    cluster = built([backend(0), backend(1, weight=0), backend(2, backup=True)], "round_robin")
    for each in cluster.backends:
        cluster.backend_went_down(each)
    assert set(chosen(cluster, SOME)) == {"b0"}
    cluster.backend_drained(cluster.backends[0], True)
    assert set(chosen(cluster, SOME)) == {"b2"}, "no primary may be used: the backups"
    cluster.backend_drained(cluster.backends[2], True)
    assert set(chosen(cluster, SOME)) == {"-"}


def test_with_all_down_it_drops_where_it_may_not_fail_open() -> None:
    cluster = built(2, "round_robin", fail_open=False)
    cluster.backend_went_down(cluster.backends[0])
    assert set(chosen(cluster, SOME)) == {"b1"}
    cluster.backend_went_down(cluster.backends[1])
    assert set(chosen(cluster, SOME)) == {"-"}


def test_a_backend_that_drains_from_the_start() -> None:
    cluster = built([backend(0, state="drain"), backend(1)], "round_robin")
    assert set(chosen(cluster, SOME)) == {"b1"}
    cluster.backend_drained(cluster.backends[0], False)
    assert set(chosen(cluster, SOME)) == {"b0", "b1"}


def test_a_removed_backend_is_gone_for_good() -> None:
    cluster = built(2, "hrw")
    gone = cluster.backends[0]
    cluster.backend_removed(gone)
    cluster.backend_came_up(gone)
    assert [each.name for each in cluster.backends] == ["b1"]
    assert set(chosen(cluster, SOME)) == {"b1"}
    assert (gone.removed, gone.ready) == (True, False)


def test_its_name() -> None:
    assert built(1, "hrw").name == "cluster"
