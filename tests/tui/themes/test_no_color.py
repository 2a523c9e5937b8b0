from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from udplb.tui.themes.no_color import ansi_color, take_no_color, wants_no_color

SGR = re.compile(rb"\x1b\[([0-9;]*)m")
APPLICATION = """
import os
from textual.app import App
from textual.widgets import Button, Footer, Input, Label
from udplb.tui.themes.no_color import ansi_color, take_no_color
from udplb.tui.themes.shelf import open_shelf
from udplb.tui.themes.theme import defaults, textual_theme

class Small(App):
    CSS = "Label { color: $udplb-down; background: $udplb-cursor; text-style: $udplb-down-style; }"
    BINDINGS = [("q", "quit", "Quit")]
    def get_theme_variable_defaults(self):
        return defaults()
    def compose(self):
        yield Label("DOWN")
        yield Input("text")
        yield Button("Cancel", variant="error")
        yield Footer()
    def on_ready(self):
        self.call_after_refresh(self.exit)

choice = os.environ.get("CHOICE")
opened = open_shelf(choice, {}, no_color=take_no_color(os.environ, choice))
application = Small(ansi_color=ansi_color(os.environ))
application.register_theme(textual_theme(opened.theme))
application.theme = opened.theme.name
application.run()
"""


@pytest.mark.parametrize(
    ("value", "wanted"), [(None, False), ("", False), ("1", True), ("0", True)]
)
def test_only_a_variable_that_is_not_empty_counts(value: str | None, wanted: bool) -> None:
    environ = {} if value is None else {"NO_COLOR": value}
    assert wants_no_color(environ) is wanted
    assert ansi_color(environ) is (True if wanted else None)
    assert take_no_color(environ) is wanted
    # Textual heeds it where it is meant, and does not see it where it is empty.
    assert environ == ({"NO_COLOR": value} if wanted else {})


def test_a_theme_that_is_asked_for_is_more() -> None:
    environ = {"NO_COLOR": "1", "TERM": "xterm"}
    assert not take_no_color(environ, "dark")
    assert environ == {"TERM": "xterm"}


def output(**environ: str) -> bytes:
    """All that the small application writes to a terminal."""
    ours, theirs = pty.openpty()
    whole = {key: value for key, value in os.environ.items() if key != "NO_COLOR"}
    whole |= {"TERM": "xterm-256color", "COLORTERM": "truecolor", "LINES": "24", "COLUMNS": "80"}
    project = Path(__file__).parents[3]
    process = subprocess.Popen(
        [sys.executable, "-c", APPLICATION],
        stdin=theirs, stdout=theirs, stderr=theirs, env=whole | environ, cwd=project,
    )  # fmt: skip
    os.close(theirs)
    written = b""
    with open(ours, "rb", buffering=0) as terminal:
        while True:
            try:
                piece = terminal.read(65536)
            except OSError:  # EIO: nobody holds the other end any more
                break
            if not piece:
                break
            written += piece
    assert process.wait() == 0, written
    assert b"DOWN" in written
    return written


def colors(written: bytes) -> set[bytes]:
    """The escape codes among these that choose a colour."""
    found = set()
    for codes in SGR.findall(written):
        for code in codes.split(b";"):
            if re.fullmatch(rb"(3|4|9|10)[0-8]", code):
                found.add(code)
    return found


def test_a_terminal_gets_no_colour_at_all() -> None:
    written = output(NO_COLOR="1")
    assert not colors(written)
    assert re.search(rb"\x1b\[1[;m]", written)  # but attributes


def test_an_empty_variable_changes_nothing() -> None:
    assert b"38" in colors(output(NO_COLOR=""))


def test_a_theme_that_is_asked_for_has_its_colours() -> None:
    down = b"38;2;244;139;130"
    assert down in output(NO_COLOR="1", CHOICE="dark")


def test_mono_needs_no_variable() -> None:
    written = output(CHOICE="mono")
    assert b"38" not in colors(written)
    assert b"48" not in colors(written)
