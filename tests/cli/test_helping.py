from __future__ import annotations

import pytest

from udplb.cli import main


def helped(capsys: pytest.CaptureFixture[str], *words: str) -> list[str]:
    assert main([*words, "--help"]) == 0
    return [line.rstrip() for line in capsys.readouterr().out.splitlines()]


def test_parameters_are_aligned_below_their_group(capsys: pytest.CaptureFixture[str]) -> None:
    lines = helped(capsys, "undrain")
    assert lines[0] == "Usage: udplb undrain [OPTIONS] CLUSTER/BACKEND"
    assert lines[lines.index("Parameters") + 1 :] == [
        "  --json         One JSON document instead of text; with --watch one a line.",
        "  --socket PATH  The proxy's control socket. Default: $UDPLB_SOCKET, then the",
        "                 places where udplb run puts it.",
        "",
    ]


def test_choices_and_defaults_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    text = " ".join(" ".join(helped(capsys, "flows")).split())
    assert "(one of bytes, datagrams, age, idle, rate; default rate)" in text
    assert "(default 20)" in text


def test_no_frames(capsys: pytest.CaptureFixture[str]) -> None:
    assert not any(char in "".join(helped(capsys, "drain")) for char in "╭│─\x1b")
