from __future__ import annotations

import pytest

from tests.show.pictures import HOSTILE, NOW, backend, backends, drain, later, snapshot
from udplb.engine.snapshot import BackendSnapshot
from udplb.show.backends import note_on, page_of_backends, target_of
from udplb.show.paces import paces_between
from udplb.show.plain import text_of


def rows(*given: BackendSnapshot) -> list[dict[str, str]]:
    header, *lines = text_of(page_of_backends(given, NOW)).splitlines()
    names = header.split()
    return [dict(zip(names, each.split(maxsplit=len(names) - 1), strict=True)) for each in lines]


def test_a_row_for_programs() -> None:
    assert rows(backend()) == [
        {
            "BACKEND": "dns/edge-1", "ADDRESS": "10.0.0.11:5000", "STATE": "UP", "WEIGHT": "1",
            "FLOWS": "106", "REQUESTS": "9201", "REPLIES": "9000", "REQUEST_BYTES": "629145",
            "REPLY_BYTES": "47185920", "PROBE_LATENCY_S": "0.000800", "FIRST_REPLY_S": "0.001200",
            "ANSWERED_SHARE": "0.9800", "REFUSALS": "0", "NOTE": "-",
        }
    ]  # fmt: skip


def test_every_state_is_one_word() -> None:
    assert [row["STATE"] for row in rows(*backends())] == [
        "UP", "UP", "DRAIN", "DRAINED", "DOWN", "EJECTED", "TRIAL", "UP",
    ]  # fmt: skip


def test_programs_get_the_address_of_a_backend_without_a_name() -> None:
    nameless = backend("10.0.0.12:5000", address="10.0.0.12:5000")
    assert rows(nameless)[0]["ADDRESS"] == "10.0.0.12:5000"
    assert target_of(nameless) == "dns/10.0.0.12:5000"


@pytest.mark.parametrize(
    ("given", "note"),
    [
        (backend(), ""),
        (backend(reason="2 probes succeeded"), ""),
        (backend(up=False, reason="refused", changed_at=NOW - 36), "for 36s: refused"),
        (backend(up=False, reason="refused", changed_at=None), "refused"),
        (backend(draining=True), "drains since the start"),
        (
            backend(draining=True, drain=drain(drained=True), up=False, reason="refused"),
            "begun 38s ago; down: refused",
        ),
        (backend(weight=0), "no new flows: weight 0"),
        (backend(backup=True, unreachable=2), "backup; no route 2 times"),
        (backend(ejections=1, standing="on_trial"), "ejected once"),
    ],
)
def test_what_to_know_beside_the_state(given: BackendSnapshot, note: str) -> None:
    assert note_on(given, NOW) == note


def test_paces_are_of_the_same_address() -> None:
    paces = paces_between(snapshot(), later(2))
    header, first, *_ = text_of(page_of_backends(backends(), NOW, paces)).splitlines()
    at = header.split().index("REQUESTS_PER_S")
    assert first.split()[at] == "0.0"
    other = text_of(page_of_backends((backend(address="10.9.9.9:1"),), NOW, paces))
    assert other.splitlines()[1].split()[at] == "-"


def test_a_hostile_name_is_one_word() -> None:
    assert rows(backend(HOSTILE))[0]["STATE"] == "UP"
