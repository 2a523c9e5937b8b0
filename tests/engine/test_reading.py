"""Files read and saved in a process of its own: the same results, and no way to get stuck."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pytest
import uvloop

from tests.config.configurations import large, text_of
from tests.harness import open_descriptors, until
from udplb.config.editing import EditError
from udplb.config.load import load
from udplb.config.overlay import Overlay
from udplb.config.problems import ConfigError
from udplb.config.saving import FileChangedError
from udplb.engine import reading
from udplb.engine.reading import ReadingError, load_apart, save_apart

T = TypeVar("T")

LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


def in_a_thread(new_loop: Callable[[], asyncio.AbstractEventLoop], work: Awaitable[T]) -> T:
    """What the work gives on a loop that is not in the main thread."""
    results: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        loop = new_loop()
        try:
            results.append(loop.run_until_complete(work))
        except (ConfigError, ReadingError) as error:
            errors.append(error)
        finally:
            loop.close()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    for error in errors:
        raise error
    return results[0]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "udplb.toml"
    path.write_text(text_of(large(300)))
    return path


def instead(monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    """Run another program in place of ours."""
    monkeypatch.setattr(reading, "command", lambda: [sys.executable, "-c", program])


def failure(path: Path) -> str:
    with pytest.raises(ReadingError) as error:
        asyncio.run(load_apart(path))
    message = str(error.value)
    assert message.isprintable()
    assert message.startswith(f"{path}: the process that was to read it ")
    return message.removeprefix(f"{path}: the process that was to read it ")


@pytest.mark.parametrize("name", LOOPS)
def test_a_file_is_read_as_load_reads_it(path: Path, name: str) -> None:
    assert in_a_thread(LOOPS[name], load_apart(path)) == load(path)
    assert asyncio.run(load_apart(str(path))) == load(path)


@pytest.mark.parametrize("name", LOOPS)
def test_an_overlay_is_saved_and_what_the_file_says_is_told(path: Path, name: str) -> None:
    loaded = load(path)
    file = loaded.configuration
    overlay = Overlay()
    for backend in file.clusters[0].backends:
        overlay = overlay.with_state(file, "many", backend.name, "drain")
    overlay = overlay.without_backend(file, "many", "edge-7")
    saved = in_a_thread(LOOPS[name], save_apart(path, loaded.digest, overlay, file))
    assert saved == load(path)
    assert saved.configuration == overlay.over(file)


def test_all_problems_of_a_file_are_raised(path: Path) -> None:
    path.write_text(path.read_text().replace("weight = 3", "weihgt = 3"))
    with pytest.raises(ConfigError) as expected:
        load(path)
    with pytest.raises(ConfigError) as error:
        asyncio.run(load_apart(path))
    assert error.value.problems == expected.value.problems
    assert len(error.value.problems) > 40


def test_a_file_that_is_not_there_is_a_problem_of_the_file(path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file"):
        in_a_thread(uvloop.new_event_loop, load_apart(path.with_name("gone.toml")))


def test_what_prevents_a_save_is_raised(path: Path) -> None:
    loaded = load(path)
    with pytest.raises(FileChangedError):
        asyncio.run(save_apart(path, b"other", Overlay(), loaded.configuration))
    fewer = large(2)
    overlay = Overlay().with_weight(fewer, "many", "edge-1", 9)
    with pytest.raises(EditError, match="save it by hand: cluster many: backend edge-1"):
        asyncio.run(save_apart(path, loaded.digest, overlay, fewer))
    assert load(path) == loaded


def test_modules_are_not_searched_for_in_the_working_directory(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tomllib.py").write_text("raise SystemExit('not mine')")
    monkeypatch.chdir(tmp_path)
    assert asyncio.run(load_apart("udplb.toml")).configuration == load(path).configuration


# What can go wrong with the process


def test_a_process_that_is_killed_is_an_error(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    instead(monkeypatch, "import os; os.kill(os.getpid(), 9)")
    assert failure(path) == "was ended by SIGKILL, as memory is short?; try again"
    instead(monkeypatch, f"import os; os.kill(os.getpid(), {int(signal.SIGTERM)})")
    assert failure(path) == "was ended by SIGTERM; try again"


def test_a_process_that_fails_says_why(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    instead(monkeypatch, "raise MemoryError('no \\x1b[2J room')")
    assert failure(path) == "failed: MemoryError: no \\x1b[2J room; try again"
    instead(monkeypatch, "raise SystemExit(3)")
    assert failure(path) == "failed: exit code 3; try again"


def test_the_end_of_a_long_complaint_is_kept(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    instead(monkeypatch, "raise SystemExit('x\\n' * 3_000_000 + 'at last ' + 'y' * 500)")
    message = failure(path)
    assert message.startswith("failed: at last yyy")
    assert len(message) < 300


def test_a_silent_process_is_ended(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "SILENCE_MAX_S", 0.05)
    instead(monkeypatch, "import time; time.sleep(1000)")
    assert failure(path) == "has been silent for 0.05 s; try again"


def test_a_process_that_takes_no_question_is_ended(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The question is larger than what a pipe holds."""
    monkeypatch.setattr(reading, "SILENCE_MAX_S", 0.05)
    instead(monkeypatch, "import time; time.sleep(1000)")
    loaded = load(path)
    file = large(3_000)
    with pytest.raises(ReadingError, match="has been silent"):
        asyncio.run(save_apart(path, loaded.digest, Overlay(), file))


def test_a_process_that_ends_before_the_question_is_an_error(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    instead(monkeypatch, "pass")
    with pytest.raises(ReadingError, match="said nothing of what it wrote"):
        asyncio.run(save_apart(path, b"", Overlay(), large(3_000)))


@pytest.mark.parametrize("said", ["'abc'", "'\\0\\0\\0\\x03abc'", "'\\0\\0\\0\\x09abc'"])
def test_an_answer_that_is_none_is_an_error(
    path: Path, monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    instead(monkeypatch, f"print({said}, end='')")
    assert failure(path).startswith("cannot be understood: ")


def test_an_answer_has_a_largest_size(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "ANSWER_BYTES_MAX", 1 << 20)
    instead(monkeypatch, "import sys\nwhile True: sys.stdout.write('x' * 1000)")
    assert failure(path) == "says more than 1 MiB; try again"


def test_a_program_that_is_not_there_is_an_error(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "command", lambda: ["/nowhere/python"])
    assert failure(path) == "cannot be started: No such file or directory; try again"


def test_who_waits_no_more_ends_the_process(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    note = tmp_path / "pid"
    instead(
        monkeypatch,
        f"import os, time; open({str(note)!r}, 'w').write(str(os.getpid())); time.sleep(1000)",
    )

    async def give_up() -> int:
        task = asyncio.ensure_future(load_apart(path))
        while not (note.exists() and note.read_text()):
            await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return int(note.read_text())

    number = asyncio.run(give_up())
    until(lambda: not os.path.exists(f"/proc/{number}") or not is_running(number))
    until(lambda: "udplb-reading" not in [thread.name for thread in threading.enumerate()])


def is_running(number: int) -> bool:
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    return True


def test_no_descriptor_and_no_process_is_left(path: Path) -> None:
    asyncio.run(load_apart(path))
    until(lambda: "udplb-reading" not in [thread.name for thread in threading.enumerate()])
    before = open_descriptors()
    for _ in range(3):
        asyncio.run(load_apart(path))
    until(lambda: open_descriptors() <= before)
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


@pytest.mark.parametrize("name", LOOPS)
def test_packing_and_unpacking_let_the_loop_work(
    path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """With slices of next to no time: there is a turn of the loop after each piece."""
    monkeypatch.setattr(reading, "SLICE_S", 1e-9)
    loaded = load(path)
    overlay = Overlay().with_weight(loaded.configuration, "many", "edge-1", 9)

    async def turns(work: Awaitable[object]) -> int:
        """How often the work lets the loop go on, but for the time that the process takes."""
        count = 0
        real = asyncio.sleep

        async def noted(seconds: float) -> None:
            nonlocal count
            count += 1
            await real(seconds)

        with monkeypatch.context() as patch:
            patch.setattr(asyncio, "sleep", noted)
            await work
        return count

    # 300 backends are five pieces, at either end.
    assert in_a_thread(LOOPS[name], turns(load_apart(path))) > 8
    save = save_apart(path, loaded.digest, overlay, loaded.configuration)
    assert in_a_thread(LOOPS[name], turns(save)) > 8


def test_a_system_without_another_thread_is_an_error(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    loop = asyncio.new_event_loop()
    monkeypatch.setattr(threading.Thread, "start", refuse)
    try:
        with pytest.raises(ReadingError, match="can't start new thread; try again"):
            loop.run_until_complete(load_apart(path))
    finally:
        monkeypatch.undo()
        loop.close()
