"""Hashes and seeded chance: fixed for ever, as machines of different versions must agree."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from udplb.core.hashing import MASK_64, Chance, keyed_hash, mix64, rehash

NUMBERS = st.integers(0, MASK_64)


def test_vectors_of_keyed_hash() -> None:
    assert keyed_hash(b"", b"") == 0xE4A6A0577479B2B4
    assert keyed_hash(b"\xc0\x00\x02\x01\x005", b"0") == 0xBA05D4791C6B81B1
    assert keyed_hash(b"\xc0\x00\x02\x01\x005", b"1") == 0x8573AD64A2564A27


def test_vectors_of_mix64() -> None:
    """splitmix64 with seed 0 (Vigna's reference) begins with these numbers."""
    golden = 0x9E3779B97F4A7C15
    assert [mix64(golden * turn) for turn in (1, 2, 3)] == [
        0xE220A8397B1DCDAF,
        0x6E789E6AA1B965F4,
        0x06C45D188009454F,
    ]
    assert mix64(0) == 0


def test_vectors_of_rehash_and_chance() -> None:
    assert [rehash(0, attempt) for attempt in (0, 1)] == [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4]
    chance = Chance(0)
    assert [chance.below(1 << 64) for _ in range(3)] == [
        0xE220A8397B1DCDAF,
        0x6E789E6AA1B965F4,
        0x06C45D188009454F,
    ]
    chance = Chance(2024)
    assert [chance.below(10) for _ in range(10)] == [6, 0, 2, 1, 8, 5, 1, 5, 1, 4]


@given(st.lists(NUMBERS, unique=True, max_size=50))
def test_mix64_is_a_bijection_of_64_bits(numbers: list[int]) -> None:
    mixed = [mix64(number) for number in numbers]
    assert len(set(mixed)) == len(numbers)
    assert all(0 <= number <= MASK_64 for number in mixed)


@given(NUMBERS, st.integers(0, 63))
def test_every_bit_moves_many(number: int, bit: int) -> None:
    assert (mix64(number) ^ mix64(number ^ 1 << bit)).bit_count() >= 8


@given(NUMBERS)
def test_attempts_differ(number: int) -> None:
    tries = [number, *(rehash(number, attempt) for attempt in range(8))]
    assert all(one != other for one, other in pairwise(tries))


@given(NUMBERS, st.integers(1, 1_000))
def test_chance_stays_below_its_limit(seed: int, limit: int) -> None:
    one, other = Chance(seed), Chance(seed)
    drawn = [one.below(limit) for _ in range(20)]
    assert all(0 <= number < limit for number in drawn)
    assert drawn == [other.below(limit) for _ in range(20)]


def test_chance_is_even() -> None:
    chance, counts = Chance(7), [0] * 10
    for _ in range(100_000):
        counts[chance.below(10)] += 1
    assert all(9_600 < count < 10_400 for count in counts)
