"""Real terminals for the end-to-end tests: tmux, with a server of its own for each test."""

from __future__ import annotations

import itertools
import os
import shlex
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.harness import REPOSITORY, need, until

_NUMBERS = itertools.count()


class Terminal:
    """A program on a terminal: keys in, what stands there out."""

    def __init__(self, socket: Path) -> None:
        self._tmux = [need("tmux"), "-S", str(socket), "-f", "/dev/null"]

    def start(
        self, command: Sequence[object], size: tuple[int, int], environment: Mapping[str, str]
    ) -> None:
        """Run the command, and a shell after it that says how it ended."""
        words = shlex.join(map(str, command))
        # Sizes in the environment would be believed before the terminal's own.
        script = f'trap : INT; unset COLUMNS LINES; {words}; echo "ended with $?"; exec sh'
        self._run(
            "new-session", "-d", "-x", str(size[0]), "-y", str(size[1]), "-c", str(REPOSITORY),
            *(f"-e{name}={value}" for name, value in environment.items()), "sh", "-c", script,
        )  # fmt: skip

    def press(self, *keys: str) -> None:
        """Press keys, by the names that tmux has for them."""
        self._run("send-keys", *keys)

    def type(self, text: str) -> None:
        """Type a text as it is."""
        self._run("send-keys", "-l", text)

    def text(self) -> str:
        """What stands on the terminal."""
        return self._run("capture-pane", "-p")

    def resize(self, width: int, height: int) -> None:
        """Make the window another size."""
        self._run("resize-window", "-x", str(width), "-y", str(height))

    def until(self, shown: str | Callable[[str], object], timeout_s: float = 20.0) -> str:
        """Wait until this stands there; all that does then."""
        seen = [""]

        def there() -> object:
            seen[0] = self.text()
            return shown in seen[0] if isinstance(shown, str) else shown(seen[0])

        try:
            until(there, timeout_s=timeout_s)
        except AssertionError:
            raise AssertionError(f"{shown!r} does not come; there is:\n{seen[0]}") from None
        return seen[0]

    def hang_up(self) -> None:
        """The terminal is gone."""
        self._run("kill-server")

    def stop(self) -> None:
        """End whatever still runs."""
        subprocess.run([*self._tmux, "kill-server"], check=False, capture_output=True)

    def _run(self, *words: str) -> str:
        done = subprocess.run(
            [*self._tmux, *words], check=True, capture_output=True, text=True, timeout=30
        )
        return done.stdout


@contextmanager
def terminal(
    command: Sequence[object],
    folder: Path,
    *,
    size: tuple[int, int] = (120, 36),
    environment: Mapping[str, str] | None = None,
) -> Iterator[Terminal]:
    """The command on a terminal of this size, for as long as the block lasts."""
    own = {"TERM": "xterm-256color", "LANG": "C.UTF-8", "XDG_CONFIG_HOME": str(folder)}
    shown = Terminal(folder / f"tmux-{next(_NUMBERS)}")
    shown.start(command, size, {**own, "PATH": os.environ["PATH"], **(environment or {})})
    try:
        yield shown
    finally:
        shown.stop()
