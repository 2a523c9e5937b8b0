"""Slowness: who answers much later than the others, and for how long."""

from __future__ import annotations

import msgspec
import pytest

from tests.tui import scenes
from udplb.engine.snapshot import Snapshot
from udplb.tui.model import BackendKey, Model, key_of
from udplb.tui.slowness import LEAST_S, STEADY_S, TIMES, limits, slow_backends

NOW = 1_000_000.0


def picture(*latencies: float | None, at: float, down: int | None = None) -> Snapshot:
    """A cluster in which each backend has this latency."""
    backends = tuple(
        scenes.backend(
            f"b{n}", n, probe_latency_s=latency, first_reply_s=None, first_replies=0, up=n != down
        )
        for n, latency in enumerate(latencies)
    )
    whole = scenes.busy(at=at)
    cluster = msgspec.structs.replace(whole.clusters[0], backends=backends)
    return msgspec.structs.replace(whole, clusters=(cluster,))


def seen(*latencies: float | None, seconds: int = 20, down: int | None = None) -> Model:
    """A model that saw the same all the time."""
    model = Model()
    for second in range(seconds):
        model.took([picture(*latencies, at=second, down=down)], NOW + second)
    return model


def slow(model: Model, now: float = NOW + 19) -> dict[str, float]:
    assert model.snapshot is not None
    names = {key_of(each): each.name for each in model.snapshot.clusters[0].backends}
    return {names[key]: x for key, x in slow_backends(model.snapshot, model.backends, now).items()}


def test_who_takes_many_times_the_others_median_is_slow() -> None:
    assert slow(seen(0.001, 0.001, 0.002, 0.020)) == {"b3": pytest.approx(20.0)}


def test_the_own_latency_is_not_among_the_others() -> None:
    assert slow(seen(0.001, 0.005)) == {"b1": pytest.approx(5.0)}


@pytest.mark.parametrize(("latency", "is_slow"), [(TIMES * 0.01, False), (0.0401, True)])
def test_the_limit_itself_is_not_slow(latency: float, is_slow: bool) -> None:
    assert bool(slow(seen(0.010, 0.010, latency))) is is_slow


@pytest.mark.parametrize(("latency", "is_slow"), [(LEAST_S, False), (1.01 * LEAST_S, True)])
def test_what_is_fast_enough_is_never_slow(latency: float, is_slow: bool) -> None:
    assert bool(slow(seen(0.0001, 0.0001, latency))) is is_slow


def test_alone_it_is_slow_from_a_second_on() -> None:
    assert slow(seen(0.9)) == {}
    assert slow(seen(1.3)) == {"b0": pytest.approx(1.3)}


def test_who_is_down_is_not_slow_and_no_measure_for_others() -> None:
    assert slow(seen(0.001, 0.001, 0.020, down=2)) == {}
    assert slow(seen(0.001, 0.005, 0.020, down=2)) == {"b1": pytest.approx(5.0)}


def test_unknown_latencies_are_no_latencies() -> None:
    assert slow(seen(None, 0.001, 0.020)) == {"b2": pytest.approx(20.0)}


def test_one_late_answer_is_not_slow_but_two_probes_are() -> None:
    model = seen(0.001, 0.001, 0.001)
    second = 20
    was: list[bool] = []
    for _ in range(20):
        model.took([picture(0.001, 0.001, 0.020, at=second)], NOW + second)
        was.append(bool(slow(model, NOW + second)))
        second += 1
    assert not any(was[:6])
    assert was[-1]
    turned = was.index(True)
    assert STEADY_S <= turned + 1 <= STEADY_S + 5 + 1
    for _ in range(10):
        model.took([picture(0.001, 0.001, 0.001, at=second)], NOW + second)
        second += 1
    assert slow(model, NOW + second) == {}


def test_limits_are_of_clusters() -> None:
    model = seen(0.001, 0.001, 0.020)
    assert model.snapshot is not None
    assert limits(model.snapshot, model.backends) == {"game": pytest.approx(0.004)}
    nothing: dict[BackendKey, object] = {}
    assert limits(model.snapshot, nothing) == {"game": pytest.approx(LEAST_S)}  # type: ignore[arg-type]
