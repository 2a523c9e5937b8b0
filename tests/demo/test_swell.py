"""A rate that swells and ebbs."""

from __future__ import annotations

import random
from itertools import pairwise
from statistics import mean

import pytest

from udplb.demo.swell import Swell


def test_without_noise_it_is_a_sine() -> None:
    swell = Swell(8.0, 0.5, random.Random(1), noise=0.0)
    assert [swell.at(now) for now in (0.0, 2.0, 4.0, 6.0)] == pytest.approx([1, 1.5, 1, 0.5])


def test_it_stays_near_one_and_above_nothing() -> None:
    swell = Swell(20.0, 0.4, random.Random(2))
    factors = [swell.at(tick / 50) for tick in range(10_000)]
    assert mean(factors) == pytest.approx(1, abs=0.1)
    assert 0.1 <= min(factors) < 0.8
    assert 1.2 < max(factors) < 2.5


def test_it_does_not_jump() -> None:
    swell = Swell(20.0, 0.4, random.Random(3))
    factors = [swell.at(tick / 50) for tick in range(2_000)]
    assert max(abs(b - a) for a, b in pairwise(factors)) < 0.1


def test_however_deep_it_never_stops() -> None:
    swell = Swell(20.0, 0.99, random.Random(4), noise=0.9)
    assert min(swell.at(tick / 50) for tick in range(10_000)) == 0.1
