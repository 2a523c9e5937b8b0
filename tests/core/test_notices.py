"""Notices: what a cluster tells its watchers, to whom and how often."""

from __future__ import annotations

from dataclasses import replace
from math import inf
from typing import get_args

from tests.core.balance.ground import built
from tests.core.playbook import START, adopted, backend, came_up, removed, went_down
from udplb.core.cluster import Cluster
from udplb.core.notices import (
    AllBackendsWentDown,
    BackendCameUp,
    BackendDrainBegan,
    BackendDrained,
    BackendDrainEnded,
    BackendsRemoved,
    BackendWentDown,
    DrainDeadlinePassed,
    Notice,
    SettingsChanged,
    SomeBackendCameUp,
)


class Ear:
    """Hears everything."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.heard: list[tuple[float, Notice]] = []
        cluster.watchers.append(self)

    def cluster_changed(self, now: float, cluster: Cluster, notice: Notice) -> None:
        assert cluster is self.cluster
        self.heard.append((now, notice))

    def news(self) -> list[Notice]:
        heard, self.heard = self.heard, []
        return [notice for _, notice in heard]


def test_every_change_is_told_once_to_everybody() -> None:
    cluster = built(3, "round_robin")
    first, second = Ear(cluster), Ear(cluster)
    b0, b1, b2 = cluster.backends
    for _ in range(10):
        cluster.probe_failed(START + 1, b0, "refused")
    assert first.heard == second.heard == [(START + 1, BackendWentDown(b0, another_up=True))]
    assert first.news()
    went_down(cluster, b1)
    assert first.news() == [BackendWentDown(b1, another_up=True)]
    went_down(cluster, b2)
    assert first.news() == [BackendWentDown(b2, another_up=False), AllBackendsWentDown()]
    assert cluster.all_down
    came_up(cluster, b1)
    assert first.news() == [BackendCameUp(b1), SomeBackendCameUp()]
    assert not cluster.all_down
    came_up(cluster, b0)
    assert first.news() == [BackendCameUp(b0)]


def test_the_notice_comes_when_everything_is_as_it_says() -> None:
    cluster = built(2, "round_robin")
    b0 = cluster.backends[0]

    class Curious(Ear):
        def cluster_changed(self, now: float, cluster: Cluster, notice: Notice) -> None:
            super().cluster_changed(now, cluster, notice)
            assert not b0.up
            assert b0.health.reason == "3 off probes timed out"
            for _ in range(4):
                chosen = cluster.select(b0.address)
                assert chosen is cluster.backends[1]

    curious = Curious(cluster)
    went_down(cluster, b0)
    assert len(curious.heard) == 1


def test_a_backend_without_weight_is_no_other() -> None:
    cluster = built([backend(0), backend(1, weight=0), backend(2, state="drain")], "round_robin")
    ear = Ear(cluster)
    b0 = cluster.backends[0]
    went_down(cluster, b0)
    assert ear.news() == [BackendWentDown(b0, another_up=False), AllBackendsWentDown()]


def test_a_backup_is_another() -> None:
    cluster = built([backend(0), backend(1, backup=True)], "round_robin")
    ear = Ear(cluster)
    went_down(cluster, cluster.backends[0])
    assert ear.news() == [BackendWentDown(cluster.backends[0], another_up=True)]


def test_all_can_be_down_because_the_last_one_drains_or_goes() -> None:
    cluster = built(3, "round_robin")
    ear = Ear(cluster)
    b0, b1, b2 = cluster.backends
    went_down(cluster, b0)
    assert ear.news() == [BackendWentDown(b0, another_up=True)]
    removed(cluster, b1, end_by=START + 7)
    assert ear.news() == [SettingsChanged(), BackendsRemoved((b1,), START + 7)]
    b2.flows = 1
    cluster.drain_began(START, b2, 9.0)
    assert ear.news() == [BackendDrainBegan(b2, 9.0), AllBackendsWentDown()]
    cluster.drain_ended(START, b2)
    assert ear.news() == [SomeBackendCameUp(), BackendDrainEnded(b2)]
    removed(cluster, b2)
    assert ear.news() == [SettingsChanged(), BackendsRemoved((b2,), inf), AllBackendsWentDown()]


def test_who_is_down_is_not_up_again_because_it_drains_or_goes() -> None:
    cluster = built(2, "round_robin")
    ear = Ear(cluster)
    b0, b1 = cluster.backends
    for each in (b0, b1):
        went_down(cluster, each)
    assert ear.news()[-1] == AllBackendsWentDown()
    cluster.drain_began(START, b0)
    removed(cluster, b1)
    assert SomeBackendCameUp() not in ear.news()
    assert cluster.all_down
    adopted(cluster, replace(cluster.settings, backends=(backend(0), backend(2))))
    assert ear.news()[-1] == SomeBackendCameUp()
    assert not cluster.all_down


def test_where_nobody_takes_new_flows_nobody_is_down() -> None:
    cluster = built([backend(0, weight=0)], "round_robin")
    ear = Ear(cluster)
    went_down(cluster, cluster.backends[0])
    assert ear.news() == [BackendWentDown(cluster.backends[0], another_up=False)]
    assert not cluster.all_down


def test_of_a_removed_backend_nothing_is_told() -> None:
    cluster = built(2, "round_robin")
    ear = Ear(cluster)
    gone = cluster.backends[0]
    removed(cluster, gone)
    assert ear.news()
    went_down(cluster, gone)
    assert ear.news() == []


def test_every_notice_has_its_name() -> None:
    assert set(get_args(Notice)) == {
        BackendWentDown,
        BackendCameUp,
        AllBackendsWentDown,
        SomeBackendCameUp,
        BackendDrainBegan,
        DrainDeadlinePassed,
        BackendDrained,
        BackendDrainEnded,
        BackendsRemoved,
        SettingsChanged,
    }
