"""Clients that ask at a steady pace from a thread of their own, and what became of each query."""

from __future__ import annotations

import selectors
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from tests.harness import Udp, until

QUERY_BYTES = 20


def query(number: int) -> bytes:
    """The datagram of a query; echoing servers send it back."""
    return b"%*d" % (QUERY_BYTES, number)


@dataclass
class Query:
    """One query; times are of `time.monotonic`."""

    number: int
    sent_at: float
    answers: list[float] = field(default_factory=list)


class Traffic:
    """A number of clients who ask in turn, `rate` queries a second all together.

    `fresh`: each query comes from a socket of its own, as a resolver's would.
    """

    def __init__(
        self, at: tuple[str, int], *, rate: float, clients: int = 1, fresh: bool = False
    ) -> None:
        self.queries: list[Query] = []
        self.strange: list[bytes] = []
        """What came back to a client that had not asked for it."""
        self._at = at
        self._pause_s = 1 / rate
        self._fresh = fresh
        self._selector = selectors.DefaultSelector()
        self._clients = [] if fresh else [self._client() for _ in range(clients)]
        self._asked: dict[tuple[int, bytes], Query] = {}
        self._asking = threading.Event()
        self._asking.set()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._play, daemon=True)

    def __enter__(self) -> Traffic:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self._selector.close()

    def _client(self) -> Udp:
        client = Udp()
        client.setblocking(False)
        self._selector.register(client, selectors.EVENT_READ)
        return client

    def _play(self) -> None:
        due = time.monotonic()
        while not self._over.is_set():
            for key, _ in self._selector.select(max(0.0, min(0.01, due - time.monotonic()))):
                self._read(key.fileobj)  # type: ignore[arg-type]
            if time.monotonic() >= due:
                due += self._pause_s
                if self._asking.is_set():
                    self._ask()

    def _ask(self) -> None:
        number = len(self.queries)
        client = self._client() if self._fresh else self._clients[number % len(self._clients)]
        asked = Query(number, time.monotonic())
        self._asked[client.fileno(), query(number)] = asked
        self.queries.append(asked)
        client.sendto(query(number), self._at)

    def _read(self, client: Udp) -> None:
        with suppress(BlockingIOError, ConnectionRefusedError):
            while True:
                answer = client.recv(65_535)
                asked = self._asked.get((client.fileno(), answer))
                if asked is None:
                    self.strange.append(answer)
                else:
                    asked.answers.append(time.monotonic())

    # What the test asks

    def go_on(self, count: int) -> None:
        """Wait until so many more queries were answered."""
        before = self.answered
        until(lambda: self.answered >= before + count, f"{count} more answers")

    @property
    def answered(self) -> int:
        """How many queries had an answer."""
        return sum(1 for each in list(self.queries) if each.answers)

    @property
    def lost(self) -> list[Query]:
        """The queries without an answer so far."""
        return [each for each in list(self.queries) if not each.answers]

    @property
    def doubled(self) -> int:
        """Answers beyond the first."""
        return sum(max(0, len(each.answers) - 1) for each in list(self.queries))

    def hush(self, quiet_s: float = 1.0) -> Sequence[Query]:
        """Ask no more, and wait until all is answered or nothing comes; the lost queries."""
        self._asking.clear()
        time.sleep(0.02)  # a query that is just being sent
        heard, since = self.answered, time.monotonic()
        while self.lost and time.monotonic() < since + quiet_s:
            time.sleep(0.01)
            if self.answered != heard:
                heard, since = self.answered, time.monotonic()
        return self.lost

    def lost_since(self, moment: float) -> list[Query]:
        """The lost queries that were sent at this moment or later."""
        return [each for each in self.lost if each.sent_at >= moment]

    def told(self, what: str, moment: float) -> str:
        """One line of figures; `moment` is the first refusal or whatever the test looks at."""
        lost = self.lost
        times = " ".join(f"{each.sent_at - moment:+.3f}" for each in lost[:12])
        line = (
            f"{what}: {len(self.queries)} sent, {self.answered} answered, {self.doubled} twice,"
            f" {len(lost)} lost"
        )
        return line + (f" at {times} s" if lost else "")
