"""Two knot servers behind one address, and a client that asks 200 times a second: one fails."""

from __future__ import annotations

import selectors
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.e2e.names import QUESTION, Knot, knot
from tests.harness import Udp, until
from tests.programs import free_port, udplb

pytestmark = pytest.mark.e2e

PER_SECOND = 200
CLIENTS = 20
INTERVAL_S, TIMEOUT_S, RISE, FALL = 0.5, 0.3, 2, 3

CLUSTER = f"""
profile = "dns"
on_backend_down = "{{mode}}"
{{more}}
[clusters.e2e.health]
probe = "dns"
query_name = "{{question}}"
query_type = "A"
interval = {INTERVAL_S}
timeout = {TIMEOUT_S}
rise = {RISE}
fall = {FALL}
fail_open = {{fail_open}}
"""


class Log:
    """The lines that a process writes to standard error, with the times at which they came."""

    def __init__(self, running: subprocess.Popen[str]) -> None:
        self.lines: list[tuple[float, str]] = []
        self._reader = threading.Thread(target=self._read, args=(running.stderr,), daemon=True)
        self._reader.start()

    def _read(self, stream: Iterator[str]) -> None:
        for line in stream:
            self.lines.append((time.monotonic(), line.rstrip()))

    def with_words(self, words: str, after: float = 0.0) -> list[tuple[float, str]]:
        """The lines with these words that came after a time."""
        return [(at, line) for at, line in self.lines if words in line and at >= after]

    def wait_for(self, words: str, after: float = 0.0) -> float:
        """Wait for such a line; when it came."""
        until(lambda: self.with_words(words, after), words)
        return self.with_words(words, after)[0][0]


class Asker:
    """Asks PER_SECOND questions a second from CLIENTS ports, in a thread, each one once."""

    def __init__(self, port: int) -> None:
        self.sent: dict[int, float] = {}
        self.answered: dict[int, float] = {}
        self._sockets = [Udp() for _ in range(CLIENTS)]
        self._at = ("127.0.0.1", port)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._ask)
        self._thread.start()

    def _ask(self) -> None:
        with selectors.DefaultSelector() as selector:
            for sock in self._sockets:
                sock.setblocking(False)
                selector.register(sock, selectors.EVENT_READ, sock)
            began, number = time.monotonic(), 0
            while not self._over.is_set():
                number += 1
                asks = self._sockets[number % CLIENTS]
                asks.sendto(number.to_bytes(2, "big") + QUESTION[2:], self._at)
                self.sent[number] = time.monotonic()
                next_at = began + number / PER_SECOND
                while (left := next_at - time.monotonic()) > 0:
                    self._hear(selector, left)
            end = time.monotonic() + 1  # for what is on its way
            while time.monotonic() < end and len(self.answered) < len(self.sent):
                self._hear(selector, 0.05)

    def _hear(self, selector: selectors.BaseSelector, wait_s: float) -> None:
        for key, _ in selector.select(wait_s):
            reply = key.data.recv(4_096)
            self.answered[int.from_bytes(reply[:2], "big")] = time.monotonic()

    def goes_on(self, questions: int = 2 * CLIENTS) -> None:
        """Wait until so many more were asked."""
        enough = len(self.sent) + questions
        until(lambda: len(self.sent) >= enough, "more questions")

    def stop(self) -> list[float]:
        """Ask no more; when the questions were asked that have no answer."""
        self._over.set()
        self._thread.join()
        for sock in self._sockets:
            sock.close()
        return [at for number, at in self.sent.items() if number not in self.answered]


class Scene:
    """Two servers, the proxy before them, its log, and somebody who asks."""

    def __init__(self, servers: list[Knot], log: Log, asker: Asker) -> None:
        self.servers, self.log, self.asker = servers, log, asker


@contextmanager
def scene(
    folder: Path,
    mode: str,
    *,
    question: str = "host.example",
    fail_open: str = "true",
    more: str = "",
) -> Iterator[Scene]:
    with ExitStack() as stack:
        servers = [stack.enter_context(knot(folder / str(number))) for number in range(2)]
        port = free_port()
        cluster = CLUSTER.format(mode=mode, question=question, fail_open=fail_open, more=more)
        running = stack.enter_context(
            udplb(folder, port, [server.port for server in servers], cluster=cluster)
        )
        asker = Asker(port)
        stack.callback(asker.stop)
        asker.goes_on()
        yield Scene(servers, Log(running), asker)


def test_a_killed_server_loses_nothing_that_was_sent_after_its_first_refusal(
    tmp_path: Path,
) -> None:
    """Refusals show it long before the probes would."""
    with scene(tmp_path, "move") as s:
        killed_at = time.monotonic()
        s.servers[0].kill()
        down_at = s.log.wait_for("is down: 3 refusals")
        s.asker.goes_on(PER_SECOND)
        lost = s.asker.stop()
        print(
            f"\nkill -9 under {PER_SECOND}/s, move: down after {down_at - killed_at:.3f} s,"
            f" {len(lost)} of {len(s.asker.sent)} lost"
        )
        # What waited in the dead process's socket nobody can know of.
        assert [at for at in lost if at > killed_at] == []
        assert len(lost) <= 2


def test_a_killed_server_keeps_its_flows_where_the_operator_says_so(tmp_path: Path) -> None:
    long_lived = 'responses = 0\nfront_timeout = "60s"\nback_timeout = "60s"'
    with scene(tmp_path, "keep", more=long_lived) as s:
        s.servers[0].kill()
        down_at = s.log.wait_for("is down: 3 refusals")
        s.asker.goes_on(PER_SECOND)
        meanwhile = [n for n, at in s.asker.sent.items() if at > down_at]
        stayed = {n % CLIENTS for n in meanwhile if n not in s.asker.answered}
        served = {n % CLIENTS for n in meanwhile if n in s.asker.answered}
        s.servers[0].start()
        s.log.wait_for("is up")
        back_at = time.monotonic()
        s.asker.goes_on(PER_SECOND)
        late = [at for at in s.asker.stop() if at > back_at]
        print(f"\nkeep: {len(stayed)} of {CLIENTS} clients stayed with the dead one")
        assert stayed
        assert served
        assert not stayed & served, "no live flow jumps"
        assert late == [], "and its old flows find it again"


def test_a_frozen_server_is_found_by_its_probe(tmp_path: Path) -> None:
    """SIGSTOP: silence, and no refusal."""
    with scene(tmp_path, "move") as s:
        frozen_at = time.monotonic()
        s.servers[0].signal(signal.SIGSTOP)
        down_at = s.log.wait_for("is down: 3 dns probes timed out")
        s.asker.goes_on(PER_SECOND)
        thawed_at = time.monotonic()
        s.servers[0].signal(signal.SIGCONT)
        up_at = s.log.wait_for("is up: 2 dns probes succeeded")
        lost = s.asker.stop()
        bound = FALL * INTERVAL_S + TIMEOUT_S
        print(
            f"\nSIGSTOP: down after {down_at - frozen_at:.2f} s (at most {bound:.2f}),"
            f" up {up_at - thawed_at:.2f} s after SIGCONT, {len(lost)} lost"
        )
        assert down_at - frozen_at < bound + 1, "a second for a busy machine"
        assert [at for at in lost if at > down_at] == []


def test_all_down_is_said_once(tmp_path: Path) -> None:
    with scene(tmp_path, "move", fail_open="false") as s:
        for server in s.servers:
            server.kill()
        s.log.wait_for("all backends are down; new flows are dropped, no_backend")
        dropped_at = s.log.wait_for("no_backend: ")
        s.asker.goes_on(PER_SECOND)
        s.servers[1].start()
        s.log.wait_for("a backend is up again")
        back_at = time.monotonic()
        s.asker.goes_on(PER_SECOND)
        lost = s.asker.stop()
        said = s.log.with_words("no_backend")
        print(f"\nall down, fail_open = false: {len(lost)} dropped, {len(said)} lines about it")
        assert len(lost) > PER_SECOND
        assert len(s.log.with_words("all backends are down;")) == 1
        assert len([at for at, _ in said if at >= dropped_at]) == 1
        assert [at for at in lost if at > back_at] == []


def test_all_down_and_fail_open(tmp_path: Path) -> None:
    """A probe that is wrong about everybody stops nobody."""
    with scene(tmp_path, "move", question="nobody.invalid") as s:
        s.log.wait_for("is down: 3 dns probes answered REFUSED")
        s.log.wait_for("all backends are down; new flows are spread over them all the same")
        s.asker.goes_on(PER_SECOND)
        assert s.asker.stop() == []
