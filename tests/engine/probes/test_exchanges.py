"""The table of probes, and what all of its exchanges keep."""

from __future__ import annotations

import subprocess
import sys
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.engine.probes.replies import PATH, token_of
from tests.harness import REPOSITORY
from udplb.core.settings import PROBE_BYTES_MAX, SERVICE_PROBES, HealthSettings, Probe
from udplb.engine.probes.exchanges import EXCHANGES

HEALTH = HealthSettings(
    send=b"ping", expect=b"pong-from-a-server", secret=b"s3cret", query_name="host.example"
)
BUILT = {probe: build(HEALTH) for probe, build in EXCHANGES.items()}
WITH_TOKEN = [probe for probe, exchange in BUILT.items() if exchange.token_bytes]


def test_every_probe_of_the_settings_is_there() -> None:
    assert set(EXCHANGES) == set(get_args(Probe)) - {"off", "tcp"}


def test_all_but_tcp_see_the_service() -> None:
    assert set(EXCHANGES) == SERVICE_PROBES


@pytest.mark.parametrize("probe", EXCHANGES)
def test_a_request_is_made_of_its_token_alone(probe: Probe) -> None:
    exchange = BUILT[probe]
    token = token_of(exchange)
    request = exchange.request(token, PATH)
    assert request == exchange.request(token, PATH)
    assert len(request) <= PROBE_BYTES_MAX


@pytest.mark.parametrize("probe", WITH_TOKEN)
def test_another_token_makes_another_request(probe: Probe) -> None:
    exchange = BUILT[probe]
    assert exchange.request(token_of(exchange, 1), PATH) != exchange.request(
        token_of(exchange, 2), PATH
    )


@pytest.mark.parametrize("probe", EXCHANGES)
def test_its_own_request_is_no_reply(probe: Probe) -> None:
    """Whoever sends everything back is no server of this kind."""
    exchange = BUILT[probe]
    token = token_of(exchange)
    assert exchange.judge(exchange.request(token, PATH), token) is None


@pytest.mark.parametrize("probe", EXCHANGES)
@given(reply=st.binary(max_size=600))
def test_garbage_is_no_reply(probe: Probe, reply: bytes) -> None:
    exchange = BUILT[probe]
    assert exchange.judge(reply, token_of(exchange)) is None


@pytest.mark.parametrize("probe", EXCHANGES)
@given(changes=st.lists(st.tuples(st.integers(0, 600), st.integers(0, 255)), min_size=1))
def test_a_garbled_echo_raises_nothing(probe: Probe, changes: list[tuple[int, int]]) -> None:
    exchange = BUILT[probe]
    token = token_of(exchange)
    garbled = bytearray(exchange.request(token, PATH) + bytes(40))
    for place, value in changes:
        garbled[place % len(garbled)] = value
    judgement = exchange.judge(bytes(garbled), token)
    assert judgement is None or judgement.good or judgement.why.isprintable()


def in_a_fresh_interpreter(script: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", f"import sys\nsys.path[:0] = [{str(REPOSITORY)!r}]\n{script}"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_the_library_of_the_dns_probe_is_imported_for_a_dns_probe_alone() -> None:
    in_a_fresh_interpreter("""
import udplb.engine.engine
from udplb.core.settings import HealthSettings
from udplb.engine.probes.exchanges import EXCHANGES
for probe in EXCHANGES.keys() - {"dns"}:
    EXCHANGES[probe](HealthSettings(send=b"x", secret=b"s"))
assert "dns" not in sys.modules
EXCHANGES["dns"](HealthSettings())
assert "dns" in sys.modules
""")


def test_what_a_probe_needs_can_be_loaded_before() -> None:
    in_a_fresh_interpreter("""
from udplb.core.settings import HealthSettings
from udplb.engine.probes.exchanges import EXCHANGES, load
for probe in ("off", "tcp", *(EXCHANGES.keys() - {"dns"})):
    load(probe)
assert "dns" not in sys.modules
load("dns")
there = set(sys.modules)
EXCHANGES["dns"](HealthSettings())
assert set(sys.modules) - there <= {"dns.rdtypes.ANY.SOA", "dns.rdtypes.ANY.NS"}
""")
