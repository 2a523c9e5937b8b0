"""Trains and runs: nothing lost, nothing reordered, every run one that the kernel takes."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from udplb.core.train import RUN_BYTES_MAX, RUN_DATAGRAMS_MAX, Run, Train


def numbered(sizes: list[int]) -> list[bytes]:
    """Datagrams of these sizes, each told from its neighbours."""
    return [bytes([index % 251]) * size for index, size in enumerate(sizes)]


SIZES = st.lists(
    st.one_of(st.integers(0, 4), st.sampled_from([1_200, 1_400, 32_000, 65_507])), min_size=1
)
TRAINS = st.one_of(
    SIZES,
    st.builds(
        lambda size, count, rest: [size] * count + rest,
        st.sampled_from([0, 1, 3, 1_000, 1_024, 1_400]),
        st.integers(1, 200),
        SIZES,
    ),
).map(numbered)


def assert_kernel_takes(run: Run) -> None:
    """KERNEL.md 11: equal datagrams, two at least, and at most one shorter tail."""
    sizes = [len(datagram) for datagram in run.datagrams()]
    assert (run.count, run.size) == (len(sizes), sum(sizes))
    assert run.segment == sizes[0]
    if run.count > 1:
        assert run.count <= RUN_DATAGRAMS_MAX
        assert run.size <= RUN_BYTES_MAX
        assert min(sizes) > 0
        assert set(sizes[:-1]) == {run.segment}
        assert sizes[-1] <= run.segment
        assert sizes.count(run.segment) >= 2


@given(TRAINS)
def test_runs_are_the_datagrams_in_order(datagrams: list[bytes]) -> None:
    runs = Train.of(datagrams).runs
    assert [each for run in runs for each in run.datagrams()] == datagrams
    for run in runs:
        assert_kernel_takes(run)


@given(TRAINS)
def test_runs_are_as_long_as_the_rules_allow(datagrams: list[bytes]) -> None:
    """Whatever follows a run could not have been its next datagram."""
    runs = Train.of(datagrams).runs
    for run, follower in pairwise(runs):
        longer = [*run.datagrams(), next(follower.datagrams())]
        with pytest.raises(AssertionError):
            assert_kernel_takes(Run(longer, run.segment, len(longer), sum(map(len, longer))))


@pytest.mark.parametrize(
    ("sizes", "counts"),
    [
        ([5], [1]),
        ([0], [1]),
        ([0, 0], [1, 1]),
        ([5, 5], [2]),
        ([5, 3], [1, 1]),
        ([3, 5], [1, 1]),
        ([5, 5, 3], [3]),
        ([5, 5, 3, 3], [3, 1]),
        ([5, 5, 0], [2, 1]),
        ([5, 5, 0, 5, 5], [2, 1, 2]),
        ([5, 5, 6, 6], [2, 2]),
        ([5] * 64, [64]),
        ([5] * 65, [64, 1]),
        ([5] * 63 + [3], [64]),
        ([5] * 64 + [3], [64, 1]),
        ([1_424] * 46, [46]),
        ([1_424] * 46 + [3], [47]),
        ([1_424] * 46 + [4], [46, 1]),
        ([1_425] * 46, [45, 1]),
        ([32_753, 32_753], [2]),
        ([32_754, 32_754], [1, 1]),
        ([65_507, 65_507], [1, 1]),
    ],
)
def test_runs_at_the_limits(sizes: list[int], counts: list[int]) -> None:
    assert [run.count for run in Train.of(numbered(sizes)).runs] == counts


def told(train: Train) -> list[tuple[object, ...]]:
    return [(list(run.buffers), run.segment, run.count, run.size) for run in train.runs]


@given(TRAINS)
def test_known_sizes_change_nothing(datagrams: list[bytes]) -> None:
    train = Train.of(datagrams)
    sizes = [len(each) for each in datagrams]
    assert told(Train.of_sizes(datagrams, sizes)) == told(train)
    if len(set(sizes)) == 1:
        assert told(Train.of_equal(datagrams, sizes[0])) == told(train)
    assert train.largest == max(sizes)


@given(TRAINS)
def test_a_train_counts_its_datagrams(datagrams: list[bytes]) -> None:
    train = Train.of(datagrams)
    assert list(train.datagrams()) == datagrams
    assert (train.count, train.size) == (len(datagrams), sum(map(len, datagrams)))
    assert train.largest == max(map(len, datagrams))


@given(TRAINS.filter(lambda datagrams: len(datagrams) > 1), st.data())
def test_split(datagrams: list[bytes], data: st.DataObject) -> None:
    count = data.draw(st.integers(1, len(datagrams) - 1))
    head, tail = Train.of(datagrams).split(count)
    assert list(head.datagrams()) == datagrams[:count]
    assert list(tail.datagrams()) == datagrams[count:]
    assert (head.count, tail.count) == (count, len(datagrams) - count)


@pytest.mark.parametrize("count", [0, 3, 4])
def test_a_split_that_leaves_nothing_is_a_bug(count: int) -> None:
    with pytest.raises(AssertionError):
        Train.of([b"a", b"b", b"c"]).split(count)


PIECES = st.lists(
    st.tuples(st.integers(0, 3_000), st.sampled_from([0, 1, 50, 100, 1_000, 3_000])), min_size=1
).filter(lambda pieces: all(not segment or size <= 64 * segment for size, segment in pieces))


@given(PIECES)
def test_pieces_as_the_kernel_merged_them(pieces: list[tuple[int, int]]) -> None:
    buffers = [(bytes(i % 256 for i in range(size)), segment) for size, segment in pieces]
    train = Train.of_pieces(buffers)
    expected = [
        buffer[start : start + (segment or len(buffer))]
        for buffer, segment in buffers
        for start in (range(0, len(buffer), segment or len(buffer)) if buffer else (0,))
    ]
    assert list(train.datagrams()) == expected
    assert (train.count, train.size) == (len(expected), sum(map(len, expected)))
    assert train.largest == max(map(len, expected))
    assert train == Train.of(expected)


def test_a_merged_buffer_stays_in_one_piece() -> None:
    train = Train.of_pieces([(b"a", 0), (b"b", 0), (b"12345", 2), (b"c", 0), (b"d", 4)])
    assert [(list(run.buffers), run.segment, run.count) for run in train.runs] == [
        ([b"a", b"b"], 1, 2),
        ([b"12345"], 2, 3),
        ([b"c", b"d"], 1, 2),
    ]


def test_trains_are_equal_by_their_datagrams() -> None:
    assert Train.of([b"ab", b"cd"]) == Train.of_pieces([(b"abcd", 2)])
    assert Train.of([b"ab", b"cd"]) != Train.of([b"abcd"])
    assert Train.of([b"x"]) != b"x"
