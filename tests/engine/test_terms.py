"""The terms of filters: which flows they let through."""

from __future__ import annotations

import dataclasses
from ipaddress import IPv6Address
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from udplb.core.address import Address, normal_ip
from udplb.core.backend import Backend
from udplb.core.flow import Flow, State, client_of
from udplb.core.settings import BackendSettings, FlowTerms, HealthSettings
from udplb.engine import terms as terms_module
from udplb.engine.filtering import parse_filter

NOW = 1_000.0
BACKENDS = {
    name: Backend(
        BackendSettings(address=Address(normal_ip(f"10.0.0.{n}"), 53), name=name),
        HealthSettings(),
        b"0",
    )
    for n, name in enumerate(("edge-1", "Edge 4"), 1)
}


def flow(
    client_address: Any = ("203.0.113.7", 5353), backend: str = "edge-1", **attributes: Any
) -> Flow:
    """100 s old, idle for 10 s, with 30 requests of 3,000 bytes and 20 replies of 1,000."""
    made = Flow(
        serial=1,
        key=client_address,
        client=client_of(client_address),
        client_address=client_address,
        local=None,
        backend=BACKENDS[backend],
        terms=FlowTerms(),
        now=NOW - 100,
    )
    made.last_request_at, made.last_reply_at = NOW - 20, NOW - 10
    made.requests, made.request_bytes, made.replies, made.reply_bytes = 30, 3_000, 20, 1_000
    for name, value in attributes.items():
        setattr(made, name, value)
    return made


V6 = ("2001:db8::7", 5353, 0, 0)
MAPPED = ("::ffff:203.0.113.7", 5353, 0, 0)

HOLD: list[tuple[str, Flow]] = [
    ("", flow()),
    ("203.0.113", flow()),
    ("13.7:53", flow()),
    ("203.0.113.7:5353", flow(MAPPED)),
    ("2001:DB8", flow(V6)),
    ("[2001:db8::7]:5353", flow(V6)),
    ("EDGE-1", flow()),
    ('"ge 4"', flow(backend="Edge 4")),
    ('"edge 4"', flow(backend="Edge 4")),
    ("10.0.0.1:53", flow()),
    ("curr", flow()),
    ("leaving", flow(state=State.LEAVING)),
    ("DN", flow()),
    ("backend=edge-1", flow()),
    ("backend=10.0.0.1:53", flow()),
    ("backend=10.0.0.2:53", flow(backend="Edge 4")),
    ("cluster=web", flow()),
    ("listener=dns", flow()),
    ("client=203.0.113.0/24", flow()),
    ("client=203.0.113.0/24", flow(MAPPED)),
    ("client=203.0.113.7", flow()),
    ("client=203.0.113.7:5353", flow()),
    ("client=203.0.113.6/31", flow()),
    ("client=203.0.113.7/32", flow()),
    ("client=203.0.113.0/29", flow(("203.0.113.0", 1))),
    ("client=2001:db8::/32", flow(V6)),
    ("client=[2001:db8::7]:5353", flow(V6)),
    ("client=0.0.0.0/0", flow()),
    ("state=current", flow()),
    ("state=leaving", flow(state=State.LEAVING)),
    ("idle<10.1", flow()),
    ("idle>9.9", flow()),
    ("idle<=10s", flow()),
    ("idle>=10s", flow()),
    ("idle<5s", flow(last_request_at=NOW - 4)),
    ("age>99s", flow()),
    ("age<101s", flow()),
    ("bytes=4000", flow()),
    ("bytes>=4kB", flow()),
    ("bytes<1MiB", flow()),
    ("requests=30", flow()),
    ("requests>29", flow()),
    ("replies<=20", flow()),
    ("replies=0", flow(replies=0)),
    ("rate=0.5", flow()),
    ("pps>0.4", flow()),
    ("edge dns !leaving idle>1s client=203.0.113.0/24", flow()),
    ("!backend=edge-4 !listener=web !client=10.0.0.0/8 !rate>100", flow()),
    ("!client=0.0.0.0/0", flow(V6)),
]

HOLD_NOT: list[tuple[str, Flow]] = [
    ("203.0.114", flow()),
    ("ffff", flow(MAPPED)),
    ("edge 4", flow()),
    ("web", flow()),
    ("leaving", flow()),
    ("closed", flow()),
    ("backend=edge", flow()),
    ("backend=10.0.0.1", flow()),
    ("backend=EDGE-1", flow()),
    ("cluster=we", flow()),
    ("listener=dn", flow()),
    ("client=203.0.112.0/24", flow()),
    ("client=203.0.113.8/31", flow()),
    ("client=203.0.113.4/31", flow()),
    ("client=203.0.113.7:5354", flow()),
    ("client=203.0.113.8:5353", flow()),
    ("client=203.0.113.8/29", flow(("203.0.113.16", 1))),
    ("client=::/0", flow()),
    ("client=0.0.0.0/0", flow(V6)),
    ("client=::/64", flow(("0.0.0.1", 1))),
    ("state=leaving", flow()),
    ("state=current", flow(state=State.LEAVING)),
    ("idle<10s", flow()),
    ("idle>10s", flow()),
    ("age<99s", flow()),
    ("bytes=3000", flow()),
    ("bytes=1000", flow()),
    ("requests=20", flow()),
    ("replies=30", flow()),
    ("rate>0.5", flow()),
    ("edge leaving", flow()),
    ("leaving edge", flow()),
    ("edge dns leaving", flow()),
    ("!edge", flow()),
    ("!listener=dns", flow()),
    ("!idle>1s", flow()),
]


@pytest.mark.parametrize(("text", "one"), HOLD)
def test_a_flow_that_matches(text: str, one: Flow) -> None:
    assert parse_filter(text).matches(one, "dns", NOW, "web")
    bound = parse_filter(text).on("dns", "web")
    assert bound is True or (bound is not False and bound(one, NOW))


@pytest.mark.parametrize(("text", "one"), HOLD_NOT)
def test_a_flow_that_does_not(text: str, one: Flow) -> None:
    assert not parse_filter(text).matches(one, "dns", NOW, "web")


@pytest.mark.parametrize(
    ("text", "bound"),
    [
        ("", True),
        ("listener=dns", True),
        ("listener=dns cluster=web dn !listener=x", True),
        ("listener=other edge", False),
        ("edge !cluster=web", False),
        ("!d", False),
    ],
)
def test_what_is_the_same_for_all_flows_of_a_listener_is_known_at_once(
    text: str, bound: bool
) -> None:
    assert parse_filter(text).on("dns", "web") is bound


@pytest.mark.parametrize(
    ("text", "needs"),
    [("", False), ("idle<3 edge", False), ("rate>3", True), ("edge !pps<3", True)],
)
def test_a_filter_says_whether_it_needs_rates(text: str, needs: bool) -> None:
    assert parse_filter(text).needs_rates is needs


def test_a_backend_is_judged_once_a_walk_and_anew_in_the_next() -> None:
    settings = BackendSettings(address=Address(normal_ip("10.0.0.9"), 53), name="old")
    backend = Backend(settings, HealthSettings(), b"0")
    one = flow()
    one.backend = backend
    for text in ("old", "backend=old"):
        filter_ = parse_filter(text)
        bound = filter_.on("dns", "web")
        assert not isinstance(bound, bool)
        backend.settings = settings
        assert bound(one, NOW)
        backend.settings = BackendSettings(address=settings.address, name="new")
        assert bound(one, NOW), "a walk sees one name"
        assert not filter_.matches(one, "dns", NOW)


def test_nothing_of_a_filter_can_be_changed() -> None:
    terms = parse_filter("a !b idle<3 client=::1 state=leaving backend=x cluster=y listener=z")
    for each in (terms, *terms.terms):
        assert dataclasses.is_dataclass(each)
        for field in dataclasses.fields(each):
            with pytest.raises(AttributeError):
                setattr(each, field.name, None)


hosts = st.one_of(
    st.ip_addresses(v=4).map(str),
    st.ip_addresses(v=4).map("::ffff:{}".format),
    # The socket spells smaller ones otherwise than ipaddress does (::192.0.2.1): nobody has them.
    st.integers(1 << 48, (1 << 128) - 1).map(lambda number: str(IPv6Address(number))),
)


@given(host=hosts, port=st.integers(0, 65_535))
def test_a_client_is_spelled_as_people_see_it(host: str, port: int) -> None:
    client: Any = (host, port) if ":" not in host else (host, port, 0, 0)
    assert terms_module._spelled(client) == str(client_of(client))


def test_a_link_local_client_is_spelled_with_its_interface() -> None:
    client = ("fe80::1%eth0", 53, 0, 2)
    assert terms_module._spelled(client) == str(client_of(client)) == "[fe80::1%eth0]:53"
