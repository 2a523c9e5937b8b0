"""The console: the application around the screens. It owns the model and asks the proxy."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from textual.app import ComposeResult
from textual.command import Provider
from textual.events import Key, Resize
from textual.message import Message
from textual.widgets import ContentSwitcher, Footer, Input

from udplb import __version__
from udplb.client import (
    Client,
    Item,
    Resumed,
)
from udplb.engine.control.requests import PROTOCOL, Request
from udplb.engine.ranking import FlowQuery
from udplb.tui.acting import Acting
from udplb.tui.actions import BY_NAME
from udplb.tui.asides import Asides
from udplb.tui.asking import Asker
from udplb.tui.dialogs.dialog import Dialog
from udplb.tui.dialogs.text import TextDialog
from udplb.tui.feed import Feed
from udplb.tui.going import Going
from udplb.tui.model import BackendKey, Model
from udplb.tui.moving import Moving
from udplb.tui.news import News
from udplb.tui.palette import Palette
from udplb.tui.panes import PANES
from udplb.tui.panes.pane import Pane
from udplb.tui.problems import problems_of
from udplb.tui.settings import Settings
from udplb.tui.slowness import slow_backends
from udplb.tui.themed import ThemedApp
from udplb.tui.themes.shelf import Opened, open_shelf
from udplb.tui.widgets.banner import Banner
from udplb.tui.widgets.bottom import BottomLine
from udplb.tui.widgets.live_table import LiveTable
from udplb.tui.widgets.masthead import Masthead
from udplb.tui.widgets.summary import LEAST_HEIGHT, LEAST_WIDTH, Summary

INTERVALS_S = (0.25, 0.5, 1.0, 2.0)
"""Between two pictures, from the fastest to the slowest."""
TICK_S = 0.25
"""Between two looks at signals and at the clock."""
IDLE_DRAW_S = 1.0
"""After so long the screen is drawn although nothing came."""


Answer = TypeVar("Answer")


class Console(ThemedApp):
    """Shows one proxy, and acts on it. Its client is the only way to the engine."""

    CSS_PATH = "console.tcss"
    COMMANDS: ClassVar[set[type[Provider] | Callable[[], type[Provider]]]] = {Palette}
    COMMAND_PALETTE_BINDING = "ctrl+p"
    AUTO_FOCUS = None

    class Arrived(Message):
        """Something came from the proxy."""

        def __init__(self, items: list[Item], query: FlowQuery | None) -> None:
            super().__init__()
            self.items = items
            self.query = query
            """What the windows among them answer."""

    class Settled(Message):
        """An answer came, or none."""

        def __init__(self, call: Callable[[], None]) -> None:
            super().__init__()
            self.call = call

    def __init__(
        self,
        client: Client,
        *,
        where: str,
        opened: Opened | None = None,
        settings: Settings | None = None,
        leaving: str = "",
        leave_for: Callable[[Path], None] | None = None,
        wall_clock: Callable[[], float] = time.time,
        heartbeat: Callable[[], bool] | None = None,
    ) -> None:
        """`where`: the target in a few words. `opened`: the themes, and which to begin with.

        `leaving`: what it means to leave, where that has to be asked. `leave_for` is called before
        the console ends for another proxy, with its socket; None: there is no going on. `heartbeat`
        is called four times a second, for whoever runs the console; when it says False the console
        ends.
        """
        opened = opened or open_shelf(None, {}, no_color=False)
        super().__init__(opened)
        self.client = client
        self.settings = settings or Settings()
        self.actions = self.settings.actions
        """With the keys that hold here."""
        for each in self.actions.bindings():
            self.bind(
                each.key,
                each.action,
                description=each.description,
                show=each.show,
                key_display=each.key_display,
            )
        self.where = where
        self.leaving = leaving
        self.wall_clock = wall_clock
        self.model = Model(read_only=client.read_only)
        self.news = News(wall_clock)
        self.bits = False
        """Traffic is shown in bits per second."""
        self.acting = Acting(self)
        self.going = Going(self)
        self.moving = Moving(self, leave_for, lambda call: self._post(self.Settled(call)))
        self._heartbeat = heartbeat
        self._feed = Feed(
            client,
            lambda items, query: self._post(self.Arrived(items, query)),
            lambda why: self._post(self.Settled(lambda: self.news.failed(why))),
            interval_s=self.model.interval_s,
        )
        self.asides = Asides(self)
        self._asker = Asker(client, lambda call: self._post(self.Settled(call)))
        self._events_looked_at = 0
        self._keys_for: tuple[object, ...] = ()
        self._drawn_at = 0.0
        self._era = 0
        self._is_tiny = False
        """Only the summary has room: who cannot see a target must not act on it."""

    # Layout

    def compose(self) -> ComposeResult:
        yield Masthead()
        yield Banner()
        with ContentSwitcher(id="panes", initial="overview"):
            for pane in PANES:
                yield pane(id=pane.NAME)
        yield Input(id="filter", placeholder="filter", select_on_focus=False, compact=True)
        yield Summary()
        yield BottomLine()
        yield Footer(compact=True, show_command_palette=False)

    def on_mount(self) -> None:
        """Begin to listen."""
        self.begin_themes()
        if self.settings.problems:
            self.news.failed(self.settings.told(self.actions["palette"].key))
        self.set_interval(TICK_S, self._tick)
        self.look_at()
        self._feed.start()
        self.pane.enter()

    def on_unmount(self) -> None:
        """Nobody looks any more."""
        self._feed.stop()

    @property
    def pane(self) -> Pane:
        """The screen that is shown."""
        switcher = self.screen_stack[0].query_one("#panes", ContentSwitcher)
        return switcher.query_one(f"#{switcher.current}", Pane)

    # What comes

    def _post(self, message: Message) -> None:
        """From any thread; a console that has ended takes no more."""
        if self.is_running:
            self.post_message(message)

    def on_console_arrived(self, message: Console.Arrived) -> None:
        """Pictures, events, a lost proxy."""
        now = self.wall_clock()
        for event in self.model.took(message.items, now, message.query):
            self.acting.heard(event)
        for item in message.items:
            if isinstance(item, Resumed):
                self.news.told(f"the proxy is there again; missed {item.missed_s:.0f} s")
        if self.model.era != self._era:
            self._era = self.model.era
            self.news.failed(next(e.text for e in reversed(self.model.happenings) if e.text))
            for table in self.screen_stack[0].query(LiveTable):
                table.marked.clear()  # the same numbers are others' now
        self._compare_versions()
        self.draw()

    def _compare_versions(self) -> None:
        """A proxy that speaks another protocol is looked at, and not acted on."""
        hello = getattr(self.client, "hello", None)
        self.model.mismatch = ""
        if hello is not None and hello.protocol != PROTOCOL:
            self.model.mismatch = f"this is udplb {__version__}, the proxy udplb {hello.version}"

    def on_console_settled(self, message: Console.Settled) -> None:
        """What an answer means, if anybody is there still to whom it means anything."""
        if self.screen_stack:
            message.call()
            self.draw()

    def _tick(self) -> None:
        if self._heartbeat is not None and not self._heartbeat():
            self.exit()
        elif self.wall_clock() - self._drawn_at >= IDLE_DRAW_S:  # no picture came: ages go on
            self.draw()

    def draw(self) -> None:
        """Show what the model knows, on the screen that is shown."""
        if not self.is_running or not self.screen_stack:
            return
        now = self._drawn_at = self.wall_clock()
        model = self.model
        base = self.screen_stack[0]
        pane = self.pane
        shown = model.shown
        self.slow = {} if shown is None else slow_backends(shown, model.backends, now)
        self.problems = problems_of(model, self.slow, now)
        for table in base.query(LiveTable):
            table.inks = self.inks
        if pane.NAME == "events":
            self._events_looked_at = model.events_seen
        base.query_one(Masthead).inks = self.inks
        base.query_one(Masthead).show(
            model,
            where=self.where,
            screen=pane.NAME,
            unseen=model.events_seen - self._events_looked_at,
            now=now,
            glyphs=self.glyphs,
            actions=self.actions,
        )
        base.query_one(Banner).inks = self.inks
        base.query_one(Banner).show(model, now, self.actions)
        base.query_one(Summary).inks = self.inks
        base.query_one(Summary).show(model, self.problems, now, self.actions)
        base.query_one(BottomLine).inks = self.inks
        base.query_one(BottomLine).show(self.news.latest(), self.problems, model, self.actions)
        with self.batch_update():
            pane.draw(now)
        if isinstance(self.screen, Dialog):
            self.screen.redraw()
        self._offer_keys(pane)

    def _offer_keys(self, pane: Pane) -> None:
        """Make the footer anew where other keys apply: that costs more than all the rest."""
        apply = (pane.NAME, self.focused, self.model.may_change)
        if apply != self._keys_for:
            self._keys_for = apply
            self.refresh_bindings()

    def look_at(self) -> None:
        """Ask for what the screen needs."""
        pane = self.pane
        self.model.looking_at = pane.window()
        self._feed.look_at(
            window=self.model.looking_at, tap=pane.tapped(), interval_s=self.model.interval_s
        )

    # Asking

    def ask(
        self,
        request: Request[Answer],
        then: Callable[[Answer], None],
        otherwise: Callable[[Exception], None] | None = None,
    ) -> None:
        """Ask the proxy, in a thread; then call back here. What fails is told and stays."""
        self._asker.ask(request, then, otherwise or self._failed)

    @property
    def asking(self) -> int:
        """Requests on their way."""
        return self._asker.under_way

    def _failed(self, error: Exception) -> None:
        self.news.failed(str(error))

    # Actions

    def action_do(self, name: str) -> None:
        """Carry out an action of the table: whoever is first to know it, from the focus up."""
        if name == "back" and self.focused is not None and self.focused.id == "filter":
            self._close_filter()
            return
        handler = self._handler(name)
        if handler is not None:
            handler()
            self.draw()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Hidden where nobody knows the action, grey while it must not be used."""
        if action != "do":
            return True
        name = str(parameters[0])
        if self._handler(name) is None or not self.acting.applies(name):
            return False
        barred = not self.model.may_change or self._is_tiny
        return None if BY_NAME[name].changes and barred else True

    def _handler(self, name: str) -> Callable[[], None] | None:
        if not self.screen_stack:
            return None
        nodes: list[object] = [*(self.focused.ancestors_with_self if self.focused else ())]
        for node in (*nodes, self.pane, self.acting, self.going, self.asides, self):
            handler: Any = getattr(node, f"do_{name}", None)
            if handler is not None:
                return handler  # type: ignore[no-any-return]
        return None

    def show_pane(self, name: str) -> None:
        """Another screen."""
        switcher = self.screen_stack[0].query_one("#panes", ContentSwitcher)
        if switcher.current != name:
            switcher.current = name
        self.look_at()
        self.pane.enter()
        self.draw()

    def do_pause(self) -> None:
        self.model.pause(self.wall_clock())

    def do_units(self) -> None:
        self.bits = not self.bits

    def do_faster(self) -> None:
        self._set_interval(-1)

    def do_slower(self) -> None:
        self._set_interval(1)

    def _set_interval(self, step: int) -> None:
        at = INTERVALS_S.index(self.model.interval_s) + step
        self.model.interval_s = INTERVALS_S[max(0, min(at, len(INTERVALS_S) - 1))]
        self.look_at()

    def do_next_part(self) -> None:
        """To the next part of the screen that takes keys."""
        self.screen.focus_next()

    def on_resize(self, event: Resize) -> None:
        """A terminal that is too small for screens gets the summary."""
        self._is_tiny = event.size.width < LEAST_WIDTH or event.size.height < LEAST_HEIGHT
        self.screen_stack[0].set_class(self._is_tiny, "-tiny")
        self.draw()

    def do_resync(self) -> None:
        self._feed.resync()

    def do_palette(self) -> None:
        self.action_command_palette()

    def do_back(self) -> None:
        """Whatever stands in the way goes: messages, then the filter."""
        if self.news.dismiss():
            return
        if self.pane.filter_line():
            self.pane.set_filter("")
            self.look_at()

    async def action_quit(self) -> None:
        """Ctrl-Q is Textual's; it asks as `q` does."""
        self.acting.do_quit()

    def action_help_quit(self) -> None:
        """Ctrl-C, by which nobody should lose anything."""
        self.news.told(f"{self.actions['quit'].key} leaves the console")
        self.draw()

    def open(self, dialog: Dialog) -> None:
        """A dialog above the screen."""
        self.push_screen(dialog)

    def act_on(self, name: str, key: BackendKey) -> None:
        """Ask whether to do this to a backend, whichever screen is shown."""
        self.acting.on_backends(name, [key])

    def more_commands(self) -> Iterator[tuple[str, str, Callable[[], Any]]]:
        """For the palette: what has no key. Title, sentence, what is done."""
        yield from self.theme_commands()
        yield from self.moving.commands()
        if self.settings.problems:
            yield "Mistakes in the settings", "What is wrong with console.toml", self._show_mistakes
        if self.model.may_change:
            yield "Close flows that match…", "Close flows by a filter", self.acting.close_matching

    def _show_mistakes(self) -> None:
        text = "\n".join(map(str, self.settings.problems))
        self.push_screen(TextDialog("Mistakes in the settings", text))

    # The filter line

    def do_filter(self) -> None:
        """Open the line in which filters are typed."""
        text = self.pane.filter_line()
        if text is None:
            return
        line = self.query_one("#filter", Input)
        line.add_class("-open")
        line.value = text
        line.cursor_position = len(text)
        line.focus()

    def on_input_submitted(self, message: Input.Submitted) -> None:
        """Filter for what was typed; what is no filter stays to be mended."""
        if message.input.id != "filter":
            return
        wrong = self.pane.set_filter(message.value.strip())
        if wrong:
            self.news.failed(wrong)
        else:
            self.news.dismiss()
            self._close_filter()
            self.look_at()
        self.draw()

    def on_key(self, event: Key) -> None:
        """A key that changes the proxy, and may not now: that has to be said."""
        if len(self.screen_stack) == 1 and not self.model.may_change:
            names = [each.name for each in self.actions.named_by(event.key) if each.changes]
            if names and self.acting.applies(names[0]):
                self.news.told(self._why_not())
                self.draw()

    def _why_not(self) -> str:
        if self.model.read_only:
            return "this session is read-only: the proxy refuses whatever would change it"
        return self.model.mismatch or "the proxy is lost: nothing can be changed now"

    def _close_filter(self) -> None:
        self.query_one("#filter", Input).remove_class("-open")
        self.pane.enter()
