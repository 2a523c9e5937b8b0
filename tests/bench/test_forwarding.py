"""What is made of the numbers that generator, sink and clocks gave."""

from __future__ import annotations

import pytest

from bench.forwarding import Load, evaluate, limited
from bench.machine import MeasurementError
from bench.stage import Result, read_result

ROUND_TRIPS = Load(("closed",))
ONE_WAY = Load(("bulk",), one_way=True)


def sent(**others: object) -> Result:
    """What `load closed` prints, in part."""
    latency = {"p50": 10.0, "p99": 20.0, "max": 30.0}
    usual: Result = {"replies": 1000, "seconds": 2.0, "lost": 0, "wrong": 0, "latency_us": latency}
    return {**usual, **others}


def test_figures_of_round_trips() -> None:
    sample = evaluate(ROUND_TRIPS, sent(lost=1000), None, 0.01, 1.0)
    assert sample.figures == {
        "per_second": 500.0,
        "load_core": 0.5,
        "lost_share": 0.5,
        "p50_us": 10.0,
        "p99_us": 20.0,
        "proxy_core": 0.005,
        "cpu_us": pytest.approx(10.0),
    }


def test_without_a_proxy_there_is_no_cost() -> None:
    assert "cpu_us" not in evaluate(ROUND_TRIPS, sent(), None, None, 1.0).figures


def test_new_flows_are_told_where_every_query_is_one() -> None:
    load = Load(("flows",), responses=1, new_flows=True)
    assert evaluate(load, sent(), None, 0.01, 1.0).figures["new_flows_per_s"] == 500.0


def test_figures_of_one_way_traffic() -> None:
    offered: Result = {"datagrams": 400, "seconds": 2.0}
    sunk: Result = {"datagrams": 100, "wrong": 0, "gbit_s": 1.5}
    sample = evaluate(ONE_WAY, offered, sunk, 0.001, 1.0)
    assert sample.figures["gbit_s"] == 1.5
    assert sample.figures["lost_share"] == 0.75
    assert sample.figures["datagram_us"] == pytest.approx(10.0)
    assert sample.figures["datagrams_per_s"] == 50.0


def test_one_way_nothing_is_a_figure() -> None:
    offered: Result = {"datagrams": 400, "seconds": 2.0}
    sunk: Result = {"datagrams": 0, "wrong": 0, "gbit_s": 0.0}
    assert evaluate(ONE_WAY, offered, sunk, 0.001, 1.0).figures["gbit_s"] == 0.0


@pytest.mark.parametrize("result", [sent(wrong=1), sent(replies=0)])
def test_wrong_or_no_replies_are_no_measurement(result: Result) -> None:
    with pytest.raises(MeasurementError):
        evaluate(ROUND_TRIPS, result, None, 0.01, 1.0)


@pytest.mark.parametrize(
    ("proxy", "load", "lost", "one_way", "is_limited"),
    [
        (0.5, 0.96, 0.0, False, True),
        (0.5, 0.94, 0.0, False, False),
        (0.96, 0.99, 0.0, False, False),
        (0.96, 0.99, 0.0, True, True),
        (0.5, 0.99, 0.5, True, False),
    ],
)
def test_the_generator_tells_when_it_was_the_bottleneck(
    proxy: float, load: float, lost: float, one_way: bool, is_limited: bool
) -> None:
    figures = {"proxy_core": proxy, "load_core": load, "lost_share": lost}
    assert bool(limited(figures, one_way=one_way)) == is_limited


@pytest.mark.parametrize("text", ["", "Segmentation fault"])
def test_no_result_is_no_measurement(text: str) -> None:
    with pytest.raises(MeasurementError):
        read_result(text, "closed")
