"""The timeline, with a clock of our own, and what must hold for the acts as data."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from udplb.demo.acts import (
    ACTS,
    ROUND_S,
    Act,
    Deed,
    Die,
    FallSilent,
    PutBack,
    Return,
    Rush,
    Slow,
    Speak,
    TakeOut,
    Timeline,
)
from udplb.demo.cast import CLUSTERS

BACKENDS = {f"{cluster}/{name}" for cluster, names in CLUSTERS.items() for name in names}
ENDS = {Return: Die, Speak: FallSilent, PutBack: TakeOut}


def out_of_service(deeds: list[Deed]) -> dict[str, type[Deed]]:
    """What is wrong with which backend after these."""
    wrong: dict[str, type[Deed]] = {}
    for deed in deeds:
        match deed:
            case Die(backend) | FallSilent(backend) | TakeOut(backend):
                assert backend not in wrong
                wrong[backend] = type(deed)
            case Return(backend) | Speak(backend) | PutBack(backend):
                assert wrong.pop(backend) is ENDS[type(deed)]
            case Slow(backend, delay_s) if delay_s:
                wrong[backend] = Slow
            case Slow(backend):
                assert wrong.pop(backend) is Slow
            case Rush(factor) if factor != 1:
                wrong["all"] = Rush
            case Rush():
                assert wrong.pop("all") is Rush
    return wrong


def test_a_round_shows_every_deed_and_mends_what_it_broke() -> None:
    assert {type(act.deed) for act in ACTS} == set(get_args(Deed))
    assert not out_of_service([act.deed for act in ACTS])


def test_all_backends_of_the_acts_exist() -> None:
    named = {act.deed.backend for act in ACTS if hasattr(act.deed, "backend")}
    assert named <= BACKENDS


def test_never_are_two_backends_of_a_cluster_out_of_service() -> None:
    for count in range(len(ACTS)):
        wrong = out_of_service([act.deed for act in ACTS[:count]])
        clusters = [name.partition("/")[0] for name in wrong if wrong[name] not in (Slow, Rush)]
        assert len(clusters) == len(set(clusters))


def test_everything_is_on_stage_within_a_minute() -> None:
    timeline = Timeline(100.0)
    seen = [deed for tick in range(61 * 50) for deed in timeline.due(100.0 + tick / 50)]
    assert seen[: len(ACTS)] == [act.deed for act in ACTS]
    assert ROUND_S <= 60


def test_an_act_comes_when_its_time_has_come_and_once() -> None:
    first, second = Slow("dns/birch", 1.0), Slow("dns/birch", 0.0)
    timeline = Timeline(10.0, (Act(1, first), Act(2, second)), round_s=5.0)
    assert timeline.due(10.999) == []
    assert timeline.due(11.0) == [first]
    assert timeline.due(11.0) == []
    assert timeline.due(14.9) == [second]
    assert timeline.due(15.999) == []
    assert timeline.due(16.0) == [first]


def test_speed_shortens_the_round() -> None:
    deed = Rush(2.0)
    timeline = Timeline(0.0, (Act(6, deed),), round_s=60.0, speed=20.0)
    assert timeline.due(0.299) == []
    assert timeline.due(0.3) == [deed]
    assert timeline.due(3.299) == []
    assert timeline.due(3.3) == [deed]


@pytest.mark.parametrize("begun", [0.0, 30.0, 59.9])
def test_a_long_absence_tells_two_rounds_at_most(begun: float) -> None:
    timeline = Timeline(0.0)
    before = timeline.due(begun)
    after = timeline.due(1_000_000.0)
    assert len(before) + len(after) <= 3 * len(ACTS)
    assert len(after) <= 2 * len(ACTS)
    assert len(timeline.due(1_000_060.0)) == len(ACTS)


@given(st.lists(st.floats(0.0, 300.0), max_size=60))
def test_whatever_the_steps_the_deeds_come_in_order(steps: list[float]) -> None:
    timeline, now = Timeline(0.0), 0.0
    seen: list[Deed] = []
    for step in steps:
        now += step
        seen += timeline.due(now)
    deeds = [act.deed for act in ACTS]
    assert seen == (deeds * (len(seen) // len(deeds) + 1))[: len(seen)]
    position = sum(act.at_s <= now % ROUND_S for act in ACTS)
    assert len(seen) % len(ACTS) == position % len(ACTS)


def test_acts_out_of_order_are_a_mistake() -> None:
    with pytest.raises(AssertionError):
        Timeline(0.0, (Act(2, Rush(1.0)), Act(1, Rush(2.0))))
    with pytest.raises(AssertionError):
        Timeline(0.0, (Act(60, Rush(1.0)),))
