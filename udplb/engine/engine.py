"""The engine: a configuration at work, in a thread and an event loop of its own.

The thread owns all state. Other threads call coroutines of the desk in it (`call`), subscribe to
the event bus, or read the last published snapshot.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from pathlib import Path
from secrets import token_hex
from typing import Any, TypeVar

from udplb import __version__
from udplb.config.load import digest_of
from udplb.core.flow import Flow
from udplb.core.reasons import CloseReason
from udplb.core.settings import Configuration
from udplb.engine import kernel
from udplb.engine.binding import StartError
from udplb.engine.control.desk import Desk
from udplb.engine.control.requests import Refused
from udplb.engine.control.server import Server
from udplb.engine.desired import DesiredState
from udplb.engine.events import DrainBegan, EngineStarted, EngineStopped, EventBus, event_of_flow
from udplb.engine.forwarding import Forwarding
from udplb.engine.listener import Listener
from udplb.engine.pictures import Pictures
from udplb.engine.rankings import Rankings
from udplb.engine.snapshot import Snapshot
from udplb.engine.tap import Taps
from udplb.engine.watching import FileWatch

DRAIN_CHECK_S = 0.02

Result = TypeVar("Result")

_log = logging.getLogger(__name__)


class Engine:
    """Forwards for a configuration from `start` until `stop`, or until a drain has ended."""

    def __init__(
        self,
        configuration: Configuration,
        *,
        file: Path | None = None,
        digest: bytes = b"",
        control_socket: Path | None = None,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        """`file` is where the configuration came from, and is watched; `digest` that of its bytes.

        `control_socket`: where requests are taken; None: nowhere but in this process.
        """
        self.name = token_hex(8)
        """That of no other: process ids come again, in a container every time."""
        self.bus = EventBus(wall_clock)
        self.failure: BaseException | None = None
        """What ended the engine before its time, if anything did."""
        self._configuration = configuration
        self._file = file
        self._digest = digest
        self.control_socket = control_socket
        self._clock = clock
        self._thread = threading.Thread(target=self._run, name="udplb-engine", daemon=True)
        self._ready = threading.Event()
        self._ended = threading.Event()
        self._loop = _new_loop()
        self._server: Server | None = None
        self._watch: FileWatch | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._calls: dict[Future[Any], Coroutine[Any, Any, Any]] = {}
        """What other threads wait for."""
        self._ending = False
        """The loop is being left, or was."""
        self._pictures: Pictures | None = None
        self.closed_at_the_end = 0
        """Flows that a drain had to close because its time was up."""

    @property
    def snapshot(self) -> Snapshot | None:
        """The latest picture; replaced twice a second. None before the start."""
        return None if self._pictures is None else self._pictures.latest

    # For any thread

    def start(self) -> Snapshot:
        """Bind all listeners and forward; the first picture.

        Raises StartError, as BindError if a listener cannot be bound; then nothing is left open.
        """
        self._thread.start()
        self._ready.wait()
        if self.failure is not None:
            self._thread.join()
            raise self.failure
        assert self.snapshot is not None
        return self.snapshot

    def call(self, coroutine: Coroutine[Any, Any, Result]) -> Future[Result]:
        """Run the coroutine in the engine's loop. Raises Refused once the engine has ended.

        What has not come to its end when the engine has is cancelled.
        """
        try:
            if self._ending:
                raise RuntimeError
            answer = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        except RuntimeError:
            coroutine.close()
            raise Refused("ended", "the proxy has ended") from None
        self._calls[answer] = coroutine
        answer.add_done_callback(lambda done: self._calls.pop(done, None))
        if self._ended.is_set():
            self._cancel_calls()
        return answer

    def drain(self) -> None:
        """No new flows; end when the last one has, at the latest after `drain_timeout`.

        A second call ends at once.
        """
        self._post(self._drain)

    def reload(self, why: str) -> None:
        """Read the file again and apply it, soon; what comes of it is told in log and events."""
        self._post(self._reload, why)

    def stop(self) -> None:
        """End at once, whatever lives, and wait for it."""
        self._post(self._end)
        self._thread.join()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until the engine has ended; False if it has not within the time."""
        return self._ended.wait(timeout_s)

    def _post(self, command: Callable[..., None], *arguments: Any) -> None:
        if not self._ended.is_set():
            try:
                self._loop.call_soon_threadsafe(command, *arguments)
            except RuntimeError:
                _log.debug("the engine ended before a command reached it")

    # The engine's thread

    def _run(self) -> None:
        """The thread. Whatever ends it is told: by `failure`, and to those who wait."""
        try:
            self._forward()
        except BaseException as error:  # noqa: BLE001 - nobody above: it ends here, loudly
            if not isinstance(error, StartError):
                _log.critical("the engine ends: %s", error, exc_info=error)
            self.failure = self.failure or error
        finally:
            self._loop.close()
            self._ended.set()
            self._cancel_calls()
            self._ready.set()

    def _forward(self) -> None:
        kernel.wake_on_time()
        asyncio.set_event_loop(self._loop)
        self._loop.set_exception_handler(self._failed)
        try:
            self._loop.run_until_complete(self._set_up())
        except OSError as error:
            raise StartError(_cannot_start(error)) from error
        self._ready.set()
        self._loop.run_forever()
        self._loop.run_until_complete(self._tear_down())

    def _failed(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Something raised that must not: end loudly, rather than go on with half a decision."""
        self.failure = context.get("exception") or RuntimeError(context["message"])
        _log.critical("the engine ends: %s", context["message"], exc_info=self.failure)
        self._end()

    async def _set_up(self) -> None:
        self.forwarding = Forwarding(
            self._loop, self._clock, self.bus, self._configuration.engine, self._tell_of_flow
        )
        self._desired = DesiredState(
            self.forwarding, self.bus, self._clock, self._configuration, self._file, self._digest
        )
        pictures = Pictures(
            self._loop, self._clock, self.bus, self.forwarding, self._desired, self.name
        )
        self._rankings = Rankings(self._loop, self._clock, lambda: self.forwarding.all_listeners)
        taps = Taps(self.forwarding.datapath, self._clock, self.bus.now)
        self.desk = Desk(
            pictures,
            self.forwarding,
            self._desired,
            self._rankings,
            taps,
            self.bus,
            self._clock,
            self.name,
        )
        try:
            if self.control_socket is not None:
                # First: another udplb that runs with this file is named by its pid.
                place = self.control_socket
                self._server = Server(
                    self._loop, self.desk, place, version=__version__, engine=self.name
                )
                self._server.open()
            await self._desired.start()
            self._open_doors()
        except (StartError, OSError):
            if self._server is not None:
                self._server.close()
            self.forwarding.stop()
            self.forwarding.close()
            raise
        self.bus.publish(
            EngineStarted(
                at=self.bus.now(),
                listeners=len(self.forwarding.listeners),
                max_flows=self.forwarding.capacity.max_flows,
            )
        )
        pictures.start()
        self._pictures = pictures

    def _open_doors(self) -> None:
        """What brings requests and new versions of the file."""
        if self._server is not None:
            self._server.start()
        if self._file is not None:
            self._watch = FileWatch(self._file, lambda: self.reload("the file was saved"))
            self._watch.start()
            if self._file_was_changed():
                self._reload("the file was saved while it was read")

    def _file_was_changed(self) -> bool:
        """Whether the file is another than the one that the configuration came from."""
        assert self._file is not None
        try:
            return digest_of(self._file.read_bytes()) != self._digest
        except OSError:
            return True  # to read it again tells why

    def _tell_of_flow(self, listener: Listener, flow: Flow, reason: CloseReason | None) -> None:
        """Events for single flows are built only while somebody wants them."""
        if self.bus.flows_wanted:
            event = event_of_flow(listener.name, flow, reason, self.bus.now(), self._clock())
            self.bus.publish(event)

    def _reload(self, why: str) -> None:
        """Start a reload, and wait for nothing: whatever comes of it is told by itself."""
        if self._ending:
            return
        task = self._loop.create_task(self._desired.reload_quietly(why))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # The end

    def _end(self) -> None:
        """Leave the loop. Once: what comes while the rest is closed must not cut that off."""
        if not self._ending:
            self._ending = True
            self._loop.stop()

    def _drain(self) -> None:
        assert self._pictures is not None
        if self._pictures.state == "draining":
            self._end()
        if self._ending:
            return
        self._pictures.state = "draining"
        self._desired.end()
        live, timeout = self.forwarding.capacity.live, self.forwarding.drain_timeout
        _log.info("draining %d flows, at most %g s", live, timeout)
        self.bus.publish(DrainBegan(at=self.bus.now(), live=live, deadline_s=timeout))
        self.forwarding.drain()
        self._loop.call_later(timeout, self._end)
        self._check_drained()

    def _check_drained(self) -> None:
        if self.forwarding.drained:
            self._end()
        else:
            self._loop.call_later(DRAIN_CHECK_S, self._check_drained)

    async def _tear_down(self) -> None:
        """Close what still lives, each counted, then everything else."""
        assert self._pictures is not None
        self._pictures.state = "stopped"
        self._desired.end()
        self._cancel_tasks()  # who is in the middle of a change must not commit it any more
        if self._watch is not None:
            self._watch.stop()
        if self.failure is None:
            self.closed_at_the_end = self.forwarding.capacity.live
            self.forwarding.end_flows()
        self.forwarding.stop()
        self._pictures.stop()
        self.forwarding.close()
        self.bus.publish(EngineStopped(at=self.bus.now(), closed_flows=self.closed_at_the_end))
        if self._server is not None:
            await self._server.stop()
        self._rankings.stop()
        await asyncio.sleep(0)  # what other threads have just asked for begins, and ends
        await asyncio.gather(*self._cancel_tasks(), return_exceptions=True)

    def _cancel_tasks(self) -> list[asyncio.Task[Any]]:
        """Cut off all that runs in the loop but its caller."""
        left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in left:
            task.cancel()
        return left

    def _cancel_calls(self) -> None:
        """Nobody answers any more."""
        for answer, coroutine in tuple(self._calls.items()):
            if answer.cancel():
                coroutine.close()


def _new_loop() -> asyncio.AbstractEventLoop:
    """A uvloop where the platform has one, else asyncio's own. Raises StartError."""
    make: Callable[[], asyncio.AbstractEventLoop]
    try:
        from uvloop import new_event_loop as make  # noqa: PLC0415 - optional
    except ImportError:
        make = asyncio.new_event_loop
    try:
        return make()
    except OSError as error:
        raise StartError(_cannot_start(error)) from error


def _cannot_start(error: OSError) -> str:
    why = str(error.strerror or error).lower()
    return f"cannot start: {why}; if descriptors are short, raise the limit (ulimit -n)"
