"""The engine in a few lines."""

from __future__ import annotations

import msgspec

from tests.tui import scenes
from tests.tui.fake_proxy import NOW
from tests.tui.panes.looks import surroundings
from udplb.engine.snapshot import Snapshot
from udplb.tui.panes.engine_lines import engine_lines, summary
from udplb.tui.panes.looking import Looker

Lines = list[str]


def drawn(*pictures: Snapshot, height: int = 9, now: float = NOW) -> tuple[Lines, set[str]]:
    """The box, and the colours in it."""
    console = surroundings(*pictures)
    lines = engine_lines(Looker(console).look(now), console.model, 40, height)
    texts = ["".join(piece.text for piece in line).rstrip() for line in lines]
    return texts, {piece.ink for line in lines for piece in line}


def test_before_the_first_picture_there_are_labels_and_no_zeros() -> None:
    texts, _ = drawn()
    assert texts[0] == "flows   -"
    assert not any("0" in text for text in texts)


def test_the_box_says_all_in_nine_lines() -> None:
    assert drawn(scenes.busy(), scenes.busy(step=1))[0] == [
        "flows   18,402 of 50,000  37%",
        "        ███████████▊░░░░░░░░░░░░░░░░░░░░",
        "new     +312/s  ended 312/s",
        "drops   0/s  denied 14, oversize 2",
        "shed    max_flows 7",
        "kernel  3 dropped  queue 0 B",
        "lag     0.4 ms  most 2.1 ms",
        "cpu     60%  memory 84 MiB",
        "probes  2 under way",
    ]


def test_more_room_has_more() -> None:
    texts, _ = drawn(scenes.busy(), scenes.busy(step=1), height=16)
    assert texts[9:] == [
        "closed  idle 800,000", "", "game 203.0.113.1:5000", "        in 41.2k/s  out 40.9k/s",
    ]  # fmt: skip


def changed(**how: object) -> Snapshot:
    after = scenes.busy(step=1)
    return msgspec.structs.replace(after, totals=msgspec.structs.replace(after.totals, **how))


def test_what_is_dropped_now_stands_out() -> None:
    texts, inks = drawn(scenes.busy(), changed(dropped=116, drops={"denied": 114, "oversize": 2}))
    assert texts[3] == "drops   200/s  denied 114, oversize 2"
    assert "drop" in inks


def test_a_table_that_is_nearly_full_stands_out() -> None:
    _, inks = drawn(scenes.busy(), changed(flows=45_000, kernel_drops=0))
    assert {"drop", "graph-peak"} <= inks
    _, inks = drawn(scenes.busy(), changed(flows=44_999, kernel_drops=0))
    assert not {"drop", "graph-peak"} & inks


def test_probes_that_were_not_made_are_told() -> None:
    texts, inks = drawn(scenes.busy(), changed(probes_not_made=4))
    assert texts[8] == "probes  2 under way  4 not made"
    assert "slow" in inks


def test_a_busy_processor_and_a_late_loop_want_care() -> None:
    after = scenes.busy(step=1)
    hot = msgspec.structs.replace(after.process, cpu_s=5_000.48, loop_lag_s=0.07)
    texts, _ = drawn(scenes.busy(), msgspec.structs.replace(after, process=hot))
    assert texts[7].startswith("cpu     96%")
    console = surroundings(scenes.busy(), msgspec.structs.replace(after, process=hot))
    lines = engine_lines(Looker(console).look(NOW), console.model, 40, 9)
    assert lines[7][1].ink == lines[6][1].ink == "slow"


def test_stale_is_dim() -> None:
    assert drawn(scenes.busy(), now=NOW + 60)[1] == {"stale"}


def test_the_summary_is_one_line() -> None:
    console = surroundings(scenes.busy(), scenes.busy(step=1))
    line = summary(Looker(console).look(NOW), console.model)
    assert "".join(piece.text for piece in line) == (
        "flows 18,402 of 50,000  37%  +312/s  drops 0/s  cpu 60%  lag 0.4 ms"
    )
    nothing = summary(None, console.model)
    assert [piece.text for piece in nothing] == ["waiting for the first picture"]
