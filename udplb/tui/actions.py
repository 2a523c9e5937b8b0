"""The one table of actions: key bindings, footer, help, palette and dialogs all read it.

ACTIONS has the keys that we give them; an ActionTable has those that hold in one console, as its
user may want others (`udplb/tui/settings.py`).

An action's name is that of the method `do_NAME` that carries it out: of the focused widget, the
screen around it, or the console, whichever is the first to have one. Lower case keys never change
the proxy; those that do are capitals or Ctrl, and ask before they act.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from textual.binding import Binding

from udplb.tui.key_names import sign_of


@dataclass(frozen=True, slots=True)
class Action:
    """Something that an operator can do with a key."""

    name: str
    keys: tuple[str, ...]
    """As Textual spells them; the first is the one that is shown."""
    title: str
    """One or two words, for the footer."""
    sentence: str
    """For help and palette."""
    group: str
    changes: bool = False
    """It changes what the proxy does: not while the session is read-only, or the proxy lost."""
    footer: bool = False
    """Among the keys that the footer has room for."""
    shown: str = ""
    """The key as people read it, where that is not how Textual spells it."""

    @property
    def key(self) -> str:
        """The key as people read it."""
        return self.shown or sign_of(self.keys[0])


GO, MOVE, LOOK, VIEW, CHANGE, SESSION = (
    "Screens", "Move", "Look closer", "View", "Change the proxy", "Session",
)  # fmt: skip

ACTIONS: tuple[Action, ...] = (
    Action("overview", ("1",), "Overview", "Traffic, backends, the busiest flows, news", GO),
    Action("backends", ("2",), "Backends", "All backends, with the details of one", GO),
    Action("flows", ("3",), "Flows", "The live flows: sort, filter, tap, close", GO),
    Action("events", ("4",), "Events", "What has happened", GO),
    Action("config", ("5",), "Config", "The file, its mistakes, what runs beside it", GO),
    Action("help", ("question_mark",), "Help", "All keys", GO, footer=True),
    Action("problem", ("exclamation_mark",), "Problem", "Go to the next problem", GO),
    Action("down", ("j", "down"), "Down", "One row down", MOVE, shown="j ↓"),
    Action("up", ("k", "up"), "Up", "One row up", MOVE, shown="k ↑"),
    Action("page_down", ("pagedown",), "Page down", "A page down", MOVE),
    Action("page_up", ("pageup",), "Page up", "A page up", MOVE),
    Action("first", ("g", "home"), "First", "To the first row", MOVE, shown="g Home"),
    Action("last", ("G", "end"), "Last", "To the last row", MOVE, shown="G End"),
    Action("next_part", ("tab",), "Next part", "To the screen's next part", MOVE),
    Action("open", ("enter",), "Open", "Open what the cursor is on", LOOK, footer=True),
    Action("describe", ("d",), "Describe", "All that is known of it, as text", LOOK),
    Action("which", ("w",), "Which backend", "Where a client would go, and why", LOOK, footer=True),
    Action("tap", ("t",), "Tap", "The last datagrams of the flow, as they come", LOOK, footer=True),
    Action("back", ("escape",), "Back", "Back; clear filter, marks, messages", LOOK),
    Action("filter", ("slash",), "Filter", "Show only what matches", VIEW, footer=True),
    Action("sort", ("s",), "Sort", "Sort by the next column", VIEW),
    Action("reverse", ("r",), "Reverse", "Turn the order round", VIEW),
    Action("columns", ("c",), "Columns", "Choose columns", VIEW),
    Action("mark", ("space",), "Mark", "Mark the row, for an action on several", VIEW),
    Action("pause", ("p",), "Pause", "Hold the picture; counting goes on", VIEW),
    Action("follow", ("f",), "Follow", "Stay with the newest event, or with the flow", VIEW),
    Action("units", ("u",), "Units", "Datagrams or bits per second", VIEW),
    Action("faster", ("plus",), "Faster", "Refresh more often, to 4 times a second", VIEW),
    Action("slower", ("minus",), "Slower", "Refresh less often, to once in 2 s", VIEW),
    Action("drain", ("D",), "Drain", "No new flows on the backend; its own go on", CHANGE,
           changes=True, footer=True),
    Action("undrain", ("U",), "Undrain", "New flows on the backend again", CHANGE,
           changes=True, footer=True),
    Action("weight", ("W",), "Weight", "Another weight for the backend", CHANGE,
           changes=True, footer=True),
    Action("add", ("A",), "Add", "One more backend in the cluster", CHANGE, changes=True),
    Action("remove", ("ctrl+d",), "Remove", "Take the backend out of its cluster", CHANGE,
           changes=True),
    Action("close", ("K",), "Close flows", "Close the flow, the marked, or all that match",
           CHANGE,
           changes=True, footer=True),
    Action("reload", ("R",), "Reload", "Read the file again; the difference first", CHANGE,
           changes=True, footer=True),
    Action("save", ("S",), "Save", "Write what was changed here into the file", CHANGE,
           changes=True),
    Action("revert", ("V",), "Revert", "Undo what was changed here", CHANGE, changes=True),
    Action("lock", ("L",), "Lock", "Make this session read-only", SESSION),
    Action("export", ("x",), "Export", "Write the rows, events or datagrams to a file", SESSION),
    Action("copy", ("y",), "Copy", "Copy it as a udplb command line", SESSION),
    Action("mouse", ("m",), "Mouse", "Let the terminal have the mouse; take it back",
           SESSION),
    Action("screenshot", ("ctrl+s",), "Picture", "Write the screen to an SVG file", SESSION),
    Action("palette", ("colon",), "Command", "Find any action by name", SESSION, footer=True),
    Action("resync", ("ctrl+r",), "Resync", "Connect anew, now", SESSION),
    Action("quit", ("q",), "Quit", "Leave; embedded, this stops the proxy", SESSION, footer=True),
)  # fmt: skip

FIRST = ("help", "palette", "quit")
"""In the footer, however narrow the terminal is."""
BY_NAME: dict[str, Action] = {action.name: action for action in ACTIONS}
GROUPS: tuple[str, ...] = (GO, MOVE, LOOK, VIEW, CHANGE, SESSION)


ALWAYS: dict[str, tuple[str, ...]] = {"back": ("escape",), "next_part": ("tab",)}
"""Keys that these actions have whatever the user says: lines to type in and dialogs need them."""


@dataclass(frozen=True, slots=True)
class ActionTable:
    """The actions with the keys that hold in one console."""

    actions: tuple[Action, ...] = ACTIONS
    _by_name: dict[str, Action] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_name", {action.name: action for action in self.actions})

    def __iter__(self) -> Iterator[Action]:
        return iter(self.actions)

    def __getitem__(self, name: str) -> Action:
        return self._by_name[name]

    def rebound(self, keys: Mapping[str, tuple[str, ...]]) -> ActionTable:
        """The same with other keys for some actions, by their names; the old ones do nothing."""
        return ActionTable(tuple(_rebound(action, keys) for action in self.actions))

    def named_by(self, key: str) -> Iterator[Action]:
        """The actions of a key: one at most, in a table that is whole."""
        return (action for action in self.actions if key in action.keys)

    def bindings(self) -> Iterator[Binding]:
        """The keys for Textual, in the footer's order."""
        for action in sorted(self.actions, key=lambda action: action.name not in FIRST):
            yield Binding(
                ",".join(action.keys),
                f"do('{action.name}')",
                action.title,
                show=action.footer,
                key_display=action.key,
            )


def _rebound(action: Action, keys: Mapping[str, tuple[str, ...]]) -> Action:
    wanted = keys.get(action.name)
    if wanted is None:
        return action
    return replace(action, keys=(*wanted, *ALWAYS.get(action.name, ())), shown="")


DEFAULTS = ActionTable()
"""Where the user wants nothing else."""
