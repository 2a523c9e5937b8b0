"""Looking: one moment, that stays what it was while the console is paused."""

from __future__ import annotations

import pytest

from tests.tui import scenes
from tests.tui.fake_proxy import NOW
from tests.tui.panes.looks import look_at, named, of_backends, surroundings
from udplb.client import Lost
from udplb.tui.panes.looking import Looker


def test_without_a_picture_there_is_no_look() -> None:
    assert Looker(surroundings()).look(NOW) is None


def test_states_are_glyph_word_and_colour_and_slow_stands_for_up() -> None:
    look = look_at()
    states = {name: look.state(named(look, name)) for name in (
        "edge-1", "edge-3", "edge-4", "edge-5", "edge-6",
    )}  # fmt: skip
    assert {name: (each.text, each.ink) for name, each in states.items()} == {
        "edge-1": ("● UP", "up"),
        "edge-3": ("◐ DRAIN", "drain"),
        "edge-4": ("▲ SLOW", "slow"),
        "edge-5": ("▲ TRIAL", "trial"),
        "edge-6": ("✖ EJECTED", "down"),
    }


def test_what_an_operator_wants_is_said_before_slow() -> None:
    drained = tuple(
        scenes.backend(name, n, draining=name == "b", probe_latency_s=0.02 if n > 1 else 0.001)
        for n, name in enumerate(("a", "A", "b"))
    )
    look = look_at(of_backends(*drained), of_backends(*drained, whole=scenes.busy(step=1)))
    assert ("game", "10.0.0.12:5000") in look.slow
    assert look.word(named(look, "b")) == "DRAIN"


def test_shares_are_of_the_own_cluster() -> None:
    look = look_at()
    game = sum(each.flows for each in look.snapshot.clusters[0].backends)
    assert look.share(named(look, "edge-1")) == pytest.approx(4_702 / game)
    assert look.share(named(look, "ns2")) == pytest.approx(3_939 / 3_951)
    assert look.expected["game", "10.0.0.11:5000"] == pytest.approx(100 / 350)
    assert ("game", "10.0.0.13:5000") not in look.expected


def test_a_cluster_without_flows_has_no_shares() -> None:
    client = scenes.proxy(empty=True)
    look = look_at(client.snapshot)
    assert {look.share(each) for each in look.snapshot.clusters[0].backends} == {0.0}
    assert look.share_of_new(look.snapshot.clusters[0].backends[0]) is None


def test_the_same_moment_is_the_same_look() -> None:
    console = surroundings(scenes.busy(), scenes.busy(step=1))
    looker = Looker(console)
    first = looker.look(NOW)
    assert looker.look(NOW + 0.2) is first
    assert looker.look(NOW + 1.2) is not first
    console.bits = True
    assert looker.look(NOW + 1.2) is not looker.look(NOW + 2.3)


def test_paused_nothing_moves() -> None:
    console = surroundings(scenes.busy(), scenes.busy(step=1))
    looker = Looker(console)
    before = looker.look(NOW)
    console.model.pause(NOW)
    console.model.took([scenes.busy(step=4)], NOW + 1.0)
    held = looker.look(NOW + 30.0)
    assert before is not None
    assert held is not None
    assert held.snapshot is before.snapshot
    assert held.now == NOW
    assert held.paces is before.paces
    console.bits = True
    turned = looker.look(NOW + 40.0)
    assert turned is not None
    assert turned.paces is before.paces
    console.model.pause(NOW + 50.0)
    after = looker.look(NOW + 1.0)
    assert after is not None
    assert after.snapshot is not before.snapshot


def test_stale_is_the_moment_of_the_last_picture() -> None:
    console = surroundings(scenes.busy(), scenes.busy(step=1))
    looker = Looker(console)
    look = looker.look(NOW + 9.0)
    assert look is not None
    assert look.stale
    assert look.now == NOW
    assert not look_at().stale


def test_lost_is_stale_at_once() -> None:
    console = surroundings(scenes.busy())
    console.model.took([Lost(at=NOW, why="refused", retry_in_s=1.0)], NOW)
    look = Looker(console).look(NOW + 0.1)
    assert look is not None
    assert look.stale


def test_traffic_is_spelled_in_the_chosen_unit() -> None:
    assert look_at().spell(1_000, 2_000) == "1k/s"
    assert look_at(bits=True).spell(1_000, 2_000) == "16 kb/s"
