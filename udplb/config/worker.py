"""The process that reads and saves files, so that the one that forwards datagrams need not.

It is run as `python -m udplb.config.worker`, takes one job from its standard input and answers on
its standard output, both as `pieces.py` says. An argument is the version of whoever asks.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import BinaryIO

from udplb import __version__
from udplb.config.editing import EditError
from udplb.config.load import load
from udplb.config.pieces import (
    Assembly,
    Digest,
    Failed,
    Job,
    Load,
    Piece,
    framed,
    frames,
    pieces_of,
    pieces_of_problems,
)
from udplb.config.problems import ConfigError
from udplb.config.saving import FileChangedError, save

NICENESS = 10
"""Where both have one core, datagrams go first."""


def work(job: Job, assembly: Assembly) -> Iterator[Piece]:
    """Do a job; the pieces of the answer."""
    try:
        if isinstance(job, Load):
            loaded = load(job.path)
        else:
            loaded = save(job.path, job.digest, assembly.overlay, assembly.configuration()).loaded
    except ConfigError as error:
        yield from pieces_of_problems(error.problems)
        return
    except (FileChangedError, EditError) as error:
        yield Failed(error)
        return
    yield from pieces_of_problems(loaded.warnings)
    if isinstance(job, Load):
        yield from pieces_of(loaded.configuration)
    yield Digest(loaded.digest)


def answer(question: bytes) -> Iterable[bytes]:
    """The frames of the answer to the frames of a question: a job, and what belongs to it."""
    job, *pieces = frames(question)
    assembly = Assembly()
    for piece in pieces:
        assembly.add(piece)
    return map(framed, work(job, assembly))


def main(source: BinaryIO, sink: BinaryIO) -> None:
    """Do the one job that comes in."""
    # Who presses ^C means the proxy, which ends this process when it does not need it any more.
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    with suppress(OSError):
        os.nice(NICENESS)
    sink.writelines(answer(source.read()))
    sink.flush()


if __name__ == "__main__":
    if sys.argv[1:] not in ([], [__version__]):
        sys.exit(f"udplb {__version__} is installed by now, and another one runs; restart it")
    with suppress(BrokenPipeError):
        main(sys.stdin.buffer, sys.stdout.buffer)
