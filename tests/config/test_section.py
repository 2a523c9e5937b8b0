from __future__ import annotations

from udplb.config.kinds import Duration, ListOf, Whole
from udplb.config.section import Key, Section


def test_a_default_is_read_like_a_value_of_the_file() -> None:
    assert Key("k", Duration("0s", "1h"), "2m", "A time.").default_value() == 120.0
    assert Key("k", ListOf(Whole(0, 5)), (1, 2), "Some.").default_value() == (1, 2)


def test_a_section_names_its_keys_and_sections() -> None:
    inner = Section(name="inner", shape="array", sentence="Inside.")
    key = Key("key", Whole(0, 5), 1, "A number.")
    outer = Section(
        name="outer", shape="table", sentence="Outside.", keys=(key,), sections=(inner,)
    )
    assert outer.names == ("key", "inner")
