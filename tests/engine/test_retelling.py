"""Retelling: every notice becomes one event and one line, with names that an operator knows."""

from __future__ import annotations

import logging
from ipaddress import IPv4Address, IPv6Address
from math import inf
from typing import get_args

import pytest

from udplb.core import notices
from udplb.core.address import Address
from udplb.core.cluster import Cluster
from udplb.core.settings import BackendSettings, ClusterSettings, HealthSettings
from udplb.engine import events
from udplb.engine.retelling import Told, full_name, place_of, retell

NAMED = BackendSettings(address=Address(IPv4Address("192.0.2.1"), 53), name="a")
UNTOLD = (notices.BackendsRemoved, notices.SettingsChanged)
"""The change of the configuration is told as a whole."""
UNNAMED = BackendSettings(address=Address(IPv6Address("2001:db8::1"), 53), name="[2001:db8::1]:53")
AT = 1_700_000_000.25


def cluster(*, fail_open: bool = True) -> Cluster:
    health = HealthSettings(fail_open=fail_open, refusals=1)
    return Cluster(ClusterSettings(name="dns", backends=(NAMED, UNNAMED), health=health), b"0")


def told_of(dns: Cluster, notice: notices.Notice) -> Told:
    told = retell(AT, dns, notice)
    assert told is not None
    return told


def test_a_backend_is_called_by_its_name_and_address() -> None:
    dns = cluster()
    first, second = dns.backends
    assert full_name(dns, first) == "cluster dns: backend a (192.0.2.1:53)"
    assert full_name(dns, second) == "cluster dns: backend [2001:db8::1]:53", "and not twice"
    assert place_of(dns, first) == {"cluster": "dns", "backend": "a", "address": "192.0.2.1:53"}


def test_down_and_up_have_their_reasons() -> None:
    dns = cluster()
    first = dns.backends[0]
    first.requests = 1
    dns.backend_refused(10.0, first)
    told = told_of(dns, notices.BackendWentDown(first, another_up=True))
    assert told.event == events.BackendWentDown(
        at=AT, cluster="dns", backend="a", address="192.0.2.1:53",
        reason="1 refusal, ejected for 5 s",
    )  # fmt: skip
    assert told.level == logging.WARNING
    assert told.line == (
        "cluster dns: backend a (192.0.2.1:53) is down: 1 refusal, ejected for 5 s"
    )
    dns.time_passed(15.0)
    told = told_of(dns, notices.BackendCameUp(first))
    assert told.event == events.BackendCameUp(
        at=AT, cluster="dns", backend="a", address="192.0.2.1:53",
        reason="5 s of ejection over, on trial",
    )  # fmt: skip
    assert told.level == logging.INFO
    assert told.line == (
        "cluster dns: backend a (192.0.2.1:53) is up: 5 s of ejection over, on trial"
    )


@pytest.mark.parametrize(
    ("fail_open", "what"),
    [
        (True, "spread over them all the same (fail_open = true)"),
        (False, "dropped, no_backend (fail_open = false)"),
    ],
)
def test_all_down_says_what_follows(fail_open: bool, what: str) -> None:
    dns = cluster(fail_open=fail_open)
    for backend in dns.backends:
        backend.up = False
    told = told_of(dns, notices.AllBackendsWentDown())
    assert told.event == events.ClusterWentDown(at=AT, cluster="dns", fail_open=fail_open)
    assert told.level == logging.ERROR
    assert told.line == f"cluster dns: all backends are down; new flows are {what}"


def test_one_that_lives_and_drains_is_not_called_down() -> None:
    told = told_of(cluster(), notices.AllBackendsWentDown())
    assert told.line.startswith("cluster dns: no backend that takes new flows is up; ")


def test_some_are_up_again() -> None:
    told = told_of(cluster(), notices.SomeBackendCameUp())
    assert told.event == events.ClusterCameUp(at=AT, cluster="dns")
    assert told.level == logging.INFO
    assert told.line == "cluster dns: a backend is up again"


@pytest.mark.parametrize("way", ["move", "close"])
def test_a_deadline_says_how_many_flows_do_what(way: str) -> None:
    dns = cluster()
    dns.backends[1].flows = 7
    notice = notices.DrainDeadlinePassed(dns.backends[1], way)  # type: ignore[arg-type]
    told = told_of(dns, notice)
    assert told.event == events.BackendDrainExpired(
        at=AT, cluster="dns", backend="[2001:db8::1]:53", address="[2001:db8::1]:53",
        flows=7, way=way,
    )  # fmt: skip
    assert told.level == logging.INFO
    assert told.line == (
        f"cluster dns: backend [2001:db8::1]:53: the time of its drain is over, 7 flows {way}"
    )


def test_a_drained_backend_says_how_long_it_took() -> None:
    dns = cluster()
    told = told_of(dns, notices.BackendDrained(dns.backends[0], took_s=12.345))
    assert told.event == events.BackendDrained(
        at=AT, cluster="dns", backend="a", address="192.0.2.1:53", took_s=12.345
    )
    assert told.level == logging.INFO
    assert told.line == "cluster dns: backend a (192.0.2.1:53) is drained, after 12.3 s"


def test_every_notice_is_retold() -> None:
    """Each kind once, and each becomes another kind of event."""
    dns = cluster()
    first = dns.backends[0]
    made = {
        notices.BackendWentDown: notices.BackendWentDown(first, another_up=False),
        notices.BackendCameUp: notices.BackendCameUp(first),
        notices.AllBackendsWentDown: notices.AllBackendsWentDown(),
        notices.SomeBackendCameUp: notices.SomeBackendCameUp(),
        notices.BackendDrainBegan: notices.BackendDrainBegan(first, inf),
        notices.DrainDeadlinePassed: notices.DrainDeadlinePassed(first, "move"),
        notices.BackendDrained: notices.BackendDrained(first, 1.0),
        notices.BackendDrainEnded: notices.BackendDrainEnded(first),
    }
    dns.drain_began(10.0, first)
    assert {*made, *UNTOLD} == set(get_args(notices.Notice))
    told = [told_of(dns, each) for each in made.values()]  # type: ignore[arg-type]
    assert len({type(each.event) for each in told}) == len(made)
    assert all(each.event.at == AT for each in told)
    assert all(each.line.startswith("cluster dns: ") for each in told)


@pytest.mark.parametrize(
    ("deadline_s", "told_s", "line"),
    [
        (inf, None, "drains, with 3 flows"),
        (0.0, 0.0, "drains, with 3 flows; after 0 s they close"),
        (90.5, 90.5, "drains, with 3 flows; after 90.5 s they close"),
    ],
)
def test_a_drain_that_begins_says_what_will_come(
    deadline_s: float, told_s: float | None, line: str
) -> None:
    dns = cluster()
    first = dns.backends[0]
    first.flows = 3
    dns.drain_began(10.0, first, deadline_s)
    told = told_of(dns, notices.BackendDrainBegan(first, deadline_s))
    assert told.event == events.BackendDrainBegan(
        at=AT, cluster="dns", backend="a", address="192.0.2.1:53",
        flows=3, deadline_s=told_s, way="close",
    )  # fmt: skip
    assert told.level == logging.INFO
    assert told.line == f"cluster dns: backend a (192.0.2.1:53) {line}"


def test_a_drain_that_ends_without_having_drained() -> None:
    dns = cluster()
    told = told_of(dns, notices.BackendDrainEnded(dns.backends[1]))
    assert told.event == events.BackendDrainEnded(
        at=AT, cluster="dns", backend="[2001:db8::1]:53", address="[2001:db8::1]:53"
    )
    assert told.line == "cluster dns: backend [2001:db8::1]:53 no longer drains"


def test_changes_of_the_configuration_are_told_as_a_whole() -> None:
    dns = cluster()
    for notice in (notices.BackendsRemoved((dns.backends[0],), 1.0), notices.SettingsChanged()):
        assert retell(AT, dns, notice) is None
