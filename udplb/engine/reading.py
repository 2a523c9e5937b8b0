"""Files are read and saved in a process of its own: here a file of 10,000 lines would hold up every
datagram for half a second.

A thread starts the process and waits for what it says; the loop packs and unpacks, piece by piece,
and lets datagrams through in between.
"""

from __future__ import annotations

import asyncio
import os
import selectors
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from pickle import PickleError

from udplb import __version__
from udplb.config.load import Loaded
from udplb.config.overlay import Overlay
from udplb.config.pieces import (
    Assembly,
    Job,
    Load,
    Piece,
    Save,
    framed,
    frames,
    pieces_of,
    pieces_of_overlay,
)
from udplb.config.problems import ConfigError
from udplb.config.wording import cut, escape
from udplb.core.settings import Configuration

SILENCE_MAX_S = 30.0
"""Without a byte from the process for so long it counts as stuck."""
ANSWER_BYTES_MAX = 256 << 20
"""Bytes of an answer; a file of 64 MiB says no more."""
COMPLAINT_BYTES_MAX = 16 << 10
"""Bytes kept of what the process writes to its standard error."""
SLICE_S = 0.0005
"""Packing and unpacking let datagrams through whenever this has passed."""

_NONSENSE = (ValueError, TypeError, LookupError, AttributeError, ImportError, EOFError, PickleError)
"""What an answer raises that is none."""
_READ_BYTES = 1 << 16
_COMPLAINT_SHOWN = 200


class ReadingError(Exception):
    """The process that was to read or save the file failed; one line that says what to do."""


async def load_apart(path: str | Path) -> Loaded:
    """What `load` of config gives, without holding up the loop.

    Raises ConfigError with all problems of the file, or ReadingError.
    """
    assembly = await _ask(str(path), Load(str(path)), ())
    if assembly.digest is None:
        raise ConfigError(tuple(assembly.problems))
    return assembly.loaded()


async def save_apart(
    path: str | Path, digest: bytes, overlay: Overlay, file: Configuration
) -> Loaded:
    """Write the overlay into a file that has this digest and says `file`; what it says then.

    Raises FileChangedError, EditError or ReadingError: then the file is as it was, but for a
    process that fell silent or was killed, which may have come to the end before.
    """
    pieces = (*pieces_of_overlay(overlay), *pieces_of(file))
    assembly = await _ask(str(path), Save(str(path), digest), pieces)
    if assembly.digest is None:
        raise ReadingError(_failed(str(path), "said nothing of what it wrote"))
    return Loaded(overlay.over(file), tuple(assembly.problems), assembly.digest)


async def _ask(path: str, job: Job, pieces: Iterable[Piece]) -> Assembly:
    """The answer to a job. Raises ReadingError, or what the other process had to tell."""
    breath = _Breath()
    question = [framed(job)]
    for piece in pieces:
        question.append(framed(piece))
        await breath.take()
    content = await _converse(path, b"".join(question))
    assembly = Assembly()
    try:
        for piece in frames(content):
            assembly.add(piece)
            await breath.take()
    except _NONSENSE as error:
        raise ReadingError(_failed(path, f"cannot be understood: {error!r}")) from None
    if assembly.error is not None:
        raise assembly.error
    return assembly


class _Breath:
    """Lets the loop do its work now and then."""

    def __init__(self) -> None:
        # Not the loop's own clock: uvloop's stands still within a turn.
        self._since = time.monotonic()

    async def take(self) -> None:
        if time.monotonic() - self._since >= SLICE_S:
            await asyncio.sleep(0)
            self._since = time.monotonic()


def _failed(path: str, what: str) -> str:
    return f"{escape(path)}: the process that was to read it {what}; try again"


# The process, and the thread that waits for it


def command() -> list[str]:
    """What is run. The working directory is not searched for modules: it may be anybody's."""
    return [sys.executable, "-P", "-m", "udplb.config.worker", __version__]


def _environment() -> dict[str, str]:
    """Modules are searched for where this process found its own."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(place for place in sys.path if place)}


async def _converse(path: str, question: bytes) -> bytes:
    """Ask the process in a thread of its own; what it answered. Raises ReadingError.

    No executor: the interpreter would wait for its thread at the end, and so for the process.
    """
    loop = asyncio.get_running_loop()
    answered: asyncio.Future[bytes] = loop.create_future()
    conversation = _Conversation(path, question)

    def settle(answer: bytes, error: ReadingError | None) -> None:
        if answered.done():
            return
        if error is None:
            answered.set_result(answer)
        else:
            answered.set_exception(error)

    def run() -> None:
        answer = b""
        error: ReadingError | None = ReadingError(_failed(path, "was left alone"))
        try:
            answer = conversation.run()
            error = None
        except ReadingError as failure:
            error = failure
        finally:
            with suppress(RuntimeError):  # the loop has ended, and nobody waits
                loop.call_soon_threadsafe(settle, answer, error)

    try:
        threading.Thread(target=run, name="udplb-reading", daemon=True).start()
    except RuntimeError as error:  # the system has no thread left
        raise ReadingError(f"the file cannot be read: {error}; try again") from None
    try:
        return await answered
    finally:
        conversation.end()


class _Conversation:
    """One process, from its start to its end. `run` in a thread; `end` from any other."""

    def __init__(self, path: str, question: bytes) -> None:
        self._path = path
        self._question = memoryview(question)
        self._answer = bytearray()
        self._complaint = bytearray()
        self._process: subprocess.Popen[bytes] | None = None
        self._ended = False

    def run(self) -> bytes:
        """Start it, ask it, wait for the end of its answer. Raises ReadingError."""
        try:
            process = self._process = self._start()
        except OSError as error:
            raise self._error(f"cannot be started: {error.strerror}") from None
        try:
            if self._ended:  # before there was anything to kill
                process.kill()
            self._talk(process)
            self._judge(process.wait(SILENCE_MAX_S))
        except OSError as error:
            raise self._error(f"cannot be talked to: {error.strerror}") from None
        except subprocess.TimeoutExpired:
            raise self._error("does not end") from None
        finally:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout, process.stderr):
                assert pipe is not None
                pipe.close()
        return bytes(self._answer)

    def end(self) -> None:
        """The process is not needed any more. Does not wait."""
        self._ended = True
        if self._process is not None:
            self._process.kill()

    def _start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            command(),
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            # Ours close themselves on exec; to close 18,000 one by one would stop all threads.
            close_fds=False,
            env=_environment(),
        )

    def _talk(self, process: subprocess.Popen[bytes]) -> None:
        """Until it has said all that it had to say."""
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        os.set_blocking(process.stdin.fileno(), False)
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdin, selectors.EVENT_WRITE)
            selector.register(process.stdout, selectors.EVENT_READ, self._answer)
            selector.register(process.stderr, selectors.EVENT_READ, self._complaint)
            while selector.get_map():
                ready = selector.select(SILENCE_MAX_S)
                if not ready:
                    raise self._error(f"has been silent for {SILENCE_MAX_S:g} s")
                for key, _ in ready:
                    more = self._write(key.fd) if key.data is None else self._read(key)
                    if not more:
                        selector.unregister(key.fileobj)
                        if key.data is None:
                            process.stdin.close()  # the question ends here

    def _write(self, descriptor: int) -> bool:
        """Say a part of the question; whether there is more."""
        try:
            written = os.write(descriptor, self._question)
        except BrokenPipeError:  # how it ended is told by its exit
            return False
        self._question = self._question[written:]
        return bool(self._question)

    def _read(self, key: selectors.SelectorKey) -> bool:
        """Hear a part of the answer, or of a complaint; whether there may be more."""
        part = os.read(key.fd, _READ_BYTES)
        key.data.extend(part)
        if len(self._answer) > ANSWER_BYTES_MAX:
            raise self._error(f"says more than {ANSWER_BYTES_MAX >> 20} MiB")
        # The end of a complaint says most.
        del self._complaint[:-COMPLAINT_BYTES_MAX]
        return bool(part)

    def _judge(self, code: int) -> None:
        """Raise ReadingError unless it ended well."""
        if code < 0:
            name = signal.Signals(-code).name
            raise self._error(f"was ended by {name}{', as memory is short?' if code == -9 else ''}")
        if code > 0:
            lines = self._complaint.decode(errors="replace").split("\n")
            last = next((line for line in reversed(lines) if line.strip()), f"exit code {code}")
            raise self._error(f"failed: {cut(escape(last), _COMPLAINT_SHOWN)}")

    def _error(self, what: str) -> ReadingError:
        return ReadingError(_failed(self._path, what))
