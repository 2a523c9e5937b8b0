"""Problems: the worst first, and never thousands of them."""

from __future__ import annotations

import msgspec

from tests.tui import scenes
from tests.tui.fake_proxy import NOW
from udplb.engine.snapshot import ReloadSnapshot, Snapshot
from udplb.tui.model import Model
from udplb.tui.problems import PER_KIND_MAX, Problem, problems_of

EDGE_4 = ("game", "10.0.0.14:5000")


def problems(snapshot: Snapshot, *more: Snapshot, slow: float | None = None) -> list[Problem]:
    model = Model()
    for at, each in enumerate((snapshot, *more)):
        model.took([each], NOW + at)
    return problems_of(model, {} if slow is None else {EDGE_4: slow}, NOW)


def texts(found: list[Problem]) -> list[str]:
    return [each.text for each in found]


def crowd(number: int) -> Snapshot:
    whole = scenes.busy()
    down = tuple(
        scenes.backend(f"b{n}", n, address=f"10.1.0.{n}:1", up=False) for n in range(number)
    )
    cluster = msgspec.structs.replace(whole.clusters[0], backends=down)
    plain = msgspec.structs.replace(whole.configuration, drift=())
    return msgspec.structs.replace(whole, clusters=(cluster,), configuration=plain)


def test_without_a_picture_there_is_none() -> None:
    assert problems_of(Model(), {}, NOW) == []


def test_down_comes_before_slow_before_drift() -> None:
    found = problems(scenes.busy(), slow=17.8)
    assert texts(found) == [
        "game/edge-6 EJECTED 36s",
        "game/edge-4 SLOW 18x",
        "differs from the file: backend game/edge-3 drains",
    ]
    assert [each.screen for each in found] == ["backends", "backends", "config"]
    assert found[1].id == EDGE_4


def test_slow_alone_is_no_multiple() -> None:
    assert texts(problems(scenes.busy(), slow=1.3))[1] == "game/edge-4 SLOW"


def test_a_cluster_without_a_backend_comes_first() -> None:
    whole = scenes.busy()
    dead = msgspec.structs.replace(whole.clusters[0], all_down=True)
    found = problems(msgspec.structs.replace(whole, clusters=(dead,)))
    assert texts(found)[0] == "cluster game: no backend is up"


def test_many_of_a_kind_are_counted() -> None:
    assert len(problems(crowd(PER_KIND_MAX))) == PER_KIND_MAX
    found = problems(crowd(PER_KIND_MAX + 37))
    assert len(found) == PER_KIND_MAX + 1
    assert found[-1].text == "37 more DOWN"


def test_mistakes_and_waiting_settings_are_of_the_configuration() -> None:
    whole = scenes.busy()
    known = msgspec.structs.replace(
        whole.configuration,
        drift=(),
        awaiting_restart=("engine.max_flows: 1 → 2",),
        last_reload=ReloadSnapshot(at=NOW, problems=("a", "b")),
    )
    found = texts(problems(msgspec.structs.replace(whole, configuration=known)))
    assert "the file has 2 mistakes" in found
    assert "1 setting awaits a restart" in found


def test_drops_and_a_full_table_are_of_the_traffic() -> None:
    before, after = scenes.busy(), scenes.busy(step=1)
    totals = msgspec.structs.replace(after.totals, dropped=116, flows=45_000)
    found = texts(problems(before, msgspec.structs.replace(after, totals=totals)))
    assert "45,000 of 50,000 flows" in found
    assert "drops 200/s" in found
    almost = msgspec.structs.replace(after.totals, flows=44_999)
    assert not any("flows" in text for text in texts(
        problems(msgspec.structs.replace(after, totals=almost))
    ))  # fmt: skip
