"""Power of two choices: even, by weight, and the same for the same inputs."""

from __future__ import annotations

from collections import Counter

from tests.core.balance.ground import SEED, admitted, built, chosen, clients, shares, weighted
from udplb.core.balance.random_two import RandomTwo

SOMEBODY = clients(1)[0]


def test_the_same_inputs_bring_the_same_choices() -> None:
    one, other = (built(5, "random") for _ in range(2))
    assert admitted(one, clients(500)) == admitted(other, clients(500))
    assert admitted(built(5, "random", seed=b"other"), clients(500)) != admitted(
        built(5, "random", seed=SEED), clients(500)
    )


def test_two_choices_keep_flows_even() -> None:
    cluster = built(10, "random")
    counts = Counter(admitted(cluster, clients(5_000)))
    assert max(counts.values()) - min(counts.values()) <= 10, "one choice: more than 40"


def test_flows_that_stay_end_up_by_weight() -> None:
    weights = [1, 2, 5]
    names = admitted(built(weighted(weights), "random"), clients(8_000))
    assert all(0.97 < share < 1.03 for share in shares(names, weights))


def test_the_less_loaded_of_two() -> None:
    cluster = built(2, "random")
    cluster.backends[0].flows = 10
    assert chosen(cluster, clients(50)) == ["b1"] * 50
    heavy = built(weighted([10, 1]), "random")
    heavy.backends[0].flows, heavy.backends[1].flows = 9, 1
    assert chosen(heavy, clients(50)) == ["b0"] * 50, "0.9 a weight is less than 1"


def test_without() -> None:
    cluster = built(weighted([1, 1_000, 1]), "random")
    barred = cluster.backends[1]
    names = {str(cluster.select(SOMEBODY, without=barred)) for _ in range(50)}
    assert names == {"Backend(b0)", "Backend(b2)"}
    (only,) = built(1, "random").backends
    alone = RandomTwo({only: 1}, 1)
    alone.usable_changed([only])
    assert alone.select(0) is only
    assert alone.select(0, without=only) is None
    alone.usable_changed([])
    assert alone.select(0) is None


def test_the_choice_is_the_same_for_ever() -> None:
    names = admitted(built(weighted([1, 2, 3, 4]), "random", seed=b"0"), clients(32))
    assert "".join(name[1] for name in names) == "12013233232313102303232311232313"
