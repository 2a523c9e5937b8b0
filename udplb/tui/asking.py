"""Asking: requests to the proxy, each in a thread, whose answers come back to the console."""

from __future__ import annotations

import threading
from collections.abc import Callable

from udplb.client import Client, LostError, NoProxyError, Refused, VersionError
from udplb.client.interface import Answer
from udplb.engine.control.requests import Request


class Asker:
    """Brings requests to the client. Threads of its own: those of the loop would be waited for at
    the end, for as long as a proxy that hangs does not answer."""

    def __init__(self, client: Client, deliver: Callable[[Callable[[], None]], None]) -> None:
        """`deliver` calls what it gets in the console's thread, or never."""
        self._client = client
        self._deliver = deliver
        self.under_way = 0
        """Requests whose answers have not been delivered. For the console's thread."""

    def ask(
        self,
        request: Request[Answer],
        then: Callable[[Answer], None],
        otherwise: Callable[[Exception], None],
    ) -> None:
        """Call one of the two with the answer, or with why there is none."""
        self.under_way += 1

        def settle(call: Callable[[], None]) -> None:
            self.under_way -= 1
            call()

        def work() -> None:
            try:
                answer = self._client.ask(request)
            except (Refused, LostError, NoProxyError, VersionError) as error:
                failed = error
                self._deliver(lambda: settle(lambda: otherwise(failed)))
            else:
                self._deliver(lambda: settle(lambda: then(answer)))

        threading.Thread(target=work, name="udplb-asking", daemon=True).start()
