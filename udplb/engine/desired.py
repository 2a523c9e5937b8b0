"""The desired state: the file, and on top of it what operators changed at run time.

Whatever changes either of them goes the same way: the two are laid over each other, the difference
to what is in force is prepared and committed, and everybody is told. One change at a time.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from udplb.config.changes import Change
from udplb.config.difference import difference, kept_until_restart
from udplb.config.editing import EditError
from udplb.config.load import NO_SUCH_FILE, Loaded
from udplb.config.overlay import Overlay, OverlayError
from udplb.config.problems import ConfigError, Problem
from udplb.config.saving import FileChangedError
from udplb.core.settings import Configuration
from udplb.engine.binding import StartError
from udplb.engine.control.requests import Done, Refused
from udplb.engine.events import (
    ConfigurationChanged,
    ConfigurationRejected,
    ConfigurationSaved,
    EventBus,
)
from udplb.engine.forwarding import Forwarding
from udplb.engine.reading import ReadingError, load_apart, save_apart
from udplb.engine.snapshot import ConfigurationSnapshot, ReloadSnapshot

SENTENCES_PER_SLICE = 64
"""Made in one turn of the loop: a third of a millisecond."""
SENTENCES_LOGGED_MAX = 100
"""Of one reload in log and snapshots; the answer and the event have them all."""

_log = logging.getLogger(__name__)

Edit = Callable[[Overlay, Configuration], Overlay]
"""What an operator does to the overlay, given what the file says. Raises OverlayError."""


class Preview(NamedTuple):
    """What a reload would do."""

    changes: tuple[Change, ...]
    dropped: tuple[str, ...]
    """Of what operators changed, as the file changed it, too: a sentence for each."""
    digest: bytes
    """That of the file."""


class DesiredState:
    """What should be in force, and how it comes to be. Lives in the engine's thread alone."""

    def __init__(
        self,
        forwarding: Forwarding,
        bus: EventBus,
        clock: Callable[[], float],
        configuration: Configuration,
        path: Path | None = None,
        digest: bytes = b"",
    ) -> None:
        self.path = path
        """None: the configuration came from a program, and there is no file to read again."""
        self.file = configuration
        """What the file said when it was last read and found good."""
        self.overlay = Overlay()
        self._digest = digest
        self._forwarding = forwarding
        self._bus = bus
        self._clock = clock
        self._lock = asyncio.Lock()
        self._previewing = asyncio.Lock()
        self._generation = 0
        self._applied_at = bus.now()
        self._reloads = 0
        self._rejected = 0
        self._last_reload: ReloadSnapshot | None = None
        self._ending = False
        self._told = ConfigurationSnapshot()

    @property
    def snapshot(self) -> ConfigurationSnapshot:
        """What there is to tell of it now."""
        return self._told

    @property
    def digest(self) -> bytes:
        """That of the file when it was last read and applied, or saved."""
        return self._digest

    def end(self) -> None:
        """The process ends: nothing is changed any more."""
        self._ending = True

    # What changes it

    async def start(self) -> None:
        """Put the file into force. Raises StartError."""
        async with self._one_at_a_time():
            await self._forwarding.change(self.file)
            self._note_generation()

    async def reload(
        self, why: str, generation: int | None = None, expected: str | None = None
    ) -> Done:
        """Read the file again, and go over to what it says; `why` is for the log.

        Raises Refused: then nothing was changed. `expected`: the hexadecimal digest of the file
        that somebody had in mind.
        """
        if self.path is None:
            raise Refused("refused", "this proxy has no file; it was configured by a program")
        async with self._one_at_a_time():
            self.refuse_stale(generation)
            began = self._clock()
            try:
                loaded = await load_apart(self.path)
            except (ConfigError, ReadingError) as error:
                code = "invalid" if isinstance(error, ConfigError) else "refused"
                raise self._reject(code, began, problems_of(error)) from None
            if expected is not None and loaded.digest.hex() != expected:
                message = f"{self.path} changed since the difference was shown; look again"
                raise Refused("stale", message)
            if loaded.digest == self._digest and self._is_settled():
                return self._in_force_already()
            await asyncio.sleep(0)  # each of these steps takes its time where there are thousands
            overlay, dropped = self._rebased(loaded)
            await asyncio.sleep(0)
            try:
                changes = await self._apply(loaded.configuration, overlay)
            except StartError as error:
                raise self._reject("refused", began, (str(error),)) from None
            return await self._accept(why, began, loaded, overlay, dropped, changes)

    def _in_force_already(self) -> Done:
        """The watcher of the file was first: what it did, and when."""
        _log.info("%s: read again, and it says what it said before", self.path)
        last = self._last_reload
        return Done(
            sentences=() if last is None else last.sentences,
            generation=self._generation,
            warnings=self._restart_warnings(),
            since_s=None if last is None else self._bus.now() - last.at,
        )

    def _rebased(self, loaded: Loaded) -> tuple[Overlay, tuple[str, ...]]:
        """What the new file leaves of the overlay, and what is dropped, in sentences."""
        overlay, dropped = self.overlay.rebased(self.file, loaded.configuration)
        if not overlay:
            return overlay, dropped
        for cluster, address in self._forwarding.loops(overlay.over(loaded.configuration)):
            if any((each.cluster, each.address) == (cluster, address) for each in overlay.backends):
                why = "it is one of our own listeners now"
                try:
                    overlay = overlay.reverted(loaded.configuration, cluster, str(address))
                except OverlayError:  # others of the cluster were changed because it was there
                    overlay = overlay.reverted(loaded.configuration, cluster)
                    why += ", and with it all that was changed of the cluster"
                dropped += (f"cluster {cluster}: backend {address}: dropped here, {why}",)
        return overlay, dropped

    def _restart_warnings(self) -> tuple[str, ...]:
        return tuple(f"{each}: needs a restart" for each in self._told.awaiting_restart)

    async def reload_quietly(self, why: str) -> None:
        """The same for somebody who waits for no answer: log and events tell it."""
        try:
            await self.reload(why)
        except Refused as refusal:
            _log.debug("%s: %s", why, refusal.message)  # the log has it already

    async def edit(
        self,
        edit: Edit,
        generation: int | None = None,
        before: Callable[[], None] | None = None,
    ) -> Done:
        """Let an operator change the overlay, and go over to what that comes to.

        Raises Refused: then nothing was changed. `before` is done once the edit is known to be
        good.
        """
        async with self._one_at_a_time():
            self.refuse_stale(generation)
            try:
                overlay = edit(self.overlay, self.file)
                if before is not None:
                    before()
                changes = await self._apply(self.file, overlay)
            except OverlayError as error:
                raise Refused(error.code, str(error)) from None
            except StartError as error:
                raise Refused("refused", str(error)) from None
            self.overlay = overlay
            sentences = tuple(each.sentence for each in changes)
            if changes:
                self._note_generation()
                self._publish(sentences, "an operator")  # who tells the log what he did
            else:
                self._refresh()
            idle = self._warnings_of_idle(changes)
            return Done(sentences=sentences, generation=self._generation, warnings=idle)

    async def save(self, generation: int | None = None) -> Done:
        """Write the overlay into the file. Raises Refused: then the file is as it was."""
        if self.path is None:
            raise Refused("refused", "this proxy has no file to save to")
        async with self._one_at_a_time():
            self.refuse_stale(generation)
            if not self.overlay.drift(self.file):
                return Done(sentences=(), generation=self._generation)
            try:
                loaded = await save_apart(self.path, self._digest, self.overlay, self.file)
            except FileChangedError:
                raise await self._changed_meanwhile(self.path) from None
            except (EditError, ReadingError) as error:
                raise Refused("refused", str(error)) from None
            except ConfigError as error:
                problems = tuple(map(str, error.problems))
                raise Refused("invalid", "the file is not valid", problems) from None
            changes = difference(self.file, loaded.configuration)
            sentences = (f"{self.path}: saved", *(each.sentence for each in changes))
            self.file, self._digest, self.overlay = loaded.configuration, loaded.digest, Overlay()
            self._refresh()
            self._bus.publish(
                ConfigurationSaved(at=self._bus.now(), file=str(self.path), sentences=sentences)
            )
            return Done(sentences=sentences, generation=self._generation)

    async def _changed_meanwhile(self, path: Path) -> Refused:
        """Why nothing is saved: whoever saved the file meanwhile shall not lose what he wrote."""
        try:
            changes = difference(self.file, (await load_apart(path)).configuration)
            told = tuple(each.sentence for each in changes)
        except (ConfigError, ReadingError) as error:
            told = problems_of(error)
        message = f"{path} was changed since it was read; udplb reload takes it up, save then"
        return Refused("changed", message, told)

    async def preview(self) -> Preview:
        """What a reload would do now. Raises ConfigError or ReadingError."""
        assert self.path is not None
        # Many who ask hold up a change by one reading at most.
        async with self._previewing, self._lock:
            loaded = await load_apart(self.path)
            overlay, dropped = self._rebased(loaded)
            await asyncio.sleep(0)  # as in `reload`
            desired = overlay.over(loaded.configuration)
            changes = difference(self._forwarding.configuration, desired)
            return Preview(changes, dropped, loaded.digest)

    # Steps

    @asynccontextmanager
    async def _one_at_a_time(self) -> AsyncIterator[None]:
        async with self._lock:
            if self._ending:
                _log.info("not changed: the proxy is ending")
                raise Refused("ended", "the proxy is ending; nothing is changed any more")
            yield

    def refuse_stale(self, generation: int | None) -> None:
        """Raises Refused if somebody had another generation in mind."""
        if generation is not None and generation != self._generation:
            raise Refused(
                "stale",
                f"the configuration is at generation {self._generation} by now, not"
                f" {generation}; look again",
            )

    async def _apply(self, file: Configuration, overlay: Overlay) -> tuple[Change, ...]:
        """Go over to the file with the overlay on it. Raises StartError, and nothing changed."""
        in_force = self._forwarding.configuration
        return await self._forwarding.change(kept_until_restart(in_force, overlay.over(file)))

    def _is_settled(self) -> bool:
        """Whether there is nothing to say of the last reload that a new one would take back."""
        return self._last_reload is None or not self._last_reload.problems

    def _reject(self, code: str, began: float, problems: tuple[str, ...]) -> Refused:
        self._rejected += 1
        took_s = self._clock() - began
        first = _first(problems, "problems")
        self._last_reload = ReloadSnapshot(at=self._bus.now(), problems=first, took_s=took_s)
        self._refresh()
        for problem in first:
            _log.error("%s", problem)
        _log.error("%s is not applied; generation %d stays", self.path, self._generation)
        self._bus.publish(ConfigurationRejected(at=self._bus.now(), problems=problems))
        message = f"{self.path} is not applied, nothing was changed"
        if code == "invalid":
            return Refused(code, message, problems)
        return Refused(code, f"{message}: {'; '.join(problems)}")

    async def _accept(
        self,
        why: str,
        began: float,
        loaded: Loaded,
        overlay: Overlay,
        dropped: tuple[str, ...],
        changes: Sequence[Change],
    ) -> Done:
        self.file, self._digest, self.overlay = loaded.configuration, loaded.digest, overlay
        self._reloads += 1
        if changes:
            self._note_generation()
        sentences = await _sentences(changes)
        self._last_reload = ReloadSnapshot(
            at=self._bus.now(),
            sentences=_first(sentences, "changes"),
            took_s=self._clock() - began,
        )
        self._refresh()
        for message in dropped:
            _log.warning("%s", message)
        for warning in loaded.warnings:
            _log.warning("%s", warning)
        for waits in self._told.awaiting_restart:
            _log.warning("%s: takes effect after a restart", waits)
        self._tell(sentences, why)
        idle = self._warnings_of_idle(changes)
        warnings = (*dropped, *map(str, loaded.warnings), *self._restart_warnings(), *idle)
        return Done(sentences=sentences, generation=self._generation, warnings=warnings)

    def _warnings_of_idle(self, changes: Iterable[Change]) -> tuple[str, ...]:
        """Of clusters that these changes left without a backend for new flows; also for the log."""
        idle = self._forwarding.idle_clusters(changes)
        for sentence in idle:
            _log.warning("%s", sentence)
        return idle

    def _tell(self, sentences: tuple[str, ...], why: str) -> None:
        for sentence in _first(sentences, "changes"):
            _log.info("%s", sentence)
        count = len(sentences)
        what = f"{count} change{'s' if count > 1 else ''}" if count else "it says the same"
        _log.info("%s (%s): %s; generation %d", self.path, why, what, self._generation)
        self._publish(sentences, why)

    def _publish(self, sentences: tuple[str, ...], why: str) -> None:
        self._bus.publish(
            ConfigurationChanged(
                at=self._bus.now(), generation=self._generation, why=why, sentences=sentences
            )
        )

    def _note_generation(self) -> None:
        self._generation += 1
        self._applied_at = self._bus.now()
        self._refresh()

    def _refresh(self) -> None:
        """Make anew what snapshots tell of it."""
        in_force = self._forwarding.configuration
        # Of the engine's keys alone: only these wait for a restart, and the rest may be large.
        changes = difference(in_force, replace(in_force, engine=self.file.engine))
        self._told = ConfigurationSnapshot(
            file=None if self.path is None else str(self.path),
            generation=self._generation,
            applied_at=self._applied_at,
            reloads=self._reloads,
            rejected=self._rejected,
            last_reload=self._last_reload,
            drift=self.overlay.drift(self.file),
            awaiting_restart=tuple(each.sentence for each in changes if each.needs_restart),
        )


def problems_of(error: ConfigError | ReadingError) -> tuple[str, ...]:
    """Why the file cannot be read or used: a line for each."""
    if isinstance(error, ReadingError):
        return (str(error),)
    return tuple(map(_told_at_work, error.problems))


def _told_at_work(problem: Problem) -> str:
    """A file that is gone is no reason to start with a new one."""
    if problem.found == NO_SUCH_FILE:
        problem = replace(problem, allowed="put it back, and it is read again")
    return str(problem)


def _first(lines: tuple[str, ...], what: str) -> tuple[str, ...]:
    """The first of them; a last line says how many more there are."""
    if len(lines) <= SENTENCES_LOGGED_MAX:
        return lines
    more = len(lines) - SENTENCES_LOGGED_MAX
    return (*lines[:SENTENCES_LOGGED_MAX], f"and {more} more {what}")


async def _sentences(changes: Iterable[Change]) -> tuple[str, ...]:
    """What is different, in slices."""
    found = []
    for number, change in enumerate(changes, start=1):
        found.append(change.sentence)
        if number % SENTENCES_PER_SLICE == 0:
            await asyncio.sleep(0)
    return tuple(found)
