"""Admission: the order of its questions, and counts that return to nothing."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_network
from typing import Any

import pytest

from udplb.core.address import Address, parse_address
from udplb.core.admission import Admission
from udplb.core.limits import Capacity, OwnAddresses
from udplb.core.settings import ListenerSettings

A = parse_address("198.18.0.1:1")
B = parse_address("198.18.0.2:1")


def admission(capacity: int = 100, own: tuple[str, ...] = (), **keys: Any) -> Admission:
    address = parse_address("192.0.2.1:53")
    settings = ListenerSettings(name="l", address=address, cluster="c", **keys)
    return Admission(settings, Capacity(capacity), OwnAddresses(map(parse_address, own)))


def test_a_barred_client_is_denied_first() -> None:
    barring = admission(own=("198.18.0.1:1",), deny=(ip_network("198.18.0.1/32"),))
    assert barring.bar(A) == "denied"
    assert barring.bar(B) is None
    assert admission(own=("198.18.0.1:1",)).bar(A) == "bad_source"
    assert admission().bar(Address(A.ip, 0)) == "bad_source"


def test_reasons_to_shed_in_their_order() -> None:
    full = admission(max_flows=1, max_flows_per_source=1, new_flows_per_second=1)
    assert full.shed(0.0, A) is None
    full.admitted(A)
    full.draining = True
    assert full.shed(0.0, A) == "draining"
    full.draining = False
    assert full.shed(0.0, A) == full.shed(0.0, B) == "max_flows"
    crowded = admission(max_flows_per_source=1, new_flows_per_second=1)
    assert crowded.shed(0.0, A) is None
    crowded.admitted(A)
    assert crowded.shed(0.0, A) == "max_flows_per_source"
    assert crowded.shed(0.0, B) == "new_flows_per_second"
    crowded.token_unused()
    assert crowded.shed(0.0, B) is None


def test_what_closes_is_forgotten() -> None:
    caps = admission(capacity=2)
    for client in (A, B):
        caps.admitted(client)
    caps.check_invariants(2)
    assert caps.shed(0.0, A) == "max_flows"
    for client in (A, B):
        caps.closed(client)
    caps.check_invariants(0)
    with pytest.raises(KeyError):
        caps.closed(A)


def test_invariants_notice_a_wrong_count() -> None:
    caps = admission()
    caps.admitted(A)
    with pytest.raises(AssertionError):
        caps.check_invariants(0)


def test_other_settings_apply_at_once() -> None:
    caps = admission(new_flows_per_second=1)
    caps.admitted(A)
    assert caps.shed(0.0, B) is None
    settings = ListenerSettings(
        name="l",
        address=parse_address("192.0.2.1:53"),
        cluster="c",
        max_flows=1,
        new_flows_per_second=100,
        deny=(ip_network("198.18.0.0/15"),),
    )
    caps.settings_changed(0.0, settings)
    caps.check_settings(settings)
    assert caps.shed(0.0, B) == "max_flows"
    assert caps.denies(A)
    assert caps.bar(A) == "denied"
    caps.closed(A)
    assert caps.shed(0.0, B) == "new_flows_per_second", "the bucket was empty"
    assert caps.shed(0.5, B) is None
    caps.settings_changed(0.5, replace(settings, deny=(), allow=(ip_network("192.0.2.0/24"),)))
    assert caps.denies(A)
    caps.settings_changed(0.5, replace(settings, deny=()))
    assert not caps.denies(A)


def test_a_refusal_is_foretold_and_takes_nothing() -> None:
    caps = admission(
        max_flows=2, max_flows_per_source=1, new_flows_per_second=1, own=("0.0.0.0:9",)
    )
    for _ in range(3):
        assert caps.refusal(0.0, A) is None
    assert caps.refusal(0.0, parse_address("127.0.0.1:9")) == "bad_source"
    assert caps.refusal(0.0, A._replace(port=0)) == "bad_source"
    assert caps.shed(0.0, A) is None
    caps.admitted(A)
    assert caps.refusal(0.0, A) == "max_flows_per_source"
    assert caps.refusal(0.0, B) == "new_flows_per_second"
    assert caps.refusal(1.0, B) is None
    caps.draining = True
    assert caps.refusal(1.0, B) == "draining"
