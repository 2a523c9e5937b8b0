"""The masthead: where we are, whether it lives, what may be done, and the screens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.cells import cell_len
from textual import events
from textual.strip import Strip
from textual.widget import Widget

from udplb.show.quantities import age, count, time_of_day
from udplb.show.states import BAD
from udplb.tui.actions import DEFAULTS, ActionTable
from udplb.tui.breath import breathe
from udplb.tui.ink import Inks, Piece, clean, strip_of
from udplb.tui.model import Model
from udplb.tui.themes.glyphs import GLYPHS

SCREENS = ("overview", "backends", "flows", "events", "config")
NAME = (Piece(" udplb ", "heading"),)
WHERE_MIN = 12
"""Cells that the place keeps, if there is room for anything else."""
_SHORT = {"overview": "Ovw", "backends": "Back", "flows": "Flows", "events": "Ev", "config": "Cfg"}
NARROW = 100


class Masthead(Widget):
    """Two lines on top of every screen."""

    DEFAULT_CSS = """
    Masthead { height: 2; background: $udplb-target-frame; color: $udplb-target-text; }
    """

    def __init__(self) -> None:
        super().__init__()
        self.inks: Inks = {}
        self._model: Model | None = None
        self._where = ""
        self._screen = ""
        self._now = 0.0
        self._unseen = 0
        self._glyphs: Mapping[str, str] = GLYPHS
        self._actions = DEFAULTS
        self._places: list[tuple[int, int, str]] = []

    def show(
        self,
        model: Model,
        *,
        where: str,
        screen: str,
        unseen: int,
        now: float,
        glyphs: Mapping[str, str] = GLYPHS,
        actions: ActionTable = DEFAULTS,
    ) -> None:
        """`where`: the target, in a few words; `unseen`: events that nobody has looked at."""
        breathe()
        self._model, self._where, self._screen = model, where, screen
        self._glyphs, self._actions = glyphs, actions
        self._unseen, self._now = unseen, now
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """The state, then the screens."""
        breathe()
        if self._model is None:
            return Strip.blank(self.size.width, self.rich_style)
        if y == 0:
            return self._state_line(self._model)
        return self._screens_line(self._model)

    def _state_line(self, model: Model) -> Strip:
        """What must be seen always is never cut: the name of the place gives way first."""
        width = self.size.width
        read_only = model.read_only or bool(model.mismatch)
        needed = [
            *liveness(model, self._now, self._glyphs, brief=width < NARROW),
            Piece("  "),
            Piece("RO" if read_only else "RW", "ro" if read_only else "rw"),
            Piece("  "),
            *configuration(model),
        ]
        up = [] if model.shown is None else [Piece(f"  up {age(model.shown.up_s)}")]
        clock = [Piece(f"  {time_of_day(self._now)} ", "quiet")]
        room = width - _length(needed) - _length(NAME) - 2
        where = self._where
        for extra in (up, clock):
            if _length(extra) + min(cell_len(clean(where)), WHERE_MIN) > room:
                extra.clear()
            room -= _length(extra)
        where = _shortened(where, room)
        pieces = [*NAME, Piece(f"{where}  ", "heading"), *needed, *up]
        left = strip_of(pieces, self.inks, width - _length(clock), self.rich_style)
        return Strip.join([left, strip_of(clock, self.inks, _length(clock), self.rich_style)])

    def _screens_line(self, model: Model) -> Strip:
        narrow = self.size.width < NARROW
        pieces: list[Piece] = []
        self._places = []
        at = 0
        for action in map(self._actions.__getitem__, SCREENS):
            title = _SHORT[action.name] if narrow else action.title
            text = f" {action.key} {title}{self._badge(action.name, model)} "
            pieces.append(Piece(text, "tab" if action.name == self._screen else ""))
            self._places.append((at, at + len(text), action.name))
            at += len(text)
        help_text = f" {self._actions['help'].key} Help "
        self._places.append((at, at + len(help_text), "help"))
        pieces.append(Piece(help_text))
        return strip_of(pieces, self.inks, self.size.width, self.rich_style)

    def _badge(self, name: str, model: Model) -> str:
        snapshot = model.shown
        if snapshot is None:
            return ""
        match name:
            case "backends":
                every = [each for cluster in snapshot.clusters for each in cluster.backends]
                good = sum(each.up and not each.draining for each in every)
                return f" {good}/{len(every)}"
            case "flows":
                return f" {count(snapshot.totals.flows)}"
            case "events":
                return f" ▲{count(self._unseen)}" if self._unseen else ""
            case "config":
                mark = model.shown and model.shown.configuration
                bad = mark and mark.last_reload and mark.last_reload.problems
                return f" {BAD}" if bad else ""
        return ""

    def on_click(self, event: events.Click) -> None:
        """A screen's name shows it."""
        for begin, end, name in self._places:
            if event.y == 1 and begin <= event.x < end:
                self.app.call_later(self.app.run_action, f"do('{name}')")


def liveness(
    model: Model, now: float, glyphs: Mapping[str, str], *, brief: bool = False
) -> list[Piece]:
    """Whether pictures come, as glyph and word."""
    if model.paused_at is not None:
        return [Piece(f"{glyphs['paused']} PAUSED {age(now - model.paused_at)}", "slow")]
    link, stale = model.link, model.stale_s(now)
    match link.state:
        case "starting":
            return [Piece(f"{glyphs['unknown']} STARTING", "unknown")]
        case "lost":
            return [Piece(f"{glyphs['down']} LOST {age(now - link.since)}", "down")]
        case "ended":
            return [Piece(f"{glyphs['down']} ENDED", "down")]
        case _ if stale is not None:
            return [Piece(f"{glyphs['stale']} STALE {age(stale)}", "stale")]
    if model.snapshot is not None and model.snapshot.state != "running":
        return [Piece(f"{glyphs['drain']} {model.snapshot.state.upper()}", "drain")]
    rate = [] if brief else [Piece(f" {1 / model.interval_s:g}Hz", "quiet")]
    return [Piece(f"{glyphs['up']} LIVE", "up"), *rate]


def configuration(model: Model) -> list[Piece]:
    """The configuration's number, whether the file is good, and the drift."""
    if model.shown is None:
        return []
    known = model.shown.configuration
    bad = known.last_reload is not None and known.last_reload.problems
    mark = Piece(BAD, "down") if bad else Piece("✔", "up")
    pieces = [Piece(f"cfg #{known.generation} "), mark]
    if known.drift:
        pieces.append(Piece(f"  drift {len(known.drift)}", "cfg-change"))
    if known.awaiting_restart:
        pieces.append(Piece(f"  restart {len(known.awaiting_restart)}", "slow"))
    return pieces


def _length(pieces: Sequence[Piece]) -> int:
    return sum(cell_len(piece.text) for piece in pieces)


def _shortened(text: str, room: int) -> str:
    """In so many cells: the end of a place tells more than its begin."""
    text = clean(text)
    if cell_len(text) <= room:
        return text
    mode, _, rest = text.partition(" ")
    if mode.isupper() and room > len(mode) + 3:  # how we are there is said first, and stays
        return f"{mode} {_shortened(rest, room - len(mode) - 1)}"
    if room < 2:
        return ""
    begin, left = len(text), room - 1
    while begin and (left := left - cell_len(text[begin - 1])) >= 0:
        begin -= 1
    return f"…{text[begin:]}"
