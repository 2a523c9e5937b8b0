"""The banner: what one must know before one believes the rows."""

from __future__ import annotations

import msgspec

from tests.tui import scenes
from tests.tui.fake_proxy import NOW
from udplb.client import Lost
from udplb.tui.model import Model
from udplb.tui.widgets.banner import RESTARTED_S, said


def text(model: Model, now: float) -> str:
    return "".join(piece.text for piece in said(model, now))


def test_nothing_while_all_is_well() -> None:
    model = Model()
    assert text(model, NOW) == ""
    model.took([scenes.busy()], NOW)
    assert text(model, NOW) == ""


def test_a_loss_says_why_since_when_and_what_next() -> None:
    model = Model()
    model.took([scenes.busy()], NOW)
    model.took([Lost(at=NOW + 2, why="connection refused", retry_in_s=4.0)], NOW + 2)
    told = text(model, NOW + 3)
    assert "connection refused" in told
    assert "12:01:02Z" in told, "whence the rows are"
    assert "Try 2 in 0:03, ^R now" in told
    model.took([Lost(at=NOW + 2, why="the proxy has ended", retry_in_s=None)], NOW + 2)
    assert "the proxy has ended" in text(model, NOW + 3)


def test_a_pause_a_mismatch_and_another_process() -> None:
    model = Model()
    model.took([scenes.busy()], NOW)
    model.pause(NOW)
    assert "Held since 12:01:02Z" in text(model, NOW)
    model.pause(NOW)
    model.took([msgspec.structs.replace(scenes.busy(step=1), pid=1)], NOW)
    assert "another process" in text(model, NOW)
    assert text(model, NOW + RESTARTED_S) == ""
    model.mismatch = "udplb 1 and udplb 2"
    assert "udplb 1 and udplb 2" in text(model, NOW)
