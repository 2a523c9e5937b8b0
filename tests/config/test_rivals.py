"""No two backends of a cluster answer to the same word, nor does one stand on our own listener."""

from __future__ import annotations

import pytest

from tests.config.overlays import DNS
from udplb.config.relations import looping_to
from udplb.config.rivals import Called, address_meant, listening_of
from udplb.core.address import parse_address
from udplb.core.settings import BackendSettings


def backend(address: str, name: str = "") -> BackendSettings:
    return BackendSettings(address=parse_address(address), name=name or address)


THERE = (
    backend("10.0.0.1:53"),
    backend("10.0.0.2:53", "two"),
    backend("10.0.0.3:53", "10.0.0.4:1"),
)


@pytest.mark.parametrize(
    ("newcomer", "why"),
    [
        (backend("10.0.0.9:53"), None),
        (backend("10.0.0.9:53", "nine"), None),
        (backend("10.0.0.2:54"), None),
        (backend("10.0.0.1:53", "one"), "10.0.0.1:53 is there already"),
        (backend("10.0.0.2:53", "other"), "10.0.0.2:53 is there already, as two"),
        (backend("10.0.0.9:53", "two"), "10.0.0.2:53 is called two already"),
        (backend("10.0.0.9:53", "10.0.0.2:53"), "10.0.0.2:53 is another backend's address"),
        (backend("10.0.0.4:1", "four"), "10.0.0.3:53 is called 10.0.0.4:1 already"),
        (backend("10.0.0.9:53", "10.0.0.9:53"), None),
    ],
)
def test_words_are_taken_once(newcomer: BackendSettings, why: str | None) -> None:
    assert Called(THERE).rival(newcomer) == why


def test_who_was_added_has_its_words() -> None:
    called = Called()
    assert called.rival(THERE[1]) is None
    called.add(THERE[1])
    assert called.rival(THERE[1]) == "10.0.0.2:53 is there already, as two"


def test_a_word_may_mean_an_address() -> None:
    assert address_meant("[::ffff:10.0.0.1]:53") == parse_address("10.0.0.1:53")
    assert address_meant("edge-1") is None


def test_our_own_listeners_are_known_by_their_names() -> None:
    listening = listening_of(DNS)
    assert looping_to(parse_address("192.0.2.1:80"), listening) == "web"
    assert looping_to(parse_address("127.0.0.9:53"), listening) == "dns"
    assert looping_to(parse_address("192.0.2.1:53"), listening) is None
