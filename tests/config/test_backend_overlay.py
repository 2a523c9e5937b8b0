"""One backend's part of an overlay: laid over what the file says, and without what it says."""

from __future__ import annotations

from dataclasses import replace

import pytest

from udplb.config.backend_overlay import FIELDS, BackendOverlay, desired
from udplb.core.address import parse_address
from udplb.core.settings import BackendSettings, ClusterSettings

ADDRESS = parse_address("10.0.0.1:53")
BASE = BackendSettings(address=ADDRESS, name="one", weight=3, backup=True)
NOTHING = BackendOverlay(cluster="c", address=ADDRESS)
CLUSTER = ClusterSettings(
    name="c",
    backends=(
        BASE,
        BackendSettings(address=parse_address("10.0.0.2:53"), name="two"),
    ),
)


def test_nothing_is_nothing() -> None:
    assert not NOTHING
    assert NOTHING.over(BASE) == BASE
    assert NOTHING.settled(BASE) == NOTHING.settled(None) == NOTHING


def test_what_is_set_wins_over_the_file() -> None:
    part = replace(NOTHING, weight=0, state="drain")
    assert part.over(BASE) == replace(BASE, weight=0, state="drain")
    assert part.fields == {"weight": 0, "state": "drain"}
    assert len(part) == 2
    assert set(part.fields) < set(FIELDS)


def test_an_added_backend_is_what_a_file_means_that_writes_its_address_alone() -> None:
    part = replace(NOTHING, present=True)
    assert part.over(None) == BackendSettings(address=ADDRESS, name="10.0.0.1:53")
    assert len(part) == 1


@pytest.mark.parametrize(
    ("part", "base", "settled"),
    [
        (replace(NOTHING, weight=3), BASE, NOTHING),
        (replace(NOTHING, weight=4, name="one"), BASE, replace(NOTHING, weight=4)),
        (replace(NOTHING, present=True, weight=4), BASE, replace(NOTHING, weight=4)),
        (replace(NOTHING, present=False, weight=4), BASE, replace(NOTHING, present=False)),
        (replace(NOTHING, present=False), None, NOTHING),
        (replace(NOTHING, weight=4), None, NOTHING),
        (
            replace(NOTHING, present=True, weight=1, name="10.0.0.1:53", state="active"),
            None,
            replace(NOTHING, present=True),
        ),
    ],
)
def test_what_the_file_says_is_no_entry(
    part: BackendOverlay, base: BackendSettings | None, settled: BackendOverlay
) -> None:
    assert part.settled(base) == settled
    assert settled.settled(base) == settled


def test_a_cluster_with_one_removed_and_one_added() -> None:
    new = parse_address("10.0.0.9:53")
    parts = {
        new: BackendOverlay(cluster="c", address=new, present=True, weight=9),
        ADDRESS: replace(NOTHING, present=False),
    }
    found = desired(CLUSTER, parts)
    assert [(each.name, each.weight) for each in found.backends] == [("two", 1), ("10.0.0.9:53", 9)]
    assert replace(found, backends=CLUSTER.backends) == CLUSTER


def test_a_part_of_a_backend_that_is_not_there_does_nothing() -> None:
    gone = parse_address("10.0.0.9:53")
    parts = {gone: BackendOverlay(cluster="c", address=gone, weight=9)}
    assert desired(CLUSTER, parts) == CLUSTER
    parts = {ADDRESS: replace(NOTHING, present=True, weight=9)}
    assert len(desired(CLUSTER, parts).backends) == 2
