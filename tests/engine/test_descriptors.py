"""Descriptors: how many flows fit, at the limit and beside it."""

from __future__ import annotations

import resource
from dataclasses import replace

import pytest

from tests.harness import Servers, configuration, proxy
from udplb.core.settings import HealthSettings, Probe
from udplb.engine import forwarding
from udplb.engine.descriptors import KEPT_FREE, flows_that_fit, raise_descriptor_limit


def test_none_given_takes_a_share() -> None:
    assert flows_that_fit(0, 20_000) == (14_000, None)
    assert flows_that_fit(0, 64) == (44, None)


@pytest.mark.parametrize(("asked", "fits"), [(935, True), (936, True), (937, False)])
def test_the_most_leaves_some_free(asked: int, fits: bool) -> None:
    cap, warning = flows_that_fit(asked, 1_000)
    assert cap == min(asked, 1_000 - KEPT_FREE)
    assert (warning is None) is fits


@pytest.mark.parametrize(("asked", "fits"), [(835, True), (836, True), (837, False)])
def test_the_most_leaves_room_for_probes(asked: int, fits: bool) -> None:
    cap, warning = flows_that_fit(asked, 1_000, probes=100)
    assert cap == min(asked, 1_000 - KEPT_FREE - 100)
    assert (warning is None) is fits


def test_many_probes_under_a_small_limit_leave_the_share() -> None:
    assert flows_that_fit(5_000, 1_024, probes=1_024)[0] == 716
    assert flows_that_fit(700, 1_024, probes=1_024) == (700, None)
    assert flows_that_fit(0, 1_024, probes=1_024) == (716, None)


@pytest.mark.parametrize(("probe", "free"), [("off", 64), ("tcp", 64 + 3)])
def test_an_engine_counts_the_backends_that_it_probes(
    monkeypatch: pytest.MonkeyPatch, probe: Probe, free: int
) -> None:
    monkeypatch.setattr(forwarding, "raise_descriptor_limit", lambda: 10_000)
    with Servers(3) as servers:
        settings = configuration(*servers.names, health=HealthSettings(probe=probe))
        with_cap = replace(settings, engine=replace(settings.engine, max_flows=20_000))
        with proxy(with_cap) as p:
            assert p.snapshot.totals.max_flows == 10_000 - free


def test_the_warning_says_what_to_do() -> None:
    _, warning = flows_that_fit(5_000, 1_024)
    assert warning is not None
    assert "lowered to 960" in warning
    assert "ulimit -n" in warning
    assert "LimitNOFILE=" in warning


def test_a_tiny_limit_still_leaves_room_for_flows() -> None:
    cap, _ = flows_that_fit(60, 64)
    assert 0 < cap <= 44


def test_raises_the_soft_limit_to_the_hard_one(monkeypatch: pytest.MonkeyPatch) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard - 1_000, hard))
        assert raise_descriptor_limit() == hard
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (hard, hard)
        assert raise_descriptor_limit() == hard
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_limit_that_cannot_be_raised_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise ValueError("not permitted")

    monkeypatch.setattr(resource, "getrlimit", lambda _: (256, 1 << 62))
    monkeypatch.setattr(resource, "setrlimit", refuse)
    assert raise_descriptor_limit() == 256
