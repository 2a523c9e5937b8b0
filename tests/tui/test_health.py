"""Health: the last minute in twelve cells."""

from __future__ import annotations

from udplb.tui.health import COLUMNS, UNKNOWN, Health

NOW = 1_000_002.0


def test_what_nobody_looked_at_is_a_dot() -> None:
    assert Health().spark(NOW, 0.004) == UNKNOWN == "·" * COLUMNS


def test_the_newest_stands_at_the_right_and_moves_left() -> None:
    health = Health()
    health.add(NOW, 0.001, down=False)
    assert health.spark(NOW, 0.004) == "·" * 11 + "▂"
    assert health.spark(NOW + 5.0, 0.004) == "·" * 10 + "▂·"
    assert health.spark(NOW + 60.0, 0.004) == UNKNOWN


def test_the_worst_of_a_column_counts_and_the_limit_fills_it() -> None:
    health = Health()
    health.add(NOW, 0.004, down=False)
    health.add(NOW + 1.0, 0.001, down=False)
    assert health.spark(NOW, 0.004).endswith("█")


def test_what_is_far_above_the_limit_leaves_the_rest_small() -> None:
    health = Health()
    health.add(NOW, 0.004, down=False)
    health.add(NOW + 5.0, 0.032, down=False)
    assert health.spark(NOW + 5.0, 0.004).endswith("▁█")


def test_a_column_in_which_it_was_down_is_crossed_out() -> None:
    health = Health()
    health.add(NOW, 0.001, down=False)
    health.add(NOW + 1.0, None, down=True)
    health.add(NOW + 2.0, 0.001, down=False)
    health.add(NOW + 5.0, 0.001, down=False)
    assert health.spark(NOW + 5.0, 0.004).endswith("×▂")  # noqa: RUF001 - a cross it is


def test_up_without_a_latency_is_a_dot() -> None:
    health = Health()
    health.add(NOW, None, down=False)
    assert health.spark(NOW, 0.004) == UNKNOWN


def test_no_more_is_kept_than_is_shown() -> None:
    health = Health()
    for second in range(1_000):
        health.add(NOW + second, 0.001, down=False)
    assert len(health._columns) == COLUMNS


def test_a_clock_that_went_back_begins_anew() -> None:
    health = Health()
    health.add(NOW, 0.001, down=False)
    health.add(NOW - 100.0, 0.001, down=False)
    assert health.spark(NOW - 100.0, 0.004) == "·" * 11 + "▂"


def test_steadily_is_the_best_of_the_worst() -> None:
    health = Health()
    for at, latency in ((0.0, 0.9), (5.0, 0.001), (10.0, 0.5), (15.0, 0.7)):
        health.add(NOW + at, latency, down=False)
    assert health.steadily(NOW + 15.0, 5.0) == 0.5
    assert health.steadily(NOW + 15.0, 10.0) == 0.001
    assert health.steadily(NOW + 60.0, 10.0) is None
