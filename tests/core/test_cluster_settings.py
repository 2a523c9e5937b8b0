"""A cluster whose settings change while it runs: who stays, what they keep, and what is told."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from math import inf
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core.balance.ground import SEED, built, chosen, clients, weighted
from tests.core.playbook import (
    START,
    adopted,
    backend,
    came_up,
    cluster_settings,
    removed,
    went_down,
)
from tests.core.test_notices import Ear
from udplb.core.backend import Backend
from udplb.core.cluster import Cluster
from udplb.core.notices import (
    AllBackendsWentDown,
    BackendCameUp,
    BackendDrainBegan,
    BackendDrained,
    BackendDrainEnded,
    BackendsRemoved,
    Notice,
    SettingsChanged,
    SomeBackendCameUp,
)
from udplb.core.settings import BackendSettings, FlowTerms, HealthSettings

SOME = clients(500)
POLICIES = ["hrw", "maglev", "round_robin", "random", "least_flows"]


def changed(cluster: Cluster, *backends: BackendSettings, **keys: Any) -> None:
    """The cluster has these backends, or those that it had, and these keys."""
    wanted = replace(cluster.settings, backends=backends or cluster.settings.backends, **keys)
    adopted(cluster, wanted, START, START + 10)
    cluster.check_invariants()


def test_who_stays_keeps_what_they_are() -> None:
    cluster = built(3, "hrw")
    b0, b1, _ = cluster.backends
    b0.requests, b0.flows = 7, 2
    went_down(cluster, b1)
    cluster.drain_began(START, b0, 50.0)
    drain = b0.drain
    changed(cluster, backend(1, weight=5, backup=True), replace(backend(0), name="z"))
    assert cluster.backends == [b1, b0]
    assert (b0.requests, b0.flows, b0.draining, b0.drain) == (7, 2, True, drain)
    assert (b0.name, b1.weight, b1.settings.backup) == ("z", 5, True)
    assert (b1.up, b1.health.reason) == (False, "3 off probes timed out")


def test_who_joins_and_who_goes() -> None:
    cluster = built(2, "hrw")
    ear = Ear(cluster)
    b0, b1 = cluster.backends
    changed(cluster, backend(5, weight=2), backend(1), backend(6, state="drain"))
    b5, b6 = cluster.backends[0], cluster.backends[2]
    assert cluster.backends == [b5, b1, b6]
    assert (b0.removed, b0.ready, b1.removed) == (True, False, False)
    assert (b5.weight, b5.up, b6.draining, b6.drain) == (2, True, True, None)
    assert set(chosen(cluster, SOME)) == {"b5", "b1"}
    assert ear.news() == [SettingsChanged(), BackendsRemoved((b0,), START + 10)]
    changed(cluster, backend(0), backend(1))
    assert cluster.backends[0] is not b0, "who comes back begins anew"
    assert cluster.backends[1] is b1
    assert ear.news() == [SettingsChanged(), BackendsRemoved((b5, b6), START + 10)]


_STATES = st.tuples(
    st.integers(0, 7), st.sampled_from([0, 1, 1, 4]), st.booleans(), st.booleans(), st.booleans()
)


@pytest.mark.parametrize("balance", ["hrw", "maglev"])
@settings(max_examples=15, deadline=None)
@given(
    steps=st.lists(st.lists(_STATES, max_size=5, unique_by=lambda each: each[0]), max_size=4),
    fail_open=st.booleans(),
)
def test_a_changed_cluster_chooses_as_one_that_was_made_so(
    balance: str, steps: list[list[tuple[int, int, bool, bool, bool]]], fail_open: bool
) -> None:
    cluster = built(3, "hrw")
    for states in steps:
        backends = [
            backend(index, weight=weight, backup=backup, state="drain" if drain else "active")
            for index, weight, backup, drain, _ in states
        ]
        wanted = cluster_settings(backends, balance=balance, fail_open=fail_open)
        adopted(cluster, wanted)
        fresh = Cluster(wanted, SEED)
        for one, other, (*_, down) in zip(cluster.backends, fresh.backends, states, strict=True):
            if down:
                went_down(cluster, one)
                went_down(fresh, other)
            elif not one.up:
                came_up(cluster, one)
        cluster.check_invariants()
        assert chosen(cluster, SOME[:100]) == chosen(fresh, SOME[:100])


# Policies


@pytest.mark.parametrize("before", POLICIES)
@pytest.mark.parametrize("after", POLICIES)
def test_another_policy_is_in_force_at_once(before: str, after: str) -> None:
    cluster = built(weighted([2, 2, 0]), before)
    went_down(cluster, cluster.backends[0])
    changed(cluster, balance=after)
    assert set(chosen(cluster, SOME)) == {"b1"}
    came_up(cluster, cluster.backends[0])
    assert set(chosen(cluster, SOME)) == {"b0", "b1"}


def test_a_table_has_the_new_weights() -> None:
    cluster = built(weighted([1, 1, 5]), "maglev")
    changed(cluster, *weighted([1, 9, 0]))
    assert chosen(cluster, SOME) == chosen(built(weighted([1, 9, 0]), "maglev"), SOME)


def test_round_robin_keeps_its_turns() -> None:
    cluster = built(3, "round_robin")
    assert chosen(cluster, SOME[:1]) == ["b0"]
    changed(cluster, backend(0), backend(1), backend(2), affinity="source_ip")
    assert chosen(cluster, SOME[:3]) == ["b1", "b2", "b0"]
    changed(cluster, backend(0), backend(2), backend(9))
    assert chosen(cluster, SOME[:3]) == ["b2", "b9", "b0"]


def test_who_weighs_more_has_its_turns_at_once() -> None:
    cluster = built(weighted([1, 1_000]), "round_robin")
    chosen(cluster, SOME[:5])
    changed(cluster, *weighted([1_000, 1_000]))
    counts = Counter(chosen(cluster, SOME[:100]))
    assert counts == {"b0": 50, "b1": 50}
    changed(cluster, *weighted([1_000, 1]))
    counts = Counter(chosen(cluster, SOME[:100]))
    assert counts["b0"] >= 98


def test_least_flows_after_another_policy_goes_on_where_it_was() -> None:
    cluster = built(3, "least_flows")
    chosen(cluster, SOME[:100])
    changed(cluster, balance="hrw")
    changed(cluster, backend(0), backend(1), backend(2), backend(3), balance="least_flows")
    assert Counter(chosen(cluster, SOME[:8])) == {"b0": 2, "b1": 2, "b2": 2, "b3": 2}


# Drains


def test_a_state_that_turns_begins_and_ends_a_drain() -> None:
    cluster = built(2, "hrw")
    ear = Ear(cluster)
    b0, b1 = cluster.backends
    b0.flows = 1
    changed(cluster, backend(0, state="drain"), backend(1, state="drain"))
    assert ear.news() == [
        SettingsChanged(),
        BackendDrainBegan(b0, inf),
        BackendDrainBegan(b1, inf),
        BackendDrained(b1, took_s=0.0),
    ]
    assert b0.drain is not None
    assert (b0.draining, b0.drain.deadline, b0.drain.way) == (True, inf, "close")
    assert set(chosen(cluster, SOME)) == {"-"}
    changed(cluster, backend(0, state="drain"), backend(1))
    assert ear.news() == [SettingsChanged(), BackendDrainEnded(b1)]
    assert (b1.draining, b1.drain) == (False, None)
    assert set(chosen(cluster, SOME)) == {"b1"}


@pytest.mark.parametrize("first", ["state", "deadline"])
def test_an_operators_deadline_for_a_drain_by_state(first: str) -> None:
    cluster = built(2, "hrw")
    ear = Ear(cluster)
    b0 = cluster.backends[0]
    draining = (backend(0, state="drain"), backend(1))
    if first == "state":
        changed(cluster, *draining)
        cluster.drain_began(START + 1, b0, 20.0, "move")
    else:
        cluster.drain_began(START + 1, b0, 20.0, "move")
        changed(cluster, *draining)
    assert b0.drain is not None
    assert (b0.drain.deadline, b0.drain.way) == (START + 21, "move")
    news = ear.news()
    drained = [each for each in news if isinstance(each, BackendDrained)]
    assert drained == [BackendDrained(b0, took_s=0.0)], "an empty backend is drained once"
    assert [each for each in news if isinstance(each, BackendDrainBegan)][-1].deadline_s == 20.0


def test_other_changes_leave_a_drain_alone() -> None:
    cluster = built([backend(0), backend(1, state="drain")], "hrw")
    ear = Ear(cluster)
    b0, b1 = cluster.backends
    b0.flows = 1
    cluster.drain_began(START, b0, 50.0)
    drain = b0.drain
    ear.news()
    changed(cluster, backend(0, weight=9), backend(1, weight=9, state="drain"))
    assert ear.news() == [SettingsChanged()]
    assert (b0.drain, b1.draining, b1.drain) == (drain, True, None)


# Health


def test_other_health_settings_are_those_of_all_backends() -> None:
    cluster = built(2, "hrw")
    health = HealthSettings(fall=1, probe="udp")
    changed(cluster, backend(0), backend(1), backend(2), health=health)
    assert all(each.health.settings is health for each in cluster.backends)
    cluster.probe_failed(START, cluster.backends[0], "timed out")
    assert not cluster.backends[0].up


def test_what_another_probe_found_is_forgotten_and_that_is_told_once() -> None:
    cluster = built(3, "hrw", health=HealthSettings(probe="udp"))
    b0, b1, b2 = cluster.backends
    for each in cluster.backends:
        went_down(cluster, each)
    ear = Ear(cluster)
    changed(cluster, backend(0), backend(1), health=HealthSettings(probe="tcp"))
    assert ear.news() == [
        SettingsChanged(),
        BackendsRemoved((b2,), START + 10),
        BackendCameUp(b0),
        BackendCameUp(b1),
        SomeBackendCameUp(),
    ]
    assert set(chosen(cluster, SOME)) == {"b0", "b1"}
    assert not b2.up


def test_health_settings_that_stay_are_not_brought_again() -> None:
    cluster = built(2, "hrw")
    b0 = cluster.backends[0]
    cluster.probe_failed(START, b0, "timed out")
    before = b0.health.settings
    changed(cluster, affinity="source_ip", health=replace(before))
    assert b0.health.settings is before


def test_fail_open_can_be_switched() -> None:
    cluster = built(1, "hrw", fail_open=True)
    went_down(cluster, cluster.backends[0])
    assert set(chosen(cluster, SOME)) == {"b0"}
    changed(cluster, health=replace(cluster.settings.health, fail_open=False))
    assert set(chosen(cluster, SOME)) == {"-"}


def test_another_count_of_responses_begins_a_new_window() -> None:
    health = HealthSettings(eject_below=0.5)
    cluster = built(1, "hrw", terms=FlowTerms(responses=1), health=health)
    (b0,) = cluster.backends
    cluster.time_passed(START)
    b0.owed, b0.answered = 100, 80
    cluster.time_passed(START + 10)
    cluster.time_passed(START + 11)
    assert b0.health.answered_share == 0.8
    b0.owed = 1_000
    changed(cluster, terms=FlowTerms(responses=2))
    assert b0.health.answered_share is None
    for second in (11, 21, 22):
        cluster.time_passed(START + second)
    assert b0.up, "the 900 of the window before are not of this one"
    b0.owed, b0.answered = 1_100, 81
    for second in (31, 32, 33):
        cluster.time_passed(START + second)
    assert not b0.up


def test_other_terms_leave_the_window_alone() -> None:
    cluster = built(1, "hrw", terms=FlowTerms(responses=1))
    (b0,) = cluster.backends
    for second, owed in ((0, 0), (10, 100), (11, 100)):
        b0.owed = b0.answered = owed
        cluster.time_passed(START + second)
    changed(cluster, terms=FlowTerms(responses=1, max_age=9.0))
    assert b0.health.answered_share == 1.0


# Emptiness


@pytest.mark.parametrize("balance", POLICIES)
def test_a_cluster_without_backends(balance: str) -> None:
    cluster = Cluster(cluster_settings(0, balance=balance), SEED)
    ear = Ear(cluster)
    cluster.time_passed(START)
    cluster.check_invariants()
    assert set(chosen(cluster, SOME)) == {"-"}
    assert (cluster.all_down, cluster.some_up) == (False, False)
    changed(cluster, backend(0), backend(1))
    assert ear.news() == [SettingsChanged()]
    assert set(chosen(cluster, SOME)) == {"b0", "b1"}
    assert chosen(cluster, SOME) == chosen(built(2, balance), SOME) or balance == "random"
    for each in tuple(cluster.backends):
        removed(cluster, each)
    cluster.check_invariants()
    assert AllBackendsWentDown() not in ear.news()
    assert set(chosen(cluster, SOME)) == {"-"}


# The notices come when everything is as they say


def test_whoever_hears_of_a_change_finds_all_of_it_made() -> None:
    cluster = built(2, "round_robin")
    b0, b1 = cluster.backends
    went_down(cluster, b1)
    seen: list[tuple[str, ...]] = []

    class Curious:
        def cluster_changed(self, now: float, cluster: Cluster, notice: Notice) -> None:
            cluster.check_invariants()
            usable: list[Backend] = cluster.usable()
            seen.append((type(notice).__name__, *(each.name for each in usable)))

    cluster.watchers.append(Curious())
    probe = HealthSettings(probe="tcp")
    changed(cluster, backend(1, weight=3), backend(0, state="drain"), backend(2), health=probe)
    assert seen == [
        ("SettingsChanged", "b1", "b2"),
        ("BackendDrainBegan", "b1", "b2"),
        ("BackendCameUp", "b1", "b2"),
        ("BackendDrained", "b1", "b2"),
    ]
    assert b0.draining


def test_who_withdraws_while_something_is_told_spares_nobody_the_news() -> None:
    cluster = built(1, "hrw")

    class Shy:
        def cluster_changed(self, now: float, cluster: Cluster, notice: Notice) -> None:
            cluster.watchers.remove(self)

    cluster.watchers.append(Shy())
    ear = Ear(cluster)
    changed(cluster, affinity="source_ip")
    assert ear.news() == [SettingsChanged()]
