from __future__ import annotations

from udplb.engine.control.requests import Done
from udplb.show.changes import page_of_done
from udplb.show.plain import text_of


def test_a_line_for_each_thing_that_is_different() -> None:
    done = Done(sentences=("dns/a drains", "dns/b drains"), generation=2)
    assert text_of(page_of_done(done, "nothing")) == "dns/a drains\ndns/b drains\n"


def test_nothing_had_to_be_changed() -> None:
    assert text_of(page_of_done(Done(sentences=(), generation=2), "it is so")) == "it is so\n"
