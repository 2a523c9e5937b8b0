"""Explaining: what is told agrees with where the next flow goes."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_network
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from tests.harness import Proxy, Servers, Udp, configuration, proxy
from udplb.core.settings import Balance, FlowTerms, HealthSettings
from udplb.engine.control.explaining import FLOWS_MAX
from udplb.engine.control.requests import Explain, Explanation, Refused, SetWeight


def explain(p: Proxy, client: Udp | str, *without: str) -> Explanation:
    word = client if isinstance(client, str) else "{}:{}".format(*client.name)
    return p.ask(Explain(listener="l0", client=word, without=without))


@pytest.mark.parametrize("affinity", [True, False])
@pytest.mark.parametrize("balance", ["hrw", "maglev", "round_robin", "least_flows"])
def test_agrees_with_where_the_next_flow_goes(balance: Balance, affinity: bool) -> None:
    with (
        Servers(4) as servers,
        proxy(configuration(*servers.names, balance=balance, source_affinity=affinity)) as p,
    ):
        p.ask(SetWeight(cluster="c", backend="b1", weight=3))
        for number in range(20):
            client = Udp(f"127.0.0.{1 + number}")
            told = explain(p, client)
            assert (told.balance, told.cluster, told.barred, told.flows) == (balance, "c", None, ())
            assert told.chosen is not None
            assert told.chosen in told.why
            assert told.ranked[0].name == told.chosen
            assert sorted(each.name for each in told.ranked) == ["b0", "b1", "b2", "b3"]
            question = b"%d" % number
            client.ask(question, p.at)
            (went,) = (n for n, each in enumerate(servers.received) if question in each)
            assert told.chosen == f"b{went}"
            (flow,) = explain(p, client).flows
            assert (flow.backend, flow.state, flow.requests) == (told.chosen, "current", 1)
            assert 0 <= flow.idle_s <= flow.age_s < 30 - flow.ends_in_s + 1


def test_chance_is_not_foretold() -> None:
    with Servers(2) as servers, proxy(configuration(*servers.names, balance="random")) as p:
        told = explain(p, "192.0.2.1:5")
        assert told.chosen is None
        assert "chance" in told.why
        assert (told.affinity, told.hash_key, told.hash) == (None, None, None)


def test_as_if_some_were_down() -> None:
    with Servers(3) as servers, proxy(configuration(*servers.names, balance="hrw")) as p:
        first = explain(p, "192.0.2.1:5")
        names = [each.name for each in first.ranked]
        second = explain(p, "192.0.2.1:5", names[0])
        assert second.chosen == names[1]
        assert second.ranked[-1].name == names[0]
        assert not second.ranked[-1].usable
        host, port = servers.names[int(names[0][1])]
        for spelled in (f"{host}:{port}", f"[::ffff:{host}]:{port}", f"[::FFFF:7f00:1]:{port}"):
            assert explain(p, "192.0.2.1:5", spelled) == second
        all_down = explain(p, "192.0.2.1:5", *names)
        assert all_down.chosen == names[0]
        assert "no backend is up" in all_down.why


def test_a_drained_and_a_down_backend_say_why() -> None:
    health = HealthSettings(refusals=1, refusal_window=60, fail_open=False)
    with Servers(2) as servers, proxy(configuration(*servers.names, health=health)) as p:
        p.drain("c", "b1")
        servers.kill(0)
        client = Udp()
        client.sendto(b"x", p.at)
        p.until(lambda p: not p.backends[0].up)
        told = explain(p, "192.0.2.1:5")
        assert told.chosen is None
        assert told.barred == "no_backend"
        assert [each.usable for each in told.ranked] == [False, False]
        notes = {each.name: each.note for each in told.ranked}
        assert notes["b0"].startswith("down: ")
        assert notes["b1"] == "draining"


def test_what_bars_a_client_and_its_last_drop() -> None:
    with Servers() as servers:
        wanted = configuration(*servers.names, source_affinity=True)
        (listener,) = wanted.listeners
        wanted = replace(
            wanted, listeners=(replace(listener, deny=(ip_network("127.0.0.2"),), max_flows=1),)
        )
        with proxy(wanted) as p:
            denied = Udp("127.0.0.2")
            denied.sendto(b"x", p.at)
            p.until(lambda p: p.listener.dropped == {"denied": 1})
            for word in ("{}:{}".format(*denied.name), "127.0.0.2"):
                told = explain(p, word)
                assert told.barred == "denied"
                assert told.last_drop is not None
                assert told.last_drop.reason == "denied"
                assert told.last_drop.ago_s >= 0
            assert explain(p, "127.0.0.2:9").last_drop is None, "another port is another client"
            Udp().ask(b"x", p.at)
            for word in ("127.0.0.3:7", "127.0.0.3"):
                told = explain(p, word)
                assert (told.barred, told.last_drop) == ("max_flows", None)
                assert told.chosen == "b0"
            assert explain(p, "{}:{}".format("127.0.0.1", p.port)).barred == "bad_source"


def test_the_port_may_be_left_out_where_it_does_not_matter() -> None:
    with Servers(2) as servers:
        by_source = configuration(*servers.names, balance="hrw", source_affinity=True)
        with proxy(by_source) as p:
            told = explain(p, "127.0.0.1")
            assert (told.client, told.hash_key, told.affinity) == (
                "127.0.0.1", "127.0.0.1", "source_ip",
            )  # fmt: skip
            assert explain(p, "[::1]").client == "::1"
            assert explain(p, "::1").hash_key == "::1"
        with proxy(configuration(*servers.names, balance="hrw")) as p:
            with pytest.raises(Refused, match="hashes the port, too") as refused:
                explain(p, "127.0.0.1")
            assert refused.value.code == "bad_request"
            client = Udp()
            client.ask(b"x", p.at)
            assert explain(p, "127.0.0.1").client == "{}:{}".format(*client.name), "its only flow"
            Udp().ask(b"x", p.at)
            with pytest.raises(Refused):
                explain(p, "127.0.0.1")
        with proxy(configuration(*servers.names, balance="round_robin")) as p:
            assert explain(p, "127.0.0.1").chosen == "b0", "no port is hashed"


def test_all_flows_of_a_client_the_current_one_first() -> None:
    terms = FlowTerms(requests=1, back_timeout=60)
    with Servers() as servers, proxy(configuration(*servers.names, terms=terms)) as p:
        client = Udp()
        for _ in range(3):
            client.ask(b"x", p.at)
        p.until(lambda p: p.listener.flows == 3)
        told = explain(p, client)
        assert [each.state for each in told.flows] == ["leaving"] * 3
        assert [each.id for each in told.flows] == [3, 2, 1], "the youngest first"
        for _ in range(FLOWS_MAX):
            client.ask(b"x", p.at)
        assert len(explain(p, client).flows) == FLOWS_MAX


@pytest.mark.parametrize(
    ("request_", "code", "message"),
    [
        (Explain(listener="x", client="192.0.2.1:5"), "not_found", "there is no listener x"),
        (Explain(listener="l0", client="nobody"), "bad_request", 'client "nobody"'),
        (Explain(listener="l0", client="192.0.2.1:0"), "bad_request", "port"),
        (Explain(listener="l0", client="192.0.2.1:65536"), "bad_request", "port"),
        (
            Explain(listener="l0", client="192.0.2.1:5", without=("x",)),
            "not_found",
            "cluster c has no backend x; there are: b0",
        ),
    ],
)
def test_who_is_not_there(request_: Explain, code: str, message: str) -> None:
    with Servers() as servers, proxy(configuration(*servers.names)) as p:
        with pytest.raises(Refused) as refused:
            p.ask(request_)
        assert refused.value.code == code
        assert message in refused.value.message


@pytest.fixture(scope="module")
def lasting() -> Any:
    with Servers(2) as servers, proxy(configuration(*servers.names)) as p:
        yield p


ODD = some.one_of(
    some.text(min_size=1, max_size=60),
    some.text(alphabet="0123456789abcdef.:[]%/- ", min_size=1, max_size=60),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    client=ODD, listener=some.one_of(some.just("l0"), ODD), backend=some.one_of(some.none(), ODD)
)
def test_whatever_is_asked_is_answered_or_refused(
    lasting: Proxy, client: str, listener: str, backend: str | None
) -> None:
    without = () if backend is None else (backend,)
    codes = set()
    try:
        lasting.ask(Explain(listener=listener, client=client, without=without))
    except Refused as refused:
        codes.add(refused.code)
    assert codes <= {"bad_request", "not_found"}
