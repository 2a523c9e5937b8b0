"""dnsdist as a backend that insists on PROXY headers: it answers by who the client is."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness import Udp, need, until
from tests.programs import free_port, process, udplb
from udplb.core.address import Address, normal_ip
from udplb.core.proxy_protocol import LOCAL, header

pytestmark = pytest.mark.e2e

QUESTION = bytes.fromhex("0100 0001 0000 0000 0000 04686f7374 07657861 6d706c65 00 0001 0001")
"""host.example, A; two bytes of id go before it."""

ANSWERS = {"127.0.0.5": "192.0.2.5", "127.0.0.6": "192.0.2.6", "::1": "192.0.2.61"}
"""What dnsdist answers to each client."""
ASKED_AT, ANSWER_THERE = "127.0.0.8", "192.0.2.8"
"""Who sends to this address gets this answer, whoever it is."""
ANSWER_TO_OTHERS = "192.0.2.255"
"""It means that dnsdist did not learn who asked."""

MODES = ("first", "until_reply", "every")


def rule(network: str, answer: str, *, source: str = "true") -> str:
    """An answer for everybody in a network, or for everything sent to it."""
    return f"""
nmg = newNMG()
nmg:addMask("{network}")
addAction(NetmaskGroupRule(nmg, {source}), SpoofAction({{"{answer}"}}))
"""


@pytest.fixture(scope="module")
def dnsdist(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A dnsdist of our own, on 127.0.0.1 and ::1; its port."""
    port = free_port()
    file = tmp_path_factory.mktemp("dnsdist") / "dnsdist.conf"
    file.write_text(
        f"""
setSecurityPollSuffix("")
setLocal("127.0.0.1:{port}")
addLocal("[::1]:{port}")
setACL({{"127.0.0.0/8", "::1/128"}})
setProxyProtocolACL({{"127.0.0.0/8", "::1/128"}})
"""
        + rule(ASKED_AT, ANSWER_THERE, source="false")
        + "".join(rule(client, answer) for client, answer in ANSWERS.items())
        + f'addAction(AllRule(), SpoofAction({{"{ANSWER_TO_OTHERS}"}}))\n'
    )
    with process([need("dnsdist"), "--supervised", "--disable-syslog", "-C", file]):
        until(lambda: answers("127.0.0.1", port), "dnsdist answers over IPv4")
        until(lambda: answers("::1", port), "dnsdist answers over IPv6")
        yield port


def answers(host: str, port: int) -> bool:
    """Whether it answers a probe, which speaks in its own name."""
    asker = Udp(host)
    asker.settimeout(0.2)
    expected = ANSWERS.get(host, ANSWER_TO_OTHERS)
    try:
        return answer_of(asker.ask(LOCAL + b"\0\0" + QUESTION, (host, port))) == expected
    except (TimeoutError, ConnectionError):
        return False


def answer_of(reply: bytes) -> str:
    """The address that the one record of a reply holds."""
    assert reply[3] & 0x0F == 0, "NOERROR"
    assert int.from_bytes(reply[6:8], "big") == 1, "one record"
    return socket.inet_ntoa(reply[-4:])


def test_dnsdist_insists_on_a_header(dnsdist: int) -> None:
    """What has none is not answered: an answer in the tests below proves that one was there."""
    client, at = Udp(), ("127.0.0.1", dnsdist)
    ours = header(Address(normal_ip("127.0.0.5"), 5), Address(normal_ip("127.0.0.1"), 53))
    client.sendto(b"\0\1" + QUESTION, at)
    reply = client.ask(ours + b"\0\2" + QUESTION, at)
    assert (reply[:2], answer_of(reply)) == (b"\0\2", ANSWERS["127.0.0.5"])
    assert client.waiting() == []


def lines(mode: str, backend: str, **knobs: int) -> str:
    """A cluster with one backend, for the configuration file."""
    written = "".join(f"{name} = {value}\n" for name, value in knobs.items())
    return f"""proxy_protocol = "{mode}"
{written}[[clusters.e2e.backends]]
address = "{backend}"
"""


@pytest.mark.parametrize("backend", ["127.0.0.1", "[::1]"])
@pytest.mark.parametrize("mode", MODES)
def test_each_client_gets_its_own_answer(
    dnsdist: int, tmp_path: Path, mode: str, backend: str
) -> None:
    """A dual-stack listener: clients and backends of both families, a new flow per query."""
    port = free_port()
    with udplb(tmp_path, port, [], host="[::]", cluster=lines(mode, f"{backend}:{dnsdist}")):
        for _ in range(3):
            for host, answer in ANSWERS.items():
                asked = "::1" if ":" in host else "127.0.0.1"
                reply = Udp(host).ask(b"\0\1" + QUESTION, (asked, port))
                assert answer_of(reply) == answer
        reply = Udp("127.0.0.5").ask(b"\0\1" + QUESTION, (ASKED_AT, port))
        assert answer_of(reply) == ANSWER_THERE, "the destination is told, too"


@pytest.mark.parametrize(("host", "backend"), [("127.0.0.6", "127.0.0.1"), ("::1", "[::1]")])
@pytest.mark.parametrize("mode", MODES)
def test_one_client_many_queries(
    dnsdist: int, tmp_path: Path, mode: str, host: str, backend: str
) -> None:
    """dnsdist wants a header on each: `every` gives it; else each query has a flow of its own."""
    knobs = {} if mode == "every" else {"requests": 1, "responses": 1}
    port = free_port()
    listen = "[::1]" if ":" in host else "127.0.0.1"
    cluster = lines(mode, f"{backend}:{dnsdist}", **knobs)
    with udplb(tmp_path, port, [], host=listen, cluster=cluster):
        client, at = Udp(host), (listen.strip("[]"), port)
        client.connect(at)
        for start in range(0, 200, 20):  # in pieces that dnsdist's socket buffer holds
            ids = [number.to_bytes(2, "big") for number in range(start, start + 20)]
            for each in ids:
                client.send(each + QUESTION)
            replies = {reply[:2]: answer_of(reply) for reply in client.gather(len(ids))}
            assert replies == dict.fromkeys(ids, ANSWERS[host])


@pytest.mark.parametrize("mode", MODES)
def test_nobody_forges_a_header(dnsdist: int, tmp_path: Path, mode: str) -> None:
    """A client that pretends to be another is nobody else; what it sent is no query then."""
    port = free_port()
    with udplb(tmp_path, port, [], cluster=lines(mode, f"127.0.0.1:{dnsdist}")):
        liar, at = Udp("127.0.0.6"), ("127.0.0.1", port)
        assert answer_of(liar.ask(b"\0\1" + QUESTION, at)) == ANSWERS["127.0.0.6"]
        forged = header(Address(normal_ip("127.0.0.5"), 5), Address(normal_ip("127.0.0.1"), port))
        liar.sendto(forged + b"\0\2" + QUESTION, at)
        reply = Udp("127.0.0.6").ask(b"\0\3" + QUESTION, at)
        assert answer_of(reply) == ANSWERS["127.0.0.6"]
        assert [reply for reply in liar.waiting() if reply[:2] == b"\0\2"] == []
