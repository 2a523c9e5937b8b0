from __future__ import annotations

import os
import re
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from udplb.config import load as load_module
from udplb.config.keys import sections
from udplb.config.load import load, parse
from udplb.config.problems import ConfigError

MINIMAL = """\
[[listeners]]
name = "l"
address = "192.0.2.1:53"
cluster = "c"
[[clusters.c.backends]]
address = "10.0.0.1:53"
"""


def refusal(path: Path | str) -> str:
    """What a file that cannot be used is refused with: one line."""
    with pytest.raises(ConfigError) as error:
        load(path)
    assert len(error.value.problems) == 1
    return str(error.value)


def test_a_file_is_loaded(tmp_path: Path) -> None:
    path = tmp_path / "udplb.toml"
    path.write_bytes(MINIMAL.encode())
    loaded = load(path)
    assert loaded.configuration.listeners[0].name == "l"
    assert loaded.warnings == ()
    assert load(str(path)) == loaded


def test_a_byte_order_mark_is_no_mistake(tmp_path: Path) -> None:
    path = tmp_path / "udplb.toml"
    path.write_bytes(b"\xef\xbb\xbf" + MINIMAL.encode())
    assert load(path).configuration == parse(MINIMAL, "f").configuration


def test_files_that_cannot_be_read_say_what_to_do(tmp_path: Path) -> None:
    missing = tmp_path / "gone.toml"
    assert refusal(missing) == f"{missing}: no such file; `udplb init {missing}` writes one"
    assert refusal(tmp_path) == f"{tmp_path}: is a directory; name the file in it"
    assert refusal("a\0b") == "a\\x00b: cannot be read: embedded null byte; name another file"
    text = tmp_path / "text.toml"
    text.write_bytes(b"# fine\n# caf\xe9\n")
    assert refusal(text) == f"{text}:2: not UTF-8; save the file in UTF-8"
    assert (
        refusal(text / "inner")
        == f"{text / 'inner'}: cannot be read: Not a directory; name another file"
    )


def test_a_file_without_permission_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "udplb.toml"
    path.write_text(MINIMAL)
    path.chmod(0)
    if os.access(path, os.R_OK):  # root may read everything

        def refuse(*_: object) -> None:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr("builtins.open", refuse)
    assert refusal(path) == f"{path}: no permission to read it; change its owner or mode"


@pytest.mark.parametrize(("more", "fits"), [(-1, True), (0, True), (1, False)])
def test_a_file_has_a_largest_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: int, fits: bool
) -> None:
    limit = 1 << 20
    monkeypatch.setattr(load_module, "FILE_SIZE_MAX", limit)
    path = tmp_path / "udplb.toml"
    path.write_text(MINIMAL + "#" * (limit + more - len(MINIMAL)))
    if fits:
        load(path)
    else:
        assert refusal(path) == f"{path}: larger than 1 MiB; name another file"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a = 1\nb = = 2\n", 2),
        ("a = 1\n[b\n", 2),
        ("a = 1\nb = [\n", 2),
        ("a = 1\nb = [1,\n2\n\n", 3),
        ("a = 1\n\na = 2\n", 3),
        ("a = '\x1b'\n", 1),
    ],
)
def test_a_mistake_of_syntax_is_one_problem_with_its_line(text: str, line: int) -> None:
    with pytest.raises(ConfigError) as error:
        parse(text, "f.toml")
    # The words are tomllib's and change with its version; its place is in front, not behind.
    assert re.fullmatch(rf"f\.toml:{line}: not valid TOML: [^():]+", str(error.value))
    assert str(error.value).isprintable()


@pytest.mark.parametrize(
    "text",
    [
        "a = " + "[" * 100_000,
        "a = " + "9" * 10_000,
        "a = 0x" + "f" * 10_000,
        "[engine]\nmax_flows = 0x" + "f" * 10_000,
        "a = 2024-13-45",
        "\ufeff",
        "\ud800 = 1",
        "[" + ".".join("a" * 10_000) + "]",
    ],
)
def test_texts_that_strain_the_parser_are_refused_in_few_words(text: str) -> None:
    with pytest.raises(ConfigError) as error:
        parse(text, "f.toml")
    assert all(len(str(problem)) < 800 for problem in error.value.problems)


def test_ten_different_mistakes_are_ten_problems() -> None:
    text = """\
[engine]
log_levle = "info"
drain_timeout = "soon"
[[listeners]]
name = "a"
address = "localhost:53"
cluster = "dsn"
allow = ["10.0.0.1/8"]
[[listeners]]
name = "a"
address = "0.0.0.0:53"
cluster = "dns"
[[listeners]]
name = "b"
address = "[::]:53"
cluster = "dns"
[clusters.dns]
[[clusters.dns.backends]]
address = "127.0.0.1:53"
weight = 1001
[[clusters.dns.backends]]
address = "10.0.0.1:53"
[[clusters.dns.backends]]
address = "10.0.0.1:53"
"""
    with pytest.raises(ConfigError) as error:
        parse(text, "f.toml")
    assert [(problem.line, problem.key) for problem in error.value.problems] == [
        (2, "engine.log_levle"),
        (3, "engine.drain_timeout"),
        (6, "listeners[0].address"),
        (7, "listeners[0].cluster"),
        (8, "listeners[0].allow[0]"),
        (10, "listeners[1].name"),
        (15, "listeners[2].address"),
        (19, "clusters.dns.backends[0].address"),
        (20, "clusters.dns.backends[0].weight"),
        (24, "clusters.dns.backends[2].address"),
    ]


@given(st.text(st.characters()) | st.text("[]{}=,.\"'#\\\n ab1"))
@example("listeners = 1")
def test_any_text_is_loaded_or_refused(text: str) -> None:
    with suppress(ConfigError):
        parse(text, "f.toml")


NAMES = sorted({name for _, section in sections() for name in section.names} | {"x", "clusters"})
VALUES: st.SearchStrategy[str] = st.recursive(
    st.sampled_from(
        [
            "true",
            "0",
            "-1",
            "1.5",
            "nan",
            "inf",
            "1979-05-27",
            "0xffffffffffffffffffff",
            "''",
            "'a'",
            "'10.0.0.1:53'",
            "'[::]:53'",
            "'off'",
            "'30s'",
            "'::/0'",
            '"\\u001b"',
        ]
    ),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda parts: f"[{', '.join(parts)}]")
        | st.dictionaries(st.sampled_from(NAMES), inner, max_size=3).map(
            lambda table: "{" + ", ".join(f"{key} = {value}" for key, value in table.items()) + "}"
        )
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=6), st.sampled_from(NAMES))
def test_any_values_under_known_names_are_loaded_or_refused(
    table: dict[str, str], name: str
) -> None:
    body = "".join(f"{key} = {value}\n" for key, value in table.items())
    for header in ("", "[[listeners]]\n", "[clusters.c]\n", "[[clusters.c.backends]]\n"):
        with suppress(ConfigError):
            parse(header + body + MINIMAL, "f.toml")
        with suppress(ConfigError):
            parse(MINIMAL + f"[{name}]\n" + body, "f.toml")


@pytest.mark.parametrize("wrong", [False, True])
def test_two_thousand_backends_load_well_below_a_second(wrong: bool) -> None:
    text = MINIMAL + 'name = "first"\n[clusters.c]\nbalance = "maglev"\n'
    for index in range(2_000):
        text += f'\n[[clusters.c.backends]]\naddress = "10.1.{index >> 8}.{index & 255}:53"\n'
        text += f'name = "b{index}"\n{"weigth" if wrong else "weight"} = 3\n'
    assert text.count("\n") > 10_000
    started = time.process_time()
    with suppress(ConfigError):
        parse(text, "f.toml")
    assert time.process_time() - started < (5 if sys.gettrace() else 1)
