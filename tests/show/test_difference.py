from __future__ import annotations

from tests.show.pictures import HOSTILE, difference
from udplb.engine.control.requests import Touched
from udplb.show.difference import page_of_difference
from udplb.show.plain import text_of


def test_grouped_by_what_one_can_do_about_it() -> None:
    assert text_of(page_of_difference(difference())).splitlines() == [
        "/etc/udplb/udplb.toml against what runs, 18,402 live flows",
        "",
        "udplb reload would change:",
        "  cluster dns: backend 10.0.0.12:5000 weight 1 → 3  (no live flow)",
        "  cluster dns: backend edge-6 removed  (212 of 18,402 live flows)",
        "",
        "A restart is needed for:",
        "  engine: upstream_port_rest 1 s → 2 s  (no live flow)",
        "",
        "Operators changed (a reload keeps it, udplb save writes it into the file,"
        " udplb revert undoes it):",
        "  dns/edge-3: drained here, active in the file  (1,204 of 18,402 live flows)",
        "",
        "udplb reload would drop these changes of operators, as the file changed the same:",
        "  dns/edge-5: weight 2 here; the file says 7 now",
    ]


def test_only_what_there_is() -> None:
    told = difference(on_reload=(), dropped=())
    text = text_of(page_of_difference(told))
    assert "would change" not in text
    assert "restart" not in text
    assert "Operators changed" in text


def test_nothing_differs() -> None:
    told = difference(on_reload=(), drift=(), dropped=())
    assert (
        text_of(page_of_difference(told)) == "/etc/udplb/udplb.toml and what runs are the same.\n"
    )


def test_an_invalid_file_is_not_the_same() -> None:
    told = difference(problems=("udplb.toml:3: what",), on_reload=(), drift=(), dropped=())
    assert page_of_difference(told) == ()


def test_nothing_hostile_passes() -> None:
    told = difference(file=HOSTILE, drift=(Touched(sentence=HOSTILE, flows=1),))
    assert "\x1b" not in text_of(page_of_difference(told))
