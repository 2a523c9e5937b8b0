"""Acting: what changes the proxy. Each asks before it acts, with what it would mean.

Targets are pinned when a dialog opens, together with the engine's name and the configuration's
generation: if one is another by the time of the yes, the proxy refuses, and the dialog shows what
is so now.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from udplb.client import Refused
from udplb.engine.control.requests import (
    Change,
    Closed,
    Diff,
    Difference,
    Done,
    Listeners,
)
from udplb.engine.control.spelling import command_line
from udplb.engine.events import BackendDrained, Event
from udplb.show.events import tell
from udplb.show.quantities import plural
from udplb.tui.dialogs import on_backends, on_configuration, on_flows
from udplb.tui.dialogs.dialog import Answers, Dialog
from udplb.tui.dialogs.plan import Plan
from udplb.tui.ink import Piece
from udplb.tui.model import BackendKey

if TYPE_CHECKING:
    from udplb.tui.console import Console

Changes = Sequence[Change[Any]]
ANOTHER = "the proxy is another process now: leave this, and look again"
NO_LOCK = "read-only: the proxy is of an older version and knows no lock; this console sees to it"


class Acting:
    """The actions of the table that change something, for the whole console."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def applies(self, name: str) -> bool:
        """Whether there can be anything on this screen to do it to."""
        if name in on_backends.BUILDERS:
            return hasattr(self._console.pane, "marked_backends")
        return name != "close" or hasattr(self._console.pane, "flows_chosen")

    # Backends

    def do_drain(self) -> None:
        self.on_backends("drain", self._chosen())

    def do_undrain(self) -> None:
        self.on_backends("undrain", self._chosen())

    def do_weight(self) -> None:
        self.on_backends("weight", self._chosen())

    def do_remove(self) -> None:
        self.on_backends("remove", self._chosen())

    def do_add(self) -> None:
        chosen = self._chosen()
        snapshot = self._console.model.snapshot
        if snapshot is None or not snapshot.clusters:
            self._console.news.failed("there is no cluster to add a backend to")
            return
        cluster = chosen[0][0] if chosen else snapshot.clusters[0].name
        self._ask(lambda: on_backends.adding(self._console.model, cluster))

    def on_backends(self, name: str, keys: Sequence[BackendKey]) -> None:
        """Ask whether to do this to these backends."""
        if not keys:
            self._console.news.told("put the cursor on a backend first (screen 2)")
            return
        self._ask(lambda: on_backends.BUILDERS[name](self._console.model, keys))

    def _chosen(self) -> Sequence[BackendKey]:
        """The marked backends, or the one under the cursor, on whichever screen."""
        marked: Callable[[], Sequence[BackendKey]] | None
        marked = getattr(self._console.pane, "marked_backends", None)
        return marked() if marked is not None else ()

    # Flows

    def do_close(self) -> None:
        chosen: Callable[[], list[int]] | None
        chosen = getattr(self._console.pane, "flows_chosen", None)
        flows = chosen() if chosen is not None else []
        pane = self._console.pane
        pattern = (pane.filter_line() or "") if pane.NAME == "flows" else ""
        if not flows and not pattern:
            self._console.news.told("put the cursor on a flow first (screen 3)")
            return
        engine = self._engine
        self._ask(lambda: on_flows.closing(self._console, flows, pattern, engine))

    def close_matching(self) -> None:
        """Close flows by a filter, from any screen."""
        pattern = self._console.pane.filter_line() if self._console.pane.NAME == "flows" else ""
        self._ask(lambda: on_flows.closing_by_filter(self._console, pattern or ""))

    # Configuration

    def do_reload(self) -> None:
        self._with_difference(on_configuration.reloading)

    def do_save(self) -> None:
        self._with_difference(on_configuration.saving)

    def do_revert(self) -> None:
        self._with_difference(on_configuration.reverting)

    def _with_difference(self, build: Callable[[Difference, int], Plan | str]) -> None:
        """The difference first, and only then the question."""

        def told(difference: Difference) -> None:
            plan = build(difference, self._generation)
            if isinstance(plan, str):
                self._console.news.told(plan)
            else:
                self._open(plan, again=lambda: self._with_difference(build))

        self._console.ask(Diff(), told)

    # Session

    def do_lock(self) -> None:
        console = self._console
        if console.model.read_only:
            console.news.told("this session is read-only already; a new console is not")
            return
        lines = [
            [Piece("From now on the proxy refuses whatever this console would change.")],
            [Piece("There is no way back, but to leave and start the console anew.", "quiet")],
        ]

        def accept(answers: Answers) -> None:
            console.client.lock()
            console.model.read_only = True
            console.news.told("this session is read-only now")
            console.ask(Listeners(), told, told)
            dialog.done()

        def told(answer: object) -> None:
            """Whatever was answered: a connection was made, and should be locked."""
            if console.client.locked is False:
                console.news.told(NO_LOCK, stays=True)

        dialog = Dialog("Lock this session?", lines, accept, verb="Lock")
        console.open(dialog)

    def do_quit(self) -> None:
        console = self._console
        snapshot = console.model.snapshot
        if len(console.screen_stack) > 1:
            return  # something else is asked already
        if not console.leaving or console.model.link.state == "ended":
            console.exit()
            return
        live = "" if snapshot is None else plural(snapshot.totals.flows, "live flow")
        lines = [
            [Piece("The proxy runs in this process: it stops forwarding. ", "down"), Piece(live)],
            [Piece(console.leaving)],
            [Piece("udplb run --headless goes on without a terminal.", "quiet")],
        ]

        def accept(answers: Answers) -> None:
            dialog.done()
            console.exit()

        dialog = Dialog("Quit, and end the proxy?", lines, accept, verb="Quit")
        console.open(dialog)

    # What was asked

    def heard(self, event: Event) -> None:
        """Drains are finished out loud."""
        if isinstance(event, BackendDrained):
            self._console.news.told(tell(event).sentence, stays=True)
            self._console.bell()

    @property
    def _generation(self) -> int:
        snapshot = self._console.model.snapshot
        return 0 if snapshot is None else snapshot.configuration.generation

    @property
    def _engine(self) -> str:
        """The name of the engine that is shown; empty: it gives none, and knows of none."""
        snapshot = self._console.model.snapshot
        return "" if snapshot is None else snapshot.engine

    def _ask(self, build: Callable[[], Plan | str]) -> None:
        """Open the dialog that was planned; where there is nothing to ask, say why."""
        plan = build()
        if isinstance(plan, str):
            self._console.news.failed(plan)
        else:
            self._open(plan, again=lambda: self._ask(build))

    def _open(self, plan: Plan, again: Callable[[], None]) -> None:
        engine = self._engine or None
        era = self._console.model.era

        def requests(answers: Answers) -> Changes:
            wanted = plan.requests(answers)
            return [msgspec.structs.replace(each, engine=engine) for each in wanted]

        def accept(answers: Answers) -> str | None:
            if self._console.model.era != era:
                return ANOTHER
            if not self._console.model.may_change:
                return "the proxy is lost: nothing can be changed now"
            try:
                wanted = requests(answers)
            except ValueError as error:
                return str(error)
            anew = plan.again
            afterwards = again if anew is None else lambda: self._ask(lambda: anew(answers))
            self._carry_out(list(wanted), [], dialog, plan, afterwards)
            return None

        def command(answers: Answers) -> str:
            try:
                lines = [command_line(_by_name(each, plan)) for each in requests(answers)]
            except ValueError:
                return "…"
            more = f" (and {len(lines) - 1} more)" if len(lines) > 1 else ""
            return f"{lines[0]}{more}" if lines else "…"

        dialog = Dialog(
            plan.title,
            plan.lines({}),
            accept,
            verb=plan.verb,
            command=command if plan.verb else None,
            fields=plan.fields,
            word=plan.word,
            changed=plan.lines,
            optional=plan.optional,
        )
        if plan.find_out is not None:
            plan.find_out(self._console, lambda: dialog.show(()))
        self._console.open(dialog)

    def _carry_out(
        self,
        left: list[Change[Any]],
        said: list[str],
        dialog: Dialog,
        plan: Plan,
        again: Callable[[], None],
    ) -> None:
        """One after the other; each stands upon the configuration that the one before left."""
        console = self._console
        request = left.pop(0)

        def done(answer: Done | Closed) -> None:
            said.extend(_sentences(answer))
            if left:
                if isinstance(answer, Done):
                    left[0] = msgspec.structs.replace(left[0], generation=answer.generation)
                self._carry_out(left, said, dialog, plan, again)
                return
            undo = f"   undo: {plan.undo}" if plan.undo else ""
            console.news.told(f"{'; '.join(said) or 'nothing had to be changed'}{undo}")
            dialog.done()

        def refused(error: Exception) -> None:
            stale = isinstance(error, Refused) and error.code == "stale" and not said
            if stale and dialog.is_attached:
                dialog.done()
                console.news.failed(f"not done: {error}")
                again()
                return
            problems = error.problems if isinstance(error, Refused) else ()
            why = "\n".join((str(error), *problems))
            done_before = f"{'; '.join(said)}. Then: " if said else ""
            dialog.complain(f"{done_before}{why}")
            console.news.failed(f"{command_line(request)}: {error}")

        console.ask(request, done, refused)


def _by_name(request: Change[Any], plan: Plan) -> Change[Any]:
    """As people type it: targets are pinned by address, and called by name."""
    name = plan.names.get(getattr(request, "backend", None) or "")
    return request if name is None else msgspec.structs.replace(request, backend=name)


def _sentences(answer: Done | Closed) -> tuple[str, ...]:
    if isinstance(answer, Closed):
        return (f"{plural(answer.flows, 'flow')} closed",)
    return (*answer.sentences, *answer.warnings)
