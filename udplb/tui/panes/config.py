"""The screen: the file, its mistakes, what the last reload did, and what runs besides it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable
from typing import ClassVar

from textual.app import ComposeResult
from textual.containers import VerticalScroll

from udplb.engine.control.requests import Diff, Difference, File, FileText
from udplb.engine.snapshot import ConfigurationSnapshot
from udplb.show.difference import page_of_difference
from udplb.show.quantities import lasting, plural, span, time_of_day
from udplb.tui.highlight import highlighted, numbered, plain
from udplb.tui.ink import Piece
from udplb.tui.page_lines import lines_of_page
from udplb.tui.panes.pane import Pane
from udplb.tui.problems import MISTAKE
from udplb.tui.widgets.file_view import FileView
from udplb.tui.widgets.framed import Framed
from udplb.tui.widgets.lines import Lines

WIDE = 120
"""Cells from which on file and state stand beside each other."""

KEYS = [
    Piece("S", "key"),
    Piece(" saves it, "),
    Piece("V", "key"),
    Piece(" reverts it, "),
    Piece("R", "key"),
    Piece(" reloads the file"),
]


class Config(Pane):
    """Asked for when it is entered, and when something was changed: never twice a second."""

    NAME: ClassVar[str] = "config"
    DEFAULT_CSS = """
    Config { layout: vertical; }
    Config #config-file { height: 1fr; }
    Config #config-state { height: auto; max-height: 50%; }
    Config #config-state VerticalScroll { height: auto; }
    Config.-wide { layout: horizontal; }
    Config.-wide #config-file { width: 3fr; height: 1fr; }
    Config.-wide #config-state { width: 2fr; height: 1fr; max-height: 100%; }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._file: FileText | None = None
        self._text: str | None = None
        """What `_lines` show."""
        self._lines: list[list[Piece]] = []
        self._put: object = None
        """What the file view shows."""
        self._difference: Difference | None = None
        self._why_not = ""
        self._wants_mistake = False
        """Somebody is on the way to the first one, which is not known yet."""
        self._asked_for: object = None
        self._drawn: object = None

    def compose(self) -> ComposeResult:
        with Framed("File", id="config-file"):
            yield FileView(id="file-view")
        with Framed("Configuration", id="config-state"), VerticalScroll(can_focus=False):
            yield Lines(id="config-lines")

    def enter(self) -> None:
        """The file may have been saved since."""
        self.query_one(FileView).focus()
        self._asked_for, self._wants_mistake = None, False

    def on_resize(self) -> None:
        """Beside each other where there is room."""
        self.set_class(self.size.width >= WIDE, "-wide")
        self._drawn = None
        self.call_after_refresh(self.console.draw)

    def draw(self, now: float) -> None:
        """What is known; ask where something was changed."""
        shown = self.model.shown
        if shown is None:
            return
        known = shown.configuration
        reload = known.last_reload
        basis = (shown.pid, known.generation, known.drift, reload.at if reload else 0.0)
        if basis != self._asked_for and self.model.link.state == "live":
            self._asked_for = basis
            self._ask()
        room = self.query_one("#config-lines", Lines).size
        drawn = (basis, self._file, self._difference, self._why_not, int(now), room)
        if drawn != self._drawn:
            self._drawn = drawn
            self._draw_state(known, now)
        view = self.query_one(FileView)
        view.inks = self.console.inks

    def _ask(self) -> None:
        def refused(error: Exception) -> None:
            self._why_not = str(error)

        self.console.ask(File(), self._took_file, refused)
        self.console.ask(Diff(), self._took_difference, refused)

    def _took_file(self, file: FileText) -> None:
        self._file, self._why_not = file, ""
        self._show_file()

    def _took_difference(self, difference: Difference) -> None:
        self._difference = difference
        self._show_file()

    def _show_file(self) -> None:
        if self._file is None:
            return
        if self._file.text != self._text:
            self._text, self._lines = self._file.text, plain(self._file.text)
            self.run_worker(self._colour(self._text), exclusive=True, group="colour")
        found = self._difference.problems if self._difference is not None else ()
        put = (self._lines, self._file.cut, found)
        if put != self._put:
            self._put = put
            self._put_lines(self._file.cut, found)
        state = "in force" if self._file.in_force else "not in force"
        self.query_one("#config-file", Framed).name_it(self._file.file, state)

    async def _colour(self, text: str) -> None:
        self._lines = await highlighted(text)
        self._show_file()

    def _put_lines(self, is_cut: bool, found: tuple[str, ...]) -> None:
        problems: dict[int, list[str]] = defaultdict(list)
        for number, problem in numbered(found):
            problems[number if number <= len(self._lines) else 0].append(problem)
        more = [[Piece("… the file goes on", "quiet")]] if is_cut else []
        view = self.query_one(FileView)
        view.show([*self._lines, *more], problems)
        if self._wants_mistake:
            self._wants_mistake = not view.next_problem(anew=True)

    def _draw_state(self, known: ConfigurationSnapshot, now: float) -> None:
        lines = self.query_one("#config-lines", Lines)
        lines.inks = self.console.inks
        width = max(20, lines.size.width or self.size.width - 4)
        text = [*_facts(known, now)]
        if self._why_not:
            text += [[Piece(self._why_not, "slow")]]
        if self._difference is not None:
            text += [[], *lines_of_page(page_of_difference(self._difference), width)]
        if known.drift:
            text += [[], KEYS]
        lines.show(text)

    def go_to(self, id: Hashable) -> None:
        """To the file's first mistake, as soon as it is known."""
        if id == MISTAKE:
            self._wants_mistake = not self.query_one(FileView).next_problem(anew=True)

    # Actions

    def do_open(self) -> None:
        """The next mistake."""
        if not self.query_one(FileView).next_problem():
            self.console.news.told("the file has no mistake")

    def do_copy(self) -> None:
        """The command that shows the same difference."""
        self.console.copy_to_clipboard("udplb diff")
        self.console.news.told("copied: udplb diff")


def _facts(known: ConfigurationSnapshot, now: float) -> list[list[Piece]]:
    """The configuration in force, and the last reload."""
    since = lasting(now - known.applied_at)
    text = [
        [Piece(f"#{known.generation}", "heading"), Piece(f" in force since "
         f"{time_of_day(known.applied_at)} ({since})")],
        [Piece(f"{plural(known.reloads, 'reload')}, {known.rejected} rejected", "quiet")],
    ]  # fmt: skip
    reload = known.last_reload
    if reload is not None and reload.problems:
        text.append([Piece(f"✖ {time_of_day(reload.at)} rejected: ", "down"),
                     Piece(plural(len(reload.problems), "mistake")),
                     Piece("; Enter goes to them", "quiet")])  # fmt: skip
        text += [[Piece(f"  {problem}", "down")] for problem in reload.problems[:5]]
    elif reload is not None:
        text.append([Piece(f"✔ {time_of_day(reload.at)} reloaded", "up"),
                     Piece(f" in {span(reload.took_s)}", "quiet")])  # fmt: skip
        text += [[Piece(f"  {sentence}")] for sentence in reload.sentences[:8]]
    if known.awaiting_restart:
        text.append([Piece("Only a restart can change:", "slow")])
        text += [[Piece(f"  {sentence}")] for sentence in known.awaiting_restart]
    return text
